use serde::Deserialize;

use super::{Annotation, ChoiceLogprobs, ErrorDetail, ThinkingBlock, ToolFunction, Usage};
use crate::{Literal, Number};

/// `chat.completion.chunk`
#[derive(Debug, Deserialize)]
pub struct Chunk<'a> {
    /// The same in every chunk; empty in Azure's first.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// The model that answers.
    pub model: Option<Literal<'a>>,
    /// Unix seconds.
    pub created: Option<Number<'a>>,
    /// The tier that serves it.
    pub service_tier: Option<Literal<'a>>,
    /// Empty in the usage chunk and in Azure's filter results.
    pub choices: Option<Vec<ChunkChoice<'a>>>,
    /// Tokens up to now.
    pub usage: Option<Usage>,
    /// Instead of all else: the stream failed.
    pub error: Option<ErrorDetail<'a>>,
}

/// A step of one answer.
#[derive(Debug, Deserialize)]
pub struct ChunkChoice<'a> {
    /// Which answer, from 0.
    pub index: Option<u32>,
    /// What is new.
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    /// Probabilities of the tokens that are new.
    pub logprobs: Option<ChoiceLogprobs<'a>>,
    /// In the last chunk of the answer.
    pub finish_reason: Option<Literal<'a>>,
    /// vLLM: the stop sequence that matched, as a string, or a token id.
    #[serde(borrow)]
    pub stop_reason: Option<&'a serde_json::value::RawValue>,
}

/// What is new in a chunk.
#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    /// Text.
    #[serde(borrow)]
    pub content: Option<Literal<'a>>,
    /// Text of a refusal.
    pub refusal: Option<Literal<'a>>,
    /// Extension: thinking as plain text.
    pub reasoning_content: Option<Literal<'a>>,
    /// Extension: the same under the name that newer servers use.
    pub reasoning: Option<Literal<'a>>,
    /// Extension: signatures and redacted thinking.
    pub thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    /// What the text rests on.
    pub annotations: Option<Vec<Annotation<'a>>>,
    /// Calls that begin or go on.
    pub tool_calls: Option<Vec<DeltaToolCall<'a>>>,
}

/// A call that begins or goes on.
#[derive(Debug, Deserialize)]
pub struct DeltaToolCall<'a> {
    /// Which call, from 0; some servers leave it out.
    pub index: Option<u32>,
    /// In the first step of the call.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// Its name in the first step, its arguments in pieces.
    pub function: Option<DeltaFunction<'a>>,
}

/// Name and a piece of the arguments.
pub type DeltaFunction<'a> = ToolFunction<'a>;
