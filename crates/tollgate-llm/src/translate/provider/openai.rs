//! OpenAI's chat completions API as a backend: OpenAI itself, Azure, and servers that copy it.

mod call;
mod count;
mod embed;
mod error;
mod family;
mod messages;
mod reply;
mod stream;

use tollgate_types::Tokens;
use tollgate_wire::openai as wire;

pub(crate) use self::{
    call::{azure_call, call},
    count::{count_call, count_error, counted},
    embed::{EmbedDecoder, embed_call},
    messages::{address, tool_call},
    reply::{input, present},
    stream::Decoder,
};

/// OpenAI counts as [`tollgate_types::Usage`] does.
fn usage(usage: &wire::Usage) -> tollgate_types::Usage {
    let prompt = usage.prompt_tokens_details.unwrap_or_default();
    let completion = usage.completion_tokens_details.unwrap_or_default();
    tollgate_types::Usage {
        input: usage.prompt_tokens.map(Tokens),
        output: usage.completion_tokens.map(Tokens),
        total: usage.total_tokens.map(Tokens),
        cached_input: prompt.cached_tokens.map(Tokens),
        cache_creation_input: prompt.cache_creation_input_tokens.map(Tokens),
        reasoning: completion.reasoning_tokens.map(Tokens),
        audio_input: prompt.audio_tokens.map(Tokens),
        audio_output: completion.audio_tokens.map(Tokens),
    }
}
