use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout_at,
};
use tollgate_auth::{KeyRing, KeySet, KeySourceId};

/// Requests that wait for one source's next fetch; one more is told at once that there is nothing new.
const MAX_WAITING: usize = 1024;

/// The newest good key set of each source. Cloning shares it; every core holds one.
#[derive(Clone, Default)]
pub struct KeySets(Arc<ArcSwap<HashMap<KeySourceId, Arc<Held>>>>);

/// How a source is doing, for those who look after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Which.
    pub source: KeySourceId,
    /// Usable keys; 0 where no fetch ever went well.
    pub keys: usize,
    /// Fetches that failed since the last that went well.
    pub failures: u32,
}

/// One source, as its task and the requests share it.
#[derive(Debug)]
pub(super) struct Held {
    keys: ArcSwapOption<KeySet>,
    /// Tells the task that a key is missed.
    pub(super) wanted: Notify,
    /// The number of the round that began last.
    begun: AtomicU64,
    rounds: watch::Sender<Rounds>,
    waiting: Semaphore,
}

/// What the fetches so far came to.
#[derive(Clone, Copy, Debug, Default)]
struct Rounds {
    /// All of them.
    count: u64,
    /// Failed ones since the last good one.
    failures: u32,
}

// === impl KeySets ===

impl KeySets {
    /// Waits until the source was fetched anew, but not beyond `deadline`. True: it went well, and it is worth to ask
    /// for the key once more. Fetches are shared by all who wait, and begin at least a second apart.
    pub async fn refreshed(&self, source: &KeySourceId, deadline: Instant) -> bool {
        let Some(held) = self.0.load().get(source).cloned() else { return false };
        let Ok(_place) = held.waiting.try_acquire() else { return false };
        // Keys that are there may be older than the one that is missed, and so may be those that are on their way.
        let before = match held.keys.load().as_ref() {
            Some(_) => held.begun.load(Ordering::Acquire),
            None => held.rounds.borrow().count,
        };
        let mut rounds = held.rounds.subscribe();
        held.wanted.notify_one();
        let next = timeout_at(deadline.into(), rounds.wait_for(|rounds| rounds.count > before)).await;
        matches!(next, Ok(Ok(rounds)) if rounds.failures == 0)
    }

    /// Waits until every source was asked once, well or not, but not beyond `deadline`: listeners that open after it
    /// have keys for their first request.
    pub async fn warm(&self, deadline: Instant) {
        let sources: Vec<Arc<Held>> = self.0.load().values().cloned().collect();
        for held in sources {
            let mut rounds = held.rounds.subscribe();
            if timeout_at(deadline.into(), rounds.wait_for(|rounds| rounds.count > 0)).await.is_err() {
                return;
            }
        }
    }

    /// All sources, by their names.
    #[must_use]
    pub fn states(&self) -> Vec<KeyState> {
        let held = self.0.load();
        let states = held.iter().map(|(source, held)| KeyState {
            source: source.clone(),
            keys: held.keys.load().as_ref().map_or(0, |keys| keys.count()),
            failures: held.rounds.borrow().failures,
        });
        let mut states: Vec<KeyState> = states.collect();
        states.sort_by(|left, right| left.source.cmp(&right.source));
        states
    }

    /// From now on there are these; one that was there before keeps its keys.
    pub(super) fn hold<'a>(&self, sources: impl Iterator<Item = &'a KeySourceId>) {
        let before = self.0.load();
        let held = |source: &KeySourceId| before.get(source).cloned().unwrap_or_default();
        self.0.store(Arc::new(sources.map(|source| (source.clone(), held(source))).collect()));
    }

    pub(super) fn held(&self, source: &KeySourceId) -> Option<Arc<Held>> {
        self.0.load().get(source).cloned()
    }
}

impl KeyRing for KeySets {
    fn keys(&self, source: &KeySourceId) -> Option<Arc<KeySet>> {
        self.0.load().get(source)?.keys.load_full()
    }
}

impl fmt::Debug for KeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.states()).finish()
    }
}

// === impl Held ===

impl Held {
    /// A fetch begins.
    pub(super) fn begin(&self) {
        // From the count, since a round that was given up never ends.
        self.begun.store(self.rounds.borrow().count + 1, Ordering::Release);
    }

    /// What a fetch brought; after a failure the old keys stay. Gives the failures in a row.
    pub(super) fn publish(&self, fetched: Option<KeySet>) -> u32 {
        let good = fetched.is_some();
        if let Some(keys) = fetched {
            self.keys.store(Some(Arc::new(keys)));
        }
        let mut failures = 0;
        self.rounds.send_modify(|rounds| {
            rounds.count += 1;
            rounds.failures = if good { 0 } else { rounds.failures.saturating_add(1) };
            failures = rounds.failures;
        });
        failures
    }
}

impl Default for Held {
    fn default() -> Self {
        Self {
            keys: ArcSwapOption::empty(),
            wanted: Notify::new(),
            begun: AtomicU64::new(0),
            rounds: watch::Sender::new(Rounds::default()),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }
}
