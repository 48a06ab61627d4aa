//! Everything that has to hold before a change may land.

use crate::{
    crds, fuzz, layers, sdk,
    shell::{self, Outcome},
};

/// Seconds per fuzz target: long enough to run through the seeds and to trip over what is obvious.
const BRIEF: &str = "10";

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
    shell::run(shell::cargo().args(["test", "--workspace"]))?;
    if !quick {
        sdk::run()?;
        fuzz::run(&["--seconds".to_owned(), BRIEF.to_owned()])?;
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
