//! Bytes of provider APIs: JSON scanning, SSE framing, content encodings, serde structs. No decisions.
//!
//! | module | what it does | allocates |
//! |---|---|---|
//! | [`scan`] | validates a whole JSON document, walks the members of its objects | never |
//! | [`watch`] | the same walk over a document that arrives in pieces | for captured values |
//! | [`text`] | quotes and unquotes JSON strings | the output |

pub mod scan;
pub mod text;
pub mod watch;
