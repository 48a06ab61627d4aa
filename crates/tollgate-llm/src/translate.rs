//! Pairs of dialect and schema that differ: `dialect/` decodes requests and encodes replies, `provider/`
//! encodes requests and decodes replies, and both know only the neutral `turn` and `event` between them.

mod count;
mod dialect;
mod embed;
mod event;
mod job;
mod json;
mod once;
mod pair;
mod provider;
mod reader;
mod turn;
mod unquote;

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_TYPE},
};
use tollgate_types::{ApiSchema, Endpoint};

pub(crate) use self::provider::aws_anthropic::verb as aws_verb;
use self::{
    dialect::{anthropic_messages, gemini, openai_chat, openai_embeddings, openai_responses},
    embed::{DecodeEmbedded, Embedder, EncodeEmbedded},
    event::{Decode, Encode},
    once::Once,
    pair::{Pair, complete, raw_error},
    turn::Turn,
    unquote::Unquote,
};
pub use self::{
    job::Job,
    reader::{Framing, Reader},
};
use crate::Untranslatable;

/// The version of Anthropic's API that we speak, and that is asked for where a client names none.
pub(crate) const ANTHROPIC_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// A provider request made from a client's.
#[derive(Debug)]
pub struct Translated {
    /// Path and query.
    pub path: String,
    /// Headers for the provider, credentials aside; they replace the client's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The provider's body.
    pub body: Vec<u8>,
    /// How the provider frames a stream.
    pub framing: Framing,
    /// The reader of the provider's reply.
    pub reader: Box<dyn Reader>,
}

/// What clients speak, where the translation of a conversation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    OpenAiChat,
    OpenAiResponses,
    AnthropicMessages,
    Gemini,
}

/// The clients that hold conversations; see [`converses`].
const fn client(endpoint: Endpoint) -> Option<Client> {
    match endpoint {
        Endpoint::ChatCompletions => Some(Client::OpenAiChat),
        Endpoint::Responses => Some(Client::OpenAiResponses),
        Endpoint::Messages => Some(Client::AnthropicMessages),
        Endpoint::GenerateContent | Endpoint::StreamGenerateContent => Some(Client::Gemini),
        _ => None,
    }
}

// === impl Client ===

impl Client {
    /// Encoders name fields as chat completions do; other clients look for their own.
    fn in_its_words(self, refused: Untranslatable) -> Untranslatable {
        match (self, refused) {
            (Self::OpenAiResponses, Untranslatable::Field { field, reason }) => {
                Untranslatable::Field { field: openai_responses::field_name(field), reason }
            }
            (Self::Gemini, Untranslatable::Field { field, reason }) => {
                Untranslatable::Field { field: gemini::field_name(field), reason }
            }
            (_, refused) => refused,
        }
    }
}

/// Which schemas a client converses with by translation: all that hold conversations, but for those that speak
/// the client's own dialect.
const fn converses(client: Client, schema: ApiSchema) -> bool {
    match schema {
        ApiSchema::OpenAi | ApiSchema::AzureOpenAi => {
            matches!(client, Client::AnthropicMessages | Client::Gemini)
        }
        ApiSchema::Anthropic | ApiSchema::AwsAnthropic | ApiSchema::GcpAnthropic => {
            !matches!(client, Client::AnthropicMessages)
        }
        ApiSchema::GcpVertexAi => !matches!(client, Client::Gemini),
        ApiSchema::AwsBedrock | ApiSchema::Cohere => true,
    }
}

/// The schemas that embed what a client sends, beside the client's own.
const fn embeds(endpoint: Endpoint, schema: ApiSchema) -> bool {
    match schema {
        ApiSchema::Cohere | ApiSchema::AwsBedrock | ApiSchema::GcpVertexAi => true,
        ApiSchema::OpenAi | ApiSchema::AzureOpenAi => !matches!(endpoint, Endpoint::Embeddings),
        ApiSchema::Anthropic | ApiSchema::AwsAnthropic | ApiSchema::GcpAnthropic => false,
    }
}

