//! `tollgate run`: the gateway.
use std::{
    collections::HashMap,
    env,
    io::{self, IsTerminal as _},
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use tollgate_net::Overrides;
use tollgate_ports::Clouds;
use tollgate_snapshot::{Prefixes, Settings};
use tollgate_telemetry::{AccessLog, LogFormat};
use tollgate_types::Dialect;

use crate::{
    autoconfig, build,
    counters::CounterArgs,
    limits,
    logging::Logging,
    reload::Resources,
    serving::{self, Serving},
};

const EXAMPLES: &str = "Examples:
  OPENAI_API_KEY=sk-… tollgate run
  tollgate run gateway.yaml
  tollgate run examples/quickstart --port-map 80=8080,443=8443 --bind 0.0.0.0
  kubectl get gateways,httproutes,aigatewayroutes,aiservicebackends -o yaml | tollgate run -

Signals: SIGTERM and SIGINT finish what is under way and end; a second one ends at once.";

/// Serve the resources in files or folders; without any, what OPENAI_API_KEY and its kind configure
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// Files or folders of YAML or JSON, read again when they change; `-` is standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Address that every listener binds
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Serve Gateway port FROM on local port TO, for example 80=8080,443=8443; TO 0 takes a free port
    #[arg(long, value_name = "FROM=TO", value_delimiter = ',', value_parser = port_pair)]
    port_map: Vec<(u16, u16)>,
    /// Admin server: /healthz, /readyz, /metrics, /config, and a page for people at /
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1064")]
    admin: SocketAddr,
    #[command(flatten)]
    counters: CounterArgs,
    /// Resolve a name locally, as curl does, for example api.svc.cluster.local:80=127.0.0.1:8000; may be repeated
    #[arg(long, value_name = "HOST[:PORT]=ADDR[:PORT]")]
    resolve: Vec<String>,
    /// One line per request on standard output: text on a terminal and json elsewhere unless said
    #[arg(long, value_name = "FORMAT")]
    access_log: Option<LogChoice>,
    /// The zone in which this gateway runs, for load balancers that prefer what is near; also from TOLLGATE_ZONE
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Threads that serve; one per processor unless said
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Largest body of an LLM request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Settings::DEFAULT_BODY_LIMIT)]
    body_limit: usize,
    /// Where the dialects are served, for example openai:/,anthropic:/anthropic
    #[arg(long, value_name = "KEY:PATH,…", value_parser = prefixes, default_value = "openai:/,anthropic:/anthropic")]
    endpoint_prefixes: Prefixes,
    /// How long requests under way may take after a signal to end, in seconds; what an EnvoyProxy says unless given, or
    /// 60
    #[arg(long, value_name = "SECONDS")]
    drain_timeout: Option<u64>,
    /// What to log on standard error: error, warn, info, debug, trace, or a filter such as info,tollgate_net=debug;
    /// RUST_LOG unless given, then what an EnvoyProxy says, then info
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogChoice {
    /// A JSON object per line
    Json,
    /// For people
    Text,
    /// None
    Off,
}

/// Runs the command until it is told to end.
///
/// # Errors
/// Where there is nothing to serve, or no way to serve it.
pub(crate) fn run(args: RunArgs) -> io::Result<ExitCode> {
    let logging = Logging::start(args.log_level.as_deref())?;
    let open_files = limits::raise_open_files();
    tracing::debug!(open_files, "limit of open files");
    let compile = tollgate_compile::Options {
        prefixes: args.endpoint_prefixes.clone(),
        body_limit: args.body_limit,
        host: tollgate_compile::Host::Native,
        zone: args.zone.clone().map(Arc::from).or_else(|| build::zone(&|name| env::var(name).ok())),
        refused: Vec::new(),
    };
    let resources = if args.paths.is_empty() {
        let file =
            autoconfig::from_environment(&|name| env::var(name).ok()).map_err(|error| invalid(&error))?;
        Resources::fixed(file, compile)
    } else {
        Resources::at(args.paths.clone(), compile, &mut io::stdin())?
    };
    serving::run(resources, args.serving(logging)?)
}

// === impl RunArgs ===

impl RunArgs {
    fn serving(self, logging: Logging) -> io::Result<Serving> {
        let mut overrides = Overrides::default();
        for text in &self.resolve {
            overrides.insert(text).map_err(|error| invalid(&error))?;
        }
        let cores =
            self.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let counters = self.counters.open()?;
        let proxy = tollgate_proxy::Options {
            cores,
            bind: self.bind,
            port_map: self.port_map.iter().copied().collect::<HashMap<_, _>>(),
            overrides: Arc::new(overrides),
            retire_patience: self.drain_timeout.map_or(serving::DRAIN, Duration::from_secs),
            limits: Arc::clone(&counters.limits),
            clouds: Clouds::new(|name| env::var(name).ok()),
            ..tollgate_proxy::Options::default()
        };
        Ok(Serving {
            proxy,
            counters,
            admin: self.admin,
            access_log: access_log(self.access_log),
            logging,
            drain: self.drain_timeout.map(Duration::from_secs),
        })
    }
}

/// What to write of requests on standard output, if anything.
pub(crate) fn access_log(choice: Option<LogChoice>) -> Option<AccessLog> {
    let terminal = io::stdout().is_terminal();
    let format = match choice {
        Some(LogChoice::Off) => return None,
        Some(LogChoice::Json) => LogFormat::Json,
        None if !terminal => LogFormat::Json,
        Some(LogChoice::Text) | None if terminal && env::var_os("NO_COLOR").is_none() => LogFormat::Coloured,
        Some(LogChoice::Text) | None => LogFormat::Text,
    };
    Some(AccessLog { format, to: Box::new(io::stdout()) })
}

/// An argument that means nothing.
fn invalid(error: &dyn std::error::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

fn port_pair(text: &str) -> Result<(u16, u16), String> {
    let (from, to) = text.split_once('=').ok_or("not FROM=TO")?;
    let port = |text: &str| text.parse().map_err(|_| format!("{text} is no port"));
    Ok((port(from)?, port(to)?))
}

/// `key:path` pairs; keys are the dialects, a path may be empty.
pub(crate) fn prefixes(text: &str) -> Result<Prefixes, String> {
    let mut own = Vec::new();
    for pair in text.split(',') {
        let (key, path) = pair.split_once(':').ok_or_else(|| format!("{pair} is not KEY:PATH"))?;
        let dialect = match key {
            "openai" => Dialect::OpenAi,
            "anthropic" => Dialect::Anthropic,
            "cohere" => Dialect::Cohere,
            "gemini" => Dialect::Gemini,
            _ => return Err(format!("{key} is no dialect; there are openai, anthropic, cohere and gemini")),
        };
        own.push((dialect, path));
    }
    Ok(Prefixes::new("/", &own))
}

#[cfg(test)]
mod tests {
    use tollgate_types::Endpoint;

    use super::*;

    #[test]
    fn prefixes_move_one_dialect_and_leave_the_other() {
        let moved = prefixes("anthropic:/claude").unwrap();
        assert_eq!(moved.endpoint("/claude/v1/messages"), Some(Endpoint::Messages));
        assert_eq!(moved.endpoint("/v1/chat/completions"), Some(Endpoint::ChatCompletions));
        assert!(prefixes("grok:/").is_err() && prefixes("openai").is_err());
    }

    #[test]
    fn ports_are_mapped_in_pairs() {
        assert_eq!(port_pair("80=8080"), Ok((80, 8080)));
        assert!(port_pair("80").is_err() && port_pair("80=x").is_err());
    }
}
