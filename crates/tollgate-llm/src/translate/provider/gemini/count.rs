use tollgate_wire::{Number, gemini as wire};

use super::{contents, error, family::Family, tools};
use crate::{
    Fault, Untranslatable, gcp,
    translate::{Job, event::ProviderError, json::parsed, provider::Call, turn::Turn},
};

/// Encodes a request to `…:countTokens`.
pub(crate) fn count_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let family = Family::of(job.model.as_str());
    let mut body = vec![b'{'];
    contents::contents(turn, family, &mut body)?;
    contents::system(turn, &mut body)?;
    tools::declarations(turn, family, &mut body)?;
    body.push(b'}');
    Ok(Call { path: gcp::path("google", job.model.as_str(), "countTokens")?, headers: Vec::new(), body })
}

/// The number in a whole success body.
pub(crate) fn count(body: &[u8]) -> Result<u64, Fault> {
    let reply: wire::TokenCount<'_> = parsed(body).map_err(Fault::Malformed)?;
    // Google leaves out what is 0.
    Ok(reply.total_tokens.and_then(Number::as_u64).unwrap_or_default())
}

/// A whole error body.
pub(crate) fn count_error(body: &[u8]) -> Option<ProviderError> {
    error::body(body)
}
