use super::{config, contents, family::Family, tools};
use crate::{
    Delivery, Untranslatable, gcp,
    translate::{Job, json, provider::Call, turn::Turn},
};

/// Encodes a request to `…:generateContent` and `…:streamGenerateContent`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let verb = match job.delivery {
        Delivery::Whole => "generateContent",
        Delivery::Streamed => "streamGenerateContent",
    };
    let mut path = gcp::path("google", job.model.as_str(), verb)?;
    if job.delivery == Delivery::Streamed {
        path.push_str("?alt=sse");
    }
    Ok(Call { path, headers: Vec::new(), body: body(job, turn)? })
}

fn body(job: &Job<'_>, turn: &Turn<'_>) -> Result<Vec<u8>, Untranslatable> {
    let family = Family::of(job.model.as_str());
    let mut out = Vec::with_capacity(1024);
    let buffer = &mut out;
    buffer.push(b'{');
    contents::contents(turn, family, buffer)?;
    contents::system(turn, buffer)?;
    tools::tools(turn, family, buffer)?;
    config::config(turn, family, buffer)?;
    if let Some(settings) = turn.vendor.safety_settings {
        json::raw_field(buffer, "safetySettings", settings.get());
    }
    buffer.push(b'}');
    Ok(out)
}
