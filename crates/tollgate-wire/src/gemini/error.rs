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

/// What went wrong.
#[derive(Debug, Deserialize)]
#[serde(from = "&'a RawValue", bound(deserialize = "'de: 'a"))]
pub struct ErrorDetail<'a> {
    /// For programs: a canonical code's name, for example `RESOURCE_EXHAUSTED`.
    pub status: Option<Literal<'a>>,
    /// For people.
    pub message: Option<Literal<'a>>,
    /// The HTTP status, which counts in streams, whose own was sent before.
    pub code: Option<u16>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

// === impl ErrorDetail ===

impl<'a> From<&'a RawValue> for ErrorDetail<'a> {
    /// Total: an error that is a bare string is its own message, of any other shape it has what can be read.
    fn from(raw: &'a RawValue) -> Self {
        let string = |raw: &'a RawValue| serde_json::from_str::<Literal<'a>>(raw.get()).ok();
        if let Some(message) = string(raw) {
            return Self { status: None, message: Some(message), code: None };
        }
        match serde_json::from_str::<Fields<'a>>(raw.get()) {
            Ok(Fields { status, message, code }) => Self {
                status: status.and_then(string),
                message: message.and_then(string),
                code: code.and_then(|raw| raw.get().parse().ok()),
            },
            Err(_) => Self { status: None, message: None, code: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_any_shape_is_read_as_far_as_it_goes() {
        let read = |json: &'static str| serde_json::from_str::<ErrorBody<'_>>(json).unwrap().error;
        let full = read(r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}"#);
        assert_eq!((full.code, full.status.unwrap().escaped()), (Some(429), "RESOURCE_EXHAUSTED"));
        assert_eq!(read(r#"{"error":"down"}"#).message.unwrap().escaped(), "down");
        assert!(read(r#"{"error":[1]}"#).message.is_none());
        assert!(read(r#"{"error":{"code":"x","message":7}}"#).code.is_none());
    }
}
