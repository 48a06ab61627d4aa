//! Pairs of dialect and schema that differ: `dialect/` decodes requests and encodes replies, `provider/`
//! encodes requests and decodes replies, and both know only the neutral `turn` between them.

use http::HeaderMap;
use http::StatusCode;
use tollgate_types::{ApiSchema, Endpoint, ModelId, Usage};

use crate::{Delivery, Fault, Target, Untranslatable};

/// What a translation needs beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// What the client called.
    pub endpoint: Endpoint,
    /// Where it goes.
    pub target: &'a Target,
    /// The model to ask for.
    pub model: &'a ModelId,
    /// Whole or streamed.
    pub delivery: Delivery,
    /// True where an OpenAI client asked for the usage chunk in its stream.
    pub wants_usage: bool,
    /// Unix seconds, for `created` where the provider gives none.
    pub now: u64,
}

/// A provider request made from a client's.
#[derive(Debug)]
pub struct Translated {
    /// Path and query.
    pub path: String,
    /// The provider's body.
    pub body: Vec<u8>,
    /// The reader of the provider's reply.
    pub reader: Box<dyn Reader>,
}

/// Turns one provider reply into the client's dialect. Appends to `out`; never waits.
pub trait Reader: Send + std::fmt::Debug {
    /// A whole success body.
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
    /// One provider event (`event:` name, joined `data:` lines).
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
    /// The provider's stream ended: closes the client's, or says that it was cut.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault>;
    /// A whole error body of the provider, in the client's words.
    fn error(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>);
    /// The event that tells the client that its stream broke.
    fn break_off(&mut self, message: &str, out: &mut Vec<u8>);
    /// Tokens up to now.
    fn usage(&self) -> Usage;
    /// The model the provider named.
    fn model(&self) -> Option<&str>;
}

/// True where this endpoint reaches this schema through translation.
#[must_use]
pub const fn supports(endpoint: Endpoint, schema: ApiSchema) -> bool {
    let _ = (endpoint, schema);
    false
}

/// Translates a request; see [`supports`].
///
/// # Errors
/// [`Untranslatable`], with the field of the client's request.
pub fn translate(job: &Job<'_>, body: &[u8]) -> Result<Translated, Untranslatable> {
    let _ = body;
    Err(Untranslatable::UnsupportedPair { endpoint: job.endpoint, schema: job.target.schema })
}
