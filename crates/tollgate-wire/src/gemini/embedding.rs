use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, ErrorDetail, Usage};
use crate::{Literal, Number};

/// The body of `…:embedContent`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddingRequest<'a> {
    /// What to embed.
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    /// `RETRIEVAL_QUERY`, `RETRIEVAL_DOCUMENT` …
    #[serde(alias = "task_type")]
    pub task_type: Option<Literal<'a>>,
    /// Of a document.
    pub title: Option<Literal<'a>>,
    /// Length of the vectors.
    #[serde(alias = "output_dimensionality")]
    pub output_dimensionality: Option<Number<'a>>,
}

/// The body of `…:batchEmbedContents`.
#[derive(Debug, Deserialize)]
pub struct BatchRequest<'a> {
    /// One for each vector.
    #[serde(borrow)]
    pub requests: Option<Vec<EmbeddingRequest<'a>>>,
}

/// The reply of `…:embedContent`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddingReply<'a> {
    /// The vector.
    #[serde(borrow)]
    pub embedding: Option<Embedding<'a>>,
    /// Tokens.
    pub usage_metadata: Option<Usage<'a>>,
    /// Instead of all else: the call failed.
    pub error: Option<ErrorDetail<'a>>,
}

/// A vector.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Embedding<'a> {
    /// A list of numbers.
    #[serde(borrow)]
    pub values: Option<&'a RawValue>,
}

/// The reply of `…:predict` for embedding models.
#[derive(Debug, Deserialize)]
pub struct Predictions<'a> {
    /// One for each instance.
    #[serde(borrow)]
    pub predictions: Option<Vec<Prediction<'a>>>,
    /// Instead of all else: the call failed.
    pub error: Option<ErrorDetail<'a>>,
}

/// What became of one instance.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Prediction<'a> {
    /// The vector.
    #[serde(borrow)]
    pub embeddings: Option<PredictedEmbedding<'a>>,
}

/// A vector and what it was made of.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct PredictedEmbedding<'a> {
    /// A list of numbers.
    #[serde(borrow)]
    pub values: Option<&'a RawValue>,
    /// What it was made of.
    pub statistics: Option<Statistics<'a>>,
}

/// What a vector was made of.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Statistics<'a> {
    /// Tokens; written as `5` or `5.0`.
    #[serde(borrow)]
    pub token_count: Option<Number<'a>>,
    /// True: the text was too long and its end was left out.
    pub truncated: Option<bool>,
}