/// The schemas that count the tokens of a client's prompt at an address of their own.
const fn counts(endpoint: Endpoint, schema: ApiSchema) -> bool {
    match schema {
        ApiSchema::AwsBedrock | ApiSchema::AwsAnthropic | ApiSchema::GcpVertexAi => true,
        ApiSchema::Anthropic | ApiSchema::GcpAnthropic => !matches!(endpoint, Endpoint::CountTokens),
        ApiSchema::OpenAi => matches!(endpoint, Endpoint::CountTokens | Endpoint::GeminiCountTokens),
        ApiSchema::AzureOpenAi => !matches!(endpoint, Endpoint::InputTokens),
        ApiSchema::Cohere => true,
    }
}

/// The ways through a translation.
enum Way {
    /// A conversation: by way of a [`Turn`].
    Converse(Client),
    /// Embeddings: by way of an [`embed::Embed`].
    Embed,
    /// The tokens of a prompt.
    Count,
}

/// The one table of pairs; `None` where there is no translation. What is passed through never comes here.
const fn way(endpoint: Endpoint, schema: ApiSchema) -> Option<Way> {
    match (client(endpoint), endpoint) {
        (Some(client), _) if converses(client, schema) => Some(Way::Converse(client)),
        (None, Endpoint::Embeddings | Endpoint::EmbedContent | Endpoint::BatchEmbedContents)
            if embeds(endpoint, schema) =>
        {
            Some(Way::Embed)
        }
        (
            None,
            Endpoint::CountTokens | Endpoint::Tokenize | Endpoint::InputTokens | Endpoint::GeminiCountTokens,
        ) if counts(endpoint, schema) => Some(Way::Count),
        _ => None,
    }
}

/// True where this endpoint reaches this schema through translation.
#[must_use]
pub const fn supports(endpoint: Endpoint, schema: ApiSchema) -> bool {
    way(endpoint, schema).is_some()
}

/// Translates a request; see [`supports`].
///
/// # Errors
/// [`Untranslatable`], with the field of the client's request.
pub fn translate(job: &Job<'_>, body: &[u8]) -> Result<Translated, Untranslatable> {
    let (call, reader) = match way(job.endpoint, job.target.schema) {
        Some(Way::Converse(client)) => {
            converse(job, client, body).map_err(|refused| client.in_its_words(refused))?
        }
        Some(Way::Embed) => embed(job, body)?,
        Some(Way::Count) => count::exchange(job, body)?,
        None => return Err(unsupported(job)),
    };
    let provider::Call { path, headers: dialect, body } = call;
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        // The reply is read here, so nobody gains by unpacking it first.
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    headers.extend(dialect);
    Ok(Translated { path, headers, body, framing: framing(job.target.schema), reader })
}

/// How a schema's streams are framed.
const fn framing(schema: ApiSchema) -> Framing {
    match schema {
        ApiSchema::AwsBedrock => Framing::Named,
        ApiSchema::AwsAnthropic => Framing::Chunks,
        ApiSchema::OpenAi
        | ApiSchema::AzureOpenAi
        | ApiSchema::Anthropic
        | ApiSchema::GcpVertexAi
        | ApiSchema::GcpAnthropic
        | ApiSchema::Cohere => Framing::Sse,
    }
}

const fn unsupported(job: &Job<'_>) -> Untranslatable {
    Untranslatable::UnsupportedPair { endpoint: job.endpoint, schema: job.target.schema }
}

/// What goes to the provider, and the reader of what comes back.
type Exchange = (provider::Call, Box<dyn Reader>);

