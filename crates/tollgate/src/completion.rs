//! `tollgate completion`: a script for the shell.
use std::{io, process::ExitCode};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::{check::Terminal, cli::Cli};

/// Print a completion script for a shell
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  tollgate completion bash > /etc/bash_completion.d/tollgate")]
pub(crate) struct CompletionArgs {
    /// Which shell
    shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// Where standard output cannot be written.
pub(crate) fn run(args: &CompletionArgs, terminal: &mut Terminal<'_>) -> io::Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "tollgate", &mut script);
    terminal.stdout.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_complete_the_codes_of_diagnostics() {
        let mut script = Vec::new();
        generate(Shell::Bash, &mut Cli::command(), "tollgate", &mut script);
        assert!(String::from_utf8(script).unwrap_or_default().contains("unreachable-rule"));
    }
}
