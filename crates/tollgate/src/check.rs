//! `tollgate check`: every problem of some resources, before they serve.
use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use tollgate_types::Severity;

use crate::{
    build::{Built, Env},
    diagnostics::{self, Colour, Output, Text, plural},
};

/// Compile resources and report every problem with its place; exit status 1 if any is an error
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Files or folders of YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Who reads the report
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Exit status 1 for warnings too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
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
    let CheckArgs { paths, output, deny_warnings } = args;
    let built = Built::from_paths(paths, terminal.stdin, terminal.env);
    match output {
        Output::Text => {
            Text::new(&built.texts, terminal.colour).write(&built.notes, terminal.stdout)?;
            writeln!(terminal.stdout, "{}", summary(&built))?;
        }
        Output::Json => {
            let json = diagnostics::json(&built.notes)?;
            serde_json::to_writer_pretty(&mut *terminal.stdout, &json)?;
            writeln!(terminal.stdout)?;
        }
    }
    let warned = built.notes.iter().any(|note| note.severity == Severity::Warning);
    let failed = built.notes.has_errors() || (*deny_warnings && warned);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
mod tests {
    use super::*;

    fn check(text: &str, more: &[&str]) -> (String, bool) {
        let args = CheckArgs {
            paths: vec!["-".into()],
            output: if more.contains(&"json") { Output::Json } else { Output::Text },
            deny_warnings: more.contains(&"deny"),
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            stdin: &mut text.as_bytes(),
            stdout: &mut out,
            stderr: &mut err,
            env: &|_| None,
            colour: Colour::Never,
        };
        let code = run(&args, &mut terminal).unwrap();
        (String::from_utf8(out).unwrap(), code == ExitCode::SUCCESS)
    }

    const ROUTE: &str = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: edge}]
  rules: []
";

    #[test]
    fn an_error_is_shown_with_its_line_and_counted_and_fails() {
        let (out, passed) = check(ROUTE, &[]);
        assert!(!passed);
        expect_test::expect![[r#"
            error[parent-not-found]: Gateway default/edge does not exist
             --> -:5:23
              |
            5 |   parentRefs: [{name: edge}]
              |                       ^^^^
              = AIGatewayRoute default/chat at spec.parentRefs[0].name
              = help: there is no Gateway at all; add one

            1 error, 0 warnings in 1 file; 0 listeners, 0 routes, 0 backends
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn warnings_fail_only_where_they_are_denied() {
        let text = ROUTE.replace("  parentRefs: [{name: edge}]\n", "");
        assert!(check(&text, &[]).1);
        assert!(!check(&text, &["deny"]).1);
    }

    #[test]
    fn programs_get_an_array() {
        let (out, passed) = check(ROUTE, &["json"]);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value[0]["code"], "parent-not-found");
        assert_eq!(value[0]["object"]["name"], "chat");
        assert!(!passed);
    }
}
