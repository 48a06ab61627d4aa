use serde::Deserialize;

use super::{Citation, ErrorDetail, ReplyBlock, Usage};
use crate::Literal;

/// One event of a stream: `type` says which of the fields counts. What is large and rare is boxed, since each event moves
/// all of them.
#[derive(Debug, Deserialize)]
pub struct Event<'a> {
    /// `message_start`, `content_block_start` … `message_stop`, `ping`, `error`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of block events: which block, from 0.
    pub index: Option<u32>,
    /// Of `message_start`.
    pub message: Option<Box<MessageStart<'a>>>,
    /// Of `content_block_start`.
    pub content_block: Option<Box<ReplyBlock<'a>>>,
    /// Of `content_block_delta` and `message_delta`.
    pub delta: Option<BlockDelta<'a>>,
    /// Of `message_delta`: cumulative.
    pub usage: Option<Usage>,
    /// Of `error`.
    pub error: Option<ErrorDetail<'a>>,
}

/// What is known when the answer begins.
#[derive(Debug, Deserialize)]
pub struct MessageStart<'a> {
    /// `msg_…`
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// The model that answers.
    pub model: Option<Literal<'a>>,
    /// The prompt's tokens.
    pub usage: Option<Usage>,
}

/// What is new in a block or, without `type`, in the message.
#[derive(Debug, Deserialize)]
pub struct BlockDelta<'a> {
    /// `text_delta`, `thinking_delta`, `signature_delta`, `input_json_delta`, `citations_delta`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// Of `text_delta`.
    pub text: Option<Literal<'a>>,
    /// Of `thinking_delta`.
    pub thinking: Option<Literal<'a>>,
    /// Of `signature_delta`.
    pub signature: Option<Literal<'a>>,
    /// Of `input_json_delta`: a piece of JSON.
    pub partial_json: Option<Literal<'a>>,
    /// Of `citations_delta`.
    pub citation: Option<Box<Citation<'a>>>,
    /// Of `message_delta`.
    pub stop_reason: Option<Literal<'a>>,
    /// Of `message_delta`.
    pub stop_sequence: Option<Literal<'a>>,
}
