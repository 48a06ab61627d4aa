//! Anthropic's models on Vertex AI: Anthropic's bodies on Google's paths. Replies are Anthropic's own.

use super::{
    Call,
    anthropic::{Host, StreamField, body, count_body},
};
use crate::{
    Delivery, Untranslatable, gcp,
    translate::{Job, turn::Turn},
};

/// Encodes a request to `…:rawPredict` and `…:streamRawPredict`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let verb = match job.delivery {
        Delivery::Whole => "rawPredict",
        Delivery::Streamed => "streamRawPredict",
    };
    let version = gcp::anthropic_version(job.target);
    Ok(Call {
        path: gcp::path("anthropic", job.model.as_str(), verb)?,
        headers: Vec::new(),
        body: body(job, turn, Host::Cloud { version, stream: StreamField::Written })?,
    })
}

/// Encodes a request to `…/count-tokens:rawPredict`.
pub(crate) fn count_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let version = gcp::anthropic_version(job.target);
    Ok(Call {
        path: gcp::path("anthropic", "count-tokens", "rawPredict")?,
        headers: Vec::new(),
        body: count_body(gcp::exact(job.model.as_str()), turn, Some(version))?,
    })
}
