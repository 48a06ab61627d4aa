use std::{collections::HashMap, fmt, sync::Arc, time::Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{sync::watch, time::timeout_at};
use tollgate_auth::{Granted, Token, TokenId, TokenRing, UnixSeconds};

/// The newest token of each source. Cloning shares it; every core holds one.
#[derive(Clone, Default)]
pub struct Tokens(Arc<ArcSwap<HashMap<TokenId, Arc<Held>>>>);

/// How a source is doing, for those who look after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// Which.
    pub source: TokenId,
    /// Whether a token was ever had, and not lost since.
    pub held: bool,
    /// When it ends, where it does.
    pub expires: Option<UnixSeconds>,
    /// Fetches that failed since the last that went well.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<Arc<str>>,
}

/// One source, as its task and the requests share it.
#[derive(Debug, Default)]
pub(super) struct Held {
    granted: ArcSwapOption<Good>,
    rounds: watch::Sender<Rounds>,
}

#[derive(Debug)]
struct Good {
    token: Arc<Token>,
    expires: Option<UnixSeconds>,
}

/// What the fetches so far came to.
#[derive(Clone, Debug, Default)]
struct Rounds {
    /// All of them.
    count: u64,
    /// Failed ones since the last good one.
    failures: u32,
    error: Option<Arc<str>>,
}

// === impl Tokens ===

impl Tokens {
    /// From now on there are these; one that was there before keeps its token.
    pub fn expect<'a>(&self, sources: impl IntoIterator<Item = &'a TokenId>) {
        let before = self.0.load();
        let held = |source: &TokenId| before.get(source).cloned().unwrap_or_default();
        self.0.store(Arc::new(sources.into_iter().map(|source| (source.clone(), held(source))).collect()));
    }

    /// Waits until the source was asked once, well or not, but not beyond `deadline`. At once where it was.
    pub async fn asked(&self, source: &TokenId, deadline: Instant) {
        let Some(held) = self.held(source) else { return };
        let mut rounds = held.rounds.subscribe();
        // Too late or gone: the request goes on without.
        let _ = timeout_at(deadline.into(), rounds.wait_for(|rounds| rounds.count > 0)).await;
    }

    /// All sources, by their names.
    #[must_use]
    pub fn states(&self) -> Vec<TokenState> {
        let held = self.0.load();
        let states = held.iter().map(|(source, held)| {
            let granted = held.granted.load();
            let Rounds { count: _, failures, error } = held.rounds.borrow().clone();
            TokenState {
                source: source.clone(),
                held: granted.is_some(),
                expires: granted.as_ref().and_then(|good| good.expires),
                failures,
                error,
            }
        });
        let mut states: Vec<TokenState> = states.collect();
        states.sort_by(|left, right| left.source.cmp(&right.source));
        states
    }

    pub(super) fn held(&self, source: &TokenId) -> Option<Arc<Held>> {
        self.0.load().get(source).cloned()
    }
}

impl TokenRing for Tokens {
    fn token(&self, id: &TokenId, now: UnixSeconds) -> Option<Arc<Token>> {
        let held = self.0.load();
        let good = held.get(id)?.granted.load();
        let good = good.as_ref()?;
        // A provider would refuse it; others may still be asked.
        good.expires.is_none_or(|expires| now < expires).then(|| Arc::clone(&good.token))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.states()).finish()
    }
}

// === impl Held ===

impl Held {
    /// What a fetch brought; after a failure the old token stays. Gives the failures in a row.
    pub(super) fn publish(&self, fetched: Result<Granted, Arc<str>>) -> u32 {
        let error = match fetched {
            Ok(Granted { token, expires }) => {
                self.granted.store(Some(Arc::new(Good { token: Arc::new(token), expires })));
                None
            }
            Err(error) => Some(error),
        };
        let mut failures = 0;
        self.rounds.send_modify(|rounds| {
            rounds.count += 1;
            rounds.failures = if error.is_some() { rounds.failures.saturating_add(1) } else { 0 };
            rounds.error = error;
            failures = rounds.failures;
        });
        failures
    }
}
