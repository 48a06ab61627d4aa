use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Citation, ServiceTier, Usage};
use crate::{Literal, anthropic::ErrorDetail};

/// One event of `ConverseStream`: a union whose members are the types of its frames.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event<'a> {
    /// The message begins.
    #[serde(borrow)]
    pub message_start: Option<&'a RawValue>,
    /// A block begins; those of text and thinking may begin with their first delta.
    #[serde(borrow)]
    pub content_block_start: Option<BlockStarted<'a>>,
    /// More of a block.
    #[serde(borrow)]
    pub content_block_delta: Option<BlockDelta<'a>>,
    /// A block ends.
    pub content_block_stop: Option<BlockStopped>,
    /// The message ends.
    #[serde(borrow)]
    pub message_stop: Option<MessageStop<'a>>,
    /// Comes last.
    #[serde(borrow)]
    pub metadata: Option<Metadata<'a>>,
    /// No type of Bedrock's: an exception, as the reader of frames writes it.
    #[serde(borrow)]
    pub error: Option<ErrorDetail<'a>>,
}

/// `contentBlockStart`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockStarted<'a> {
    /// Which block.
    #[serde(default)]
    pub content_block_index: u32,
    /// What begins.
    #[serde(borrow)]
    pub start: Option<BlockStart<'a>>,
}

/// A union: what begins.
#[derive(Debug, Deserialize)]
pub struct BlockStart<'a> {
    /// A call.
    #[serde(borrow, rename = "toolUse")]
    pub tool_use: Option<ToolStart<'a>>,
}

/// The beginning of a call.
#[derive(Debug, Deserialize)]
pub struct ToolStart<'a> {
    /// Joins the call and its result.
    #[serde(borrow, rename = "toolUseId")]
    pub id: Option<Literal<'a>>,
    /// The tool.
    pub name: Option<Literal<'a>>,
    /// `server_tool_use` for tools that run at the provider.
    #[serde(rename = "type")]
    pub kind: Option<Literal<'a>>,
}

/// `contentBlockDelta`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDelta<'a> {
    /// Which block.
    #[serde(default)]
    pub content_block_index: u32,
    /// What is new.
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
}

/// A union: what is new in a block.
#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    /// More text.
    #[serde(borrow)]
    pub text: Option<Literal<'a>>,
    /// More of a call's input.
    #[serde(rename = "toolUse")]
    pub tool_use: Option<ToolInput<'a>>,
    /// More thoughts.
    #[serde(rename = "reasoningContent")]
    pub reasoning: Option<ReasoningDelta<'a>>,
    /// A source of the text of this block.
    pub citation: Option<Citation<'a>>,
}

/// More of a call's input.
#[derive(Debug, Deserialize)]
pub struct ToolInput<'a> {
    /// A piece of JSON.
    #[serde(borrow)]
    pub input: Option<Literal<'a>>,
}

/// A union: more thoughts.
#[derive(Debug, Deserialize)]
pub struct ReasoningDelta<'a> {
    /// In words.
    #[serde(borrow)]
    pub text: Option<Literal<'a>>,
    /// Encrypted, in base64: a whole block.
    #[serde(rename = "redactedContent")]
    pub redacted: Option<Literal<'a>>,
    /// Shows that the model wrote the words before.
    pub signature: Option<Literal<'a>>,
}

/// `contentBlockStop`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockStopped {
    /// Which block.
    #[serde(default)]
    pub content_block_index: u32,
}

/// `messageStop`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageStop<'a> {
    /// As in [`Reply`](super::Reply).
    #[serde(borrow)]
    pub stop_reason: Option<Literal<'a>>,
    /// What the model says beside its message.
    #[serde(borrow, rename = "additionalModelResponseFields")]
    pub additional: Option<&'a RawValue>,
}

/// `metadata`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// Tokens of the whole call.
    pub usage: Option<Usage>,
    /// What served the call.
    #[serde(borrow)]
    pub service_tier: Option<ServiceTier<'a>>,
}
