use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Literal;

/// The payload of a `chunk` event of `InvokeModelWithResponseStream`.
#[derive(Debug, Deserialize)]
pub struct Part<'a> {
    /// An event of the model's own API, in base64.
    #[serde(borrow)]
    pub bytes: Option<Literal<'a>>,
}

/// The reply of `CountTokens`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counted {
    /// The prompt.
    #[serde(rename = "inputTokens")]
    pub input_tokens: u64,
}

/// The reply of a Titan embedding model.
#[derive(Debug, Deserialize)]
pub struct TitanEmbedding<'a> {
    /// Floats.
    #[serde(borrow)]
    pub embedding: Option<&'a RawValue>,
    /// By type, where types were asked for.
    #[serde(borrow, rename = "embeddingsByType")]
    pub by_type: Option<ByType<'a>>,
    /// The prompt.
    #[serde(rename = "inputTextTokenCount")]
    pub tokens: Option<u64>,
}

/// The vectors of one type.
#[derive(Debug, Deserialize)]
pub struct ByType<'a> {
    /// Titan: one vector; Cohere: a list of them.
    #[serde(borrow)]
    pub float: Option<&'a RawValue>,
}

/// The reply of a Cohere embedding model.
#[derive(Debug, Deserialize)]
pub struct CohereEmbeddings<'a> {
    /// A list of vectors, or an object with one such list for each type that was asked for.
    #[serde(borrow)]
    pub embeddings: Option<&'a RawValue>,
}
