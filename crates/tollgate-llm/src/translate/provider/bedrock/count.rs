use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate_wire::bedrock as wire;

use super::call::prompt;
use crate::{
    Fault, Untranslatable, aws,
    translate::{Job, json::parsed, provider::Call, turn::Turn},
};

/// Encodes a request to `CountTokens` about a conversation with any model.
pub(crate) fn count_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let mut body = br#"{"input":{"converse":{"#.to_vec();
    prompt(job.model.as_str(), turn, &mut body)?;
    body.extend_from_slice(b"}}}");
    Ok(Call { path: path(job)?, headers: Vec::new(), body })
}

/// The same about a body of Anthropic's messages, as `InvokeModel` takes it.
pub(crate) fn count_invoke_call(job: &Job<'_>, body: &[u8]) -> Result<Call, Untranslatable> {
    let body = format!(r#"{{"input":{{"invokeModel":{{"body":"{}"}}}}}}"#, STANDARD.encode(body));
    Ok(Call { path: path(job)?, headers: Vec::new(), body: body.into_bytes() })
}

fn path(job: &Job<'_>) -> Result<String, Untranslatable> {
    aws::path(aws::base_model(job.model.as_str()), "count-tokens")
}

/// The number in a reply of `CountTokens`.
pub(crate) fn counted(body: &[u8]) -> Result<u64, Fault> {
    let counted: wire::Counted = parsed(body).map_err(Fault::Malformed)?;
    Ok(counted.input_tokens)
}
