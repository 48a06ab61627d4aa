use http::{HeaderMap, StatusCode};
use tollgate_types::Usage;
use tollgate_wire::{Literal, escape_into};

use super::{
    event::{Decode, Encode, Event, ProviderError, ReplyHead},
    reader::Reader,
};
use crate::{Counts, Fault, Tally, identity};

/// Bytes of an error body that has no JSON in it that still reach the client.
const RAW_ERROR_LIMIT: usize = 4096;

/// One provider's decoder and one dialect's encoder, joined.
#[derive(Debug)]
pub(crate) struct Pair {
    decode: Box<dyn Decode>,
    encode: Box<dyn Encode>,
    usage: Usage,
    model: Option<String>,
    /// The request's, escaped: stands for the reply's where a provider gives replies none.
    id: Option<String>,
    state: State,
    progress: Progress,
}

/// Where the client's stream stands.
#[derive(Debug)]
enum State {
    Open,
    /// The provider reported an error that the client has not seen yet.
    Failed(ProviderError),
    /// The end mark went out.
    Closed,
    /// The error that stands for the end mark went out.
    Broken,
}

/// What has come of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    /// So many events with content.
    Begun {
        pieces: u64,
    },
}

// === impl Pair ===

impl Pair {
    pub(crate) fn new(decode: Box<dyn Decode>, encode: Box<dyn Encode>) -> Self {
        Self {
            decode,
            encode,
            usage: Usage::default(),
            model: None,
            id: None,
            state: State::Open,
            progress: Progress::Nothing,
        }
    }
}

// === impl Progress ===

impl Progress {
    const fn pieces(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Begun { pieces } => pieces,
        }
    }
}

// === impl Reader for Pair ===

impl Reader for Pair {
    fn head(&mut self, headers: &HeaderMap) {
        self.id = request_id(headers).map(|id| {
            let mut escaped = Vec::with_capacity(id.len());
            escape_into(&mut escaped, &id);
            String::from_utf8_lossy(&escaped).into_owned()
        });
    }

    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut answer = self.decode.whole(body)?;
        identify(&mut answer.head, self.id.as_deref());
        self.usage = answer.usage;
        note_model(&mut self.model, &answer.head);
        self.encode.whole(&answer, out);
        self.state = State::Closed;
        Ok(())
    }

    fn event(&mut self, _name: Option<&str>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Self { decode, encode, usage, model, id, state, progress } = self;
        if !matches!(state, State::Open) {
            return Ok(());
        }
        let mut written = Ok(());
        // An event that brings several parts is still one piece.
        let with_this = Progress::Begun { pieces: progress.pieces() + 1 };
        decode.event(data, &mut |event| {
            if written.is_err() || !matches!(state, State::Open) {
                return;
            }
            let event = match event {
                Event::Started(mut head) => {
                    identify(&mut head, id.as_deref());
                    Event::Started(head)
                }
                other => other,
            };
            match &event {
                Event::Error(error) => {
                    written = Err(Fault::ErrorInReply(error.message.clone()));
                    *state = State::Failed(error.clone());
                    return;
                }
                Event::Usage(counted) => usage.merge(counted),
                Event::Started(head) => {
                    note_model(model, head);
                    if *progress == Progress::Nothing {
                        *progress = Progress::Begun { pieces: 0 };
                    }
                }
                Event::Done => *state = State::Closed,
                Event::Text(_)
                | Event::Refusal(_)
                | Event::Image(_)
                | Event::Thinking(_)
                | Event::RedactedThinking(_)
                | Event::ToolStarted { .. }
                | Event::ToolArguments { .. } => *progress = with_this,
                Event::Choice(_)
                | Event::Citation(_)
                | Event::Logprobs(_)
                | Event::Extra(..)
                | Event::Signature(_)
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
            State::Closed | State::Broken => Ok(()),
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
        complete(&mut error, headers);
        self.encode.error(status, &error, out);
    }

    fn break_off(&mut self, message: &str, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Closed => self.state = State::Closed,
            State::Broken => {}
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

    fn tally(&self) -> Tally {
        let is_final = match (self.progress, &self.state) {
            (Progress::Nothing, _) | (_, State::Closed) => true,
            (Progress::Begun { .. }, State::Open | State::Failed(_) | State::Broken) => {
                self.decode.has_counted()
            }
        };
        let counts = if is_final { Counts::Final } else { Counts::Due };
        Tally { pieces: self.progress.pieces(), counts }
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}

/// Adds what the headers say of an error.
pub(crate) fn complete(error: &mut ProviderError, headers: &HeaderMap) {
    if error.request_id.is_none() {
        error.request_id = request_id(headers);
    }
    if error.kind.is_empty() {
        // AWS: `ThrottlingException:http://…`
        let kind = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
        kind.split(':').next().unwrap_or_default().clone_into(&mut error.kind);
    }
}

/// What the provider's support wants to know.
fn request_id(headers: &HeaderMap) -> Option<String> {
    identity::request_id(headers).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Gives a reply the request's id where it has none.
fn identify<'a>(head: &mut ReplyHead<'a>, id: Option<&'a str>) {
    if head.id.is_none_or(Literal::is_empty) {
        head.id = id.map(Literal::from_escaped);
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
pub(crate) fn raw_error(status: StatusCode, body: &[u8]) -> ProviderError {
    let text = String::from_utf8_lossy(&body[..body.len().min(RAW_ERROR_LIMIT)]);
    let text = text.trim();
    let message = if text.is_empty() {
        format!("the provider answered with status {}", status.as_u16())
    } else {
        text.to_owned()
    };
    ProviderError { message, ..ProviderError::default() }
}
