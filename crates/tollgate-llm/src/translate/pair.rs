use http::{HeaderMap, StatusCode};
use tollgate_types::Usage;

use super::{
    Reader,
    event::{Decode, Encode, Event, ProviderError, ReplyHead},
};
use crate::Fault;

/// Bytes of an error body that has no JSON in it that still reach the client.
const RAW_ERROR_LIMIT: usize = 4096;

/// One provider's decoder and one dialect's encoder, joined.
#[derive(Debug)]
pub(crate) struct Pair {
    decode: Box<dyn Decode>,
    encode: Box<dyn Encode>,
    usage: Usage,
    model: Option<String>,
    state: State,
}

/// Where the client's stream stands.
#[derive(Debug)]
enum State {
    Open,
    /// The provider reported an error that the client has not seen yet.
    Failed(ProviderError),
    /// The end mark, or the error that stands for it, went out.
    Closed,
}

// === impl Pair ===

impl Pair {
    pub(crate) fn new(decode: Box<dyn Decode>, encode: Box<dyn Encode>) -> Self {
        Self { decode, encode, usage: Usage::default(), model: None, state: State::Open }
    }
}

impl Reader for Pair {
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let answer = self.decode.whole(body)?;
        self.usage = answer.usage;
        note_model(&mut self.model, &answer.head);
        self.encode.whole(&answer, out);
        self.state = State::Closed;
        Ok(())
    }

    fn event(&mut self, _name: Option<&str>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Self { decode, encode, usage, model, state } = self;
        if !matches!(state, State::Open) {
            return Ok(());
        }
        let mut written = Ok(());
        decode.event(data, &mut |event| {
            if written.is_err() || !matches!(state, State::Open) {
                return;
            }
            match &event {
                Event::Error(error) => {
                    written = Err(Fault::ErrorInReply(error.message.clone()));
                    *state = State::Failed(error.clone());
                    return;
                }
                Event::Usage(counted) => usage.merge(counted),
                Event::Started(head) => note_model(model, head),
                Event::Done => *state = State::Closed,
                Event::Text(_)
                | Event::Refusal(_)
                | Event::Thinking(_)
                | Event::Signature(_)
                | Event::RedactedThinking(_)
                | Event::ToolStarted { .. }
                | Event::ToolArguments { .. }
                | Event::BlockStopped
                | Event::Finished(_)
                | Event::Ping => {}
            }
            written = encode.event(&event, out);
        })?;
        written
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.state {
            State::Closed => Ok(()),
            State::Failed(_) => Err(Fault::Truncated),
            State::Open if self.decode.is_complete() => {
                self.state = State::Closed;
                self.encode.event(&Event::Done, out)
            }
            State::Open => Err(Fault::Truncated),
        }
    }

    fn error(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>) {
        let mut error = self.decode.error(body).unwrap_or_else(|| raw_error(status, body));
        if error.request_id.is_none() {
            let named =
                ["request-id", "x-request-id", "apim-request-id"].iter().find_map(|name| headers.get(*name));
            error.request_id = named.and_then(|value| value.to_str().ok()).map(str::to_owned);
        }
        self.encode.error(status, &error, out);
    }

    fn break_off(&mut self, message: &str, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::Failed(error) => self.encode.broken(&error, out),
            State::Open => {
                let error = ProviderError { message: message.to_owned(), ..ProviderError::default() };
                self.encode.broken(&error, out);
            }
        }
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}

/// Keeps the first model that is named.
fn note_model(model: &mut Option<String>, head: &ReplyHead<'_>) {
    if let (None, Some(named)) = (&model, head.model)
        && !named.is_empty()
    {
        *model = Some(named.decode().into_owned());
    }
}

/// An error whose body is not the provider's JSON: its text, or the status in words.
fn raw_error(status: StatusCode, body: &[u8]) -> ProviderError {
    let text = String::from_utf8_lossy(&body[..body.len().min(RAW_ERROR_LIMIT)]);
    let text = text.trim();
    let message = if text.is_empty() {
        format!("the provider answered with status {}", status.as_u16())
    } else {
        text.to_owned()
    };
    ProviderError { message, ..ProviderError::default() }
}
