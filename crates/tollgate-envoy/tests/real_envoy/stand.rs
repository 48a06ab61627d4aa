//! A real Envoy between simulated providers and the processor, all on this machine.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tollgate_compile::{Host, Options as Compiling, compile};
use tollgate_core::{Live, Settled};
use tollgate_envoy::processor::{Address, Observer, Options, Processor};
use tollgate_resources::{Source, load};
use tollgate_simulate::Simulator;

use crate::client::{self, Reply};

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often what can only be looked at is looked at.
const LOOK: Duration = Duration::from_millis(5);

const BOOTSTRAP: &str = include_str!("bootstrap.yaml");
const RESOURCES: &str = include_str!("../../../../examples/quickstart/gateway.yaml");

/// How a stand differs from the usual one.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The upstream level is served by another processor than the router level.
    pub(crate) apart: bool,
    /// When Envoy gives up on a stream on which nothing happens.
    pub(crate) idle: &'static str,
    /// Largest body of an LLM request, in bytes.
    pub(crate) body_limit: usize,
    /// Largest message of Envoy's, in bytes.
    pub(crate) max_message_size: usize,
    /// What Envoy was told of the two levels.
    pub(crate) told: Told,
}

/// What a configuration says of the two levels of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// All of it
    Now,
    /// The same where something behind the processor may change bodies
    Changed,
    /// What versions said before attempts could leave bodies unread
    Before,
}

/// Everything that runs.
pub(crate) struct Stand {
    pub(crate) port: u16,
    pub(crate) admin: SocketAddr,
    pub(crate) openai: Simulator,
    pub(crate) anthropic: Simulator,
    pub(crate) processor: Option<Served>,
    pub(crate) setup: Setup,
    upstream: Option<Served>,
    envoy: Child,
    folder: TempDir,
    tell: mpsc::Sender<Settled>,
    settled: Mutex<mpsc::Receiver<Settled>>,
    lines: usize,
}

/// A processor that listens.
pub(crate) struct Served {
    pub(crate) processor: Processor,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Tell(mpsc::Sender<Settled>);

impl Observer for Tell {
    fn began(&self, _port: u16) {}

    fn settled(&self, settled: Settled) {
        self.0.try_send(settled).expect("there is room for what a test settles");
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self { apart: false, idle: "30s", body_limit: 16 << 20, max_message_size: 64 << 20, told: Told::Now }
    }
}

// === impl Told ===

impl Told {
    const fn router(self) -> &'static str {
        match self {
            Self::Now => ", authority: last.router.tollgate",
            Self::Changed => ", authority: router.tollgate",
            Self::Before => "",
        }
    }

    const fn attempt(self) -> &'static str {
        match self {
            Self::Now | Self::Changed => ", authority: attempt.tollgate",
            Self::Before => "",
        }
    }
}

/// Where Envoy is: `TOLLGATE_ENVOY`, else where `cargo xtask` keeps it.
fn envoys() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("TOLLGATE_ENVOY") {
        return vec![named.into()];
    }
    let Some(home) = env::var_os("HOME") else { return Vec::new() };
    let cached = |version| Path::new(&home).join(format!(".cache/tollgate/envoy-{version}/envoy"));
    [cached("1.40"), cached("1.36")].into_iter().filter(|path| path.is_file()).collect()
}

/// Before Envoy 1.38 its own replies are not shown to us unless it is told to; later ones do not know the key.
fn runtime(envoy: &Path) -> &'static str {
    match envoy.to_string_lossy().contains("1.36") {
        true => {
            "layered_runtime: {layers: [{name: static, static_layer: \
             {envoy.reloadable_features.skip_ext_proc_on_local_reply: false}}]}"
        }
        false => "",
    }
}

fn spawn(envoy: &Path, folder: &Path) -> Child {
    Command::new(envoy)
        .args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--file-flush-interval-msec",
            "5",
            "-l",
            "error",
        ])
        .arg("-c")
        .arg(folder.join("envoy.yaml"))
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

impl Stand {
    /// Starts all of it with the newest Envoy; `None` where there is none, which is said.
    pub(crate) async fn start(setup: Setup) -> Option<Self> {
        let envoy = envoys().into_iter().next();
        if envoy.is_none() {
            eprintln!(
                "skipped: no Envoy; name one by TOLLGATE_ENVOY=PATH, or install it by `cargo xtask envoy`"
            );
        }
        Some(Self::with(&envoy?, setup).await)
    }

    /// One stand for each Envoy that there is.
    pub(crate) async fn each() -> Vec<Self> {
        Self::each_with(&Setup::default()).await
    }

    pub(crate) async fn each_with(setup: &Setup) -> Vec<Self> {
        let mut all = Vec::new();
        for envoy in envoys() {
            all.push(Self::with(&envoy, setup.clone()).await);
        }
        if all.is_empty() {
            eprintln!(
                "skipped: no Envoy; name one by TOLLGATE_ENVOY=PATH, or install it by `cargo xtask envoy`"
            );
        }
        all
    }

