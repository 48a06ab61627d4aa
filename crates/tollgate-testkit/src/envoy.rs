//! The real Envoy and the real Envoy Gateway, where `cargo xtask envoy` has installed them.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    http,
    limits::GlobalLimits,
    process::{PATIENCE, Running, cache},
};

/// The version of Envoy Gateway that the tests run against, unless `TOLLGATE_ENVOY_GATEWAY` names a program.
pub const GATEWAY: &str = "v1.8.1";

/// Envoy Gateway without Kubernetes: it reads a folder, asks an extension server, and runs Envoy as its child.
#[derive(Debug)]
pub struct Standalone {
    gateway: Running,
    folder: PathBuf,
    /// Its ports are fixed (18000 for xDS, 8081, 18002, 19003 for its Envoy), so one runs at a time on a machine.
    _alone: File,
}

/// How it is configured.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// A folder for everything that it writes.
    pub folder: &'a Path,
    /// The folder whose files it reads.
    pub resources: &'a Path,
    /// The port of the extension server on this machine.
    pub extension: Option<u16>,
    /// The hooks that are called after translation.
    pub hooks: &'a [&'a str],
    /// The program of Envoy.
    pub envoy: &'a Path,
}

/// The hooks that our Helm values ask for.
pub const HOOKS: [&str; 4] = ["Translation", "Cluster", "Route", "Endpoints"];

/// Envoy by itself, with a configuration of the test's.
#[derive(Debug)]
pub struct Alone {
    envoy: Running,
    admin: u16,
}

/// Envoy `1.40`, say, or the one that `TOLLGATE_ENVOY` names.
#[must_use]
pub fn envoy(version: &str) -> Option<PathBuf> {
    program("TOLLGATE_ENVOY", &format!("envoy-{version}/envoy"))
}

/// The second number of its version: 40 of Envoy 1.40.0.
#[must_use]
pub fn minor(envoy: &Path) -> Option<u32> {
    let said = Command::new(envoy).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split('/').find(|part| part.starts_with("1."))?;
    version.split('.').nth(1)?.parse().ok()
}

/// The program of Envoy Gateway.
#[must_use]
pub fn envoy_gateway() -> Option<PathBuf> {
    program("TOLLGATE_ENVOY_GATEWAY", &format!("envoy-gateway-{GATEWAY}/envoy-gateway"))
}

fn program(variable: &str, cached: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    named.or_else(|| Some(cache().join(cached))).filter(|path| path.exists())
}

// === impl Alone ===

impl Alone {
    /// Starts it in an empty folder, and waits until it serves. The configuration has
    /// everything but `admin` and `node`.
    ///
    /// # Errors
    /// Where it does not start; the text has what it said.
    pub fn start(envoy: &Path, folder: &Path, config: &str) -> Result<Self, String> {
        let named = |error: io::Error| format!("envoy: {error}");
        let (file, admin) = (folder.join("envoy.yaml"), folder.join("admin"));
        let config = format!(
            "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}\n\
             node: {{id: test, cluster: test}}\n{config}"
        );
        fs::write(&file, config).map_err(named)?;
        let mut command = Command::new(envoy);
        command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin);
        command.args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "warning",
            "--file-flush-interval-msec",
            "5",
        ]);
        let mut envoy = Running::start("envoy", &mut command).map_err(named)?;
        let end = Instant::now() + PATIENCE;
        loop {
            let address = fs::read_to_string(&admin).unwrap_or_default();
            let port = address.trim().rsplit(':').next().and_then(|port| port.parse().ok());
            if let Some(admin) = port.filter(|port| http::get(*port, "/ready").status == 200) {
                return Ok(Self { envoy, admin });
            }
            if Instant::now() > end || !envoy.lives() {
                return Err(format!("envoy does not start:\n{}", envoy.said().join("\n")));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The program, for those who wait for a line or end it.
    pub const fn running(&mut self) -> &mut Running {
        &mut self.envoy
    }

    /// Counters by name.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, u64> {
        counters(self.admin)
    }
}

/// Counters and gauges of an Envoy by name.
#[must_use]
pub fn counters(admin: u16) -> BTreeMap<String, u64> {
    let text = http::get(admin, "/stats").text();
    let counter = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(counter).collect()
}

// === impl Standalone ===

impl Standalone {
    /// Starts it and waits until it has read its resources. `None` where it is not installed.
    ///
    /// # Errors
    /// Where it does not start; the text has what it said.
    pub fn start(setup: &Setup<'_>) -> Result<Option<Self>, String> {
        Self::start_with(setup, None)
    }

