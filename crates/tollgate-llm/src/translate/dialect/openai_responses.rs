//! OpenAI responses, as clients speak them. Nothing is kept between calls: what refers to an earlier answer is
//! refused, and reasoning travels with the client, signed, in `encrypted_content`.

mod echo;
mod items;
mod request;
mod stream;

pub(crate) use self::{
    echo::Echo,
    request::{instructions_and_input, request},
    stream::Writer,
};
use crate::translate::json;

/// The body of a count.
pub(crate) fn count(tokens: u64, out: &mut Vec<u8>) {
    out.push(b'{');
    json::text_field(out, "object", "response.input_tokens");
    json::number_field(out, "input_tokens", tokens);
    out.push(b'}');
}

/// Marks thinking that the provider redacted, in `encrypted_content`.
const REDACTED: &str = "redacted_thinking:";

/// A field of chat completions, as responses name it.
pub(crate) fn field_name(field: String) -> String {
    let names = [
        ("messages[", "input["),
        ("system[", "instructions["),
        ("reasoning_effort", "reasoning.effort"),
        ("response_format", "text.format"),
        ("max_tokens", "max_output_tokens"),
        ("logprobs", "include"),
    ];
    let known = names.iter().find_map(|(chat, own)| Some((own, field.strip_prefix(chat)?)));
    known.map_or_else(|| field.clone(), |(own, rest)| format!("{own}{rest}"))
}
