//! Cohere's chat API, version 2: what its replies hold. Source: the Cohere API reference, `POST /v2/chat`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Literal, Number};

/// A whole reply.
#[derive(Debug, Deserialize)]
pub struct Reply<'a> {
    /// A UUID.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// `COMPLETE`, `STOP_SEQUENCE`, `MAX_TOKENS`, `TOOL_CALL`, `ERROR`, `TIMEOUT`.
    pub finish_reason: Option<Literal<'a>>,
    /// What was said.
    pub message: Option<Message<'a>>,
    /// Tokens.
    pub usage: Option<Usage<'a>>,
}

/// What the assistant said.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// What it means to do with its tools.
    #[serde(borrow)]
    pub tool_plan: Option<Literal<'a>>,
    /// Thinking and text.
    pub content: Option<Vec<Content<'a>>>,
    /// What it calls.
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    /// What the text rests on.
    pub citations: Option<Vec<Citation<'a>>>,
}

/// One part: `type` says which of the fields counts; in a stream it may be absent.
#[derive(Debug, Deserialize)]
pub struct Content<'a> {
    /// `text`, `thinking`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// Of `text`.
    pub text: Option<Literal<'a>>,
    /// Of `thinking`.
    pub thinking: Option<Literal<'a>>,
}

/// One call, or a piece of its arguments.
#[derive(Debug, Deserialize)]
pub struct ToolCall<'a> {
    /// To be named in the answer.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// What is called.
    pub function: Option<Function<'a>>,
}

/// Name and arguments.
#[derive(Debug, Deserialize)]
pub struct Function<'a> {
    /// The tool.
    #[serde(borrow)]
    pub name: Option<Literal<'a>>,
    /// JSON in a string.
    pub arguments: Option<Literal<'a>>,
}

/// What a stretch of the text rests on.
#[derive(Debug, Deserialize)]
pub struct Citation<'a> {
    /// In characters of the text.
    pub start: Option<u64>,
    /// In characters of the text, exclusive.
    pub end: Option<u64>,
    /// Documents of the request, or results of tools.
    #[serde(borrow)]
    pub sources: Option<Vec<Source<'a>>>,
}

/// One source of a citation.
#[derive(Debug, Deserialize)]
pub struct Source<'a> {
    /// `doc:0` for the first document that has no id of its own.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// The document with the client's own fields.
    pub document: Option<Document<'a>>,
}

/// The fields of a document that other APIs have words for.
#[derive(Debug, Deserialize)]
pub struct Document<'a> {
    /// Where it is from.
    #[serde(borrow)]
    pub url: Option<&'a RawValue>,
    /// Its title.
    pub title: Option<&'a RawValue>,
}

/// Tokens: as the model saw them, and as they are billed.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Usage<'a> {
    /// Without what Cohere adds itself.
    #[serde(borrow)]
    pub billed_units: Option<Counts<'a>>,
    /// All.
    pub tokens: Option<Counts<'a>>,
    /// Of the input: read from a cache.
    pub cached_tokens: Option<Number<'a>>,
}

/// Two counts; whole numbers, at times written with a fraction.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counts<'a> {
    /// The prompt.
    #[serde(borrow)]
    pub input_tokens: Option<Number<'a>>,
    /// The answer.
    pub output_tokens: Option<Number<'a>>,
}

/// One event of a stream: `type` says which of the fields counts.
#[derive(Debug, Deserialize)]
pub struct Event<'a> {
    /// `message-start`, `content-start` … `message-end`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// Of `message-start`.
    pub id: Option<Literal<'a>>,
    /// Which part, call or citation, each counted from 0.
    pub index: Option<u32>,
    /// What is new.
    pub delta: Option<Delta<'a>>,
}

/// What is new in an event.
#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    /// Of the message.
    #[serde(borrow)]
    pub message: Option<DeltaMessage<'a>>,
    /// Of `message-end`.
    pub finish_reason: Option<Literal<'a>>,
    /// Of `message-end`.
    pub usage: Option<Usage<'a>>,
    /// Of `message-end`: what went wrong.
    pub error: Option<Literal<'a>>,
}

/// What is new in the message: single objects where a whole reply has lists. `message-start` has empty lists here,
/// so what is no object is no news.
#[derive(Debug, Deserialize)]
pub struct DeltaMessage<'a> {
    /// Of `content-start` and `content-delta`.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    /// Of `tool-plan-delta`.
    pub tool_plan: Option<Literal<'a>>,
    /// Of `tool-call-start` and `tool-call-delta`.
    #[serde(borrow)]
    pub tool_calls: Option<&'a RawValue>,
    /// Of `citation-start`.
    #[serde(borrow)]
    pub citations: Option<&'a RawValue>,
}
