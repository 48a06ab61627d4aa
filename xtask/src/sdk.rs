//! The official SDKs against the real binary.

use std::{path::PathBuf, process::Command};

use crate::shell::{self, Outcome};

pub(crate) fn run() -> Outcome {
    if !shell::has("python3") {
        println!("sdk: skipped: python3 is not installed");
        return Ok(());
    }
    shell::run(shell::cargo().args(["build", "--package", "tollgate"]))?;
    let python = venv()?;
    shell::run(
        Command::new(python)
            .current_dir(shell::root().join("tests/sdk"))
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .env("TOLLGATE", shell::root().join("target/debug/tollgate")),
    )
}

/// A virtual environment with the pinned SDKs, kept outside the tree and made anew when the pins change.
fn venv() -> Result<PathBuf, String> {
    let requirements = shell::root().join("tests/sdk/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).map_err(|error| format!("tests/sdk: {error}"))?;
    let folder = shell::cache().join("sdk-venv");
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    shell::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}
