//! `tollgate explain`: what resources compile to, why a request goes where it goes, and what a code means.

pub(crate) mod codes;
mod print;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tollgate_compile::describe;
use tollgate_snapshot::{Outcome, Question, RequestView, Snapshot, Trail, explain};
use tollgate_types::ModelId;

use self::codes::Code;
use crate::{
    build::Built,
    check::Terminal,
    diagnostics::{Output, Text},
};

/// The exit status of a command line that is wrong, as clap has it.
const USAGE: u8 = 2;

/// Print what resources compile to; with --request say which route and backend win; or say what a code means
///
/// With the code of a diagnostic, as `check` prints it in brackets: what it says, what comes of it, a faulty form and a
/// right one, and what to do. With nothing at all: the list of codes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tollgate explain gateway/                     what it compiles to
  tollgate explain gateway/ --request 'POST /v1/chat/completions model=gpt-4o host=ai.example.com'
  tollgate explain unreachable-rule             what this code of `check` means
  tollgate explain                              all codes")]
pub(crate) struct ExplainArgs {
    /// Files or folders of YAML or JSON, `-` for standard input; or codes
    #[arg(value_name = "PATH|CODE")]
    pub(crate) paths: Vec<PathBuf>,
    /// A request such as 'POST /v1/chat/completions model=gpt-4o host=a.example header:x-team=blue port=80'
    #[arg(long, value_name = "REQUEST")]
    pub(crate) request: Option<Request>,
    /// Who reads it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// A request as `--request` has it: method, path, and words with `=`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    model: Option<ModelId>,
    headers: HeaderMap,
}

/// A text that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotARequest {
    /// Method or path are missing
    #[error("expected a method and a path, as in 'POST /v1/chat/completions model=gpt-4o'")]
    NoPath,
    /// Not a token
    #[error("{0:?} is no method")]
    Method(String),
    /// Not a path
    #[error("{0:?} is no path; it has to start with a slash")]
    Path(String),
    /// Neither of ours
    #[error("{0:?} is not known; use host=, port=, model= or header:NAME=")]
    Word(String),
    /// Known, with a value that it cannot have
    #[error("{0:?} has a value that it cannot have")]
    Value(String),
}

