use std::{fmt, sync::Arc};

use tollgate_auth::parse_expression;
use tollgate_types::{ModelId, Usage};

/// A number that a finished request leaves behind under a metadata key (`llmRequestCosts`).
#[derive(Clone, Debug)]
pub struct Cost {
    /// Key in the metadata namespace `io.envoy.ai_gateway`.
    pub key: Arc<str>,
    /// How the number comes about.
    pub kind: CostKind,
}

/// How a cost comes about.
#[derive(Clone, Debug)]
pub enum CostKind {
    /// Prompt tokens
    Input,
    /// Prompt tokens from a cache
    CachedInput,
    /// Prompt tokens written to a cache
    CacheCreationInput,
    /// Completion tokens
    Output,
    /// All tokens
    Total,
    /// Thinking tokens
    Reasoning,
    /// An expression
    Cel(Arc<CostProgram>),
}

/// A compiled CEL expression over token counts.
pub struct CostProgram {
    source: String,
    program: cel::Program,
}

/// What an expression may use.
#[derive(Clone, Copy, Debug)]
pub struct CostInputs<'a> {
    /// The model that was asked for, after an override.
    pub model: &'a ModelId,
    /// The backend that answered.
    pub backend: &'a str,
    /// `namespace/name` of the route.
    pub route: &'a str,
    /// Its tokens.
    pub usage: &'a Usage,
}

/// An expression that does not compile, or that does not give a number that is 0 or more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCost(String);

// === impl Cost ===

impl Cost {
    /// The number for a finished request; what the provider did not report counts as 0.
    ///
    /// # Errors
    /// [`InvalidCost`] where an expression fails, for example by unsigned underflow.
    pub fn evaluate(&self, inputs: &CostInputs<'_>) -> Result<u64, InvalidCost> {
        let usage = inputs.usage;
        let tokens = match &self.kind {
            CostKind::Input => usage.input,
            CostKind::CachedInput => usage.cached_input,
            CostKind::CacheCreationInput => usage.cache_creation_input,
            CostKind::Output => usage.output,
            CostKind::Total => Some(usage.total_or_sum()),
            CostKind::Reasoning => usage.reasoning,
            CostKind::Cel(program) => return program.evaluate(inputs),
        };
        Ok(tokens.unwrap_or_default().0)
    }
}

// === impl CostProgram ===

impl CostProgram {
    /// Compiles an expression and tries it with all counts at zero, as the other gateways of this API do.
    ///
    /// # Errors
    /// [`InvalidCost`] with the compiler's words.
    pub fn new(source: &str) -> Result<Self, InvalidCost> {
        let program = parse_expression(source).map_err(|error| InvalidCost(error.reason()))?;
        let this = Self { source: source.to_owned(), program };
        let dummy = ModelId::from("dummy");
        let inputs = CostInputs { model: &dummy, backend: "dummy", route: "dummy", usage: &Usage::default() };
        this.evaluate(&inputs)?;
        Ok(this)
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    fn evaluate(&self, inputs: &CostInputs<'_>) -> Result<u64, InvalidCost> {
        let CostInputs { model, backend, route, usage } = inputs;
        let mut context = cel::Context::default();
        context.add_variable_from_value("model", model.as_str().to_owned());
        context.add_variable_from_value("backend", (*backend).to_owned());
        context.add_variable_from_value("route_name", (*route).to_owned());
        let counts = [
            ("input_tokens", usage.input),
            ("cached_input_tokens", usage.cached_input),
            ("cache_creation_input_tokens", usage.cache_creation_input),
            ("output_tokens", usage.output),
            ("total_tokens", Some(usage.total_or_sum())),
            ("reasoning_tokens", usage.reasoning),
        ];
        for (name, tokens) in counts {
            context.add_variable_from_value(name, tokens.unwrap_or_default().0);
        }
        match self.program.execute(&context).map_err(|error| InvalidCost(error.to_string()))? {
            cel::Value::UInt(cost) => Ok(cost),
            cel::Value::Int(cost) => {
                u64::try_from(cost).map_err(|_| InvalidCost(format!("gives {cost}, which is below 0")))
            }
            other => Err(InvalidCost(format!("gives {other:?}, which is no integer"))),
        }
    }
}

impl fmt::Debug for CostProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CostProgram").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use tollgate_types::Tokens;

    use super::*;

    #[test]
    fn an_expression_sees_the_counts_as_unsigned_numbers() {
        let program = CostProgram::new("input_tokens == uint(3) ? 100000000 : 0").unwrap();
        let model = ModelId::from("m");
        let usage = Usage { input: Some(Tokens(3)), ..Usage::default() };
        let inputs = CostInputs { model: &model, backend: "b", route: "r", usage: &usage };
        assert_eq!(program.evaluate(&inputs), Ok(100_000_000));
    }

    #[test]
    fn an_expression_that_gives_no_number_is_refused_when_it_is_compiled() {
        assert!(CostProgram::new("'text'").is_err());
        assert!(CostProgram::new("input_tokens +").is_err());
        assert!(CostProgram::new("-1").is_err());
    }
}
