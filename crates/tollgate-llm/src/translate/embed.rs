//! Embeddings between the dialects.

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use tollgate_types::Usage;
use tollgate_wire::{Literal, Number};

use super::{
    event::ProviderError,
    once::{Rewrite, Told},
};
use crate::Fault;

/// A request for embeddings.
#[derive(Debug, Default)]
pub(crate) struct Embed<'a> {
    pub(crate) inputs: Vec<Input<'a>>,
    /// Numbers in each vector.
    pub(crate) dimensions: Option<Number<'a>>,
    pub(crate) encoding: Encoding,
    /// What they are for, in the client's words: Vertex' `task_type`, Cohere's `input_type`.
    pub(crate) task: Option<Literal<'a>>,
    /// The title of the documents, for retrieval (Vertex).
    pub(crate) title: Option<Literal<'a>>,
    /// True: what is too long is cut; false: it is refused; the provider's own way where it is absent.
    pub(crate) truncate: Option<bool>,
    pub(crate) user: Option<Literal<'a>>,
}

/// One thing to embed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    Text {
        text: Literal<'a>,
        /// Instead of the request's.
        task: Option<Literal<'a>>,
        /// Instead of the request's.
        title: Option<Literal<'a>>,
    },
    /// A list of token numbers, which mean something to their own model alone.
    Tokens(&'a RawValue),
}

/// How the client wants the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64, which OpenAI's SDKs ask for unless told otherwise.
    Base64,
}

/// A reply with embeddings.
#[derive(Debug, Default)]
pub(crate) struct Embedded<'a> {
    pub(crate) model: Option<Literal<'a>>,
    /// Each a JSON list of numbers, in the order of the inputs.
    pub(crate) vectors: Vec<&'a RawValue>,
    pub(crate) usage: Usage,
}

/// Reads one provider's embeddings.
pub(crate) trait DecodeEmbedded: Send + std::fmt::Debug {
    /// The headers of the reply, before its body.
    fn head(&mut self, _headers: &HeaderMap) {}
    /// A whole success body.
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Embedded<'b>, Fault>;
    /// A whole error body; `None` where it has not the provider's shape.
    fn error(&self, body: &[u8]) -> Option<ProviderError>;
}

/// Writes embeddings in one client's dialect.
pub(crate) trait EncodeEmbedded: Send + std::fmt::Debug {
    /// A whole reply.
    ///
    /// # Errors
    /// [`Fault::Malformed`] where a vector is no list of numbers.
    fn whole(&self, embedded: &Embedded<'_>, out: &mut Vec<u8>) -> Result<(), Fault>;
    /// The whole body of an error.
    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>);
}

/// Both, joined.
#[derive(Debug)]
pub(crate) struct Embedder {
    pub(crate) decode: Box<dyn DecodeEmbedded>,
    pub(crate) encode: Box<dyn EncodeEmbedded>,
}

impl Rewrite for Embedder {
    fn head(&mut self, headers: &HeaderMap) {
        self.decode.head(headers);
    }

    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Told, Fault> {
        let embedded = self.decode.whole(body)?;
        self.encode.whole(&embedded, out)?;
        let model = embedded.model.filter(|model| !model.is_empty());
        Ok(Told { usage: embedded.usage, model: model.map(|model| model.decode().into_owned()) })
    }

    fn read_error(&self, body: &[u8]) -> Option<ProviderError> {
        self.decode.error(body)
    }

    fn write_error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        self.encode.error(status, error, out);
    }
}
