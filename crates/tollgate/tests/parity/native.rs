//! The first host: Tollgate's own data plane.
use std::process::Command;

use tollgate_testkit::{http, process::Running, stack::port_after};

use crate::world::{Host, World};

/// `tollgate run` in service.
#[derive(Debug)]
pub(crate) struct Native {
    gateway: Running,
    admin: u16,
}

// === impl Native ===

impl Native {
    pub(crate) fn start(world: &World) -> Self {
        Self::start_with(world, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(world: &World, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("run").arg(world.resources()).args(["--admin", "127.0.0.1:0", "--threads", "2"]);
        command.args(arguments);
        let mut gateway = Running::start("tollgate run", &mut command).unwrap();
        let ready = gateway.wait_for(" ready in ").unwrap();
        let admin = port_after(&ready, "admin on http://127.0.0.1:").unwrap();
        Self { gateway, admin }
    }

    pub(crate) fn metrics(&self) -> String {
        http::get(self.admin, "/metrics").text()
    }
}

impl Host for Native {
    fn lives(&mut self) -> Result<(), String> {
        if self.gateway.lives() { Ok(()) } else { Err(self.said()) }
    }

    fn said(&mut self) -> String {
        self.gateway.said().join("\n")
    }
}
