//! Google's Gemini API, as the Gemini API and Vertex AI speak it: content, streams, tokens, embeddings, errors.
//! Source: the REST references of `generateContent`, `countTokens`, `embedContent` and `predict`.
//!
//! Google reads a list that has one element without its brackets, and names in snake case beside camel case; so
//! does this.

mod content;
mod embedding;
mod error;
mod listed;
mod reply;
mod request;

pub use self::{
    content::{Blob, Content, FileData, FunctionCall, FunctionResponse, MediaResolution, Part, ResponsePart},
    embedding::{
        BatchRequest, Embedding, EmbeddingReply, EmbeddingRequest, PredictedEmbedding, Prediction,
        Predictions, Statistics,
    },
    error::{ErrorBody, ErrorDetail},
    listed::Listed,
    reply::{
        Candidate, ChosenToken, Chunk, Citation, CitationMetadata, Grounding, GroundingChunk,
        GroundingSource, GroundingSupport, Logprobs, ModalityTokens, PromptFeedback, Segment, TokenCount,
        TopTokens, Usage,
    },
    request::{
        CallingConfig, CountRequest, FunctionDeclaration, GenerationConfig, Request, ThinkingConfig, Tool,
        ToolConfig,
    },
};
