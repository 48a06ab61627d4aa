//! Anthropic's own API as a backend.

mod call;
mod content;
mod error;
mod reply;
mod stream;
mod usage;

pub(crate) use self::{
    call::{
        Host, JSON_INSTRUCTION, StreamField, body, call, count_body, count_call, effort, input_schema,
        thinking,
    },
    content::{alternating, is_kept},
    error::body as error,
    reply::counted,
    stream::Decoder,
};
