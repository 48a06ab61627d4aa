//! Gemini, as clients speak it: Google's SDKs and whoever copies them. Source: the Gemini API reference,
//! `models.generateContent`.
//!
//! A thought's signature travels as bytes here, and SDKs write bytes as they like, so other providers' signatures
//! are wrapped: see [`seal`].

mod embed;
mod error;
mod read;
mod reply;
mod schema;
mod seal;
mod stream;
mod turn;

use super::super::json;

pub(crate) use self::{
    embed::{EmbedWriter, embed_request},
    error::body as error_body,
    read::Read,
    stream::Writer,
    turn::turn,
};

/// The client's name of a field that encoders name as chat completions do.
pub(crate) fn field_name(field: String) -> String {
    let known = match field.as_str() {
        "temperature" => "generationConfig.temperature",
        "n" => "generationConfig.candidateCount",
        "stop" => "generationConfig.stopSequences",
        "logprobs" => "generationConfig.responseLogprobs",
        "response_format" => "generationConfig.responseSchema",
        "reasoning_effort" => "generationConfig.thinkingConfig.thinkingLevel",
        "seed" => "generationConfig.seed",
        _ => {
            return field
                .replace("messages[", "contents[")
                .replace("].content[", "].parts[")
                .replace("system[", "systemInstruction.parts[");
        }
    };
    known.to_owned()
}

/// The whole body of a count.
pub(crate) fn count(tokens: u64, out: &mut Vec<u8>) {
    json::raw(out, "{");
    json::number_field(out, "totalTokens", tokens);
    json::raw(out, "}");
}