fn converse(job: &Job<'_>, client: Client, body: &[u8]) -> Result<Exchange, Untranslatable> {
    let read;
    let (turn, encode): (Turn<'_>, Box<dyn Encode>) = match client {
        Client::OpenAiChat => (openai_chat::request(body)?, Box::new(openai_chat::Writer::new(job))),
        Client::OpenAiResponses => {
            let (turn, echo) = openai_responses::request(body)?;
            (turn, Box::new(openai_responses::Writer::new(job, echo)))
        }
        Client::AnthropicMessages => {
            (anthropic_messages::request(body)?, Box::new(anthropic_messages::Writer::new(job)))
        }
        Client::Gemini => {
            read = gemini::Read::new(body)?;
            (gemini::turn(&read)?, Box::new(gemini::Writer::new(job)))
        }
    };
    let (call, decode): (provider::Call, Box<dyn Decode>) = match job.target.schema {
        ApiSchema::OpenAi => {
            (provider::openai::call(job, &turn)?, Box::new(provider::openai::Decoder::new()))
        }
        ApiSchema::AzureOpenAi => {
            (provider::openai::azure_call(job, &turn)?, Box::new(provider::openai::Decoder::new()))
        }
        ApiSchema::Anthropic => {
            (provider::anthropic::call(job, &turn)?, Box::new(provider::anthropic::Decoder::new()))
        }
        ApiSchema::AwsBedrock => {
            (provider::bedrock::call(job, &turn)?, Box::new(provider::bedrock::Decoder::new()))
        }
        ApiSchema::AwsAnthropic => {
            (provider::aws_anthropic::call(job, &turn)?, Box::new(provider::aws_anthropic::Decoder::new()))
        }
        ApiSchema::GcpAnthropic => {
            (provider::gcp_anthropic::call(job, &turn)?, Box::new(provider::anthropic::Decoder::new()))
        }
        ApiSchema::GcpVertexAi => {
            (provider::gemini::call(job, &turn)?, Box::new(provider::gemini::Decoder::new()))
        }
        ApiSchema::Cohere => {
            (provider::cohere::call(job, &turn)?, Box::new(provider::cohere::Decoder::default()))
        }
    };
    // Gemini holds nothing but JSON to a pattern.
    let is_quoted = job.target.schema == ApiSchema::GcpVertexAi && turn.vendor.guided_regex.is_some();
    let encode = if is_quoted { Box::new(Unquote::new(encode)) } else { encode };
    Ok((call, Box::new(Pair::new(decode, encode))))
}

fn embed(job: &Job<'_>, body: &[u8]) -> Result<Exchange, Untranslatable> {
    let (embed, encode): (_, Box<dyn EncodeEmbedded>) = match job.endpoint {
        Endpoint::EmbedContent | Endpoint::BatchEmbedContents => {
            (gemini::embed_request(job.endpoint, body)?, Box::new(gemini::EmbedWriter::new(job)))
        }
        _ => {
            let embed = openai_embeddings::request(body)?;
            let encoding = embed.encoding;
            (embed, Box::new(openai_embeddings::Writer::new(job, encoding)))
        }
    };
    let (call, decode): (provider::Call, Box<dyn DecodeEmbedded>) = match job.target.schema {
        ApiSchema::Cohere => {
            (provider::cohere::embed_call(job, &embed)?, Box::new(provider::cohere::EmbedDecoder))
        }
        ApiSchema::AwsBedrock => {
            (provider::bedrock::embed_call(job, &embed)?, Box::new(provider::bedrock::EmbedDecoder::new(job)))
        }
        ApiSchema::GcpVertexAi => {
            let (call, decoder) = provider::gemini::embed_call(job, &embed)?;
            (call, Box::new(decoder))
        }
        ApiSchema::OpenAi | ApiSchema::AzureOpenAi => {
            (provider::openai::embed_call(job, &embed)?, Box::new(provider::openai::EmbedDecoder))
        }
        ApiSchema::Anthropic | ApiSchema::AwsAnthropic | ApiSchema::GcpAnthropic => {
            return Err(unsupported(job));
        }
    };
    Ok((call, Box::new(Once::new(Box::new(Embedder { decode, encode })))))
}

/// An error of a cloud that passes on Anthropic's own replies, in Anthropic's words.
pub(crate) fn aws_error(status: StatusCode, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>) {
    let read = provider::anthropic::error(body).or_else(|| provider::bedrock::error(body));
    let mut error = read.unwrap_or_else(|| raw_error(status, body));
    complete(&mut error, headers);
    anthropic_messages::error_body(status, &error, out);
}

#[cfg(test)]
mod tests;
