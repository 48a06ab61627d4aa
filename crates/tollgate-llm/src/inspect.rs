use bytes::Bytes;
use tollgate_types::{Endpoint, ModelId};

use crate::BadRequest;

/// How the client wants its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One body.
    Whole,
    /// Server-sent events.
    Streamed,
}

/// What routing and accounting need to know of a request body. Found by scanning; only the model is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// `model`, unescaped.
    pub model: ModelId,
    /// `stream`
    pub delivery: Delivery,
    /// True where the client itself asked for `stream_options.include_usage`.
    pub wants_usage: bool,
}

/// Reads what routing needs from a request body, by scanning.
///
/// The scan validates the whole top level: a body that is not a JSON object is refused here and nowhere later.
///
/// # Errors
/// [`BadRequest`], whose text is fit for the client.
pub fn inspect(endpoint: Endpoint, body: &Bytes) -> Result<Inspected, BadRequest> {
    let _ = body;
    Err(BadRequest::Empty(endpoint))
}
