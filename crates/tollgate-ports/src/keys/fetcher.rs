use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{AbortHandle, spawn_local},
    time::{Instant, sleep, sleep_until},
};
use tollgate_auth::KeySourceId;
use tollgate_net::Pool;

use super::{KeySets, KeySource, fetch::fetch, sets::Held};

/// Two fetches of one source begin at least this far apart, whoever asks for them.
const APART: Duration = Duration::from_secs(1);

/// Longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Keeps key sets fresh. Has to be used on one `LocalSet`; dropped, it stops.
pub struct KeyFetcher {
    sets: KeySets,
    pool: Pool,
    tasks: HashMap<KeySourceId, Task>,
}

struct Task {
    source: KeySource,
    handle: AbortHandle,
}

// === impl KeyFetcher ===

impl KeyFetcher {
    /// Fetches nothing yet. What it fetches goes into `sets`.
    #[must_use]
    pub fn new(sets: KeySets, pool: Pool) -> Self {
        Self { sets, pool, tasks: HashMap::new() }
    }

    /// Fetches these from now on, and no others. A source that was there before keeps its keys, and its rhythm too
    /// where nothing about it changed; a new one is fetched at once.
    pub fn serve(&mut self, sources: impl IntoIterator<Item = KeySource>) {
        let sources: HashMap<KeySourceId, KeySource> =
            sources.into_iter().map(|source| (source.id.clone(), source)).collect();
        self.sets.hold(sources.keys());
        self.tasks.retain(|id, task| sources.get(id) == Some(&task.source));
        for (id, source) in sources {
            let Some(held) = self.sets.held(&id).filter(|_| !self.tasks.contains_key(&id)) else { continue };
            let task = keep_fresh(self.pool.clone(), source.clone(), held);
            self.tasks.insert(id, Task { source, handle: spawn_local(task).abort_handle() });
        }
    }
}

impl fmt::Debug for KeyFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyFetcher").field(&self.sets).finish()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

async fn keep_fresh(pool: Pool, source: KeySource, held: Arc<Held>) {
    let random = RandomState::new();
    for round in 0_usize.. {
        let began = Instant::now();
        held.begin();
        let fetched = fetch(&pool, &source, round).await;
        match &fetched {
            Ok(keys) => tracing::debug!(source = %source.id, keys = keys.count(), "key set fetched"),
            Err(error) => {
                tracing::warn!(source = %source.id, %error, "key set not fetched; the old one stays")
            }
        }
        let failures = held.publish(fetched.ok());
        let pause = pause(&source, failures, random.hash_one(round));
        tokio::select! {
            () = sleep(pause) => {}
            () = held.wanted.notified() => sleep_until(began + APART).await,
        }
    }
}

/// How long to wait for the next fetch. All but a quarter of it is fixed, the rest is chance: many gateways that
/// began together do not ask together.
fn pause(source: &KeySource, failures: u32, random: u64) -> Duration {
    let whole = match failures.checked_sub(1) {
        None => source.cache,
        Some(doublings) => source.retry.saturating_mul(1 << doublings.min(16)).min(MAX_PAUSE),
    };
    let chance = u32::try_from(random % 1024).unwrap_or_default();
    let spread = whole / 4;
    (whole - spread + spread / 1024 * chance).max(Duration::from_millis(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_after_failures_and_never_exceed_what_they_stand_for() {
        let mut source = KeySource::at(KeySourceId("a".into()), "https://issuer.example/keys").unwrap();
        for random in [0, 511, 1023, u64::MAX] {
            let seconds = |failures| pause(&source, failures, random).as_secs_f64();
            for (failures, whole) in [(0, 300.0), (1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (u32::MAX, 60.0)]
            {
                let found = seconds(failures);
                assert!((whole * 0.75..=whole).contains(&found), "{failures} {random}: {found}");
            }
        }
        source.cache = Duration::ZERO;
        assert!(pause(&source, 0, 0) >= Duration::from_millis(100), "no busy loop");
        source.cache = Duration::MAX;
        assert!(pause(&source, 0, u64::MAX) <= Duration::MAX);
    }
}
