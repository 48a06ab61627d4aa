use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    check, completion, controller, demo, diagnostics::Colour, explain, extproc, healthcheck, run, simulate,
    translate,
};

/// An AI gateway: serves LLM and plain HTTP traffic from Kubernetes resources
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Extproc(extproc::ExtprocArgs),
    Controller(Box<controller::ControllerArgs>),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Translate(translate::TranslateArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Demo(demo::DemoArgs),
    Healthcheck(healthcheck::HealthcheckArgs),
    Completion(completion::CompletionArgs),
}

// === impl Cli ===

impl Cli {
    /// Runs the command that was asked for.
    ///
    /// # Errors
    /// What ends the command and is not its result.
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let variable = |name: &str| env::var(name).ok();
        let colour = Colour::of(io::stdout().is_terminal(), &variable);
        let (mut stdin, mut stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
        let mut terminal = check::Terminal {
            stdin: &mut stdin,
            stdout: &mut stdout,
            stderr: &mut stderr,
            env: &variable,
            colour,
        };
        let result = match self.command {
            Command::Run(args) => run::run(*args),
            Command::Extproc(args) => extproc::run(args),
            Command::Controller(args) => controller::run(*args),
            Command::Check(args) => check::run(&args, &mut terminal),
            Command::Explain(args) => explain::run(&args, &mut terminal),
            Command::Translate(args) => translate::run(&args, &mut terminal),
            Command::Simulate(args) => simulate::run(*args),
            Command::Demo(args) => demo::run(args),
            Command::Healthcheck(args) => healthcheck::run(&args),
            Command::Completion(args) => completion::run(&args, &mut terminal),
        };
        // Whoever reads has read enough, as in `tollgate explain | head`: the status that a signal would give.
        result.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(ExitCode::from(141)),
            _ => Err(error),
        })
    }
}
