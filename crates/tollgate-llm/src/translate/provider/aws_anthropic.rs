//! Anthropic's models on Bedrock's InvokeModel: Anthropic's bodies on Amazon's paths. Replies are Anthropic's own; their
//! errors are Bedrock's.

use super::{
    Call,
    anthropic::{self, Host, StreamField, body},
    bedrock,
};
use crate::{
    Delivery, Fault, Untranslatable, aws,
    translate::{
        Job,
        event::{Answer, Decode, ProviderError, Sink},
        turn::Turn,
    },
};

/// Encodes a request to `invoke` and `invoke-with-response-stream`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let path = aws::path(job.model.as_str(), verb(job.delivery))?;
    Ok(Call { path, headers: Vec::new(), body: invocation(job, turn)? })
}

/// The body of such a request.
pub(crate) fn invocation(job: &Job<'_>, turn: &Turn<'_>) -> Result<Vec<u8>, Untranslatable> {
    let version = aws::anthropic_version(job.target);
    body(job, turn, Host::Cloud { version, stream: StreamField::Omitted })
}

/// Behind the model in the path.
pub(crate) const fn verb(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Whole => "invoke",
        Delivery::Streamed => "invoke-with-response-stream",
    }
}

/// Reads replies: Anthropic's, but for errors.
#[derive(Debug)]
pub(crate) struct Decoder(anthropic::Decoder);

// === impl Decoder ===

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self(anthropic::Decoder::new())
    }
}

impl Decode for Decoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault> {
        self.0.whole(body)
    }

    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        self.0.event(data, sink)
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        self.0.error(body).or_else(|| bedrock::error(body))
    }

    fn has_counted(&self) -> bool {
        self.0.has_counted()
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }
}
