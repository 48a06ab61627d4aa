//! Anthropic's messages API, version 2023-06-01. Source: the Anthropic API reference, `POST /v1/messages`.

mod error;
mod reply;
mod request;
mod stream;

pub use self::{
    error::{ErrorBody, ErrorDetail},
    reply::{Citation, OutputDetails, Reply, ReplyBlock, Usage},
    request::{
        Block, Message, Metadata, OutputConfig, OutputFormat, Request, Source, ThinkingConfig, Tool,
        ToolChoice,
    },
    stream::{BlockDelta, Event, MessageStart},
};
