use std::{
    cell::{Cell, OnceCell, RefCell},
    hash::{BuildHasher, RandomState},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http::Request;
use rustls::ClientConfig;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    CertError, Failure, Origin, Payload, PoolSettings, PoolStats, Protocol, Resolver,
    dial::{Dialled, Dialling, Spoken, Transport, dial},
    h1::Names,
};

use super::{
    Freshness, Http1,
    exchange::Exchange,
    http1::Scratch,
    http2::{Http2, Http2Lease},
    slots::{Handover, Slot, Slots},
};

/// The connections of one origin.
pub(crate) struct Home {
    origin: Origin,
    settings: Rc<PoolSettings>,
    resolver: Resolver,
    tls: OnceCell<Result<Option<Arc<ClientConfig>>, CertError>>,
    slots: Rc<Slots>,
    /// Last used last: the most recent is the least likely to have been closed.
    #[expect(clippy::vec_box, reason = "each is handed around boxed, and moving it is a pointer")]
    idle: RefCell<Vec<Box<Http1>>>,
    multiplexed: RefCell<Vec<Http2>>,
    spoken: Cell<Option<Spoken>>,
    dialling: Cell<bool>,
    dialled: Notify,
    jitter: Cell<u64>,
    clock: Rc<Cell<Instant>>,
    scratch: Scratch,
    names: Rc<RefCell<Names>>,
}

/// What all origins of a pool have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) settings: Rc<PoolSettings>,
    pub(crate) resolver: Resolver,
    /// Set by the sweep: looking at kept connections needs no exact time, and reading the system's on each request
    /// would show.
    pub(crate) clock: Rc<Cell<Instant>>,
    pub(crate) scratch: Scratch,
}

/// A connection that is to be used for one request.
pub(crate) enum Lease {
    Http1(Box<Http1>),
    Http2(Http2Lease),
}

/// Only one connection is dialled while the answer may serve everybody who waits.
struct Busy<'a>(&'a Home);

// === impl Home ===

