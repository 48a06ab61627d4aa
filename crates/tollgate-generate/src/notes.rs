use tollgate_resources::{AiGatewayRoute, Object};
use tollgate_types::{Diagnostic, Severity};

/// What there is to say about a field, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

// === impl Note ===

impl Note {
    pub(crate) fn error(code: &'static str, message: String) -> Self {
        Self { severity: Severity::Error, code, message, help: None }
    }

    pub(crate) fn info(code: &'static str, message: String) -> Self {
        Self { severity: Severity::Info, ..Self::error(code, message) }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// At a field of a route.
    pub(crate) fn at(self, route: &Object<AiGatewayRoute>, field: impl Into<String>) -> Diagnostic {
        let Self { severity, code, message, help } = self;
        let field = field.into();
        let (span, object) = (route.span_of(&field), Some(route.reference("AIGatewayRoute")));
        Diagnostic { severity, code, message, help, span, object, field }
    }
}
