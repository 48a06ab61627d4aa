//! `tollgate extproc`: Envoy's external processor.
use std::{
    env, io,
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    runtime::Builder,
    time::{MissedTickBehavior, interval},
};
use tollgate_core::{Live, Settled};
use tollgate_envoy::processor::{Address, Observer, Options, Processor};
use tollgate_ports::Clouds;
use tollgate_snapshot::{Prefixes, Settings, Snapshot};
use tollgate_telemetry::{Admin, Reload, serve};
use tollgate_types::Severity;

use crate::{
    changes::{self, Change},
    config::Config,
    limits,
    logging::Logging,
    reload::{Resources, State, line},
    run::{LogChoice, access_log, prefixes},
    serving::{self, Tell, Watched, help, report, variable, watched},
    signals::Signals,
};

const EXAMPLES: &str = "Examples:
  tollgate extproc
  tollgate extproc --resources resources/ --listen unix:/run/tollgate/extproc.sock
  tollgate extproc --resources gateway.yaml --listen :1063 --admin 127.0.0.1:1064

Envoy finds it by the cluster that `tollgate controller` adds to its configuration. `/health` on the admin port fails
until resources are there.

Signals: SIGTERM and SIGINT finish what is under way and end; a second one ends at once.";

/// How often telemetry is told how tokens for providers are doing.
const TELL: Duration = Duration::from_secs(1);

/// Process requests of Envoy's: LLM dialects, credentials, costs (external processing filter, ext_proc v3)
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExtprocArgs {
    /// Files or folders of YAML or JSON, read again when they change
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = "/etc/tollgate/resources")]
    resources: Vec<PathBuf>,
    /// Where Envoy finds it: unix:PATH, IP:PORT, or :PORT
    #[arg(long, value_name = "ADDR", default_value = "unix:/etc/ai-gateway-extproc-uds/run.sock")]
    listen: Address,
    /// Admin server: /health, /healthz, /readyz, /metrics, /config, and a page for people at /
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:1064")]
    admin: SocketAddr,
    /// One line per request on standard output; Envoy has its own access log
    #[arg(long, value_name = "FORMAT", default_value = "off")]
    access_log: LogChoice,
    /// Threads that serve; one per processor unless said
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Largest body of an LLM request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Settings::DEFAULT_BODY_LIMIT)]
    body_limit: usize,
    /// Largest message of Envoy's, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20)]
    max_message_size: usize,
    /// Where the dialects are served, for example openai:/,anthropic:/anthropic
    #[arg(long, value_name = "KEY:PATH,…", value_parser = prefixes, default_value = "openai:/,anthropic:/anthropic")]
    endpoint_prefixes: Prefixes,
    /// How long requests under way may take after a signal to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    drain_timeout: u64,
    /// What to log on standard error: error, warn, info, debug, trace, or a filter such as info,tollgate_envoy=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
}

/// What the control thread holds.
struct Control {
    processor: Processor,
    watched: Watched,
    tell: Arc<Tell>,
    config: Arc<ArcSwap<Config>>,
    /// Why there is nothing to serve; said once.
    missing: Option<String>,
}

impl Observer for Tell {
    fn began(&self, port: u16) {
        self.0.began(port);
    }

    fn settled(&self, settled: Settled) {
        self.0.observe(&settled);
    }
}

/// Runs the command until it is told to end.
///
/// # Errors
/// Where nothing can be listened on, or a variable of the environment cannot be understood.
pub(crate) fn run(args: ExtprocArgs) -> io::Result<ExitCode> {
    Logging::start(Some(&args.log_level))?;
    limits::raise_open_files();
    let compile = tollgate_compile::Options {
        prefixes: args.endpoint_prefixes.clone(),
        body_limit: args.body_limit,
        host: tollgate_compile::Host::Envoy,
        ..tollgate_compile::Options::default()
    };
    let mut resources = Resources::at(args.resources.clone(), compile, &mut io::empty())?;
    let state = resources.read(&variable).ok_or_else(|| io::Error::other("nothing was read"))?;
    let watched = watched(
        &state.compiled.snapshot.settings,
        access_log(Some(args.access_log)),
        tollgate_proxy::origins,
    )?;
    let tell = Arc::new(Tell(Arc::clone(&watched.telemetry)));
    let cores = args.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let options = Options {
        cores,
        max_message_size: args.max_message_size,
        clouds: Clouds::new(|name| env::var(name).ok()),
    };
    let processor = Processor::start(options, Arc::<Tell>::clone(&tell))?;
    let control = Control { processor, watched, tell, config: Arc::default(), missing: None };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(control.serve((resources, state), &args));
    runtime.shutdown_background();
    code
}

// === impl Control ===