    async fn with(envoy: &Path, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (openai, anthropic) = (Simulator::start().unwrap(), Simulator::start().unwrap());
        let (tell, settled) = mpsc::channel(4096);
        let socket = at("p.sock");
        let upstream_socket = if setup.apart { at("u.sock") } else { socket.clone() };
        let fill = [
            ("@RUNTIME@", runtime(envoy).to_owned()),
            ("@LOG@", at("access.log").display().to_string()),
            ("@IDLE@", setup.idle.to_owned()),
            ("@SOCKET@", socket.display().to_string()),
            ("@UPSTREAM_SOCKET@", upstream_socket.display().to_string()),
            ("@OPENAI@", openai.address().port().to_string()),
            ("@ANTHROPIC@", anthropic.address().port().to_string()),
            ("@ROUTER_LEVEL@", setup.told.router().to_owned()),
            ("@ATTEMPT_LEVEL@", setup.told.attempt().to_owned()),
            ("@OVERRIDE@", (setup.told != Told::Before).to_string()),
        ];
        let bootstrap =
            fill.iter().fold(BOOTSTRAP.to_owned(), |text, (name, value)| text.replace(name, value));
        fs::write(at("envoy.yaml"), bootstrap).unwrap();
        let child = spawn(envoy, folder.path());
        let mut this = Self {
            port: 0,
            admin: ([127, 0, 0, 1], 0).into(),
            openai,
            anthropic,
            processor: None,
            upstream: None,
            setup: setup.clone(),
            envoy: child,
            folder,
            tell,
            settled: Mutex::new(settled),
            lines: 0,
        };
        this.restart_processor().await;
        if setup.apart {
            this.upstream = Some(this.serve("u.sock"));
        }
        this.wait_for_envoy().await;
        this
    }

    /// Reads where Envoy listens, once it does.
    async fn wait_for_envoy(&mut self) {
        let path = self.folder.path().join("admin");
        let admin = wait(|| fs::read_to_string(&path).ok()?.trim().parse().ok()).await;
        self.admin = admin;
        loop {
            if client::try_get(admin.port(), "/ready").await.is_some_and(|reply| reply.status == 200) {
                break;
            }
            sleep(LOOK).await;
        }
        let listeners: Value = client::get(admin.port(), "/listeners?format=json").await.json();
        let port = &listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"];
        self.port = u16::try_from(port.as_u64().unwrap()).unwrap();
    }

    fn serve(&self, socket: &str) -> Served {
        let options = Options { max_message_size: self.setup.max_message_size, ..Options::default() };
        let processor = Processor::start(options, Arc::new(Tell(self.tell.clone()))).unwrap();
        processor.publish(self.live(RESOURCES, None));
        let address = Address::Unix(self.folder.path().join(socket));
        let (_, accepting) = processor.listen(&address).unwrap();
        Served { processor, accepting: tokio::spawn(accepting) }
    }

    /// A processor in place of the one before, if there is one: as after a crash.
    pub(crate) async fn restart_processor(&mut self) {
        self.stop_processor().await;
        self.processor = Some(self.serve("p.sock"));
    }

    /// Nobody listens any more, and what was open is cut.
    pub(crate) async fn stop_processor(&mut self) {
        if let Some(mut served) = self.processor.take() {
            served.accepting.abort();
            let _ended = (&mut served.accepting).await;
        }
    }

    /// Another processor in place of the one that serves the upstream level.
    pub(crate) async fn restart_upstream(&mut self) {
        if let Some(mut served) = self.upstream.take() {
            served.accepting.abort();
            let _ended = (&mut served.accepting).await;
        }
        self.upstream = Some(self.serve("u.sock"));
    }

    /// Where the processor listens, for one that a test brings itself.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("p.sock")
    }

    /// Resources as the processor serves them.
    pub(crate) fn live(&self, text: &str, before: Option<&Live>) -> Arc<Live> {
        let env = |name: &str| match name {
            "SIMULATED_OPENAI_PORT" => Some(self.openai.address().port().to_string()),
            "SIMULATED_ANTHROPIC_PORT" => Some(self.anthropic.address().port().to_string()),
            _ => None,
        };
        let loaded = load(&[Source { name: "gateway.yaml", text }], &env);
        let options =
            Compiling { host: Host::Envoy, body_limit: self.setup.body_limit, ..Compiling::default() };
        Arc::new(Live::new(compile(&loaded.set, &options).snapshot, before).led_elsewhere())
    }

    /// The resources that are served unless a test says otherwise.
    pub(crate) const fn resources() -> &'static str {
        RESOURCES
    }

    /// Puts other resources into service.
    pub(crate) fn reload(&self, text: &str) {
        let processor = &self.processor.as_ref().unwrap().processor;
        let before = processor.live();
        processor.publish(self.live(text, before.as_deref()));
    }

    pub(crate) async fn chat(&self, body: &str) -> Reply {
        client::post(self.port, "/v1/chat/completions", body).await
    }

    /// Messages that Envoy has sent to the upstream level, of this cluster's attempts.
    pub(crate) async fn told_of_attempts(&self, cluster: &str) -> u64 {
        let stats = client::get(self.admin.port(), "/stats?filter=ext_proc.stream_msgs_sent").await;
        let of_cluster = stats.body.lines().filter(|line| line.contains(cluster));
        of_cluster.filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
    }

    /// The next request that was settled.
    pub(crate) async fn settled(&self) -> Settled {
        let mut settled = self.settled.lock().await;
        timeout(PATIENCE, settled.recv()).await.expect("a request is settled in time").unwrap()
    }

    /// True where no request was settled that was not looked at.
    pub(crate) async fn nothing_more_settled(&self) -> bool {
        self.settled.lock().await.try_recv().is_err()
    }

    /// The next line of Envoy's access log.
    pub(crate) async fn logged(&mut self) -> Value {
        let path = self.folder.path().join("access.log");
        let at = self.lines;
        self.lines += 1;
        wait(|| serde_json::from_str(fs::read_to_string(&path).ok()?.lines().nth(at)?).ok()).await
    }

    /// Ends Envoy as a crash would.
    pub(crate) async fn kill_envoy(&mut self) {
        self.envoy.kill().await.unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Looks until there is something to see.
pub(crate) async fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look() {
                Some(seen) => return seen,
                None => sleep(LOOK).await,
            }
        }
    };
    timeout(PATIENCE, looking).await.expect("what is waited for comes in time")
}
