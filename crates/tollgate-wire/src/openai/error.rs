use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Literal;

/// `{"error": {…}}`
#[derive(Debug, Deserialize)]
pub struct ErrorBody<'a> {
    /// What went wrong.
    #[serde(borrow)]
    pub error: ErrorDetail<'a>,
}

/// What went wrong; `code` may be a string or a number, so it is not read here.
#[derive(Debug, Deserialize)]
#[serde(from = "&'a RawValue", bound(deserialize = "'de: 'a"))]
pub struct ErrorDetail<'a> {
    /// For people.
    pub message: Option<Literal<'a>>,
    /// For programs, for example `invalid_request_error`.
    pub kind: Option<Literal<'a>>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    message: Option<Literal<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

// === impl ErrorDetail ===

impl<'a> From<&'a RawValue> for ErrorDetail<'a> {
    /// Total: an error that is a bare string is its own message, any other shape is shown as it is.
    fn from(raw: &'a RawValue) -> Self {
        let string = |raw: &'a RawValue| serde_json::from_str::<Literal<'a>>(raw.get()).ok();
        if let Some(message) = string(raw) {
            return Self { message: Some(message), kind: None };
        }
        match serde_json::from_str::<Fields<'a>>(raw.get()) {
            Ok(Fields { message, kind }) => Self { message, kind: kind.and_then(string) },
            Err(_) => Self { message: None, kind: None },
        }
    }
}
