//! Counts of a prompt's tokens between the dialects.

use http::StatusCode;
use tollgate_types::{ApiSchema, Endpoint, Tokens, Usage};

use super::{
    Exchange, Job,
    dialect::{anthropic_messages, openai_chat, openai_responses, tokenize},
    event::ProviderError,
    once::{Once, Rewrite, Told},
    provider::{self, aws_anthropic, bedrock},
    turn::Turn,
    unsupported,
};
use crate::{Fault, Untranslatable, aws, call::invocation};

/// Asks a provider how many tokens a prompt has.
pub(crate) fn exchange(job: &Job<'_>, body: &[u8]) -> Result<Exchange, Untranslatable> {
    let call = match job.target.schema {
        ApiSchema::AwsBedrock => bedrock_call(job, body)?,
        ApiSchema::AwsAnthropic => bedrock::count_invoke_call(job, &invoked(job, body)?)?,
        ApiSchema::OpenAi
        | ApiSchema::AzureOpenAi
        | ApiSchema::Anthropic
        | ApiSchema::GcpVertexAi
        | ApiSchema::GcpAnthropic
        | ApiSchema::Cohere => return Err(unsupported(job)),
    };
    let (write, write_error): (fn(u64, &mut Vec<u8>), WriteError) = match job.endpoint {
        Endpoint::Tokenize => (tokenize::reply, openai_chat::error_body),
        Endpoint::InputTokens => (openai_responses::count, openai_chat::error_body),
        _ => (anthropic_messages::count, anthropic_messages::error_body),
    };
    let counter = Counter { read: bedrock::counted, read_error: bedrock::error, write, write_error };
    Ok((call, Box::new(Once::new(Box::new(counter)))))
}

/// A prompt of Anthropic's client for Anthropic's model goes as it is.
fn bedrock_call(job: &Job<'_>, body: &[u8]) -> Result<provider::Call, Untranslatable> {
    if job.endpoint == Endpoint::CountTokens && aws::is_claude(job.model.as_str()) {
        bedrock::count_invoke_call(job, &invoked(job, body)?)
    } else {
        bedrock::count_call(job, &turn(job.endpoint, body)?)
    }
}

/// The body as InvokeModel takes it; it requires a bound of the answer, even where none is going to be.
fn invoked(job: &Job<'_>, body: &[u8]) -> Result<Vec<u8>, Untranslatable> {
    if job.endpoint != Endpoint::CountTokens {
        return aws_anthropic::invocation(job, &turn(job.endpoint, body)?);
    }
    let mut patch = invocation(body, job.target, job.beta)?;
    patch.set("max_tokens", "1").map_err(|error| Untranslatable::Shape(error.to_string()))?;
    Ok(patch.finish().unwrap_or_else(|| body.to_vec()))
}

/// The prompt in a client's request.
fn turn(endpoint: Endpoint, body: &[u8]) -> Result<Turn<'_>, Untranslatable> {
    match endpoint {
        Endpoint::Tokenize => tokenize::request(body),
        Endpoint::InputTokens => openai_responses::instructions_and_input(body),
        _ => anthropic_messages::request(body),
    }
}

/// Writes an error body in a client's dialect.
type WriteError = fn(StatusCode, &ProviderError, &mut Vec<u8>);

/// Reads one provider's count and writes one client's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// The number in a whole success body.
    pub(crate) read: fn(&[u8]) -> Result<u64, Fault>,
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
