use serde::Deserialize;

use crate::Literal;

/// `{"type": "error", "error": {…}}`
#[derive(Debug, Deserialize)]
pub struct ErrorBody<'a> {
    /// What went wrong.
    #[serde(borrow)]
    pub error: ErrorDetail<'a>,
    /// To be named to the provider's support.
    pub request_id: Option<Literal<'a>>,
}

/// What went wrong.
#[derive(Debug, Deserialize)]
pub struct ErrorDetail<'a> {
    /// For programs, for example `overloaded_error`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// For people.
    pub message: Option<Literal<'a>>,
}
