//! `tollgate controller`: what Envoy Gateway reads, and the hooks that it calls.
use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::oneshot,
    time::{sleep, timeout},
};
use tollgate_compile::Options;
use tollgate_envoy::extension::{Extension, Processor, QuotaService, Serve, Settings, tls};

use self::{output::Output, work::Work};
use crate::{
    build,
    logging::Logging,
    reload::Resources,
    serving::{help, variable},
    signals::Signals,
    watch::Watch,
};

mod output;
mod work;

/// Hooks that are not called within this time hardly ever will be.
const SILENCE: Duration = Duration::from_secs(60);
/// Patience with hooks under way at the end; Envoy Gateway tries again elsewhere.
const DRAIN: Duration = Duration::from_secs(10);
/// 64 MiB: everything that a Gateway has comes in one message.
const MAX_MESSAGE: usize = 64 << 20;

/// Where rate limit services listen that count quotas.
const QUOTA_PORT: u16 = 8081;

const EXAMPLES: &str = "Examples:
  tollgate controller --resources gateway/ --output /etc/envoy-gateway/resources
  tollgate controller --resources gateway/ --output out --extension-server 127.0.0.1:1063 --processor 127.0.0.1:1064
  tollgate controller --resources gateway/ --tls-certificate tls.crt --tls-key tls.key

In Envoy Gateway's configuration the extension server is:
  extensionManager:
    maxMessageSize: 64Mi
    hooks:
      xdsTranslator:
        translation: {listener: {includeAll: true}, route: {includeAll: true}, cluster: {includeAll: true}, \
                        secret: {includeAll: true}}
        post: [Translation, Cluster, Route, Endpoints]
    service: {fqdn: {hostname: controller.example, port: 1063}}

Signals: SIGTERM and SIGINT answer what is under way and end.";

/// Make Envoy Gateway serve AI resources: write what it reads, and answer the hooks that it calls
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ControllerArgs {
    /// Files or folders of YAML or JSON, read again when they change
    #[arg(long, value_name = "PATH", num_args = 1..)]
    resources: Vec<PathBuf>,
    /// The folder that Envoy Gateway's file provider reads; what the resources become is written there, as one file
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where Envoy Gateway calls the hooks
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:1063")]
    extension_server: SocketAddr,
    /// Where Envoy finds the external processor: unix:PATH, or HOST:PORT
    #[arg(long, value_name = "ADDR", default_value = "unix:/etc/ai-gateway-extproc-uds/run.sock")]
    processor: Processor,
    /// Admin server: /healthz, /readyz, /metrics, /config
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8080")]
    admin: SocketAddr,
    /// The largest message that Envoy Gateway may send or get, in bytes; its own limit is extensionManager.maxMessageSize
    #[arg(long, value_name = "BYTES", default_value_t = MAX_MESSAGE)]
    max_message_size: usize,
    /// The certificate chain of the extension server, in PEM; without it there is no TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Request headers that access logs may show as attributes of io.envoy.ai_gateway; an empty text for none
    #[arg(
        long,
        value_name = "HEADER:ATTRIBUTE",
        value_delimiter = ',',
        default_value = "agent-session-id:session.id"
    )]
    log_request_header_attributes: Vec<String>,
    /// A rate limit service that counts quotas for Envoy, by default on port 8081. Without it Envoy asks nobody: the
    /// processor writes what requests cost, and QuotaPolicies bind only where something reads it
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host_and_port)]
    quota_rate_limit_service: Option<(String, u16)>,
    /// How long that service may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    quota_rate_limit_timeout: u64,
    /// Refuse requests where that service does not answer
    #[arg(long)]
    quota_rate_limit_failure_mode_deny: bool,
    /// What to log on standard error: error, warn, info, debug, trace, or a filter such as info,tollgate_envoy=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
}