impl Control {
    async fn serve(
        mut self,
        (resources, state): (Resources, State),
        args: &ExtprocArgs,
    ) -> io::Result<ExitCode> {
        let began = Instant::now();
        let mut signals = Signals::new()?;
        let listener = TcpListener::bind(args.admin).await.map_err(|error| {
            let help = help(error.kind(), &format!("--admin {}:0 takes a free port", args.admin.ip()));
            io::Error::new(error.kind(), format!("cannot listen on {} (--admin): {error}{help}", args.admin))
        })?;
        let admin = listener.local_addr()?;
        self.take(state);
        let (address, accepting) = self.processor.listen(&args.listen).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {} (--listen): {error}", args.listen))
        })?;
        let accepting = tokio::spawn(accepting);
        tokio::spawn(serve(listener, Arc::new(self.admin())));
        let (mut changes, stop) = changes::start(resources)?;
        self.say_ready(&address, admin, began);
        let mut ticks = interval(TELL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = signals.next() => break,
                Some(change) = changes.recv() => self.change(change),
                _ = ticks.tick() => self.tell.credentials(self.processor.tokens()),
            }
        }
        drop(changes);
        if let Some(stop) = stop {
            // Wakes the watcher up, which finds that nobody listens any more; a full queue wakes it as well.
            let (Ok(()) | Err(_)) = stop.try_send(());
        }
        let code = self.end(Duration::from_secs(args.drain_timeout), signals).await;
        accepting.abort();
        Ok(code)
    }

    /// Puts what was read into service, unless there is nothing in it: what serves goes on then.
    fn take(&mut self, state: State) {
        for note in state.notes.iter().filter(|note| note.severity != Severity::Info) {
            report(note.severity, &line(note));
        }
        if state.compiled.snapshot.ports.is_empty() {
            let missing =
                "no listener: the resources have no Gateway with an HTTP or HTTPS listener".to_owned();
            if self.missing.as_ref() != Some(&missing) {
                tracing::warn!("{missing}; waiting for one");
            }
            self.missing = Some(missing);
            return;
        }
        self.missing = None;
        let before = self.processor.live();
        let config = Config::of(&state);
        let Watched { telemetry, sampler, capture } = &self.watched;
        let live = Live::new(state.compiled.snapshot, before.as_deref())
            .sampling(*sampler)
            .capturing(*capture)
            .led_elsewhere();
        let live = Arc::new(live);
        self.config.store(Arc::new(config.served_by(&live)));
        telemetry.publish(&live);
        self.processor.publish(live);
    }

    fn change(&mut self, change: Change) {
        let Change { state, took } = change;
        let (kept, refused, mut problems) = (state.kept.len(), state.refused, state.problems());
        let began = Instant::now();
        self.take(state);
        problems.extend(self.missing.clone());
        let took = took + began.elapsed();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        self.watched.telemetry.reloaded(Reload { unix_ms, took, problems });
        if refused || self.missing.is_some() {
            tracing::warn!(?took, kept, "resources changed; what is broken keeps its last good state");
        } else {
            tracing::info!(?took, "resources changed and serve");
        }
    }

    fn admin(&self) -> Admin {
        let config = Arc::clone(&self.config);
        Admin {
            telemetry: Arc::clone(&self.watched.telemetry),
            config: Box::new(move |format| config.load().show(format)),
            names: rustix::system::uname().nodename().to_str().map(str::to_owned).into_iter().collect(),
        }
    }

    fn say_ready(&self, address: &Address, admin: SocketAddr, began: Instant) {
        let live = self.processor.live();
        let none = Snapshot::default();
        let Snapshot { rules, backends, .. } = live.as_ref().map_or(&none, |live| &live.snapshot);
        eprintln!(
            "tollgate {} ready in {:.0?}: external processor on {address} with {} rules and {} backends; admin on \
             http://{admin}",
            env!("CARGO_PKG_VERSION"),
            began.elapsed(),
            rules.len(),
            backends.len(),
        );
    }

    /// Fails readiness and drains.
    async fn end(self, patience: Duration, mut signals: Signals) -> ExitCode {
        let Self { processor, watched, .. } = self;
        tracing::info!(connections = processor.connections(), ?patience, "draining");
        watched.telemetry.draining();
        let code = tokio::select! {
            cut = processor.drain(patience) => {
                if cut > 0 {
                    tracing::warn!(connections = cut, "cut after the drain timeout");
                }
                ExitCode::SUCCESS
            }
            () = signals.next() => ExitCode::from(serving::CUT),
        };
        watched.telemetry.flush(Duration::from_secs(2));
        code
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn addresses_are_checked_when_the_command_is_read() {
        let parsed = |listen: &str| Cli::try_parse_from(["tollgate", "extproc", "--listen", listen]);
        assert!(parsed("unix:/run/a.sock").is_ok() && parsed(":1063").is_ok());
        let refused = parsed("/run/a.sock").unwrap_err().to_string();
        assert!(refused.contains("expected unix:PATH, IP:PORT or :PORT"), "{refused}");
    }
}
