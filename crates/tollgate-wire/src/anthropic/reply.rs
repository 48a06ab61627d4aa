use serde::Deserialize;
use serde_json::value::RawValue;

use super::ErrorDetail;
use crate::Literal;

/// A whole message.
#[derive(Debug, Deserialize)]
pub struct Reply<'a> {
    /// `message`, or `error`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// `msg_…`
    pub id: Option<Literal<'a>>,
    /// The model that answered.
    pub model: Option<Literal<'a>>,
    /// What was said; absent in an error.
    pub content: Option<Vec<ReplyBlock<'a>>>,
    /// `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`, `pause_turn`, `refusal` …
    pub stop_reason: Option<Literal<'a>>,
    /// The sequence that matched.
    pub stop_sequence: Option<Literal<'a>>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// Of an error.
    pub error: Option<ErrorDetail<'a>>,
}

/// One content block of a reply: `type` says which of the fields counts.
#[derive(Debug, Deserialize)]
pub struct ReplyBlock<'a> {
    /// `text`, `thinking`, `redacted_thinking`, `tool_use`; others come from the provider's own tools.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `text`.
    pub text: Option<Literal<'a>>,
    /// Of `thinking`.
    pub thinking: Option<Literal<'a>>,
    /// Of `thinking`.
    pub signature: Option<Literal<'a>>,
    /// Of `redacted_thinking`: opaque.
    pub data: Option<Literal<'a>>,
    /// Of `tool_use`.
    pub id: Option<Literal<'a>>,
    /// Of `tool_use`.
    pub name: Option<Literal<'a>>,
    /// Of `tool_use`: an object.
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

/// Tokens, in Anthropic's semantics: the three parts of the prompt are counted apart.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// The prompt without what a cache gave or took.
    pub input_tokens: Option<u64>,
    /// Written to a cache.
    pub cache_creation_input_tokens: Option<u64>,
    /// Read from a cache.
    pub cache_read_input_tokens: Option<u64>,
    /// The answer, thinking included.
    pub output_tokens: Option<u64>,
    /// Parts of the answer.
    pub output_tokens_details: Option<OutputDetails>,
}

/// Parts of the answer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct OutputDetails {
    /// Spent thinking.
    pub thinking_tokens: Option<u64>,
}
