//! What backends speak: each folder encodes a `Turn` into a call and decodes replies into `Event`s.

use http::{HeaderName, HeaderValue};

pub(crate) mod anthropic;
pub(crate) mod aws_anthropic;
pub(crate) mod bedrock;
pub(crate) mod cohere;
pub(crate) mod gcp_anthropic;
pub(crate) mod gemini;
pub(crate) mod openai;

/// What goes to a provider.
#[derive(Debug)]
pub(crate) struct Call {
    /// Path and query.
    pub(crate) path: String,
    /// Headers that the provider's dialect asks for.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON.
    pub(crate) body: Vec<u8>,
}
