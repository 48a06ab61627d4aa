//! Tollgate beside Envoy, as it runs in a cluster: the extension server, the external processor, Envoy Gateway, Envoy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    envoy::{self, Setup, Standalone},
    http,
    limits::GlobalLimits,
    process::{PATIENCE, Running, free_port},
};

/// What is started.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The program under test.
    pub tollgate: &'a Path,
    /// The program of Envoy.
    pub envoy: &'a Path,
    /// The folder of resources as users write them.
    pub resources: &'a Path,
    /// An empty folder for everything that is written.
    pub folder: &'a Path,
    /// The hooks that Envoy Gateway calls.
    pub hooks: &'a [&'a str],
}

/// What a stack may have beside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Envoy Gateway's rate limit service.
    pub limits: Option<&'a GlobalLimits>,
    /// More arguments of the controller.
    pub controller: &'a [&'a str],
}

/// All four processes.
#[derive(Debug)]
pub struct Stack {
    /// Envoy Gateway and its Envoy.
    pub gateway: Standalone,
    /// The extension server.
    pub controller: Running,
    /// The external processor.
    pub processor: Running,
    /// The port of the processor's administration.
    pub admin: u16,
    /// The port of the controller's.
    pub hooks_admin: u16,
    /// The port of the hooks.
    pub extension: u16,
    tollgate: PathBuf,
    resources: PathBuf,
    socket: String,
}

/// The Envoy of this version, or what has to be installed first.
///
/// # Errors
/// Where Envoy or Envoy Gateway is missing: says which, and how to get it.
pub fn programs(version: &str) -> Result<PathBuf, String> {
    let missing = |what: &str| format!("{what} is not installed: cargo xtask envoy");
    envoy::envoy_gateway().ok_or_else(|| missing("Envoy Gateway"))?;
    envoy::envoy(version).ok_or_else(|| missing(&format!("Envoy {version}")))
}

// === impl Stack ===

impl Stack {
    /// Starts everything, and waits until Envoy Gateway reads what the controller has written. Whether Envoy serves it
    /// already is seen by asking.
    ///
    /// # Errors
    /// Where a program does not start; the text has what it said.
    pub fn start(plan: &Plan<'_>) -> Result<Self, String> {
        Self::start_with(plan, Beside::default())
    }

    /// The same, with what there may be beside.
    ///
    /// # Errors
    /// Where a program does not start; the text has what it said.
    pub fn start_with(plan: &Plan<'_>, beside: Beside<'_>) -> Result<Self, String> {
        let generated = plan.folder.join("generated");
        fs::create_dir_all(&generated).map_err(|error| error.to_string())?;
        let socket = format!("unix:{}", plan.folder.join("processor.sock").display());
        let (processor, admin) = processor(plan.tollgate, plan.resources, &socket)?;
        let extension = free_port().map_err(|error| error.to_string())?;
        let mut command = Command::new(plan.tollgate);
        command.arg("controller").arg("--resources").arg(plan.resources).arg("--output").arg(&generated);
        command.args(["--extension-server", &format!("127.0.0.1:{extension}"), "--admin", "127.0.0.1:0"]);
        command.args(["--processor", &socket]).args(beside.controller);
        let mut controller = started("tollgate controller", &mut command)?;
        let ready = controller.wait_for(" ready")?;
        let hooks_admin = admin_port(&ready)?;
        let setup = Setup {
            folder: plan.folder,
            resources: &generated,
            extension: Some(extension),
            hooks: plan.hooks,
            envoy: plan.envoy,
        };
        let gateway = Standalone::start_with(&setup, beside.limits)?
            .ok_or("Envoy Gateway is not installed: cargo xtask envoy")?;
        let (tollgate, resources) = (plan.tollgate.to_owned(), plan.resources.to_owned());
        Ok(Self {
            gateway,
            controller,
            processor,
            admin,
            hooks_admin,
            extension,
            tollgate,
            resources,
            socket,
        })
    }

    /// Starts the external processor anew at the same place, after it was ended.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn restart_processor(&mut self) -> Result<(), String> {
        let (processor, admin) = processor(&self.tollgate, &self.resources, &self.socket)?;
        (self.processor, self.admin) = (processor, admin);
        Ok(())
    }

    /// Starts another external processor at the place of this one, which is told to end: it takes nothing new any
    /// more, goes on with what it has begun, and is given back.
    ///
    /// # Errors
    /// Where the new one does not start.
    pub fn hand_over(&mut self) -> Result<Running, String> {
        self.processor.tell("TERM");
        self.processor.has_said("draining")?;
        let end = Instant::now() + PATIENCE;
        loop {
            // The old one may be about to leave its socket.
            match processor(&self.tollgate, &self.resources, &self.socket) {
                Ok((new, admin)) => {
                    self.admin = admin;
                    return Ok(std::mem::replace(&mut self.processor, new));
                }
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Fails where one of them has ended, with what it said.
    ///
    /// # Errors
    /// As above.
    pub fn lives(&mut self) -> Result<(), String> {
        let all = [
            ("envoy-gateway", self.gateway.running()),
            ("controller", &mut self.controller),
            ("extproc", &mut self.processor),
        ];
        for (name, running) in all {
            if !running.lives() {
                return Err(format!("{name}: {}", running.said().join("\n")));
            }
        }
        Ok(())
    }

    /// What the external processor counts.
    #[must_use]
    pub fn metrics(&self) -> String {
        http::get(self.admin, "/metrics").text()
    }

    /// What all of them have said, for whoever asks why something went wrong.
    pub fn said(&mut self) -> String {
        let [controller, processor] =
            [&mut self.controller, &mut self.processor].map(|one| one.said().join("\n"));
        format!("{}\n=== controller\n{controller}\n=== extproc\n{processor}", self.gateway.said())
    }
}

fn processor(tollgate: &Path, resources: &Path, socket: &str) -> Result<(Running, u16), String> {
    let mut command = Command::new(tollgate);
    command.arg("extproc").arg("--resources").arg(resources);
    command.args(["--listen", socket, "--admin", "127.0.0.1:0"]);
    let mut processor = started("tollgate extproc", &mut command)?;
    let ready = processor.wait_for(" ready")?;
    let admin = admin_port(&ready)?;
    Ok((processor, admin))
}

fn started(name: &str, command: &mut Command) -> Result<Running, String> {
    Running::start(name, command).map_err(|error| error.to_string())
}

fn admin_port(ready: &str) -> Result<u16, String> {
    port_after(ready, "admin on http://127.0.0.1:").ok_or_else(|| format!("no admin in {ready}"))
}

/// The port that stands behind these words.
#[must_use]
pub fn port_after(line: &str, words: &str) -> Option<u16> {
    let (_, rest) = line.split_once(words)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
