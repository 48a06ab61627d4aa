//! The gateway as it is shipped. It is built twice: first so that it counts what its code does while it is put under
//! load, then by these counts (profile-guided optimisation, the `rustc` book's chapter of that name).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{self, Outcome};

/// Where the result is.
pub(crate) fn program() -> PathBuf {
    shell::root().join("target/dist/tollgate")
}

pub(crate) fn run() -> Outcome {
    let host = host()?;
    let merge = profdata(&host)?;
    // Apart from other builds, whose flags are others.
    let target = shell::root().join("target/dist");
    let (counts, profile) = (target.join("counts"), target.join("profile"));
    let _ = fs::remove_dir_all(&counts);
    let build = |flags: &str, task: &str, args: &[&str]| {
        let mut cargo = shell::cargo();
        // With a target of its own, the flags are not for build scripts.
        cargo.args([task, "--profile", "dist", "--target", &host]).args(args);
        cargo.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", flags).env("CARGO_INCREMENTAL", "0");
        shell::run(&mut cargo)
    };
    let gateway = ["--package", "tollgate", "--bin", "tollgate"];
    let built = target.join(&host).join("dist/tollgate");

    let counting = format!("-Cprofile-generate={}", counts.display());
    build(&counting, "build", &gateway)?;
    let mut train = shell::cargo();
    train.args(["run", "--package", "tollgate-bench", "--", "train"]).arg(&built);
    shell::run(&mut train)?;
    // Translations of every pair: the load has one of them.
    let pairs = ["--package", "tollgate-llm", "--bench", "translate", "--", "--profile-time", "1"];
    build(&counting, "bench", &pairs)?;
    shell::run(Command::new(merge).arg("merge").arg("--output").arg(&profile).arg(&counts))?;

    // Code that the load never reached is put apart from the rest of its function, so that more of what it did reach
    // fits into the processor's caches.
    let guided = format!("-Cprofile-use={} -Cllvm-args=-enable-split-machine-functions", profile.display());
    build(&guided, "build", &gateway)?;
    fs::copy(&built, program()).map_err(|error| format!("{}: {error}", built.display()))?;
    println!("\n{}", program().display());
    Ok(())
}

/// The tool that joins counts, of the compiler's own version; installed where it is missing.
fn profdata(host: &str) -> Result<PathBuf, String> {
    let sysroot =
        shell::output(rustc().args(["--print", "sysroot"])).ok_or("rustc does not say where it is")?;
    let tool = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/llvm-profdata");
    if !tool.exists() {
        shell::run(Command::new("rustup").args(["component", "add", "llvm-tools"]))?;
    }
    if tool.exists() { Ok(tool) } else { Err(format!("{} is not there: install llvm-tools", tool.display())) }
}

/// The triple of this machine.
fn host() -> Result<String, String> {
    let version = shell::output(rustc().arg("-vV")).ok_or("rustc does not run")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".to_owned())
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}
