//! Pairs of dialect and schema that differ: `dialect/` decodes requests and encodes replies, `provider/`
//! encodes requests and decodes replies, and both know only the neutral `turn` and `event` between them.

mod dialect;
mod event;
mod json;
mod pair;
mod provider;
mod turn;

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_TYPE},
};
use tollgate_types::{ApiSchema, Endpoint, ModelId, Usage};

use self::{
    dialect::{anthropic_messages, openai_chat},
    event::{Decode, Encode},
    pair::Pair,
    turn::Turn,
};
use crate::{Delivery, Fault, Tally, Target, Untranslatable};

/// The version of Anthropic's API that we speak, and that is asked for where a client names none.
pub(crate) const ANTHROPIC_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// What a translation needs beside the body.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// What the client called.
    pub endpoint: Endpoint,
    /// Where it goes.
    pub target: &'a Target,
    /// The model to ask for.
    pub model: &'a ModelId,
    /// Whole or streamed.
    pub delivery: Delivery,
    /// True where an OpenAI client asked for the usage chunk in its stream.
    pub wants_usage: bool,
    /// Unix seconds, for `created` where the provider gives none.
    pub now: u64,
}

/// A provider request made from a client's.
#[derive(Debug)]
pub struct Translated {
    /// Path and query.
    pub path: String,
    /// Headers for the provider, credentials aside; they replace the client's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The provider's body.
    pub body: Vec<u8>,
    /// The reader of the provider's reply.
    pub reader: Box<dyn Reader>,
}

/// Turns one provider reply into the client's dialect. Appends to `out`; never waits.
pub trait Reader: Send + std::fmt::Debug {
    /// A whole success body.
    ///
    /// # Errors
    /// [`Fault::ErrorInReply`] where it is an error, [`Fault::Malformed`] where it is not the provider's shape.
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
    /// One provider event (`event:` name, joined `data:` lines).
    ///
    /// # Errors
    /// [`Fault::ErrorInReply`] for an error event: where something has gone out already, call
    /// [`break_off`](Self::break_off), which then writes the provider's own words. [`Fault::Malformed`],
    /// [`Fault::TooLarge`].
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
    /// The provider's stream ended: closes the client's, or says that it was cut.
    ///
    /// # Errors
    /// [`Fault::Truncated`] where the end mark is missing.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault>;
    /// A whole error body of the provider, in the client's words.
    fn error(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>);
    /// The event that tells the client that its stream broke; nothing where the stream has ended already.
    fn break_off(&mut self, message: &str, out: &mut Vec<u8>);
    /// Tokens up to now, as the provider counts them.
    fn usage(&self) -> Usage;
    /// How far the stream has come.
    fn tally(&self) -> Tally;
    /// The model the provider named.
    fn model(&self) -> Option<&str>;
}

/// What clients speak, where translation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    OpenAiChat,
    AnthropicMessages,
}

/// What backends speak, where translation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    OpenAi,
    AzureOpenAi,
    Anthropic,
}

/// The one table of pairs; `None` where the pair is passed through or has no translation.
const fn pair(endpoint: Endpoint, schema: ApiSchema) -> Option<(Client, Provider)> {
    match endpoint {
        Endpoint::ChatCompletions => match schema {
            ApiSchema::Anthropic => Some((Client::OpenAiChat, Provider::Anthropic)),
            ApiSchema::OpenAi
            | ApiSchema::AzureOpenAi
            | ApiSchema::AwsBedrock
            | ApiSchema::AwsAnthropic
            | ApiSchema::GcpVertexAi
            | ApiSchema::GcpAnthropic
            | ApiSchema::Cohere => None,
        },
        Endpoint::Messages => match schema {
            ApiSchema::OpenAi => Some((Client::AnthropicMessages, Provider::OpenAi)),
            ApiSchema::AzureOpenAi => Some((Client::AnthropicMessages, Provider::AzureOpenAi)),
            ApiSchema::Anthropic
            | ApiSchema::AwsBedrock
            | ApiSchema::AwsAnthropic
            | ApiSchema::GcpVertexAi
            | ApiSchema::GcpAnthropic
            | ApiSchema::Cohere => None,
        },
        Endpoint::Completions
        | Endpoint::Embeddings
        | Endpoint::Responses
        | Endpoint::Models
        | Endpoint::CountTokens
        | Endpoint::AnthropicModels => None,
    }
}

/// True where this endpoint reaches this schema through translation.
#[must_use]
pub const fn supports(endpoint: Endpoint, schema: ApiSchema) -> bool {
    pair(endpoint, schema).is_some()
}

/// Translates a request; see [`supports`].
///
/// # Errors
/// [`Untranslatable`], with the field of the client's request.
pub fn translate(job: &Job<'_>, body: &[u8]) -> Result<Translated, Untranslatable> {
    let Some((client, provider)) = pair(job.endpoint, job.target.schema) else {
        return Err(Untranslatable::UnsupportedPair { endpoint: job.endpoint, schema: job.target.schema });
    };
    let (turn, encode): (Turn<'_>, Box<dyn Encode>) = match client {
        Client::OpenAiChat => (openai_chat::request(body)?, Box::new(openai_chat::Writer::new(job))),
        Client::AnthropicMessages => {
            (anthropic_messages::request(body)?, Box::new(anthropic_messages::Writer::new(job)))
        }
    };
    let (call, decode): (provider::Call, Box<dyn Decode>) = match provider {
        Provider::OpenAi => (provider::openai::call(job, &turn)?, Box::new(provider::openai::Decoder::new())),
        Provider::AzureOpenAi => {
            (provider::openai::azure_call(job, &turn)?, Box::new(provider::openai::Decoder::new()))
        }
        Provider::Anthropic => {
            (provider::anthropic::call(job, &turn)?, Box::new(provider::anthropic::Decoder::new()))
        }
    };
    let provider::Call { path, headers: dialect, body } = call;
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        // The reply is read here, so nobody gains by unpacking it first.
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    headers.extend(dialect);
    Ok(Translated { path, headers, body, reader: Box::new(Pair::new(decode, encode)) })
}

#[cfg(test)]
mod tests;
