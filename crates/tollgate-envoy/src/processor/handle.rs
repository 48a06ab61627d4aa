use std::{
    io,
    num::NonZeroUsize,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tollgate_auth::{TokenSource, UnixSeconds};
use tollgate_core::Live;
use tollgate_net::{Pool, PoolSettings, Resolver, join_cores, run_cores};
use tollgate_ports::{Clouds, TokenFetcher, TokenState, Tokens};

use super::{
    Address, Observer,
    serve::{self, Phase},
    socket::{Bound, Connection, Here},
    worker::{Shared, Worker},
};

/// Connections a core may have waiting; Envoy makes one for each of its threads.
const ORDERS: usize = 1024;
/// How long accepting rests when the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// How the processor runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that serve, each with its own runtime.
    pub cores: NonZeroUsize,
    /// Largest message that is taken of Envoy, in bytes. 512 MiB.
    pub max_message_size: usize,
    /// What the machine says of the clouds whose tokens providers want.
    pub clouds: Clouds,
}

/// The processor in service: its threads, and what they serve.
#[derive(Debug)]
pub struct Processor {
    shared: Arc<Shared>,
    cores: Vec<mpsc::Sender<Order>>,
    threads: Option<thread::JoinHandle<io::Result<()>>>,
    phase: watch::Sender<Phase>,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Order {
    Serve(Connection),
    /// Fetch these tokens for providers from now on, and no others.
    Tokens(Vec<TokenSource>),
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { cores: NonZeroUsize::MIN, max_message_size: 512 << 20, clouds: Clouds::default() }
    }
}

// === impl Processor ===

impl Processor {
    /// Starts the threads.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: Options, observer: Arc<dyn Observer>) -> io::Result<Self> {
        let cores = options.cores;
        let shared = Arc::new(Shared {
            options,
            published: Arc::new(ArcSwapOption::empty()),
            observer,
            credentials: Tokens::default(),
            serving: watch::Sender::new(false),
            leaving: AtomicBool::new(false),
        });
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores.get()).map(|_| mpsc::channel(ORDERS)).unzip();
        let receivers: Vec<_> = receivers.into_iter().map(Mutex::new).collect();
        let (phase, open) = (watch::Sender::new(Phase::Serving), Arc::new(AtomicUsize::new(0)));
        let core = Arc::new(Core {
            shared: Arc::clone(&shared),
            receivers,
            phase: phase.subscribe(),
            open: Arc::clone(&open),
        });
        let threads = thread::Builder::new()
            .name("cores".to_owned())
            .spawn(move || run_cores(cores, move |number| Arc::clone(&core).run(number)))?;
        Ok(Self { shared, cores: senders, threads: Some(threads), phase, open })
    }

    /// Listens, and hands connections to the cores in turn for as long as the future lives.
    ///
    /// # Errors
    /// When the address cannot be bound. Gives the address with the port that the system chose.
    pub fn listen(&self, address: &Address) -> io::Result<(Address, impl Future<Output = ()> + use<>)> {
        let (bound, address) = address.bind()?;
        let (cores, mut phase) = (self.cores.clone(), self.phase.subscribe());
        let accepting = async move {
            let leaving = phase.wait_for(|phase| *phase != Phase::Serving);
            tokio::select! {
                _ = leaving => {}
                () = accept(bound, &cores) => {}
            }
        };
        Ok((address, accepting))
    }

    /// What is in service now.
    #[must_use]
    pub fn live(&self) -> Option<Arc<Live>> {
        self.shared.published.load_full()
    }

    /// Puts a snapshot into service: streams that begin from now on see it, those under way keep theirs.
    pub fn publish(&self, live: Arc<Live>) {
        self.shared.credentials.expect(live.snapshot.tokens.iter().map(|source| &source.id));
        if let Some(core) = self.cores.first()
            && core.try_send(Order::Tokens(live.snapshot.tokens.clone())).is_err()
        {
            tracing::error!("a core takes no more orders: tokens for providers are not fetched");
        }
        self.shared.published.store(Some(live));
        self.shared.serving.send_if_modified(|serving| !std::mem::replace(serving, true));
    }

    /// How the tokens for providers are doing.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenState> {
        self.shared.credentials.states()
    }

    /// Connections of Envoy.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Takes no more streams, lets those under way finish for as long as `patience`, cuts the rest and ends the
    /// threads. Returns how many connections were cut.
    pub async fn drain(mut self, patience: Duration) -> usize {
        self.shared.serving.send_replace(false);
        self.phase.send_replace(Phase::Draining);
        let deadline = Instant::now() + patience;
        let quiet = async {
            while self.connections() > 0 {
                sleep(PAUSE).await;
            }
        };
        let _late = timeout_at(deadline, quiet).await;
        let cut = self.connections();
        self.shared.leaving.store(true, Relaxed);
        self.phase.send_replace(Phase::Cut);
        self.cores.clear();
        if let Some(threads) = self.threads.take() {
            join_cores(threads).await;
        }
        cut
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.shared.leaving.store(true, Relaxed);
        self.phase.send_replace(Phase::Cut);
    }
}

async fn accept(bound: Bound, cores: &[mpsc::Sender<Order>]) {
    for core in cores.iter().cycle() {
        let connection = loop {
            match bound.accept().await {
                Ok(connection) => break connection,
                Err(error) => {
                    tracing::warn!(%error, "a connection is not accepted");
                    sleep(PAUSE).await;
                }
            }
        };
        if core.send(Order::Serve(connection)).await.is_err() {
            return;
        }
    }
}

/// What a core begins with.
struct Core {
    shared: Arc<Shared>,
    receivers: Vec<Mutex<mpsc::Receiver<Order>>>,
    phase: watch::Receiver<Phase>,
    open: Arc<AtomicUsize>,
}

/// Counts a connection as long as it lives.
struct Counted(Arc<AtomicUsize>);

// === impl Core ===

impl Core {
    async fn run(self: Arc<Self>, number: usize) {
        let Some(orders) = self.receivers.get(number) else { return };
        let mut orders = orders.lock().await;
        let worker = Worker::new(number, Arc::clone(&self.shared));
        let mut tokens = fetcher(&worker);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Serve(connection)) => {
                        let counted = Counted::new(&self.open);
                        let (worker, phase) = (Rc::clone(&worker), self.phase.clone());
                        connections.spawn_local(async move {
                            let _counted = counted;
                            match connection.here() {
                                Ok(Here::Unix(stream)) => serve::connection(worker, stream, phase).await,
                                Ok(Here::Tcp(stream)) => serve::connection(worker, stream, phase).await,
                                Err(error) => tracing::warn!(%error, "a connection is not served"),
                            }
                        });
                    }
                    Some(Order::Tokens(sources)) => tokens.serve(sources),
                    None => break,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

fn fetcher(worker: &Rc<Worker>) -> TokenFetcher {
    let clock = Rc::clone(worker);
    let clock = Rc::new(move || UnixSeconds(clock.now().unix_seconds()));
    let pool = Pool::new(PoolSettings::default(), Resolver::system(Arc::default()));
    TokenFetcher::new(worker.shared.credentials.clone(), (pool, worker.shared.options.clouds.clone()), clock)
}

// === impl Counted ===

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
