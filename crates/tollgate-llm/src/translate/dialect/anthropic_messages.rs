//! Anthropic messages, as clients speak them.

mod blocks;
mod depth;
mod error;
mod reply;
mod request;
mod stream;

use tollgate_types::Tokens;

pub(crate) use self::{error::body as error_body, request::request, stream::Writer};
use super::super::{event::Finish, json};

/// `stop_reason`
const fn stop_reason(finish: &Finish<'_>, tools: Tools) -> &'static str {
    match (finish, tools) {
        // A forced call ends with `stop` at OpenAI; Anthropic's SDKs look for `tool_use`.
        (Finish::ToolCalls, _) | (Finish::Stop, Tools::Called) => "tool_use",
        (Finish::Stop, Tools::None) => "end_turn",
        (Finish::StopSequence(_), _) => "stop_sequence",
        (Finish::Length, _) => "max_tokens",
        (Finish::Refusal, _) => "refusal",
    }
}

/// Whether the answer calls tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    None,
    Called,
}

/// The body of a count.
pub(crate) fn count(tokens: u64, out: &mut Vec<u8>) {
    out.push(b'{');
    json::number_field(out, "input_tokens", tokens);
    out.push(b'}');
}

/// The `usage` object: the parts of the prompt apart.
fn usage(out: &mut Vec<u8>, usage: &tollgate_types::Usage) {
    let count = |tokens: Option<Tokens>| tokens.unwrap_or_default();
    let (read, created) = (count(usage.cached_input), count(usage.cache_creation_input));
    let fresh = count(usage.input).saturating_sub(read).saturating_sub(created);
    out.push(b'{');
    json::number_field(out, "input_tokens", fresh.0);
    json::number_field(out, "cache_creation_input_tokens", created.0);
    json::number_field(out, "cache_read_input_tokens", read.0);
    json::number_field(out, "output_tokens", count(usage.output).0);
    if let Some(thinking) = usage.reasoning {
        json::key(out, "output_tokens_details");
        out.push(b'{');
        json::number_field(out, "thinking_tokens", thinking.0);
        out.push(b'}');
    }
    out.push(b'}');
}