/// Runs the command until it is told to end.
///
/// # Errors
/// Where there is nothing to serve, or no way to serve it.
pub(crate) fn run(args: ControllerArgs) -> io::Result<ExitCode> {
    if args.resources.is_empty() {
        return Err(invalid(
            "resources are read from files only: watching a Kubernetes API server is not there yet; give \
             --resources PATH… (and --output DIR for Envoy Gateway's file provider)",
        ));
    }
    Logging::start(Some(&args.log_level))?;
    let began = Instant::now();
    let options = Options { zone: build::zone(&variable), ..Options::default() };
    let resources = Resources::at(args.resources.clone(), options, &mut io::stdin())?;
    let extension = Arc::new(Extension::new(args.settings()?));
    let serve = args.serve()?;
    let paths = resources.paths();
    let output = args.output.as_deref().map(Output::open).transpose()?;
    let mut work = Work::new(resources, output, Arc::clone(&extension));
    work.start(&variable)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let hooks = listen(args.extension_server, "--extension-server").await?;
        let admin = listen(args.admin, "--admin").await?;
        let (stop, stopped) = oneshot::channel::<()>();
        eprintln!(
            "tollgate {} ready in {:.0?}: hooks on {}; admin on http://{}",
            env!("CARGO_PKG_VERSION"),
            began.elapsed(),
            hooks.local_addr()?,
            admin.local_addr()?,
        );
        tokio::spawn(Arc::clone(&extension).admin(admin));
        tokio::spawn(warn_of_silence(Arc::clone(&extension)));
        let reloading = Reloading::start(work, &paths)?;
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(extension.serve(hooks, serve, stopped));
        signals.next().await;
        reloading.stop();
        // Nobody is there to hear it where the server has ended by itself.
        let _ = stop.send(());
        match timeout(DRAIN, serving).await {
            Ok(served) => served.map_err(io::Error::other)??,
            Err(_) => tracing::warn!("hooks were cut after {DRAIN:?}"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

// === impl ControllerArgs ===

impl ControllerArgs {
    fn settings(&self) -> io::Result<Settings> {
        let pairs = self.log_request_header_attributes.iter().filter(|pair| !pair.is_empty());
        let log_attributes = pairs.map(|pair| match pair.split_once(':') {
            Some((header, attribute)) if !header.is_empty() && !attribute.is_empty() => {
                Ok((header.to_ascii_lowercase(), attribute.to_owned()))
            }
            _ => Err(invalid(&format!("--log-request-header-attributes: {pair} is not HEADER:ATTRIBUTE"))),
        });
        let quota = self.quota_rate_limit_service.clone().map(|(host, port)| QuotaService {
            host,
            port,
            timeout: Duration::from_secs(self.quota_rate_limit_timeout),
            failure_mode_deny: self.quota_rate_limit_failure_mode_deny,
        });
        let log_attributes = log_attributes.collect::<Result<_, _>>()?;
        Ok(Settings { processor: self.processor.clone(), log_attributes, quota })
    }

    fn serve(&self) -> io::Result<Serve> {
        let read = |path: &PathBuf| {
            fs::read(path)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        let tls = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let served = tls(&read(certificate)?, &read(key)?);
                Some(served.map_err(|error| invalid(&format!("{}: {error}", certificate.display())))?)
            }
            _ => None,
        };
        Ok(Serve { max_message: self.max_message_size, tls })
    }
}

/// The thread that reads resources again when they change.
struct Reloading {
    over: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

// === impl Reloading ===

impl Reloading {
    fn start(mut work: Work, paths: &[PathBuf]) -> io::Result<Self> {
        let (watch, wake) = Watch::new(paths);
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        thread::Builder::new().name("reload".to_owned()).spawn(move || {
            loop {
                watch.wait();
                if told.load(Ordering::Acquire) {
                    return;
                }
                work.again(&variable);
            }
        })?;
        Ok(Self { over, wake })
    }

    fn stop(self) {
        self.over.store(true, Ordering::Release);
        // A full queue wakes it as well.
        let _ = self.wake.try_send(());
    }
}

async fn listen(address: SocketAddr, option: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let help = help(error.kind(), "choose another port");
        io::Error::new(error.kind(), format!("cannot listen on {address} ({option}): {error}{help}"))
    })
}

/// Without its hooks Envoy Gateway serves all routes, with nobody to choose a model or to sign a request.
async fn warn_of_silence(extension: Arc<Extension>) {
    sleep(SILENCE).await;
    if extension.called().translate == 0 {
        tracing::warn!(
            "Envoy Gateway has called no hook for {SILENCE:?}: see that its configuration names this server in \
             extensionManager.service, and hooks.xdsTranslator.post has Translation, Cluster, Route and Endpoints"
        );
    }
}

/// A name or address, with the port on which rate limit services listen unless another is given.
fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("{port} is no port"))?),
        None => (text, QUOTA_PORT),
    };
    if host.is_empty() || port == 0 {
        return Err("not HOST or HOST:PORT".to_owned());
    }
    Ok((host.to_owned(), port))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_services_have_a_port_of_their_own() {
        assert_eq!(host_and_port("limits.example"), Ok(("limits.example".to_owned(), 8081)));
        assert_eq!(host_and_port("limits.example:9"), Ok(("limits.example".to_owned(), 9)));
        for wrong in ["", ":9", "x:", "x:0", "x:y"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
