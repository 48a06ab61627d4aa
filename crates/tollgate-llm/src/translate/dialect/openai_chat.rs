//! OpenAI chat completions, as clients speak them.

mod error;
mod reply;
mod request;
mod stream;

use tollgate_types::Tokens;

pub(crate) use self::{
    error::body as error_body, reply::elements as logprobs, request::request, stream::Writer,
};
use super::super::{event::Finish, json};

/// `finish_reason`
const fn finish_reason(finish: &Finish<'_>) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refusal => "content_filter",
    }
}

/// What a provider adds to a message.
fn extras(name: &str, value: &serde_json::value::RawValue, out: &mut Vec<u8>) {
    json::raw_field(out, name, value.get());
}

/// The `usage` object; details appear where the provider gave them.
fn usage(out: &mut Vec<u8>, usage: &tollgate_types::Usage) {
    let count = |tokens: Option<Tokens>| tokens.unwrap_or_default().0;
    out.push(b'{');
    json::number_field(out, "prompt_tokens", count(usage.input));
    json::number_field(out, "completion_tokens", count(usage.output));
    json::number_field(out, "total_tokens", usage.total_or_sum().0);
    if usage.cached_input.is_some() || usage.cache_creation_input.is_some() || usage.audio_input.is_some() {
        json::key(out, "prompt_tokens_details");
        out.push(b'{');
        json::number_field(out, "cached_tokens", count(usage.cached_input));
        if let Some(created) = usage.cache_creation_input {
            json::number_field(out, "cache_creation_input_tokens", created.0);
        }
        if let Some(audio) = usage.audio_input {
            json::number_field(out, "audio_tokens", audio.0);
        }
        out.push(b'}');
    }
    if usage.reasoning.is_some() || usage.audio_output.is_some() {
        json::key(out, "completion_tokens_details");
        out.push(b'{');
        json::number_field(out, "reasoning_tokens", count(usage.reasoning));
        if let Some(audio) = usage.audio_output {
            json::number_field(out, "audio_tokens", audio.0);
        }
        out.push(b'}');
    }
    out.push(b'}');
}
