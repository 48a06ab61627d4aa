//! Counts of a prompt's tokens between the dialects.

use http::StatusCode;
use tollgate_types::{ApiSchema, Endpoint, Tokens, Usage};

use super::{
    Exchange, Job,
    dialect::{anthropic_messages, gemini, openai_chat, openai_responses, tokenize},
    event::ProviderError,
    once::{Once, Rewrite, Told},
    provider::{self, aws_anthropic, bedrock},
    turn::Turn,
};
use crate::{Fault, Untranslatable, aws, call::invocation};

/// Asks a provider how many tokens a prompt has.
pub(crate) fn exchange(job: &Job<'_>, body: &[u8]) -> Result<Exchange, Untranslatable> {
    let call = prompt_call(job, body).map_err(|refused| in_its_words(job.endpoint, refused))?;
    Ok((call, Box::new(Once::new(Box::new(counter(job))))))
}

/// Encoders name fields as chat completions do; other clients look for their own.
fn in_its_words(endpoint: Endpoint, refused: Untranslatable) -> Untranslatable {
    match (endpoint, refused) {
        (Endpoint::InputTokens, Untranslatable::Field { field, reason }) => {
            Untranslatable::Field { field: openai_responses::field_name(field), reason }
        }
        (Endpoint::GeminiCountTokens, Untranslatable::Field { field, reason }) => {
            Untranslatable::Field { field: gemini::field_name(field), reason }
        }
        (_, refused) => refused,
    }
}

fn prompt_call(job: &Job<'_>, body: &[u8]) -> Result<provider::Call, Untranslatable> {
    Ok(match (job.endpoint, job.target.schema) {
        // A prompt of Anthropic's client for Anthropic's model goes as it is.
        (Endpoint::CountTokens, ApiSchema::AwsAnthropic) => invoked(job, body)?,
        (Endpoint::CountTokens, ApiSchema::AwsBedrock) if aws::is_claude(job.model.as_str()) => {
            invoked(job, body)?
        }
        (Endpoint::GeminiCountTokens, _) => {
            let read = gemini::Read::to_count(body)?;
            call(job, &gemini::turn(&read)?)?
        }
        (Endpoint::Tokenize, _) => call(job, &tokenize::request(body)?)?,
        (Endpoint::InputTokens, _) => call(job, &openai_responses::instructions_and_input(body)?)?,
        _ => call(job, &anthropic_messages::request(body)?)?,
    })
}

/// The prompt in the provider's words.
fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<provider::Call, Untranslatable> {
    match job.target.schema {
        ApiSchema::AwsBedrock => bedrock::count_call(job, turn),
        ApiSchema::AwsAnthropic => bedrock::count_invoke_call(job, &aws_anthropic::invocation(job, turn)?),
        ApiSchema::GcpVertexAi => provider::gemini::count_call(job, turn),
        ApiSchema::Anthropic => provider::anthropic::count_call(job, turn),
        ApiSchema::GcpAnthropic => provider::gcp_anthropic::count_call(job, turn),
        ApiSchema::OpenAi | ApiSchema::AzureOpenAi => provider::openai::count_call(job, turn),
        ApiSchema::Cohere => provider::cohere::count_call(job, turn),
    }
}

/// The body as InvokeModel takes it; it requires a bound of the answer, even where none is going to be.
fn invoked(job: &Job<'_>, body: &[u8]) -> Result<provider::Call, Untranslatable> {
    let mut patch = invocation(body, job.target, job.beta)?;
    patch.set("max_tokens", "1").map_err(|error| Untranslatable::Shape(error.to_string()))?;
    let body = patch.finish().unwrap_or_else(|| body.to_vec());
    bedrock::count_invoke_call(job, &body)
}

fn counter(job: &Job<'_>) -> Counter {
    let (write, write_error): (fn(u64, &mut Vec<u8>), WriteError) = match job.endpoint {
        Endpoint::Tokenize => (tokenize::reply, openai_chat::error_body),
        Endpoint::InputTokens => (openai_responses::count, openai_chat::error_body),
        Endpoint::GeminiCountTokens => (gemini::count, gemini::error_body),
        _ => (anthropic_messages::count, anthropic_messages::error_body),
    };
    let (read, read_error): (ReadCount, ReadError) = match job.target.schema {
        ApiSchema::GcpVertexAi => (provider::gemini::count, provider::gemini::count_error),
        ApiSchema::Anthropic | ApiSchema::GcpAnthropic => {
            (provider::anthropic::counted, provider::anthropic::error)
        }
        ApiSchema::OpenAi | ApiSchema::AzureOpenAi => {
            (provider::openai::counted, provider::openai::count_error)
        }
        ApiSchema::Cohere => (provider::cohere::counted, provider::cohere::count_error),
        _ => (bedrock::counted, bedrock::error),
    };
    Counter { read, read_error, write, write_error }
}

/// Reads the number in a whole success body.
type ReadCount = fn(&[u8]) -> Result<u64, Fault>;

/// Reads a whole error body of a provider.
type ReadError = fn(&[u8]) -> Option<ProviderError>;

/// Writes an error body in a client's dialect.
type WriteError = fn(StatusCode, &ProviderError, &mut Vec<u8>);

/// Reads one provider's count and writes one client's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// The number in a whole success body.
    pub(crate) read: ReadCount,
    /// A whole error body of the provider; `None` where it has not the provider's shape.
    pub(crate) read_error: fn(&[u8]) -> Option<ProviderError>,
    /// The client's whole body.
    pub(crate) write: fn(u64, &mut Vec<u8>),
    /// The client's whole error body.
    pub(crate) write_error: fn(StatusCode, &ProviderError, &mut Vec<u8>),
}

impl Rewrite for Counter {
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Told, Fault> {
        let count = (self.read)(body)?;
        (self.write)(count, out);
        Ok(Told { usage: Usage { input: Some(Tokens(count)), ..Usage::default() }, model: None })
    }

    fn read_error(&self, body: &[u8]) -> Option<ProviderError> {
        (self.read_error)(body)
    }

    fn write_error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        (self.write_error)(status, error, out);
    }
}
