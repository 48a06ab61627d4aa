//! Passing what clients of Anthropic's API send on to Anthropic's models on Bedrock.

use bytes::Bytes;
use tollgate_wire::{patch::Patch, text::quoted};

use super::body::{mutate, refusal, shape};
use crate::{Call, Target, Untranslatable, aws};

/// The client's body as InvokeModel takes it.
pub(super) fn body(call: &Call<'_>) -> Result<Bytes, Untranslatable> {
    let mut patch = invocation(call.body, call.target, call.beta)?;
    mutate(&mut patch, call.mutations)?;
    Ok(patch.finish().map_or_else(|| call.body.clone(), Bytes::from))
}

/// A body of messages with the version of the API and with the betas that a header named, without the model and the
/// wish for a stream, which stand in the path.
pub(crate) fn invocation<'a>(
    body: &'a [u8],
    target: &Target,
    beta: Option<&str>,
) -> Result<Patch<'a>, Untranslatable> {
    let mut patch = Patch::new(body).map_err(shape)?;
    patch.remove("model").map_err(refusal)?;
    patch.remove("stream").map_err(refusal)?;
    patch.set("anthropic_version", &quoted(aws::anthropic_version(target))).map_err(refusal)?;
    let betas: Vec<_> = aws::betas(beta.unwrap_or_default()).into_iter().map(quoted).collect();
    if !betas.is_empty() {
        patch.set("anthropic_beta", &format!("[{}]", betas.join(","))).map_err(refusal)?;
    }
    Ok(patch)
}
