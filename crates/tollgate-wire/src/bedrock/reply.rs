use serde::Deserialize;
use serde_json::value::RawValue;

use super::Citation;
use crate::Literal;

/// The reply of `Converse`.
#[derive(Debug, Deserialize)]
pub struct Reply<'a> {
    /// What was said.
    #[serde(borrow)]
    pub output: Option<Output<'a>>,
    /// `end_turn`, `tool_use`, `max_tokens`, `stop_sequence`, `guardrail_intervened`, `content_filtered` …
    #[serde(rename = "stopReason")]
    pub stop_reason: Option<Literal<'a>>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// What served the call.
    #[serde(rename = "serviceTier")]
    pub service_tier: Option<ServiceTier<'a>>,
    /// What the model says beside its message: `{"stop_sequence": …}` where it was asked for.
    #[serde(borrow, rename = "additionalModelResponseFields")]
    pub additional: Option<&'a RawValue>,
}

/// What was said.
#[derive(Debug, Deserialize)]
pub struct Output<'a> {
    /// The one member of this union.
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
}

/// The model's message.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// Blocks in their order.
    #[serde(borrow)]
    pub content: Vec<ContentBlock<'a>>,
}

/// A union: one of the fields is there; none where the kind is unknown.
#[derive(Debug, Deserialize)]
pub struct ContentBlock<'a> {
    /// What the model says.
    #[serde(borrow)]
    pub text: Option<Literal<'a>>,
    /// A call.
    #[serde(rename = "toolUse")]
    pub tool_use: Option<ToolUse<'a>>,
    /// What the model thought.
    #[serde(rename = "reasoningContent")]
    pub reasoning: Option<Reasoning<'a>>,
    /// Text with its sources.
    #[serde(rename = "citationsContent")]
    pub citations: Option<CitationsContent<'a>>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
pub struct ToolUse<'a> {
    /// Joins the call and its result.
    #[serde(borrow, rename = "toolUseId")]
    pub id: Option<Literal<'a>>,
    /// The tool.
    pub name: Option<Literal<'a>>,
    /// An object.
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    /// `server_tool_use` for tools that run at the provider.
    #[serde(rename = "type")]
    pub kind: Option<Literal<'a>>,
}

/// A union: what the model thought, in words or not.
#[derive(Debug, Deserialize)]
pub struct Reasoning<'a> {
    /// In words.
    #[serde(borrow, rename = "reasoningText")]
    pub text: Option<ReasoningText<'a>>,
    /// Encrypted, in base64.
    #[serde(rename = "redactedContent")]
    pub redacted: Option<Literal<'a>>,
}

/// Signed thoughts.
#[derive(Debug, Deserialize)]
pub struct ReasoningText<'a> {
    /// The words.
    #[serde(borrow)]
    pub text: Option<Literal<'a>>,
    /// Shows that the model wrote them.
    pub signature: Option<Literal<'a>>,
}

/// Text with its sources.
#[derive(Debug, Deserialize)]
pub struct CitationsContent<'a> {
    /// The text, in pieces.
    #[serde(borrow)]
    pub content: Option<Vec<TextBlock<'a>>>,
    /// The sources.
    pub citations: Option<Vec<Citation<'a>>>,
}

/// A piece of text.
#[derive(Debug, Deserialize)]
pub struct TextBlock<'a> {
    /// The text.
    #[serde(borrow)]
    pub text: Option<Literal<'a>>,
}

/// Tokens, in Bedrock's semantics: the three parts of the prompt are counted apart, `totalTokens` is their sum and the
/// answer's.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The prompt without what a cache gave or took.
    pub input_tokens: Option<u64>,
    /// The answer, reasoning included.
    pub output_tokens: Option<u64>,
    /// Read from a cache.
    pub cache_read_input_tokens: Option<u64>,
    /// Written to a cache.
    pub cache_write_input_tokens: Option<u64>,
}

/// What served the call.
#[derive(Debug, Deserialize)]
pub struct ServiceTier<'a> {
    /// `default`, `priority`, `flex`, `reserved`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
}