/// Runs the command.
///
/// # Errors
/// Where standard output cannot be written.
pub(crate) fn run(args: &ExplainArgs, terminal: &mut Terminal<'_>) -> io::Result<ExitCode> {
    let ExplainArgs { paths, request, output } = args;
    if let (None, Some(codes)) = (request, codes_of(paths)) {
        return match codes {
            Ok(codes) => print::codes(&codes, *output, terminal).map(|()| ExitCode::SUCCESS),
            Err(message) => {
                writeln!(terminal.stderr, "error: {message}")?;
                Ok(ExitCode::from(USAGE))
            }
        };
    }
    if paths.is_empty() {
        writeln!(terminal.stderr, "error: --request needs files or folders to look at")?;
        return Ok(ExitCode::from(USAGE));
    }
    let built = Built::from_paths(paths, terminal.stdin, terminal.env);
    // Problems go beside the explanation, so that the explanation can be piped.
    Text::new(&built.texts, terminal.colour).write(&built.notes, terminal.stderr)?;
    let snapshot = &built.compiled.snapshot;
    match (request, output) {
        (None, Output::Text) => write!(terminal.stdout, "{}", describe(snapshot))?,
        (None, Output::Json) => {
            let lines: Vec<_> = describe(snapshot).lines().map(str::to_owned).collect();
            serde_json::to_writer_pretty(&mut *terminal.stdout, &lines)?;
            writeln!(terminal.stdout)?;
        }
        (Some(request), output) => {
            let trails = request.explain(snapshot);
            write_trails(&trails, *output, terminal.stdout)?;
            if !trails.iter().any(|trail| matches!(trail.outcome, Outcome::Rule(_) | Outcome::Models { .. }))
            {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(if built.notes.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The codes that are asked for, all where there is nothing; `None` where these are paths.
fn codes_of(words: &[PathBuf]) -> Option<Result<Vec<&'static Code>, String>> {
    let Some(first) = words.first() else { return Some(Ok(codes::all().iter().collect())) };
    let is_word = |path: &PathBuf| {
        let text = path.to_string_lossy();
        text.contains('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_code = codes::find(&first.to_string_lossy()).is_some();
    if !is_code && (!is_word(first) || first.as_os_str() == "-" || first.exists()) {
        return None;
    }
    let one = |word: &PathBuf| {
        let text = word.to_string_lossy();
        codes::find(&text).ok_or_else(|| {
            let near =
                codes::nearest(&text).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            format!("{text} is neither a file nor a code{near}")
        })
    };
    Some(words.iter().map(one).collect())
}

fn write_trails(trails: &[Trail], output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, trails)?;
            writeln!(out)
        }
        Output::Text => {
            for (i, trail) in trails.iter().enumerate() {
                if i > 0 {
                    writeln!(out)?;
                }
                write!(out, "{trail}")?;
            }
            Ok(())
        }
    }
}

// === impl Request ===

impl Request {
    /// The trail on the port that is asked for, or else on every port.
    pub(crate) fn explain(&self, snapshot: &Snapshot) -> Vec<Trail> {
        let ports = match self.port {
            Some(port) => vec![port],
            None => snapshot.ports.iter().map(|port| port.number).collect(),
        };
        let host = self.host.as_deref().unwrap_or("localhost").to_ascii_lowercase();
        let request = RequestView {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            endpoint: snapshot.settings.prefixes.endpoint(&self.path),
        };
        let question = |port| Question { port, host: &host, request, model: self.model.as_ref() };
        ports.into_iter().map(|port| explain(snapshot, &question(port))).collect()
    }
}

impl FromStr for Request {
    type Err = NotARequest;

    fn from_str(text: &str) -> Result<Self, NotARequest> {
        let mut words = text.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(NotARequest::NoPath);
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        if !path.starts_with('/') {
            return Err(NotARequest::Path(path.to_owned()));
        }
        let mut this = Self {
            method: method.to_uppercase().parse().map_err(|_| NotARequest::Method(method.to_owned()))?,
            path: path.to_owned(),
            query,
            host: None,
            port: None,
            model: None,
            headers: HeaderMap::new(),
        };
        for word in words {
            let invalid = || NotARequest::Value(word.to_owned());
            match word.split_once('=') {
                Some(("host", host)) => this.host = Some(host.to_owned()),
                Some(("port", port)) => this.port = Some(port.parse().map_err(|_| invalid())?),
                Some(("model", model)) => this.model = Some(ModelId::from(model)),
                Some((name, value)) if name.starts_with("header:") => {
                    let name = name.trim_start_matches("header:").to_ascii_lowercase();
                    let name: HeaderName = name.parse().map_err(|_| invalid())?;
                    this.headers.append(name, HeaderValue::from_str(value).map_err(|_| invalid())?);
                }
                _ => return Err(NotARequest::Word(word.to_owned())),
            }
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// `cmd.txt` has a folder below the repository's root and a request.
    fn run_case(case: &Path) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let command = fs::read_to_string(case.join("cmd.txt")).unwrap();
        let (path, request) = command.trim().split_once('\n').unwrap();
        let request = Some(request.parse().unwrap());
        let args = ExplainArgs { paths: vec![root.join(path)], request, output: Output::Text };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            stdin: &mut io::empty(),
            stdout: &mut out,
            stderr: &mut err,
            env: &|_| None,
            colour: crate::diagnostics::Colour::Never,
        };
        run(&args, &mut terminal).unwrap();
        assert_eq!(String::from_utf8(err).unwrap(), "", "{}", case.display());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_case_explains_what_stands_beside_it() {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/explain");
        let mut seen = 0;
        for case in fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()) {
            expect_test::expect_file![case.join("want.stdout.txt")].assert_eq(&run_case(&case));
            seen += 1;
        }
        assert!(seen >= 11, "there are only {seen} cases");
    }

    #[test]
    fn a_request_is_read_from_words() {
        let request: Request =
            "post /v1/chat/completions?a=b host=a.example model=gpt-4o header:X-Team=blue port=80"
                .parse()
                .unwrap();
        assert_eq!(request.method, Method::POST);
        assert_eq!((&*request.path, request.query.as_deref()), ("/v1/chat/completions", Some("a=b")));
        assert_eq!(request.headers["x-team"], "blue");
        assert_eq!((request.port, request.model), (Some(80), Some(ModelId::from("gpt-4o"))));
    }

    fn explain(words: &[&str], output: Output) -> (ExitCode, String, String) {
        let args = ExplainArgs { paths: words.iter().map(PathBuf::from).collect(), request: None, output };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            stdin: &mut io::empty(),
            stdout: &mut out,
            stderr: &mut err,
            env: &|_| None,
            colour: crate::diagnostics::Colour::Never,
        };
        let code = run(&args, &mut terminal).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_code_is_explained_with_both_forms_and_the_fix() {
        let (code, out, _) = explain(&["group-without-kind"], Output::Text);
        assert_eq!(code, ExitCode::SUCCESS);
        expect_test::expect_file!["../golden/codes/group-without-kind.txt"].assert_eq(&out);
    }

    #[test]
    fn a_code_that_is_misspelt_is_a_wrong_command_line() {
        let (code, _, err) = explain(&["unreachble-rule"], Output::Text);
        assert_eq!(code, ExitCode::from(USAGE));
        assert_eq!(
            err,
            "error: unreachble-rule is neither a file nor a code; did you mean unreachable-rule?\n"
        );
    }

    #[test]
    fn without_a_code_all_of_them_are_listed() {
        let (_, out, _) = explain(&[], Output::Text);
        assert!(codes::all().iter().all(|code| out.contains(&format!("  {} ", code.name))), "{out}");
        let (_, out, _) = explain(&[], Output::Json);
        let all: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(all.as_array().unwrap().len(), codes::all().len());
    }

    #[test]
    fn what_is_no_request_is_named() {
        let refused = |text: &str| Request::from_str(text).unwrap_err();
        assert_eq!(refused("GET"), NotARequest::NoPath);
        assert_eq!(refused("GET v1"), NotARequest::Path("v1".to_owned()));
        assert_eq!(refused("GET / colour=red"), NotARequest::Word("colour=red".to_owned()));
        assert_eq!(refused("GET / port=x"), NotARequest::Value("port=x".to_owned()));
    }
}
