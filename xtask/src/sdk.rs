//! The official SDKs against the real binary.

use std::{path::PathBuf, process::Command};

use crate::shell::{self, Outcome};

pub(crate) fn run() -> Outcome {
    if !shell::has("python3") {
        println!("sdk: skipped: python3 is not installed");
        return Ok(());
    }
    shell::run(shell::cargo().args(["build", "--package", "tollgate"]))?;
    // LiteLLM takes an older SDK of OpenAI than the newest, which the other tests drive.
    let litellm = pytest("litellm_client/requirements.txt", "litellm-venv", &["litellm_client"]);
    pytest("requirements.txt", "sdk-venv", &["--ignore", "litellm_client"]).and(litellm)
}

fn pytest(requirements: &str, venv_name: &str, which: &[&str]) -> Outcome {
    let python = venv(&format!("tests/sdk/{requirements}"), venv_name)?;
    shell::run(
        Command::new(python)
            .current_dir(shell::root().join("tests/sdk"))
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .args(which)
            .env("TOLLGATE", shell::root().join("target/debug/tollgate")),
    )
}

/// A virtual environment with what a file of this repository pins, kept outside the tree and made anew when the pins
/// change.
pub(crate) fn venv(requirements: &str, name: &str) -> Result<PathBuf, String> {
    let requirements = shell::root().join(requirements);
    let wanted = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let folder = shell::cache().join(name);
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
