//! The gateway in service: the thread that watches over the threads that serve.
use std::{
    env, io,
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    runtime::Builder,
    time::{MissedTickBehavior, interval, sleep},
};
use tollgate_auth::UnixSeconds;
use tollgate_core::{Capture, Live, Sampler, Settled};
use tollgate_net::{Origin, PoolStats};
use tollgate_ports::TokenState;
use tollgate_proxy::{Gateway, NotServed, Observer, Published};
use tollgate_snapshot::{Settings, Shutdown, Snapshot, Upstream};
use tollgate_telemetry::{
    AccessLog, Admin, Build, CredentialState, HeaderAttributes, MetricSettings, Options as Watching,
    PoolCounts, Reload, Telemetry, TraceSettings, serve,
};
use tollgate_types::{BackendId, Severity};

use crate::{
    changes::{self, Change},
    config::Config,
    counters::Counters,
    logging::Logging,
    reload::{Resources, State, line},
    signals::Signals,
};

/// How often a port that could not be bound is tried again.
const REBIND: Duration = Duration::from_secs(5);
/// Patience with requests under way at the end where nobody says otherwise.
pub(crate) const DRAIN: Duration = Duration::from_secs(60);
/// Exit status after a second signal, as shells have it for SIGINT.
pub(crate) const CUT: u8 = 130;
/// How to serve.
pub(crate) struct Serving {
    pub(crate) proxy: tollgate_proxy::Options,
    pub(crate) counters: Counters,
    pub(crate) admin: SocketAddr,
    pub(crate) access_log: Option<AccessLog>,
    /// What the process logs of itself.
    pub(crate) logging: Logging,
    /// Patience with requests under way at the end; `None` for what the resources say.
    pub(crate) drain: Option<Duration>,
}

/// What the control thread holds.
struct Control {
    gateway: Gateway,
    telemetry: Arc<Telemetry>,
    logging: Logging,
    sampler: Option<Sampler>,
    capture: Option<Capture>,
    config: Arc<ArcSwap<Config>>,
    /// Ports that could not be opened.
    unserved: Vec<NotServed>,
    problems: Vec<String>,
}

/// Tells telemetry of requests.
#[derive(Debug)]
pub(crate) struct Tell(pub(crate) Arc<Telemetry>);

impl Observer for Tell {
    fn began(&self, port: u16) {
        self.0.began(port);
    }

    fn settled(&self, settled: Settled) {
        self.0.observe(&settled);
    }

    fn pools(&self, core: usize, pools: Vec<(BackendId, PoolStats)>) {
        let counts = pools.into_iter().map(|(backend, PoolStats { open, idle, waiting })| {
            (backend, PoolCounts { open, idle, pending: waiting })
        });
        self.0.pools(core, counts.collect());
    }

    fn tokens(&self, tokens: Vec<TokenState>) {
        self.credentials(tokens);
    }
}

impl Tell {
    /// How the tokens for providers are doing.
    pub(crate) fn credentials(&self, tokens: Vec<TokenState>) {
        let states = tokens.into_iter().map(|TokenState { source, held, expires, failures, error }| {
            let expires = expires.map(|UnixSeconds(seconds)| seconds);
            let error = error.as_deref().map(str::to_owned);
            CredentialState { name: source.to_string(), held, expires, failures, error }
        });
        self.0.credentials(states.collect());
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// Where the resources cannot be read at the start, or nothing can be listened on.
pub(crate) fn run(mut resources: Resources, serving: Serving) -> io::Result<ExitCode> {
    let began = Instant::now();
    let state = resources.read(&variable).ok_or_else(|| io::Error::other("nothing was read"))?;
    let Serving { proxy, counters, admin, access_log, logging, drain } = serving;
    logging.follow(&state.compiled.snapshot.settings.reports.levels);
    for note in &state.notes {
        report(note.severity, &line(note));
    }
    startable(&state)?;
    let Watched { telemetry, sampler, capture } =
        watched(&state.compiled.snapshot.settings, access_log, tollgate_proxy::origins)?;
    let gateway = Gateway::start(proxy, Arc::new(Tell(Arc::clone(&telemetry))))?;
    let control = Control {
        gateway,
        telemetry,
        logging,
        sampler,
        capture,
        config: Arc::default(),
        unserved: Vec::new(),
        problems: Vec::new(),
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        counters.start().await;
        let code = control.serve(resources, state, (admin, drain, began)).await;
        counters.finish().await;
        code
    });
    runtime.shutdown_background();
    code
}

/// What watches over requests, and what of them it wants to have.
pub(crate) struct Watched {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) capture: Option<Capture>,
}

