use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Mutex, mpsc},
    task::{JoinSet, spawn_local},
    time::{MissedTickBehavior, interval},
};
use tollgate_auth::{TokenSource, UnixSeconds};
use tollgate_core::Live;
use tollgate_net::{Drain, FrontHandle, Listener, Load, Server, join_cores, run_cores};
use tollgate_ports::{KeyFetcher, KeySets, KeySource, TokenFetcher, Tokens};
use tollgate_snapshot::{Port, PortProtocol, Snapshot};

use crate::{
    Observer, Options, client,
    health::Checker,
    served::Served,
    tls::{self, Keys, Shown},
    worker::{Shared, Worker},
};

/// Orders a core may have waiting; far more than a Gateway has ports.
const ORDERS: usize = 4096;
/// How often a core tells what its pools hold.
const TELL: Duration = Duration::from_secs(1);

/// The native host in service: its threads, its ports, and what they serve.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    cores: Vec<mpsc::Sender<Order>>,
    threads: Option<thread::JoinHandle<io::Result<()>>>,
    open: BTreeMap<u16, OpenPort>,
}

/// What became of a snapshot.
#[derive(Debug, Default)]
pub struct Published {
    /// Every port that is served now: the Gateway's number, and the address.
    pub addresses: Vec<(u16, SocketAddr)>,
    /// What of it is not.
    pub problems: Vec<NotServed>,
}

/// A part of a snapshot that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// The address is taken, or not ours to bind.
    #[error("port {port}: cannot listen on {address}: {reason}")]
    Bind {
        /// The Gateway's port.
        port: u16,
        /// Where we tried.
        address: SocketAddr,
        /// What kind of error it was.
        kind: io::ErrorKind,
        /// The system's words.
        reason: String,
    },
    /// TLS material is broken.
    #[error("port {port}, {what}: {reason}")]
    Tls {
        /// The Gateway's port.
        port: u16,
        /// The listener.
        what: String,
        /// What is wrong, without key material.
        reason: String,
    },
}

#[derive(Debug)]
struct OpenPort {
    address: SocketAddr,
    protocol: PortProtocol,
    front: FrontHandle,
    /// What its certificates were when they could be used last.
    keys: Keys,
    drain: Drain,
}

#[derive(Debug)]
enum Order {
    Serve {
        port: u16,
        listener: Listener,
        front: FrontHandle,
        drain: Drain,
    },
    Retire {
        drain: Drain,
        patience: Duration,
    },
    /// Fetch these key sets from now on, and no others.
    Fetch(Vec<KeySource>),
    /// Fetch these tokens for providers from now on, and no others.
    Tokens(Vec<TokenSource>),
    /// Check the endpoints of these backends from now on, and no others.
    Check(Arc<Served>),
}

/// Whose a port was until now.
#[derive(Clone, Copy)]
enum Claim {
    /// Nobody's, as far as we know.
    New,
    /// Ours; our old sockets may still be closing.
    Kept,
}

// === impl Claim ===

impl Claim {
    /// Our sockets share their port among cores, and would share it with another gateway without a word.
    fn check(self, address: SocketAddr) -> io::Result<()> {
        match self {
            Self::New if address.port() != 0 => std::net::TcpListener::bind(address).map(drop),
            Self::New | Self::Kept => Ok(()),
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Starts the threads. No port is open before the first [`Gateway::publish`].
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: Options, observer: Arc<dyn Observer>) -> io::Result<Self> {
        let cores = options.cores;
        let empty = Arc::new(Live::new(Snapshot::default(), None));
        let shared = Arc::new(Shared {
            options,
            published: Arc::new(ArcSwap::from_pointee(Served::new(empty, cores.get()))),
            observer,
            keys: KeySets::default(),
            credentials: Tokens::default(),
            leaving: AtomicBool::new(false),
        });
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores.get()).map(|_| mpsc::channel(ORDERS)).unzip();
        let receivers: Vec<_> = receivers.into_iter().map(Mutex::new).collect();
        let receivers = Arc::new(receivers);
        let for_cores = Arc::clone(&shared);
        let threads = thread::Builder::new().name("cores".to_owned()).spawn(move || {
            run_cores(cores, move |core| run_core(core, Arc::clone(&for_cores), Arc::clone(&receivers)))
        })?;
        Ok(Self { shared, cores: senders, threads: Some(threads), open: BTreeMap::new() })
    }

