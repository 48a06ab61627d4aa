use std::fmt;

/// A CEL expression that says which requests are logged.
pub struct LogFilter {
    source: String,
    program: cel::Program,
    roots: Vec<LogRoot>,
}

/// Where attributes of a request begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRoot {
    /// `request.…`
    Request,
    /// `response.…`
    Response,
    /// `source.…`
    Source,
    /// `destination.…`
    Destination,
    /// `connection.…`
    Connection,
    /// `upstream.…`
    Upstream,
    /// `metadata.filter_metadata[…][…]`
    Metadata,
    /// `xds.…`
    Xds,
}

/// An expression that cannot be used; carries the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid CEL expression: {0}")]
pub struct InvalidLogFilter(String);

// === impl LogFilter ===

impl LogFilter {
    /// Compiles an expression over Envoy's attributes.
    ///
    /// # Errors
    /// [`InvalidLogFilter`] with the compiler's words, or naming what is not known.
    pub fn new(source: &str) -> Result<Self, InvalidLogFilter> {
        let program = cel::Program::compile(source).map_err(|error| InvalidLogFilter(error.to_string()))?;
        let mut roots = Vec::new();
        {
            let references = program.references();
            let mut names = references.variables();
            names.sort_unstable();
            for name in names {
                let root = LogRoot::ALL.into_iter().find(|root| root.name() == name);
                roots.push(root.ok_or_else(|| InvalidLogFilter(format!("unknown attribute {name}")))?);
            }
        }
        let this = Self { source: source.to_owned(), program, roots };
        // Without any attribute much comes to nothing, but a function that nobody knows shows.
        match this.evaluate(|_| cel::Value::from(std::collections::HashMap::<String, cel::Value>::new())) {
            Err(error @ cel::ExecutionError::UndeclaredReference(_)) => {
                Err(InvalidLogFilter(error.to_string()))
            }
            Ok(value) if !matches!(value, cel::Value::Bool(_)) => {
                Err(InvalidLogFilter(format!("gives {:?}, which is neither true nor false", value.type_of())))
            }
            Ok(_) | Err(_) => Ok(this),
        }
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a request is to be logged; `attributes` gives what is asked for. What fails, for example for a header
    /// that is not there, is not true.
    #[must_use]
    pub fn matches(&self, attributes: impl Fn(LogRoot) -> cel::Value) -> bool {
        matches!(self.evaluate(attributes), Ok(cel::Value::Bool(true)))
    }

    fn evaluate(
        &self,
        attributes: impl Fn(LogRoot) -> cel::Value,
    ) -> Result<cel::Value, cel::ExecutionError> {
        let mut context = cel::Context::default();
        for root in &self.roots {
            context.add_variable_from_value(root.name(), attributes(*root));
        }
        self.program.execute(&context)
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFilter").field(&self.source).finish()
    }
}

// === impl LogRoot ===

impl LogRoot {
    const ALL: [Self; 8] = [
        Self::Request,
        Self::Response,
        Self::Source,
        Self::Destination,
        Self::Connection,
        Self::Upstream,
        Self::Metadata,
        Self::Xds,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Connection => "connection",
            Self::Upstream => "upstream",
            Self::Metadata => "metadata",
            Self::Xds => "xds",
        }
    }
}
