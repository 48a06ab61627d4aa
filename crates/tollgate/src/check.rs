//! `tollgate check`: every problem of some resources, before they serve.

mod github;
mod made;
mod rating;
mod sarif;

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use tollgate_compile::advise;
use tollgate_resources::{Target, build_parts, made_secrets, suits, surroundings};
use tollgate_types::Diagnostic;

use self::rating::{CodeParser, Rating};
use crate::{
    build::{Built, Env},
    diagnostics::{self, Colour, Text, plural},
    files::sources,
};

/// Report every problem of some resources, with its place, before they serve
///
/// Reads what `run` would serve, compiles it, and then looks further: at the configuration of Envoy Gateway, at the charts
/// and Kustomizations in the same files, and at what the objects come to together. Nothing is sent anywhere.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Exit status:
  0  no error (and nothing that --deny names)
  1  an error
  2  the command line is wrong

Examples:
  tollgate check gateway/                                    what people read
  kustomize build overlays/prod | tollgate check -           rendered manifests
  tollgate check --deny warnings --output github gateway/    a step of GitHub Actions: comments in the diff
  tollgate check --output sarif gateway/ > check.sarif       for code scanning
  tollgate check --for envoy-gateway=1.5 --for ai-gateway=0.4 gateway/
  tollgate explain unreachable-rule                          what a code means, with examples")]
pub(crate) struct CheckArgs {
    /// Files or folders of YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Who reads the report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Report,
    /// A version that the manifests must suit: envoy-gateway=1.5 (brings its Gateway API), ai-gateway=0.4, gateway-api=1.2
    #[arg(long = "for", value_name = "PRODUCT=VERSION", value_delimiter = ',')]
    pub(crate) targets: Vec<Target>,
    /// Exit status 1 for this code too, or for all `warnings`
    #[arg(long, value_name = "CODE|warnings", value_delimiter = ',', value_parser = CodeParser::with_warnings(), hide_possible_values = true)]
    pub(crate) deny: Vec<String>,
    /// Leave out what has this code: secret-not-found, where Secrets are made in the cluster
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = CodeParser::codes(), hide_possible_values = true)]
    pub(crate) allow: Vec<String>,
    /// The same as --deny warnings
    #[arg(long, hide = true)]
    pub(crate) deny_warnings: bool,
}

/// Who reads a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Report {
    /// People
    #[default]
    Text,
    /// Programs: an array with one object for each problem
    Json,
    /// Code scanning: SARIF 2.1.0
    Sarif,
    /// GitHub Actions: workflow commands
    Github,
}

/// What a command reads and writes.
pub(crate) struct Terminal<'a> {
    /// Standard input.
    pub(crate) stdin: &'a mut dyn Read,
    /// Standard output.
    pub(crate) stdout: &'a mut dyn Write,
    /// Standard error.
    pub(crate) stderr: &'a mut dyn Write,
    /// Variables.
    pub(crate) env: Env<'a>,
    /// Whether standard output shows colours.
    pub(crate) colour: Colour,
}

/// Runs the command.
///
/// # Errors
/// Where standard output cannot be written.
pub(crate) fn run(args: &CheckArgs, terminal: &mut Terminal<'_>) -> io::Result<ExitCode> {
    let CheckArgs { paths, output, targets, deny, allow, deny_warnings } = args;
    let mut built = Built::from_paths(paths, terminal.stdin, terminal.env);
    look_further(&mut built, targets, terminal.env);
    let rating = Rating { deny, allow, warnings: *deny_warnings };
    let failed = rating.apply(&mut built.notes);
    let out = &mut *terminal.stdout;
    match output {
        Report::Text => {
            Text::new(&built.texts, terminal.colour).write(&built.notes, out)?;
            writeln!(out, "{}", summary(&built))?;
        }
        Report::Json => {
            serde_json::to_writer_pretty(&mut *out, &diagnostics::json(&built.notes)?)?;
            writeln!(out)?;
        }
        Report::Sarif => {
            serde_json::to_writer_pretty(&mut *out, &sarif::log(&built.notes))?;
            writeln!(out)?;
        }
        Report::Github => {
            github::write(&built.notes, out)?;
            writeln!(out, "{}", summary(&built))?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Adds what serving does not need to know. Not asked of `run`: it looks at every object several times.
fn look_further(built: &mut Built, targets: &[Target], env: Env<'_>) {
    let sources = sources(&built.texts);
    let more = [surroundings(&sources, env), suits(&sources, env, targets), advise(&built.set)];
    built.notes.0.extend(more.into_iter().flat_map(|notes| notes.0));
    made::elsewhere(&made_secrets(&sources, env), &mut built.notes);
    let parts = build_parts(&sources, env);
    let is_part = |note: &Diagnostic| note.span.as_ref().is_some_and(|span| parts.contains(&*span.file));
    built.notes.0.retain(|note| note.code != "not-an-object" || !is_part(note));
    built.notes.0.retain(|note| !targets.iter().any(|target| target.excuses(note)));
    diagnostics::sort(&mut built.notes, &built.texts);
}

/// `1 error, 0 warnings in 2 files; 1 listener, 3 routes, 2 backends`
fn summary(built: &Built) -> String {
    let snapshot = &built.compiled.snapshot;
    let listeners: usize = snapshot.ports.iter().map(|port| port.listeners.len()).sum();
    let mut routes: Vec<_> = snapshot.rules.iter().map(|rule| &rule.source).collect();
    routes.dedup();
    format!(
        "{} in {}; {}, {}, {}",
        diagnostics::count(&built.notes),
        plural(built.texts.len(), "file"),
        plural(listeners, "listener"),
        plural(routes.len(), "route"),
        plural(snapshot.backends.len(), "backend"),
    )
}

#[cfg(test)]
pub(crate) mod tests;
