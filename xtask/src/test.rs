//! Everything that has to hold before a change may land.

use crate::{
    crds, deploy, envoy, fuzz, layers, sdk,
    shell::{self, Outcome},
    tools,
};

pub(crate) fn run(args: &[String]) -> Outcome {
    let quick = args.iter().any(|arg| arg == "--quick");
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    layers::run()?;
    crds::run(&["--check".to_owned()])?;
    deny()?;
    shell::run(shell::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    tools::install();
    if !quick {
        envoy::install();
    }
    shell::run(shell::cargo().args(["test", "--workspace"]))?;
    if !quick {
        sdk::run()?;
        deploy::run(&[])?;
        fuzz::briefly()?;
    }
    println!("\nxtask test: everything holds");
    Ok(())
}

/// Licences, sources and banned crates. The advisory database needs the network, so it is not part of this.
fn deny() -> Outcome {
    if shell::output(shell::cargo().args(["deny", "--version"])).is_none() {
        println!("deny: skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    shell::run(shell::cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]))
}
