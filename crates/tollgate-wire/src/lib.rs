//! Bytes of provider APIs: JSON scanning, SSE framing, content encodings, serde structs. No decisions.

pub mod anthropic;
mod literal;
pub mod openai;

pub use self::literal::{Literal, Number, OneOrMany, escape_into};
