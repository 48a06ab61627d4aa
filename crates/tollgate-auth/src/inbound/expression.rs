use std::fmt;

mod bounded;

pub use self::bounded::parse_expression;

/// A CEL expression over Envoy's attributes of a request.
pub struct Expression {
    source: String,
    program: cel::Program,
    roots: Vec<Root>,
}

/// Where attributes of a request begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
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
pub struct InvalidExpression(String);

// === impl InvalidExpression ===

impl InvalidExpression {
    /// The reason alone, on one line: the compiler's words are several.
    #[must_use]
    pub fn reason(&self) -> String {
        self.0.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

// === impl Expression ===

impl Expression {
    /// Compiles an expression that may use these attributes.
    ///
    /// # Errors
    /// [`InvalidExpression`] with the compiler's words, or naming what is not known.
    pub fn new(source: &str, known: &[Root]) -> Result<Self, InvalidExpression> {
        let program = parse_expression(source)?;
        let mut roots = Vec::new();
        {
            let references = program.references();
            let mut names = references.variables();
            names.sort_unstable();
            let bound = bounded::bound(program.expression());
            for name in names.into_iter().filter(|name| !bound.contains(name)) {
                let root = known.iter().find(|root| root.name() == name);
                roots.push(*root.ok_or_else(|| InvalidExpression(format!("unknown attribute {name}")))?);
            }
        }
        let this = Self { source: source.to_owned(), program, roots };
        // Without any attribute much comes to nothing, but a function that nobody knows shows.
        match this.blank() {
            Err(error @ cel::ExecutionError::UndeclaredReference(_)) => {
                Err(InvalidExpression(error.to_string()))
            }
            Ok(_) | Err(_) => Ok(this),
        }
    }

    /// Compiles one that is true or false.
    ///
    /// # Errors
    /// [`InvalidExpression`], also where it is seen to be neither.
    pub fn condition(source: &str, known: &[Root]) -> Result<Self, InvalidExpression> {
        let this = Self::new(source, known)?;
        match this.blank() {
            Ok(value) if !matches!(value, cel::Value::Bool(_)) => {
                let kind = value.type_of();
                Err(InvalidExpression(format!("gives {kind:?}, which is neither true nor false")))
            }
            Ok(_) | Err(_) => Ok(this),
        }
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Every text that is written in it, if it asks for what begins here: names of headers are among them.
    #[must_use]
    pub fn texts(&self, root: Root) -> Vec<&str> {
        if self.roots.contains(&root) { bounded::texts(self.program.expression()) } else { Vec::new() }
    }

    /// Whether it is true; `None` where it fails, for example for a header that is not there, or is neither.
    #[must_use]
    pub fn holds(&self, attributes: impl Fn(Root) -> cel::Value) -> Option<bool> {
        match self.evaluate(attributes) {
            Ok(cel::Value::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }

    /// What it comes to; `None` where it fails.
    #[must_use]
    pub fn value(&self, attributes: impl Fn(Root) -> cel::Value) -> Option<cel::Value> {
        self.evaluate(attributes).ok()
    }

    /// What it comes to without any attribute.
    fn blank(&self) -> Result<cel::Value, cel::ExecutionError> {
        self.evaluate(|_| cel::Value::from(std::collections::HashMap::<String, cel::Value>::new()))
    }

    fn evaluate(&self, attributes: impl Fn(Root) -> cel::Value) -> Result<cel::Value, cel::ExecutionError> {
        let mut context = cel::Context::default();
        for root in &self.roots {
            context.add_variable_from_value(root.name(), attributes(*root));
        }
        self.program.execute(&context)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, &self.roots) == (&other.source, &other.roots)
    }
}

impl Eq for Expression {}

// === impl Root ===

impl Root {
    /// What is known once a request is over.
    pub const ALL: [Self; 8] = [
        Self::Request,
        Self::Response,
        Self::Source,
        Self::Destination,
        Self::Connection,
        Self::Upstream,
        Self::Metadata,
        Self::Xds,
    ];

    /// What is known before a request is routed.
    pub const OF_CALLERS: [Self; 5] =
        [Self::Request, Self::Source, Self::Destination, Self::Connection, Self::Metadata];

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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_expression_that_cannot_be_used_is_refused() {
        let error = |source| Expression::condition(source, &Root::ALL).unwrap_err().to_string();
        assert!(error("request.path ==").starts_with("invalid CEL expression"));
        assert!(error("requests.path == '/'").contains("requests"));
        assert!(error("'text'").contains("neither true nor false"));
        assert!(error("no_such('x')").contains("no_such"));
        assert!(error("['a'].exists(n, m == n)").contains("unknown attribute m"));
        let early = Expression::condition("response.code == 200", &Root::OF_CALLERS);
        assert!(early.unwrap_err().to_string().contains("response"));
    }

    /// Whoever writes resources must not be able to end the process: neither the parser nor the evaluation may need
    /// a stack as deep as the text is long.
    #[test]
    fn a_deep_expression_is_refused_or_comes_to_something() {
        let deep = |open: &str, inside: &str, close: &str| {
            format!("{}{inside}{} == 1", open.repeat(1000), close.repeat(1000))
        };
        for source in [
            deep("(", "1", ")"),
            deep("[", "1", "]"),
            deep("!", "true", ""),
            deep("-", "1", ""),
            deep("", "1", "+1"),
            deep("", "true", "||true"),
            deep("", "request", ".a"),
            deep("true?1:", "1", ""),
            deep("[1].map(x,", "1", ")"),
        ] {
            let Ok(expression) = Expression::new(&source, &Root::ALL) else { continue };
            drop(expression.value(|_| cel::Value::Null));
        }
        let error = Expression::new(&deep("(", "1", ")"), &Root::ALL).unwrap_err().to_string();
        assert!(error.contains("32 levels"), "{error}");
    }

    #[test]
    fn an_expression_of_many_parts_is_no_deep_one() {
        let parts: Vec<_> = (0..80).map(|i| format!("request.headers['x-team'] == 'team-{i}'")).collect();
        Expression::condition(&parts.join(" || "), &Root::ALL).unwrap();
    }

    #[test]
    fn texts_are_found_wherever_they_stand() {
        let source = "response.headers['x-a'] == '1' || ['x-b', 'x-c'].exists(n, n in response.headers)";
        let expression = Expression::new(source, &Root::ALL).unwrap();
        let mut texts = expression.texts(Root::Response);
        texts.sort_unstable();
        assert_eq!(texts, ["1", "x-a", "x-b", "x-c"]);
        assert!(expression.texts(Root::Request).is_empty());
    }

    #[test]
    fn an_expression_sees_the_attributes_it_asks_for() {
        let map = |key: &str, value: cel::Value| cel::Value::from(HashMap::from([(key.to_owned(), value)]));
        let condition =
            Expression::condition("response.code >= 400 && 'x-a' in request.headers", &Root::ALL).unwrap();
        let seen = |code: i64, header: &str| {
            condition.holds(|root| match root {
                Root::Response => map("code", code.into()),
                Root::Request => map("headers", map(header, "1".into())),
                _ => unreachable!(),
            })
        };
        assert_eq!(seen(500, "x-a"), Some(true));
        assert_eq!(seen(200, "x-a"), Some(false));
        assert_eq!(seen(500, "x-b"), Some(false));
        let missing = Expression::condition("request.headers['x-missing'] == '1'", &Root::ALL).unwrap();
        assert_eq!(missing.holds(|_| map("headers", map("x-a", "1".into()))), None);
    }
}