impl Home {
    pub(crate) fn new(origin: Origin, shared: Shared) -> Rc<Self> {
        let Shared { settings, resolver, clock, scratch } = shared;
        let settings = Rc::new(origin.settings(&settings));
        let spoken = match (origin.protocol(), origin.tls()) {
            (Protocol::Http2, _) => Some(Spoken::Http2),
            (Protocol::Http1, _) | (Protocol::Auto, None) => Some(Spoken::Http1),
            (Protocol::Auto, Some(_)) => None,
        };
        Rc::new(Self {
            origin,
            resolver,
            tls: OnceCell::new(),
            slots: Slots::new(settings.max_connections, settings.max_waiting),
            settings,
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            spoken: Cell::new(spoken),
            dialling: Cell::new(false),
            dialled: Notify::new(),
            clock,
            scratch,
            names: Rc::default(),
            jitter: Cell::new(RandomState::new().hash_one(0) | 1),
        })
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    pub(crate) fn stats(&self) -> PoolStats {
        PoolStats { open: self.slots.open(), idle: self.idle.borrow().len(), waiting: self.slots.waiting() }
    }

    /// Where its connections read to.
    pub(crate) fn scratch(&self) -> Scratch {
        Rc::clone(&self.scratch)
    }

    /// Of the headers of its last response.
    pub(crate) fn names(&self) -> Rc<RefCell<Names>> {
        Rc::clone(&self.names)
    }

    /// The time, to within a second.
    pub(crate) fn now(&self) -> Instant {
        self.clock.get()
    }

    /// How long a new connection may live: a tenth more or less, so that those opened together do not end together.
    pub(crate) fn lifetime(&self) -> Duration {
        // xorshift64: good enough to spread, and needs no lock.
        let mut state = self.jitter.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.jitter.set(state);
        let permille = u32::try_from(state % 201).expect("a remainder of 201 fits in 32 bits");
        self.settings.max_lifetime / 1000 * (900 + permille)
    }

    pub(crate) async fn lease(&self, freshness: Freshness) -> Result<Lease, Failure> {
        if let Some(lease) = self.ready(freshness) {
            return Ok(lease);
        }
        let deadline = Instant::now() + self.settings.connect_timeout;
        // An HTTP/1 connection serves one request, so everybody dials; one of HTTP/2 serves all who wait.
        while self.spoken.get() != Some(Spoken::Http1) && self.dialling.get() {
            timeout_at(deadline, self.dialled.notified()).await.map_err(|_| Failure::ConnectTimeout)?;
            if let Some(lease) = self.ready(freshness) {
                return Ok(lease);
            }
        }
        let busy = Busy::new(self);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.slots.take(left).await? {
                Handover::Connection(connection) => return Ok(Lease::Http1(connection)),
                Handover::Stream => {
                    if let Some(lease) = self.ready(freshness) {
                        return Ok(lease);
                    }
                }
                Handover::Slot(slot) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let dialled = self.dial(left).await?;
                    let lease = self.settle(dialled, slot).await;
                    drop(busy);
                    return lease;
                }
            }
        }
    }

    /// A connection that is nobody's.
    pub(crate) async fn connect(&self, limit: Duration) -> Result<Transport, Failure> {
        Ok(self.dial(limit).await?.transport)
    }

    async fn dial(&self, limit: Duration) -> Result<Dialled, Failure> {
        let Self { origin, resolver, settings, .. } = self;
        dial(&Dialling { origin, resolver, keepalive: settings.keepalive }, self.tls()?, limit).await
    }

    /// Takes a connection whose response has been read.
    pub(crate) fn keep(&self, connection: Box<Http1>) {
        let Some(connection) = self.slots.hand_over(connection) else { return };
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.settings.max_idle {
            idle.push(connection);
        }
    }

    /// Closes what is closed, too old or unused for too long.
    pub(crate) fn sweep(&self) {
        let (now, limit) = (self.now(), self.settings.idle_timeout);
        // Taken out first: a connection that is dropped gives its slot away, which may look at the others.
        let kept = std::mem::take(&mut *self.idle.borrow_mut());
        let (usable, closed): (Vec<_>, Vec<_>) =
            kept.into_iter().map(|mut one| (one.is_usable(now, limit), one)).partition(|(usable, _)| *usable);
        self.idle.borrow_mut().extend(usable.into_iter().map(|(_, one)| one));
        drop(closed);
        self.multiplexed.borrow_mut().retain(|one| !one.is_dead(now) && !one.is_idle_for(now, limit));
    }

    /// What is open and free.
    pub(crate) fn ready(&self, freshness: Freshness) -> Option<Lease> {
        let now = self.now();
        if self.spoken.get() != Some(Spoken::Http1) {
            let multiplexed = self.multiplexed.borrow();
            if let Some(lease) = multiplexed.iter().find_map(|one| one.lease(self, now)) {
                return Some(Lease::Http2(lease));
            }
        }
        if freshness == Freshness::New {
            return None;
        }
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            if connection.is_usable(now, self.settings.idle_timeout) {
                return Some(Lease::Http1(connection));
            }
        }
    }

    async fn settle(&self, dialled: Dialled, slot: Slot) -> Result<Lease, Failure> {
        self.spoken.set(Some(dialled.spoken));
        match dialled.spoken {
            Spoken::Http1 => Ok(Lease::Http1(Http1::new(self, dialled.transport, slot))),
            Spoken::Http2 => {
                let connection = Http2::new(self, dialled.transport, slot).await?;
                let lease = connection.lease(self, self.now()).ok_or(Failure::Refused)?;
                self.multiplexed.borrow_mut().push(connection);
                Ok(Lease::Http2(lease))
            }
        }
    }

    fn tls(&self) -> Result<Option<Arc<ClientConfig>>, Failure> {
        let built = self.tls.get_or_init(|| {
            self.origin.tls().map(|tls| tls.client_config(self.origin.protocol())).transpose()
        });
        built.clone().map_err(|error| Failure::Tls(Arc::new(error)))
    }
}

// === impl Lease ===

impl Lease {
    /// Begins at once.
    #[inline]
    pub(crate) fn exchange(self, home: &Rc<Home>, request: Request<Payload>) -> Exchange {
        match self {
            Self::Http1(connection) => connection.exchange(Rc::clone(home), request),
            Self::Http2(lease) => Exchange::Http2(Box::pin(lease.exchange(Rc::clone(home), request))),
        }
    }
}

// === impl Busy ===

impl<'a> Busy<'a> {
    fn new(home: &'a Home) -> Self {
        home.dialling.set(true);
        Self(home)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.dialling.set(false);
        self.0.dialled.notify_waiters();
    }
}
