//! Amazon Bedrock Runtime. Source: the Amazon Bedrock API reference (`Converse`, `ConverseStream`, `InvokeModel`,
//! `CountTokens`) and the inference parameters of Titan and Cohere embeddings in the user guide.

mod citation;
mod error;
mod invoke;
mod reply;
mod stream;

pub use self::{
    citation::{Citation, Location, Stretch, Web},
    error::ErrorBody,
    invoke::{ByType, CohereEmbeddings, Counted, Part, TitanEmbedding},
    reply::{
        CitationsContent, ContentBlock, Message, Output, Reasoning, ReasoningText, Reply, ServiceTier,
        TextBlock, ToolUse, Usage,
    },
    stream::{
        BlockDelta, BlockStart, BlockStarted, BlockStopped, Delta, Event, MessageStop, Metadata,
        ReasoningDelta, ToolInput, ToolStart,
    },
};
