//! The gateway and its peers side by side.

use crate::{
    dist,
    shell::{self, Outcome},
};

pub(crate) fn run(args: &[String]) -> Outcome {
    let (dist, args): (Vec<_>, Vec<_>) = args.iter().partition(|arg| *arg == "--dist");
    if dist.is_empty() {
        shell::run(shell::cargo().args(["build", "--release", "--package", "tollgate"]))?;
    } else {
        dist::run()?;
    }
    let mut command = shell::cargo();
    command.args(["run", "--release", "--package", "tollgate-bench", "--", "run"]).args(args);
    if !dist.is_empty() {
        command.arg("--gateway").arg(dist::program());
    }
    shell::run(&mut command)
}
