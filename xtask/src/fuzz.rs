//! Coverage-guided fuzzing of everything that reads bytes from a network or a user.

use std::process::Command;

use crate::{
    seeds,
    shell::{self, Outcome},
};

/// How far to go.
#[derive(Clone, Copy)]
enum Effort {
    /// On and on, from everything that was found interesting before.
    Seconds(u32),
    /// The same inputs each time, from the seeds alone: what a check before a merge wants.
    Runs(u32),
}

/// Fuzzes every target a little, and the same way each time.
pub(crate) fn briefly() -> Outcome {
    every(None, Effort::Runs(20_000))
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let seconds = args.iter().position(|arg| arg == "--seconds").and_then(|at| args.get(at + 1));
    let seconds: u32 = match seconds {
        Some(text) => text.parse().map_err(|_| format!("--seconds takes a number, not {text}"))?,
        None => 60,
    };
    every(args.first().filter(|arg| !arg.starts_with("--")), Effort::Seconds(seconds))
}

fn every(wanted: Option<&String>, effort: Effort) -> Outcome {
    if let Some(reason) = missing() {
        println!("fuzz: skipped: {reason}");
        return Ok(());
    }
    for path in shell::files(&shell::root().join("fuzz/fuzz_targets"), ".rs") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if wanted.is_none_or(|wanted| *wanted == name) {
            target(&name, effort)?;
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

fn target(name: &str, effort: Effort) -> Outcome {
    if shell::output(Command::new("cargo").args(["fuzz", "--version"])).is_none() {
        shell::run(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]))?;
    }
    let by_hand = shell::root().join("fuzz/seeds").join(name);
    let made = seeds::write(name, &shell::cache().join("fuzz-seeds"))?;
    let corpus = match effort {
        Effort::Seconds(_) => shell::cache().join("fuzz").join(name),
        Effort::Runs(_) => {
            let fresh = shell::cache().join("fuzz-brief").join(name);
            if fresh.exists() {
                std::fs::remove_dir_all(&fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
            }
            fresh
        }
    };
    std::fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut command = Command::new("cargo");
    command.current_dir(shell::root()).args(["+nightly", "fuzz", "run", "--sanitizer", "none", name]);
    command.arg(&corpus);
    command.args(made);
    if by_hand.is_dir() {
        command.arg(&by_hand);
    }
    command.args(["--", "-rss_limit_mb=4096"]);
    match effort {
        Effort::Seconds(seconds) => command.arg(format!("-max_total_time={seconds}")),
        Effort::Runs(runs) => command.args(["-seed=1".to_owned(), format!("-runs={runs}")]),
    };
    shell::run(&mut command)
}
