//! Coverage-guided fuzzing of everything that reads bytes from a network or a user.

use std::process::Command;

use crate::{
    seeds,
    shell::{self, Outcome},
};

pub(crate) fn run(args: &[String]) -> Outcome {
    let seconds = args.iter().position(|arg| arg == "--seconds").and_then(|at| args.get(at + 1));
    let seconds: u32 = match seconds {
        Some(text) => text.parse().map_err(|_| format!("--seconds takes a number, not {text}"))?,
        None => 60,
    };
    let wanted = args.first().filter(|arg| !arg.starts_with("--"));
    if let Some(reason) = missing() {
        println!("fuzz: skipped: {reason}");
        return Ok(());
    }
    for path in shell::files(&shell::root().join("fuzz/fuzz_targets"), ".rs") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if wanted.is_none_or(|wanted| *wanted == name) {
            target(&name, seconds)?;
        }
    }
    Ok(())
}

/// Why fuzzing cannot be done here.
fn missing() -> Option<&'static str> {
    match shell::output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        Some(_) => None,
        None => Some("cargo-fuzz needs a nightly toolchain, and `rustup run nightly` does not work"),
    }
}

fn target(name: &str, seconds: u32) -> Outcome {
    if shell::output(Command::new("cargo").args(["fuzz", "--version"])).is_none() {
        shell::run(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]))?;
    }
    let by_hand = shell::root().join("fuzz/seeds").join(name);
    let made = seeds::write(name, &shell::cache().join("fuzz-seeds"))?;
    let corpus = shell::cache().join("fuzz").join(name);
    std::fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut command = Command::new("cargo");
    command.current_dir(shell::root()).args(["+nightly", "fuzz", "run", "--sanitizer", "none", name]);
    command.arg(&corpus);
    command.args(made);
    if by_hand.is_dir() {
        command.arg(&by_hand);
    }
    shell::run(command.arg("--").arg(format!("-max_total_time={seconds}")).arg("-rss_limit_mb=4096"))
}