/// Starts telemetry as the environment says, and a GatewayConfig before it.
///
/// # Errors
/// Where a variable cannot be understood, or the system gives no thread.
pub(crate) fn watched(
    settings: &Settings,
    access_log: Option<AccessLog>,
    origins: fn(&Upstream) -> Vec<Origin>,
) -> io::Result<Watched> {
    let reporting = |name: &str| of_gateways(settings, name).or_else(|| variable(name));
    let traces = TraceSettings::from_env(&reporting).map_err(io::Error::other)?;
    let sampler = traces.as_ref().map(|traces| traces.sampler);
    let capture = traces.as_ref().and_then(|traces| traces.capture);
    let telemetry = Arc::new(Telemetry::start(Watching {
        build: Build {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("TOLLGATE_COMMIT").unwrap_or("unknown"),
        },
        access_log,
        traces,
        metrics: MetricSettings::from_env(&reporting).map_err(io::Error::other)?,
        attributes: HeaderAttributes::from_env(&reporting).map_err(io::Error::other)?,
        response_models: Watching::RESPONSE_MODELS,
        origins,
    })?);
    telemetry.push_metrics()?;
    Ok(Watched { telemetry, sampler, capture })
}

/// A variable of the process.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// What a GatewayConfig says of a variable.
fn of_gateways(settings: &Settings, name: &str) -> Option<String> {
    let (_, value) = settings.environment.iter().find(|(known, _)| **known == *name)?;
    Some(String::from_utf8_lossy(value.expose()).into_owned())
}

/// Logs a line of what is wrong with resources.
pub(crate) fn report(severity: Severity, line: &str) {
    match severity {
        Severity::Error => tracing::error!("{line}"),
        Severity::Warning => tracing::warn!("{line}"),
        Severity::Info => tracing::info!("{line}"),
    }
}

/// What is broken now was broken by whoever starts us: better to say so than to serve nothing.
fn startable(state: &State) -> io::Result<()> {
    if let Some(unreadable) = state.notes.iter().find(|note| note.code == "unreadable-file") {
        return Err(io::Error::other(unreadable.message.clone()));
    }
    if state.compiled.snapshot.ports.is_empty() {
        return Err(io::Error::other(
            "no listener: the resources have no Gateway with an HTTP or HTTPS listener that can be served",
        ));
    }
    Ok(())
}

/// What cannot be served, with what its reader can do about it.
fn said(problem: &NotServed) -> String {
    match problem {
        NotServed::Bind { port, kind, .. } => {
            let elsewhere = format!("--port-map {port}=OTHER serves the port elsewhere");
            format!("{problem}{}", help(*kind, &elsewhere))
        }
        NotServed::Tls { .. } => problem.to_string(),
    }
}

/// What to do about an address that cannot be listened on.
pub(crate) fn help(kind: io::ErrorKind, elsewhere: &str) -> String {
    match kind {
        io::ErrorKind::AddrInUse => format!("; another process listens there: end it, or {elsewhere}"),
        io::ErrorKind::PermissionDenied => format!("; ports below 1024 need a privilege: {elsewhere}"),
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address, and --bind says which to use".to_owned()
        }
        _ => String::new(),
    }
}

// === impl Control ===

