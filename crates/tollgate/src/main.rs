//! The `tollgate` command.
mod autoconfig;
mod build;
mod check;
mod diagnostics;
mod explain;
mod files;

use std::{
    env,
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// An AI gateway
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
}

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    let variable = |name: &str| env::var(name).ok();
    let colour = diagnostics::Colour::of(io::stdout().is_terminal(), &variable);
    let (mut stdin, mut stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
    let mut terminal = check::Terminal {
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
        env: &variable,
        colour,
    };
    match cli.command {
        Command::Check(args) => check::run(&args, &mut terminal),
        Command::Explain(args) => explain::run(&args, &mut terminal),
    }
}
