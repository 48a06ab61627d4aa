use std::{
    cell::{RefCell, RefMut},
    fmt,
    ops::DerefMut,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwapOption, Cache};
use tokio::sync::watch;
use tollgate_auth::{TokenCache, TokenId, TokenRing};
use tollgate_core::{Answer, End, ExtAuthVerdict, Ledger, Live, Now, Ports, Question, Settled};
use tollgate_limit::{Store as _, UnixMillis};
use tollgate_ports::{Clock, KeySets, Random, Tokens, limits::Limits};

use super::{Observer, handle::Options};

/// How long a request may wait for the first token of a provider.
const TOKEN: Duration = Duration::from_secs(5);

/// What all cores share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// `None` until there is a configuration.
    pub(crate) published: Arc<ArcSwapOption<Live>>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Tokens for providers; one core fetches them for all.
    pub(crate) credentials: Tokens,
    /// Whether requests are taken.
    pub(crate) serving: watch::Sender<bool>,
    /// Set when the whole processor goes down.
    pub(crate) leaving: AtomicBool,
}

/// What is in service, as it was loaded last.
type Loaded = Cache<Arc<ArcSwapOption<Live>>, Option<Arc<Live>>>;

/// Everything that one core needs.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    live: RefCell<Loaded>,
    /// Envoy authenticates, so that there are none.
    keys: KeySets,
    tokens: RefCell<TokenCache>,
    limits: Limits,
    clock: Clock,
    random: Random,
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new(core: usize, shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            live: RefCell::new(Cache::new(Arc::clone(&shared.published))),
            keys: KeySets::default(),
            tokens: RefCell::new(TokenCache::new(0, 0)),
            limits: Limits::in_memory(),
            clock: Clock::default(),
            random: Random::new(core),
            shared,
        })
    }

    /// What is in service now: loaded once per stream.
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.live.borrow_mut().load().clone()
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn randoms<const N: usize>(&self) -> [u64; N] {
        self.random.words()
    }

    /// How a request ends whose stream is gone.
    pub(crate) fn gone(&self) -> End {
        if self.shared.leaving.load(Relaxed) { End::Drained } else { End::ClientGone }
    }

    /// Waits for a token that was never asked for before.
    pub(crate) async fn await_token(&self, token: &TokenId) {
        self.shared.credentials.asked(token, self.now().instant + TOKEN).await;
    }

    /// What stages ask for is Envoy's to answer: it authenticates, and counts requests. Whatever is asked all the
    /// same is not known here.
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Keys(_) => Answer::Keys,
            Question::ExtAuth(_) => Answer::ExtAuth(Box::new(ExtAuthVerdict::Failed)),
            Question::Limits(claims) => {
                Answer::Limits(self.limits.look(claims, UnixMillis(self.now().unix_ms)))
            }
        }
    }
}

impl Ledger for Worker {
    fn now(&self) -> Now {
        self.now()
    }

    fn settle(&self, settled: Settled) {
        self.shared.observer.settled(settled);
    }
}

impl Ports for Worker {
    type Keys = KeySets;
    type Limits = Limits;

    fn keys(&self) -> &KeySets {
        &self.keys
    }

    fn tokens(&self) -> impl DerefMut<Target = TokenCache> {
        RefMut::map(self.tokens.borrow_mut(), |tokens| tokens)
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn credentials(&self) -> &impl TokenRing {
        &self.shared.credentials
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
