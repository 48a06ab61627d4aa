//! What clients speak: each file decodes its requests into a `Turn` and encodes replies from `Event`s.

pub(crate) mod anthropic_messages;
pub(crate) mod gemini;
pub(crate) mod openai_chat;
pub(crate) mod openai_embeddings;
mod openai_parts;
pub(crate) mod openai_responses;
pub(crate) mod tokenize;
