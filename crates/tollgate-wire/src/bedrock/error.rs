use serde::Deserialize;

use crate::Literal;

/// The body of an error; its type is in the header `x-amzn-errortype`, or here.
#[derive(Debug, Deserialize)]
pub struct ErrorBody<'a> {
    /// For people.
    #[serde(borrow, alias = "Message")]
    pub message: Option<Literal<'a>>,
    /// For programs, for example `com.amazon.coral.service#AccessDeniedException`.
    #[serde(rename = "__type")]
    pub kind: Option<Literal<'a>>,
    /// Of `ModelStreamErrorException`: what the model itself said.
    #[serde(rename = "originalMessage")]
    pub original: Option<Literal<'a>>,
}
