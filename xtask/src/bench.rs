//! The gateway and its peers side by side.

use crate::shell::{self, Outcome};

pub(crate) fn run(args: &[String]) -> Outcome {
    shell::run(shell::cargo().args(["build", "--release", "--package", "tollgate"]))?;
    shell::run(
        shell::cargo().args(["run", "--release", "--package", "tollgate-bench", "--", "run"]).args(args),
    )
}
