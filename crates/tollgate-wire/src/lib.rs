//! Bytes of provider APIs: JSON scanning, SSE framing, AWS event streams, content encodings, serde structs. No decisions.
//!
//! | module | what it does | allocates |
//! |---|---|---|
//! | [`scan`] | validates a whole JSON document, walks the members of its objects | never |
//! | [`watch`] | the same walk over a document that arrives in pieces | for captured values |
//! | [`patch`] | sets and removes fields, everything else stays byte for byte | the new document |
//! | [`sse`] | splits server-sent events | for events that chunks cut |
//! | [`event_stream`] | splits AWS event streams, checks their checksums | for frames that chunks cut |
//! | [`encoding`] | undoes `content-encoding` piece by piece | the output |
//! | [`multipart`] | finds the fields of a form while it passes | for captured values |
//! | [`websocket`] | splits the frames of a server | never |
//! | [`text`] | quotes and unquotes JSON strings | the output |
//! | [`openai`], [`responses`], [`anthropic`], [`bedrock`], [`cohere`], [`gemini`] | the shapes of their APIs, borrowed from the input | rarely |

pub mod anthropic;
pub mod bedrock;
mod blocks;
pub mod cohere;
pub mod encoding;
pub mod event_stream;
pub mod gemini;
mod literal;
mod members;
pub mod multipart;
pub mod openai;
pub mod patch;
pub mod responses;
pub mod scan;
pub mod sse;
pub mod text;
pub mod watch;
pub mod websocket;

pub use self::{
    literal::{Literal, Number, OneOrMany, escape_into},
    members::Members,
};