    /// What is in service now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.shared.published.load().live)
    }

    /// Puts a snapshot into service: requests that begin from now on see it, those under way keep theirs. Ports
    /// that came are opened, ports that went are drained; a port that cannot be opened is tried again next time.
    pub fn publish(&mut self, live: Arc<Live>) -> Published {
        let mut published = Published::default();
        let served = Arc::new(Served::new(Arc::clone(&live), self.cores.len()));
        let ports = &live.snapshot.ports;
        let gone: Vec<u16> = self
            .open
            .iter()
            .filter(|(number, open)| {
                !ports.iter().any(|port| port.number == **number && port.protocol == open.protocol)
            })
            .map(|(number, _)| *number)
            .collect();
        // Requests that come before the keys wait for them.
        if let Some(core) = self.cores.first()
            && core.try_send(Order::Fetch(served.key_sources())).is_err()
        {
            tracing::error!("a core takes no more orders: key sets are not fetched");
        }
        // Known before the tables are, so that the first request knows what to wait for.
        self.shared.credentials.expect(live.snapshot.tokens.iter().map(|source| &source.id));
        if let Some(core) = self.cores.first()
            && core.try_send(Order::Tokens(live.snapshot.tokens.clone())).is_err()
        {
            tracing::error!("a core takes no more orders: tokens for providers are not fetched");
        }
        if let Some(core) = self.cores.first()
            && core.try_send(Order::Check(Arc::clone(&served))).is_err()
        {
            tracing::error!("a core takes no more orders: endpoints are not checked");
        }
        // The tables go first: a port that is opened must not meet a request it knows nothing of.
        self.shared.published.store(served);
        for &number in &gone {
            self.retire(number);
        }
        for port in ports {
            let claim = if gone.contains(&port.number) { Claim::Kept } else { Claim::New };
            self.serve_port(port, claim, &mut published.problems);
        }
        published.addresses = self.open.iter().map(|(number, open)| (*number, open.address)).collect();
        published
    }

    fn serve_port(&mut self, port: &Port, claim: Claim, problems: &mut Vec<NotServed>) {
        let number = port.number;
        let known = self.open.get(&number).map(|open| &open.keys);
        let host = &self.shared.options.server;
        let Shown { front, keys, problems: broken } =
            tls::of_port(port, host, known.unwrap_or(&Keys::default()));
        problems.extend(broken.into_iter().map(|(listener, reason)| NotServed::Tls {
            port: number,
            what: format!("listener {listener}"),
            reason,
        }));
        let unusable = |error: tollgate_net::CertError| NotServed::Tls {
            port: number,
            what: "tls".to_owned(),
            reason: error.to_string(),
        };
        if let Some(open) = self.open.get_mut(&number) {
            open.keys = keys;
            if let Err(error) = open.front.replace(front) {
                problems.push(unusable(error));
            }
            return;
        }
        let front = match FrontHandle::new(front) {
            Ok(front) => front,
            Err(error) => return problems.push(unusable(error)),
        };
        let options = &self.shared.options;
        let local = options.port_map.get(&number).copied().unwrap_or(number);
        let address = SocketAddr::new(options.bind, local);
        match claim.check(address).and_then(|()| Listener::bind(address, options.cores)) {
            Ok(listeners) => self.open_port(port, listeners, (front, keys)),
            Err(error) => {
                let (kind, reason) = (error.kind(), error.to_string());
                problems.push(NotServed::Bind { port: number, address, kind, reason });
            }
        }
    }

    fn open_port(&mut self, port: &Port, listeners: Vec<Listener>, (front, keys): (FrontHandle, Keys)) {
        let Some(address) = listeners.first().map(Listener::address) else { return };
        let drain = Drain::new();
        for (core, listener) in self.cores.iter().zip(listeners) {
            let order =
                Order::Serve { port: port.number, listener, front: front.clone(), drain: drain.clone() };
            if core.try_send(order).is_err() {
                tracing::error!(port = port.number, "a core takes no more orders");
            }
        }
        self.open.insert(port.number, OpenPort { address, protocol: port.protocol, front, keys, drain });
    }

    fn retire(&mut self, number: u16) {
        let Some(OpenPort { drain, .. }) = self.open.remove(&number) else { return };
        drain.start();
        let patience = self.shared.options.retire_patience;
        if let Some(core) = self.cores.first()
            && core.try_send(Order::Retire { drain, patience }).is_err()
        {
            tracing::error!(port = number, "a core takes no more orders");
        }
    }

    /// What is open on all ports.
    #[must_use]
    pub fn load(&self) -> Load {
        self.open.values().map(|open| open.drain.load()).fold(Load::default(), |sum, load| Load {
            connections: sum.connections + load.connections,
            requests: sum.requests + load.requests,
        })
    }

    /// Stops accepting, lets requests under way finish for as long as `patience`, cuts the rest and ends the
    /// threads. Returns what was cut. Dropping the future cuts at once.
    pub async fn drain(mut self, patience: Duration) -> Load {
        self.shared.leaving.store(true, Relaxed);
        for open in self.open.values() {
            open.drain.start();
        }
        let mut waits = JoinSet::new();
        for (_, open) in std::mem::take(&mut self.open) {
            waits.spawn(async move { open.drain.finish(patience).await });
        }
        let mut cut = Load::default();
        while let Some(load) = waits.join_next().await {
            let load = load.unwrap_or_default();
            cut.connections += load.connections;
            cut.requests += load.requests;
        }
        self.cores.clear();
        if let Some(threads) = self.threads.take() {
            join_cores(threads).await;
        }
        cut
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.leaving.store(true, Relaxed);
        for (_, open) in std::mem::take(&mut self.open) {
            if let Some(core) = self.cores.first() {
                // A core that takes no order has ended already.
                drop(core.try_send(Order::Retire { drain: open.drain, patience: Duration::ZERO }));
            }
        }
    }
}

