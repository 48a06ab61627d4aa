//! `tollgate explain`: what resources compile to, and why a request goes where it goes.
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

use crate::{
    build::Built,
    check::Terminal,
    diagnostics::{Output, Text},
};

/// Print what resources compile to; with --request say which route and backend win
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Files or folders of YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
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
    use super::*;

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

    #[test]
    fn what_is_no_request_is_named() {
        let refused = |text: &str| Request::from_str(text).unwrap_err();
        assert_eq!(refused("GET"), NotARequest::NoPath);
        assert_eq!(refused("GET v1"), NotARequest::Path("v1".to_owned()));
        assert_eq!(refused("GET / colour=red"), NotARequest::Word("colour=red".to_owned()));
        assert_eq!(refused("GET / port=x"), NotARequest::Value("port=x".to_owned()));
    }
}