    /// The same with global rate limits; see [`GlobalLimits::resources`] for what it has to read then.
    ///
    /// # Errors
    /// Where it does not start; the text has what it said.
    pub fn start_with(setup: &Setup<'_>, limits: Option<&GlobalLimits>) -> Result<Option<Self>, String> {
        let Some(program) = envoy_gateway() else { return Ok(None) };
        let named = |error: io::Error| format!("envoy-gateway: {error}");
        let alone = File::create(env::temp_dir().join("tollgate-envoy-gateway.lock")).map_err(named)?;
        alone.lock().map_err(named)?;
        let config = setup.folder.join("envoy-gateway.yaml");
        let more = limits.map(GlobalLimits::config).unwrap_or_default();
        fs::write(&config, setup.config() + &more).map_err(named)?;
        plant(&program, setup).map_err(named)?;
        certificates(setup.folder)?;
        let mut command = Command::new(&program);
        command.arg("server").arg("--config-path").arg(&config);
        let mut gateway = Running::start("envoy-gateway", &mut command).map_err(named)?;
        gateway.wait_for("Watching path added")?;
        Ok(Some(Self { gateway, folder: setup.folder.to_owned(), _alone: alone }))
    }

    /// Where the administration of its Envoy answers: `127.0.0.1:PORT`.
    ///
    /// # Errors
    /// Where its Envoy does not start.
    pub fn envoy_admin(&mut self) -> Result<String, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            for run in fs::read_dir(self.folder.join("run")).into_iter().flatten().flatten() {
                let address = fs::read_to_string(run.path().join("admin-address.txt")).unwrap_or_default();
                if !address.trim().is_empty() {
                    return Ok(address.trim().to_owned());
                }
            }
            if Instant::now() > end || !self.gateway.lives() {
                return Err(format!("envoy-gateway starts no Envoy:\n{}", self.gateway.said().join("\n")));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// What it and its Envoy have said.
    pub fn said(&mut self) -> String {
        self.gateway.said().join("\n")
    }

    /// The program, for those who wait for a line or end it.
    pub const fn running(&mut self) -> &mut Running {
        &mut self.gateway
    }
}

// === impl Setup ===

impl Setup<'_> {
    /// The configuration of Envoy Gateway, whose extension manager is as users have it in a cluster.
    #[must_use]
    pub fn config(&self) -> String {
        let folder = self.folder.display();
        let extension = self.extension.map(|port| extension(port, self.hooks)).unwrap_or_default();
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
provider:
  type: Custom
  custom:
    resource:
      type: File
      file:
        paths: [\"{}\"]
    infrastructure:
      type: Host
      host:
        configHome: {folder}/config
        dataHome: {folder}/data
        stateHome: {folder}/state
        runtimeDir: {folder}/run
admin: {{address: {{host: 127.0.0.1, port: 0}}}}
telemetry:
  metrics:
    prometheus: {{disable: true}}
logging:
  level: {{default: info}}
extensionApis:
  enableBackend: true
  enableEnvoyPatchPolicy: true
{extension}",
            self.resources.display()
        )
    }
}

fn extension(port: u16, hooks: &[&str]) -> String {
    let hooks: String = hooks.iter().map(|hook| format!("        - {hook}\n")).collect();
    format!(
        "extensionManager:
  maxMessageSize: 64Mi
  hooks:
    xdsTranslator:
      translation:
        listener: {{includeAll: true}}
        route: {{includeAll: true}}
        cluster: {{includeAll: true}}
        secret: {{includeAll: true}}
      post:
{hooks}  service:
    ip: {{address: 127.0.0.1, port: {port}}}
  backendResources:
    - group: inference.networking.k8s.io
      kind: InferencePool
      version: v1
"
    )
}

/// Makes the keys with which Envoy Gateway, its Envoy and its rate limit service know each other, where they are not
/// there.
///
/// # Errors
/// Where Envoy Gateway cannot make them.
pub fn certificates(folder: &Path) -> Result<(), String> {
    let home = folder.join("config");
    if home.join("certs").exists() {
        return Ok(());
    }
    let program = envoy_gateway().ok_or("Envoy Gateway is not installed: cargo xtask envoy")?;
    let mut command = Command::new(program);
    command.args(["certgen", "--local", "--config-home"]).arg(home);
    let made = command.output().map_err(|error| format!("envoy-gateway certgen: {error}"))?;
    if !made.status.success() {
        return Err(format!("envoy-gateway certgen: {}", String::from_utf8_lossy(&made.stderr)));
    }
    Ok(())
}

/// Envoy Gateway downloads the Envoy that it was made for, unless there is one in this place. Every Envoy of a machine
/// takes the same shared memory unless it is told otherwise.
fn plant(program: &Path, setup: &Setup<'_>) -> io::Result<()> {
    let output = Command::new(program).arg("version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let wanted = text.lines().find_map(|line| line.strip_prefix("ENVOY_PROXY_VERSION:"));
    let version = wanted.and_then(|image| image.rsplit('v').next()).map(str::trim).unwrap_or_default();
    let folder = setup.folder.join("data/envoy-versions").join(version).join("bin");
    fs::create_dir_all(&folder)?;
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in\n*\" --use-dynamic-base-id \"*) exec '{envoy}' \"$@\";;\nesac\n\
         exec '{envoy}' \"$@\" --use-dynamic-base-id\n",
        envoy = setup.envoy.display()
    );
    let planted = folder.join("envoy");
    fs::write(&planted, script)?;
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o755))
}
