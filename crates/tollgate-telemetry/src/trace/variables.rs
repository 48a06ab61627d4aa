//! Variables of the environment, as OpenTelemetry names them.

/// A variable that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct InvalidVariable {
    variable: &'static str,
    problem: String,
}

pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What we are called unless somebody says otherwise.
pub(super) const SERVICE: &str = "ai-gateway";

pub(super) fn invalid(variable: &'static str, problem: impl Into<String>) -> InvalidVariable {
    InvalidVariable { variable, problem: problem.into() }
}

/// What cannot be read counts as not given.
pub(super) fn number(text: Option<String>, default: u64) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(default)
}

/// `name=value` pairs with percent-encoded values, as OTLP and W3C Baggage write them.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, value)| {
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        (name.trim(), value)
    })
}

pub(super) fn resource(set: Lookup<'_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = pairs(&set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let named = all.iter().any(|(name, _)| name == "service.name");
    match set("OTEL_SERVICE_NAME") {
        Some(name) => {
            all.retain(|(key, _)| key != "service.name");
            all.push(("service.name".to_owned(), name));
        }
        None if !named => all.push(("service.name".to_owned(), SERVICE.to_owned())),
        None => {}
    }
    all
}