fn token_fetcher(worker: &Rc<Worker>) -> TokenFetcher {
    let clock = Rc::clone(worker);
    let clock = Rc::new(move || UnixSeconds(clock.now().unix_seconds()));
    let world = (worker.pool.clone(), worker.options().clouds.clone());
    TokenFetcher::new(worker.shared.credentials.clone(), world, clock)
}

type Orders = Arc<Vec<Mutex<mpsc::Receiver<Order>>>>;

async fn run_core(core: usize, shared: Arc<Shared>, orders: Orders) {
    let Some(orders) = orders.get(core) else { return };
    let mut orders = orders.lock().await;
    let worker = Worker::new(core, shared);
    let mut fetcher = KeyFetcher::new(worker.shared.keys.clone(), worker.pool.clone());
    let mut tokens = token_fetcher(&worker);
    let mut checker = Checker::new(&worker);
    let mut servers = JoinSet::new();
    let mut ticks = interval(TELL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                worker.tell_pools();
                if core == 0 {
                    worker.shared.observer.tokens(worker.shared.credentials.states());
                }
            }
            order = orders.recv() => match order {
                Some(Order::Serve { port, listener, front, drain }) => {
                    let worker = Rc::clone(&worker);
                    servers.spawn_local(async move {
                        let server = Server::new(drain);
                        let outcome = server
                            .run(listener, front, move |request, peer| {
                                client::serve(&worker, port, request, peer)
                            })
                            .await;
                        if let Err(error) = outcome {
                            tracing::error!(port, %error, "listener failed");
                        }
                    });
                }
                Some(Order::Fetch(sources)) => fetcher.serve(sources),
                Some(Order::Tokens(sources)) => tokens.serve(sources),
                Some(Order::Check(served)) => checker.serve(served.checks()),
                Some(Order::Retire { drain, patience }) => {
                    spawn_local(async move { drain.finish(patience).await });
                }
                None => break,
            },
            Some(_) = servers.join_next() => {}
        }
    }
    // Every drain is over or its handle is gone; what is left has been told to end.
    while servers.join_next().await.is_some() {}
}
