//! Passing on to Vertex AI what clients send in the words of its models: Anthropic's and Gemini's.

use bytes::Bytes;
use tollgate_types::{ApiSchema, Endpoint, ModelId};
use tollgate_wire::{patch::Patch, text::quoted};

use super::body::{mutate, refusal, shape};
use crate::{Call, Delivery, Untranslatable, gcp};

/// The model stands in the path, but for counting, which has a path of its own.
pub(super) fn path(call: &Call<'_>, model: &ModelId) -> Result<String, Untranslatable> {
    let model = model.as_str();
    match (call.endpoint, call.inspected.delivery) {
        (Endpoint::GenerateContent, _) => gcp::path("google", model, "generateContent"),
        (Endpoint::StreamGenerateContent, _) => {
            Ok(gcp::path("google", model, "streamGenerateContent")? + "?alt=sse")
        }
        (Endpoint::CountTokens, _) => gcp::path("anthropic", "count-tokens", "rawPredict"),
        (_, Delivery::Whole) => gcp::path("anthropic", model, "rawPredict"),
        (_, Delivery::Streamed) => gcp::path("anthropic", model, "streamRawPredict"),
    }
}

/// The client's body; Anthropic's with the version of the API, and without the model where the path has it.
pub(super) fn body(call: &Call<'_>, model: &ModelId) -> Result<Bytes, Untranslatable> {
    let mut patch = Patch::new(call.body).map_err(shape)?;
    if call.target.schema == ApiSchema::GcpVertexAi {
        mutate(&mut patch, call.mutations)?;
        return Ok(patch.finish().map_or_else(|| call.body.clone(), Bytes::from));
    }
    patch.set("anthropic_version", &quoted(gcp::anthropic_version(call.target))).map_err(refusal)?;
    if call.endpoint == Endpoint::CountTokens {
        patch.set("model", &quoted(gcp::exact(model.as_str()))).map_err(refusal)?;
    } else {
        patch.remove("model").map_err(refusal)?;
    }
    mutate(&mut patch, call.mutations)?;
    Ok(patch.finish().map_or_else(|| call.body.clone(), Bytes::from))
}
