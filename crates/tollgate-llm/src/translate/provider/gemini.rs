//! Gemini on Vertex AI as a backend.

mod call;
mod config;
mod contents;
mod count;
mod embed;
mod error;
mod family;
mod parts;
mod reply;
mod schema;
mod stream;
mod tools;
mod usage;

pub(crate) use self::{
    call::call,
    count::{count, count_call, count_error},
    embed::embed_call,
    stream::Decoder,
};
