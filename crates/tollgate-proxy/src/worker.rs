use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::{ArcSwap, Cache};
use http::Response;
use tollgate_auth::TokenCache;
use tollgate_core::{Answered, End, Ledger, LocalReply, Now, Refused, Settled};
use tollgate_limit::{Store, UnixMillis};
use tollgate_net::{Pool, PoolStats, Resolver};
use tollgate_ports::{Clock, ExtAuthClient, KeySets, Random, Tokens};
use tollgate_types::BackendId;

use crate::{Observer, Options, ReplyBody, served::Served, timer::Sleeps};

/// Verified tokens that one core remembers, and their bytes.
const MAX_TOKENS: usize = 10_000;
const MAX_TOKEN_BYTES: usize = 16 * 1024 * 1024;

/// What all cores share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) published: Arc<ArcSwap<Served>>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Keys by which tokens are verified; one core fetches them for all.
    pub(crate) keys: KeySets,
    /// Tokens for providers; likewise.
    pub(crate) credentials: Tokens,
    /// Set when the whole gateway goes down.
    pub(crate) leaving: AtomicBool,
}

/// Everything that one core needs to serve requests.
pub(crate) struct Worker {
    pub(crate) pool: Pool,
    pub(crate) shared: Arc<Shared>,
    /// Copies for mirrors under way.
    pub(crate) mirrors: Cell<usize>,
    /// Tokens that were verified already.
    pub(crate) tokens: RefCell<TokenCache>,
    /// Asks services about callers.
    pub(crate) authorizers: ExtAuthClient,
    /// Timer entries that requests leave to those that follow.
    pub(crate) sleeps: Sleeps,
    core: usize,
    served: RefCell<Cache<Arc<ArcSwap<Served>>, Arc<Served>>>,
    clock: Clock,
    random: Random,
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new(core: usize, shared: Arc<Shared>) -> Rc<Self> {
        let resolver = Resolver::system(Arc::clone(&shared.options.overrides));
        let pool = Pool::new(shared.options.pool.clone(), resolver);
        Rc::new(Self {
            authorizers: ExtAuthClient::new(pool.clone()),
            tokens: RefCell::new(TokenCache::new(MAX_TOKENS, MAX_TOKEN_BYTES)),
            pool,
            mirrors: Cell::new(0),
            sleeps: Sleeps::default(),
            core,
            served: RefCell::new(Cache::new(Arc::clone(&shared.published))),
            clock: Clock::default(),
            random: Random::new(core),
            shared,
        })
    }

    /// What is in service now: loaded once per request.
    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(self.served.borrow_mut().load())
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn random(&self) -> u64 {
        self.random.word()
    }

    pub(crate) fn randoms<const N: usize>(&self) -> [u64; N] {
        self.random.words()
    }

    pub(crate) fn settle(&self, settled: Settled) {
        if !settled.settlements.is_empty() {
            self.options().limits.settle(&settled.settlements, UnixMillis(self.now().unix_ms));
        }
        self.shared.observer.settled(settled);
    }

    /// Tells what the pool holds for each backend.
    pub(crate) fn tell_pools(&self) {
        let served = self.served();
        let held = served.endpoints().filter_map(|(id, endpoints)| {
            let sum = endpoints.iter().fold(PoolStats::default(), |sum, endpoint| {
                let PoolStats { open, idle, waiting } = self.pool.stats(&endpoint.origin);
                PoolStats { open: sum.open + open, idle: sum.idle + idle, waiting: sum.waiting + waiting }
            });
            (sum != PoolStats::default()).then(|| (id.clone(), sum))
        });
        // A backend under two policies has two entries of one id, which are one series.
        let mut sums: BTreeMap<BackendId, PoolStats> = BTreeMap::new();
        for (id, PoolStats { open, idle, waiting }) in held {
            let sum = sums.entry(id).or_default();
            *sum = PoolStats { open: sum.open + open, idle: sum.idle + idle, waiting: sum.waiting + waiting };
        }
        self.shared.observer.pools(self.core, sums.into_iter().collect());
    }

    /// How a request ends whose connection is gone.
    pub(crate) fn gone(&self) -> End {
        if self.shared.leaving.load(Relaxed) { End::Drained } else { End::ClientGone }
    }

    pub(crate) fn refuse(&self, refused: Refused) -> Response<ReplyBody> {
        let (reply, settled) = refused.settle(self.now().instant);
        self.settle(settled);
        local(reply)
    }

    pub(crate) fn answer(&self, answered: Answered) -> Response<ReplyBody> {
        let (reply, settled) = answered.settle(self.now().instant);
        self.settle(settled);
        local(reply)
    }
}

impl Ledger for Worker {
    fn now(&self) -> Now {
        self.now()
    }

    fn settle(&self, settled: Settled) {
        self.settle(settled);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("core", &self.core).finish_non_exhaustive()
    }
}

fn local(reply: LocalReply) -> Response<ReplyBody> {
    let LocalReply { status, headers, body } = reply;
    let mut response = Response::new(ReplyBody::whole(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
