//! Anthropic's own API as a backend.

mod call;
mod content;
mod error;
mod reply;
mod stream;
mod usage;

pub(crate) use self::{call::call, stream::Decoder};
