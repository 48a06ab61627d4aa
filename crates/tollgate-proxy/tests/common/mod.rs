//! A gateway with simulated providers behind it, on free ports of this machine.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its own part, and a test that cannot begin has failed"
)]

mod client;
mod upstream;
mod world;

pub use self::{
    client::{Answer, Client, get, post, raw},
    upstream::{Asked, Upstream},
    world::{World, backend, choice, http_rule, llm_rule, models, snapshot},
};

/// A chat request for a model.
pub fn chat(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello there"}}]}}"#)
}

/// The same, streamed.
pub fn chat_stream(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hello there"}}]}}"#)
}
