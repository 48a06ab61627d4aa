//! The deployments of this repository, tested with the tools that their users have.
//!
//! What is needed is pinned in `tests/deploy/{tools.json,requirements.txt}` and kept outside the tree.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    sdk,
    shell::{self, Outcome},
};

const TESTS: &str = "tests/deploy";

/// `--install` installs and runs nothing; everything else is for pytest.
pub(crate) fn run(args: &[String]) -> Outcome {
    if !shell::has("python3") {
        println!("deploy: skipped: python3 is not installed");
        return Ok(());
    }
    let pins = pins()?;
    programs(&pins)?;
    modules(&pins);
    let python = sdk::venv(&format!("{TESTS}/requirements.txt"), "deploy-venv")?;
    if args.iter().any(|arg| arg == "--install") {
        return Ok(());
    }
    shell::run(shell::cargo().args(["build", "--package", "tollgate"]))?;
    shell::run(
        Command::new(python)
            .current_dir(shell::root().join(TESTS))
            .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"])
            .args(args)
            .env("TOLLGATE", shell::root().join("target/debug/tollgate")),
    )
}

fn pins() -> Result<Value, String> {
    let path = shell::root().join(TESTS).join("tools.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn go() -> Command {
    let mut command = Command::new("go");
    // Outside of any module, so that only what is asked for counts.
    command.current_dir(std::env::temp_dir());
    command
}

fn has_go() -> bool {
    shell::output(go().arg("version")).is_some()
}

/// Where a program of that version is kept. `tests/deploy/tools.py` looks there, too.
fn place(name: &str, version: &str) -> PathBuf {
    shell::cache().join("go-tools").join(format!("{name}-{version}"))
}

/// Builds the programs that are missing. One that cannot be had here skips its tests, which say so.
fn programs(pins: &Value) -> Outcome {
    if !has_go() {
        println!(
            "deploy: go is not installed: tests that need helm, kustomize, cue and the like are skipped"
        );
        return Ok(());
    }
    for (name, pin) in pins["programs"].as_object().into_iter().flatten() {
        let (Some(module), Some(version)) = (pin["module"].as_str(), pin["version"].as_str()) else {
            return Err(format!("{TESTS}/tools.json: {name} needs a module and a version"));
        };
        let folder = place(name, version);
        if folder.join(name).is_file() {
            continue;
        }
        let making = folder.with_file_name(format!("{name}-{version}.making"));
        let made = match pin["within"].as_str() {
            Some(package) => build(module, version, package, &making.join(name)),
            None => install(module, version, &making),
        };
        if let Err(error) = made {
            println!(
                "deploy: {error}\ndeploy: {name} cannot be installed here; tests that need it are skipped"
            );
            continue;
        }
        keep(&making, &folder, name).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(())
}

fn install(module: &str, version: &str, into: &Path) -> Outcome {
    let wanted = format!("{module}@{version}");
    shell::run(go().args(["install", "-trimpath", "-ldflags=-s -w", &wanted]).env("GOBIN", into))
}

/// For modules that replace others, which `go install` does not do.
fn build(module: &str, version: &str, package: &str, program: &Path) -> Outcome {
    let wanted = format!("{module}@{version}");
    let told = shell::output(go().args(["mod", "download", "-json", &wanted])).unwrap_or_default();
    let told: Value = serde_json::from_str(&told).unwrap_or_default();
    let folder = told["Dir"].as_str().ok_or_else(|| format!("{wanted} cannot be had"))?;
    let mut build = go();
    build.current_dir(folder).args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"]);
    shell::run(build.arg(program).arg(package))
}

/// Gives the one program in `making` its name, and the folder its place: all at once, for who looks meanwhile.
fn keep(making: &Path, folder: &Path, name: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(making)? {
        let path = entry?.path();
        if path != making.join(name) {
            fs::rename(path, making.join(name))?;
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::rename(making, folder),
    }
}

/// The modules whose definitions objects are held against; Go's own cache keeps them.
fn modules(pins: &Value) {
    if !has_go() {
        return;
    }
    for (module, versions) in pins["modules"].as_object().into_iter().flatten() {
        for version in versions.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let wanted = format!("{module}@{version}");
            if shell::output(go().args(["mod", "download", &wanted])).is_none() {
                println!("deploy: {wanted} cannot be had here; nothing is held against its definitions");
            }
        }
    }
}
