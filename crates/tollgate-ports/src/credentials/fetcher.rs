use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{AbortHandle, spawn_local},
    time::{Instant, sleep, timeout},
};
use tollgate_auth::{Granted, TokenId, TokenSource, UnixSeconds};
use tollgate_net::Pool;

use super::{
    Clouds, Tokens,
    fetch::{World, fetch},
    tokens::Held,
};

/// How long all requests for one token may take together.
const WHOLE: Duration = Duration::from_secs(45);

/// How long before its end a token is replaced, unless its life is short.
const AHEAD: Duration = Duration::from_secs(300);

/// How often what has no end is looked at again: files and variables may have changed.
const LOOK: Duration = Duration::from_secs(300);

/// The first pause after a failure, and the longest; it doubles in between.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);

/// How often a pause looks at the time of day: a machine that slept, or whose clock was set, notices by it.
const WATCH: Duration = Duration::from_secs(15);

/// Tells the time of day.
pub type TokenClock = Rc<dyn Fn() -> UnixSeconds>;

/// Keeps tokens fresh. Has to be used on one `LocalSet`; dropped, it stops.
pub struct TokenFetcher {
    tokens: Tokens,
    world: Rc<World>,
    clock: TokenClock,
    tasks: HashMap<TokenId, Task>,
}

struct Task {
    source: TokenSource,
    handle: AbortHandle,
}

// === impl TokenFetcher ===

impl TokenFetcher {
    /// Fetches nothing yet. What it fetches goes into `tokens`.
    #[must_use]
    pub fn new(tokens: Tokens, (pool, clouds): (Pool, Clouds), clock: TokenClock) -> Self {
        Self { tokens, world: Rc::new(World { pool, clouds }), clock, tasks: HashMap::new() }
    }

    /// Fetches these from now on, and no others. A token that was there before stays until there is a new one, and its
    /// rhythm too where nothing about its source changed; a new one is fetched at once.
    pub fn serve(&mut self, sources: impl IntoIterator<Item = TokenSource>) {
        let sources: HashMap<TokenId, TokenSource> =
            sources.into_iter().map(|source| (source.id.clone(), source)).collect();
        self.tokens.expect(sources.keys());
        self.tasks.retain(|id, task| sources.get(id) == Some(&task.source));
        for (id, source) in sources {
            let Some(held) = self.tokens.held(&id).filter(|_| !self.tasks.contains_key(&id)) else {
                continue;
            };
            let task = keep_fresh(Rc::clone(&self.world), source.clone(), held, Rc::clone(&self.clock));
            self.tasks.insert(id, Task { source, handle: spawn_local(task).abort_handle() });
        }
    }
}

impl fmt::Debug for TokenFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenFetcher").field(&self.tokens).finish()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

async fn keep_fresh(world: Rc<World>, source: TokenSource, held: Arc<Held>, clock: TokenClock) {
    let random = RandomState::new();
    for round in 0_u64.. {
        let fetched = timeout(WHOLE, fetch(&world, &source.grant, clock())).await;
        let fetched: Result<Granted, Arc<str>> = match fetched {
            Ok(fetched) => fetched.map_err(|error| error.to_string().into()),
            Err(_) => Err("no token in time".into()),
        };
        let now = clock();
        let expires = match &fetched {
            Ok(Granted { expires, .. }) => {
                tracing::debug!(source = %source.id, "token fetched");
                *expires
            }
            Err(error) => {
                tracing::warn!(source = %source.id, %error, "no token for a provider; the old one stays");
                None
            }
        };
        let failures = held.publish(fetched);
        let life = expires.map(|expires| Duration::from_secs(expires.0.saturating_sub(now.0)));
        rest(pause(life, failures, random.hash_one(round)), now, &clock).await;
    }
}

/// Waits for as long as that, or until the time of day says that it is over.
async fn rest(pause: Duration, since: UnixSeconds, clock: &TokenClock) {
    let began = Instant::now();
    loop {
        let left = pause.saturating_sub(began.elapsed());
        let passed = Duration::from_secs(clock().0.saturating_sub(since.0));
        if left.is_zero() || passed >= pause {
            return;
        }
        sleep(left.min(WATCH)).await;
    }
}

/// How long to wait for the next fetch. A part of it is chance: many gateways that began together do not ask together.
fn pause(life: Option<Duration>, failures: u32, random: u64) -> Duration {
    let (whole, spread) = match (failures.checked_sub(1), life) {
        (Some(doublings), _) => {
            let whole = RETRY.saturating_mul(1 << doublings.min(16)).min(MAX_RETRY);
            (whole, whole / 4)
        }
        // Half of a short life is a better margin than more than there is.
        (None, Some(life)) => {
            let whole = life.saturating_sub(AHEAD.min(life / 2)).max(RETRY);
            (whole, (whole / 10).min(AHEAD))
        }
        (None, None) => (LOOK, LOOK / 10),
    };
    let chance = u32::try_from(random % 1024).unwrap_or_default();
    (whole - spread + spread / 1024 * chance).max(RETRY / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced_well_before_they_end_and_never_after() {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        for random in [0, 511, 1023, u64::MAX] {
            let seconds = |life, failures| pause(life, failures, random).as_secs_f64();
            for (life, least, most) in [
                (minutes(60), 49.5 * 60.0, 55.0 * 60.0),
                (minutes(8), 3.6 * 60.0, 4.0 * 60.0),
                (minutes(2), 54.0, 60.0),
                (Some(Duration::ZERO), 0.9, 1.0),
                (Some(Duration::MAX), 1e9, f64::MAX),
                (None, 270.0, 300.0),
            ] {
                let found = seconds(life, 0);
                assert!((least..=most).contains(&found), "{life:?} {random}: {found}");
            }
            for (failures, whole) in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (u32::MAX, 60.0)] {
                let found = seconds(minutes(60), failures);
                assert!((whole * 0.75..=whole).contains(&found), "{failures} {random}: {found}");
            }
        }
    }
}
