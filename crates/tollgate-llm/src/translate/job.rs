use tollgate_types::{Endpoint, ModelId};

use crate::{Delivery, Target};

/// What a translation needs beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// What the client called.
    pub endpoint: Endpoint,
    /// Where it goes.
    pub target: &'a Target,
    /// The model to ask for.
    pub model: &'a ModelId,
    /// Whole or streamed.
    pub delivery: Delivery,
    /// True where an OpenAI client asked for the usage chunk in its stream.
    pub wants_usage: bool,
    /// The client's `anthropic-beta` headers, joined with commas.
    pub beta: Option<&'a str>,
    /// Unix seconds, for `created` where the provider gives none.
    pub now: u64,
}