impl Control {
    async fn serve(
        mut self,
        resources: Resources,
        state: State,
        (admin, drain, began): (SocketAddr, Option<Duration>, Instant),
    ) -> io::Result<ExitCode> {
        let mut signals = Signals::new()?;
        let listener = TcpListener::bind(admin).await.map_err(|error| {
            let help = help(error.kind(), &format!("--admin {}:0 takes a free port", admin.ip()));
            io::Error::new(error.kind(), format!("cannot listen on {admin} (--admin): {error}{help}"))
        })?;
        let admin = listener.local_addr()?;
        let published = self.publish(state);
        if published.addresses.is_empty() {
            let reasons: Vec<_> = published.problems.iter().map(said).collect();
            return Err(io::Error::other(format!("no listener: {}", reasons.join("; "))));
        }
        tokio::spawn(serve(listener, Arc::new(self.admin())));
        let (changes, stop) = changes::start(resources)?;
        let mut changes = changes;
        self.say_ready(&published, admin, began);
        let mut rebind = interval(REBIND);
        rebind.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = signals.next() => break,
                Some(change) = changes.recv() => self.change(change),
                _ = rebind.tick() => self.rebind(),
            }
        }
        drop(changes);
        if let Some(stop) = stop {
            // Wakes the watcher up, which finds that nobody listens any more; a full queue wakes it as well.
            let (Ok(()) | Err(_)) = stop.try_send(());
        }
        self.end(drain, signals).await
    }

    fn publish(&mut self, state: State) -> Published {
        let problems = state.problems();
        let before = self.gateway.live();
        let config = Config::of(&state);
        let live = Arc::new(
            Live::new(state.compiled.snapshot, Some(&before)).sampling(self.sampler).capturing(self.capture),
        );
        self.config.store(Arc::new(config.served_by(&live)));
        self.telemetry.publish(&live);
        let published = self.gateway.publish(live);
        for problem in &published.problems {
            tracing::error!("{}", said(problem));
        }
        self.unserved.clone_from(&published.problems);
        self.problems = problems;
        published
    }

    fn change(&mut self, change: Change) {
        let Change { state, took } = change;
        self.logging.follow(&state.compiled.snapshot.settings.reports.levels);
        for note in &state.notes {
            if note.severity != Severity::Info {
                report(note.severity, &line(note));
            }
        }
        let before = self.gateway.live();
        if before.snapshot.settings.environment != state.compiled.snapshot.settings.environment {
            tracing::warn!(
                "variables of a GatewayConfig have changed: they count when the process starts again"
            );
        }
        let kept = state.kept.len();
        let refused = state.refused;
        let began = Instant::now();
        self.publish(state);
        let took = took + began.elapsed();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut problems = self.problems.clone();
        problems.extend(self.unserved.iter().map(ToString::to_string));
        self.telemetry.reloaded(Reload {
            unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
            took,
            problems,
        });
        if refused {
            tracing::warn!(?took, kept, "resources changed; what is broken keeps its last good state");
        } else {
            tracing::info!(?took, "resources changed and serve");
        }
    }

    /// Tries ports again that could not be opened.
    fn rebind(&mut self) {
        if !self.unserved.iter().any(|problem| matches!(problem, NotServed::Bind { .. })) {
            return;
        }
        let published = self.gateway.publish(self.gateway.live());
        if published.problems.len() < self.unserved.len() {
            tracing::info!("a port that was taken is served now");
        }
        self.unserved = published.problems;
    }

    fn admin(&self) -> Admin {
        let config = Arc::clone(&self.config);
        Admin {
            telemetry: Arc::clone(&self.telemetry),
            config: Box::new(move |format| config.load().show(format)),
            names: rustix::system::uname().nodename().to_str().map(str::to_owned).into_iter().collect(),
        }
    }

    fn say_ready(&self, published: &Published, admin: SocketAddr, began: Instant) {
        let addresses: Vec<_> = published
            .addresses
            .iter()
            .map(|(port, address)| {
                if *port == address.port() { address.to_string() } else { format!("{address} (port {port})") }
            })
            .collect();
        let live = self.gateway.live();
        let Snapshot { rules, backends, .. } = &live.snapshot;
        eprintln!(
            "tollgate {} ready in {:.0?}: serving {} with {} rules and {} backends; admin on http://{admin}",
            env!("CARGO_PKG_VERSION"),
            began.elapsed(),
            addresses.join(", "),
            rules.len(),
            backends.len(),
        );
    }

    /// Fails readiness, takes new connections for as long as others may not have heard of it, and drains.
    async fn end(self, drain: Option<Duration>, mut signals: Signals) -> io::Result<ExitCode> {
        let Self { gateway, telemetry, .. } = self;
        let load = gateway.load();
        let Shutdown { patience, least } = gateway.live().snapshot.settings.shutdown;
        let patience = drain.or(patience).unwrap_or(DRAIN);
        let least = least.unwrap_or_default().min(patience);
        tracing::info!(
            connections = load.connections,
            requests = load.requests,
            ?patience,
            ?least,
            "draining"
        );
        telemetry.draining();
        let drained = async {
            sleep(least).await;
            gateway.drain(patience.saturating_sub(least)).await
        };
        let code = tokio::select! {
            cut = drained => {
                if cut.requests > 0 {
                    tracing::warn!(requests = cut.requests, "cut after the drain timeout");
                }
                ExitCode::SUCCESS
            }
            () = signals.next() => ExitCode::from(CUT),
        };
        telemetry.flush(Duration::from_secs(2));
        Ok(code)
    }
}
