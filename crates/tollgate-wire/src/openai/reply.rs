use serde::Deserialize;

use super::{ErrorDetail, ThinkingBlock};
use crate::{Literal, Number};

/// A whole chat completion.
#[derive(Debug, Deserialize)]
pub struct Reply<'a> {
    /// `chatcmpl-…`
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// The model that answered.
    pub model: Option<Literal<'a>>,
    /// Unix seconds; some servers write a fraction.
    pub created: Option<Number<'a>>,
    /// The tier that served it.
    pub service_tier: Option<Literal<'a>>,
    /// One for each answer.
    pub choices: Option<Vec<Choice<'a>>>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// Instead of all else: the call failed.
    pub error: Option<ErrorDetail<'a>>,
}

/// One answer.
#[derive(Debug, Deserialize)]
pub struct Choice<'a> {
    /// What was said.
    #[serde(borrow)]
    pub message: Option<ReplyMessage<'a>>,
    /// Probabilities of its tokens.
    pub logprobs: Option<ChoiceLogprobs<'a>>,
    /// `stop`, `length`, `tool_calls`, `content_filter`, `function_call`.
    pub finish_reason: Option<Literal<'a>>,
    /// vLLM: the stop sequence that matched, as a string, or a token id.
    #[serde(borrow)]
    pub stop_reason: Option<&'a serde_json::value::RawValue>,
}

/// What the assistant said.
#[derive(Debug, Deserialize)]
pub struct ReplyMessage<'a> {
    /// Its text.
    #[serde(borrow)]
    pub content: Option<Literal<'a>>,
    /// Its refusal.
    pub refusal: Option<Literal<'a>>,
    /// What it calls.
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    /// Extension: its thinking as plain text.
    pub reasoning_content: Option<Literal<'a>>,
    /// Extension: the same under the name that newer servers use.
    pub reasoning: Option<Literal<'a>>,
    /// Extension: its thinking, signed.
    pub thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    /// What the text rests on.
    pub annotations: Option<Vec<Annotation<'a>>>,
}

/// What a stretch of the text rests on.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Annotation<'a> {
    /// `url_citation`
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `url_citation`.
    pub url_citation: Option<UrlCitation<'a>>,
}

/// A page of the web.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct UrlCitation<'a> {
    /// In characters of the text.
    pub start_index: Option<u64>,
    /// In characters of the text, exclusive.
    pub end_index: Option<u64>,
    /// Its address.
    #[serde(borrow)]
    pub url: Literal<'a>,
    /// Its title.
    pub title: Option<Literal<'a>>,
}

/// Probabilities of an answer's tokens.
#[derive(Debug, Deserialize)]
pub struct ChoiceLogprobs<'a> {
    /// Of its text.
    #[serde(borrow)]
    pub content: Option<Vec<TokenLogprob<'a>>>,
}

/// The probability of one token.
#[derive(Debug, Deserialize)]
pub struct TokenLogprob<'a> {
    /// Its text.
    #[serde(borrow)]
    pub token: Literal<'a>,
    /// Natural logarithm.
    pub logprob: Number<'a>,
    /// What else could have stood there.
    pub top_logprobs: Option<Vec<TopLogprob<'a>>>,
}

/// A token that could have stood there.
#[derive(Debug, Deserialize)]
pub struct TopLogprob<'a> {
    /// Its text.
    #[serde(borrow)]
    pub token: Literal<'a>,
    /// Natural logarithm.
    pub logprob: Number<'a>,
}

/// One call.
#[derive(Debug, Deserialize)]
pub struct ToolCall<'a> {
    /// To be named in the answer.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// What is called; absent in calls of other kinds.
    pub function: Option<ToolFunction<'a>>,
}

/// Name and arguments.
#[derive(Debug, Deserialize)]
pub struct ToolFunction<'a> {
    /// The tool.
    #[serde(borrow)]
    pub name: Option<Literal<'a>>,
    /// JSON in a string.
    pub arguments: Option<Literal<'a>>,
}

/// Tokens, in OpenAI's semantics: the prompt includes what came from a cache.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// The whole prompt.
    pub prompt_tokens: Option<u64>,
    /// The answer, reasoning included.
    pub completion_tokens: Option<u64>,
    /// Both.
    pub total_tokens: Option<u64>,
    /// Parts of the prompt.
    pub prompt_tokens_details: Option<PromptDetails>,
    /// Parts of the answer.
    pub completion_tokens_details: Option<CompletionDetails>,
}

/// Parts of the prompt.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct PromptDetails {
    /// Read from a cache.
    pub cached_tokens: Option<u64>,
    /// Sound.
    pub audio_tokens: Option<u64>,
    /// Extension: written to a cache.
    pub cache_creation_input_tokens: Option<u64>,
}

/// Parts of the answer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct CompletionDetails {
    /// Spent thinking.
    pub reasoning_tokens: Option<u64>,
    /// Sound.
    pub audio_tokens: Option<u64>,
}
