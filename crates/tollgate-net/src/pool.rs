use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    future::Future,
    rc::{Rc, Weak},
    time::Duration,
};

use http::{Request, Response};
use tokio::{
    task::spawn_local,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{Failure, Keepalive, Origin, Payload, Resolver, UpstreamBody, h1::Wire};

mod address;
mod exchange;
mod home;
mod http1;
mod http2;
mod probe;
mod slots;

use self::{
    exchange::{Exchange, Unanswered},
    home::{Lease, Shared},
};
pub(crate) use self::{home::Home, http1::Http1, http2::InUse, slots::Slot};

/// How often kept connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Limits and deadlines of the connections to upstreams, each per origin and core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Name, TCP and TLS together, and also the wait for a free connection. 10 s.
    pub connect_timeout: Duration,
    /// Open connections. 50,000, as many as a front takes of clients: a stream of a model lasts for minutes and holds
    /// one, so a lower bound is for policies to set.
    pub max_connections: usize,
    /// Requests that wait for a connection; one more fails with [`Failure::Overflow`]. 1024.
    pub max_waiting: usize,
    /// Kept HTTP/1 connections. 256.
    pub max_idle: usize,
    /// A connection nobody used for this long is closed. 90 s, below what common providers allow.
    pub idle_timeout: Duration,
    /// A connection older than this, give or take a tenth, takes no new request. 10 min.
    pub max_lifetime: Duration,
    /// Requests that one connection takes before it is closed. [`u32::MAX`], which is no limit.
    pub max_requests: u32,
    /// Concurrent requests on one HTTP/2 connection, if the upstream allows as many. 100.
    pub max_streams: usize,
    /// Bytes of one HTTP/2 response the upstream may send ahead of the client: bounds memory per slow stream. 256 KiB.
    pub stream_window: u32,
    /// Bytes of all responses of one HTTP/2 connection together. 4 MiB.
    pub connection_window: u32,
    /// Probes a used HTTP/2 connection after this much silence. 20 s.
    pub ping_interval: Duration,
    /// How long the answer to that may take. 20 s.
    pub ping_timeout: Duration,
    /// Probes of a silent transport. After 60 s, each 15 s.
    pub keepalive: Keepalive,
    /// Bytes of a response head. 128 KiB.
    pub max_header_bytes: u32,
}

/// Connections to upstreams, one pool per core. Cloning shares it.
#[derive(Clone)]
pub struct Pool(Rc<Inner>);

/// What a pool holds for one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Open connections, those being dialled included.
    pub open: usize,
    /// Open HTTP/1 connections that wait for a request.
    pub idle: usize,
    /// Requests that wait for a connection.
    pub waiting: usize,
}

struct Inner {
    shared: Shared,
    homes: RefCell<HashMap<Origin, Rc<Home>, foldhash::fast::FixedState>>,
    sweeping: Cell<bool>,
}

// === impl PoolSettings ===

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            max_connections: 50_000,
            max_waiting: 1024,
            max_idle: 256,
            idle_timeout: Duration::from_secs(90),
            max_lifetime: Duration::from_secs(600),
            max_requests: u32::MAX,
            max_streams: 100,
            stream_window: 256 * 1024,
            connection_window: 4 * 1024 * 1024,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
            keepalive: Keepalive {
                idle: Some(Duration::from_secs(60)),
                interval: Some(Duration::from_secs(15)),
                probes: None,
            },
            max_header_bytes: 128 * 1024,
        }
    }
}

