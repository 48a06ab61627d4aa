use std::sync::Arc;

use tollgate_snapshot::Problem;
use tollgate_types::{Diagnostic, Diagnostics, ObjectRef, Severity, Span};

/// Something that stands in a file and has fields.
pub(crate) trait Located {
    fn reference(&self) -> ObjectRef;
    fn span(&self, field: &str) -> Option<Span>;
}

/// A field of an object: where a fault is reported.
#[derive(Clone)]
pub(crate) struct At<'a> {
    object: &'a dyn Located,
    field: String,
}

/// What is wrong, before it is known whether it breaks something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Why something cannot be used: found just now, or known already and reported where it was found.
#[derive(Clone, Debug)]
pub(crate) enum Broken {
    Here(Fault),
    Known(Arc<Problem>),
}

/// Diagnostics as they are found.
#[derive(Debug, Default)]
pub(crate) struct Notes(Diagnostics);

// === impl At ===

impl<'a> At<'a> {
    pub(crate) fn new(object: &'a dyn Located, field: impl Into<String>) -> Self {
        Self { object, field: field.into() }
    }

    /// A field below this one: `at.to(".name")`, `at.to("[0]")`.
    pub(crate) fn to(&self, below: impl AsRef<str>) -> Self {
        let below = below.as_ref();
        let below = if self.field.is_empty() { below.trim_start_matches('.') } else { below };
        Self { object: self.object, field: format!("{}{below}", self.field) }
    }

    pub(crate) fn reference(&self) -> ObjectRef {
        self.object.reference()
    }
}

impl std::fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.object.reference(), self.field)
    }
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// A feature of the API that this version does not have.
    pub(crate) fn not_served(what: impl std::fmt::Display) -> Self {
        Self::new("not-served-yet", format!("{what} is not served yet"))
    }
}

// === impl Broken ===

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Here(fault)
    }
}

// === impl Notes ===

impl Notes {
    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        self.0
    }

    /// Reports what breaks something, and gives the value that answers for it.
    pub(crate) fn error(&mut self, at: &At<'_>, fault: Fault) -> Arc<Problem> {
        self.problem(Severity::Error, at, fault)
    }

    /// Reports what answers with an error although its author may want it so.
    pub(crate) fn problem(&mut self, severity: Severity, at: &At<'_>, fault: Fault) -> Arc<Problem> {
        let problem = Problem {
            code: fault.code,
            object: at.reference(),
            field: at.field.clone(),
            message: fault.message.clone(),
        };
        self.push(severity, at, fault);
        Arc::new(problem)
    }

    /// Reports what is new, and gives the value that answers for it.
    pub(crate) fn broken(&mut self, at: &At<'_>, broken: Broken) -> Arc<Problem> {
        match broken {
            Broken::Here(fault) => self.error(at, fault),
            Broken::Known(problem) => problem,
        }
    }

    pub(crate) fn warning(&mut self, at: &At<'_>, fault: Fault) {
        self.push(Severity::Warning, at, fault);
    }

    pub(crate) fn info(&mut self, at: &At<'_>, fault: Fault) {
        self.push(Severity::Info, at, fault);
    }

    fn push(&mut self, severity: Severity, at: &At<'_>, fault: Fault) {
        let Fault { code, message, help } = fault;
        let diagnostic = Diagnostic {
            severity,
            code,
            message,
            help,
            span: at.object.span(&at.field),
            object: Some(at.reference()),
            field: at.field.clone(),
        };
        // The same fault of a shared object is found once per user of it.
        if !self.0.iter().any(|known| *known == diagnostic) {
            self.0.push(diagnostic);
        }
    }
}