// === impl Pool ===

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("origins", &self.0.homes.borrow().len()).finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool. Has to be used on one `LocalSet` or local runtime.
    #[must_use]
    pub fn new(settings: PoolSettings, resolver: Resolver) -> Self {
        Self(Rc::new(Inner {
            shared: Shared {
                settings: Rc::new(settings),
                resolver,
                clock: Rc::new(Cell::new(Instant::now())),
                scratch: http1::scratch(),
            },
            homes: RefCell::default(),
            sweeping: Cell::new(false),
        }))
    }

    /// Sends `request` and returns when the response head has arrived.
    ///
    /// The target may be in origin form; a missing `Host` is filled in from the origin. Hop-by-hop fields are the
    /// caller's to remove. A request whose body is whole is sent once more, on a new connection, where a kept
    /// connection turned out to be closed. There is no deadline but that of connecting.
    ///
    /// # Errors
    /// See [`Failure`]; `failure.safety()` tells whether another attempt may follow.
    pub fn send(
        &self,
        origin: &Origin,
        request: Request<Payload>,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Failure>> + use<> {
        let home = self.home(origin);
        // Where a connection is there the request goes to it here and now, so that the future need not hold it.
        let start = match home.ready(Freshness::Any) {
            Some(lease) => Start::Now(Begun::new(&home, lease, request)),
            None => Start::Later(Box::new(request)),
        };
        async move {
            let Begun { exchange, spare } = match start {
                Start::Now(begun) => begun,
                Start::Later(request) => {
                    let lease = Box::pin(home.lease(Freshness::Any)).await?;
                    Begun::new(&home, lease, *request)
                }
            };
            let Unanswered { failure, wire } = match exchange.await {
                Ok(response) => return Ok(response),
                Err(unanswered) => unanswered,
            };
            Box::pin(again(&home, failure, (wire, spare))).await
        }
    }

    /// Opens a connection of its own, TLS included, sends `send`, and reads until `receive` has come: true where it
    /// has. Empty ones are left out.
    ///
    /// # Errors
    /// See [`Failure`]; all of it has to be over within `limit`.
    pub async fn probe(
        &self,
        origin: &Origin,
        limit: Duration,
        (send, receive): (&[u8], &[u8]),
    ) -> Result<bool, Failure> {
        let home = self.home(origin);
        let probing = async {
            let transport = home.connect(limit).await?;
            probe::ask(transport, send, receive).await
        };
        tokio::time::timeout(limit, probing).await.unwrap_or(Err(Failure::ConnectTimeout))
    }

    /// What is held for `origin`.
    #[must_use]
    pub fn stats(&self, origin: &Origin) -> PoolStats {
        self.0.homes.borrow().get(origin).map_or_else(PoolStats::default, |home| home.stats())
    }

    /// Forgets origins that nobody uses: those without an open connection. Others stay and can be asked to go again.
    pub fn prune(&self) {
        self.0.homes.borrow_mut().retain(|_, home| home.stats() != PoolStats::default());
    }

    fn home(&self, origin: &Origin) -> Rc<Home> {
        if let Some(home) = self.0.homes.borrow().get(origin) {
            return Rc::clone(home);
        }
        self.start_sweeping();
        let home = Home::new(origin.clone(), self.0.shared.clone());
        self.0.homes.borrow_mut().insert(origin.clone(), Rc::clone(&home));
        home
    }

    fn start_sweeping(&self) {
        if self.0.sweeping.replace(true) {
            return;
        }
        let pool: Weak<Inner> = Rc::downgrade(&self.0);
        spawn_local(async move {
            let mut ticks = interval(SWEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(pool) = pool.upgrade() else { return };
                pool.shared.clock.set(Instant::now());
                pool.homes.borrow().values().for_each(|home| home.sweep());
                // Those of clients come and go with them.
                pool.homes.borrow_mut().retain(|origin, home| {
                    origin.introduction().is_none() || home.stats() != PoolStats::default()
                });
            }
        });
    }
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Any,
    /// None that was used before: those may be as dead as the one that just failed.
    New,
}

enum Start {
    Now(Begun),
    /// There is no connection yet.
    Later(Box<Request<Payload>>),
}

struct Begun {
    exchange: Exchange,
    /// A copy of an HTTP/2 request, where it may have to be repeated.
    spare: Option<Box<Request<Payload>>>,
}

// === impl Begun ===

impl Begun {
    fn new(home: &Rc<Home>, lease: Lease, request: Request<Payload>) -> Self {
        // Copying the head is spared where the connection is new and cannot be stale; HTTP/1 gives it back.
        let spare = match &lease {
            Lease::Http2(lease) if lease.is_reused() => copy(&request).map(Box::new),
            Lease::Http1(_) | Lease::Http2(_) => None,
        };
        Self { exchange: lease.exchange(home, request), spare }
    }
}

/// Sends a request once more, where it can have had no effect.
async fn again(
    home: &Rc<Home>,
    failure: Failure,
    (wire, spare): (Option<Wire>, Option<Box<Request<Payload>>>),
) -> Result<Response<UpstreamBody>, Failure> {
    if !matches!(failure, Failure::StaleConnection | Failure::Refused) || (wire.is_none() && spare.is_none())
    {
        return Err(failure);
    }
    let exchange = match (home.lease(Freshness::New).await?, wire, spare) {
        (Lease::Http1(connection), Some(wire), _) => connection.carry(Rc::clone(home), wire),
        (lease, _, Some(request)) => lease.exchange(home, *request),
        // It speaks HTTP/2 now, and the request is spelled for HTTP/1.
        (Lease::Http2(_), Some(_), None) | (_, None, None) => return Err(failure),
    };
    exchange.await.map_err(|Unanswered { failure, .. }| failure)
}

/// The same request once more, where its body allows it.
fn copy(request: &Request<Payload>) -> Option<Request<Payload>> {
    let mut copy = Request::new(request.body().again()?);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    Some(copy)
}
