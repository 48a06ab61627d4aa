//! A reply between the dialects: whole, as an error, or as the steps of a stream.

use http::StatusCode;
use serde_json::value::RawValue;
use tollgate_types::Usage;
use tollgate_wire::{Literal, Number};

use super::turn::{Citation, PartKind};
use crate::Fault;

/// A whole reply.
#[derive(Clone, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) head: ReplyHead<'a>,
    /// One, unless the client asked for more.
    pub(crate) choices: Vec<Choice<'a>>,
    pub(crate) usage: Usage,
}

/// One of the answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice<'a> {
    pub(crate) parts: Vec<PartKind<'a>>,
    pub(crate) finish: Finish<'a>,
    pub(crate) logprobs: Vec<TokenLogprob<'a>>,
    /// What the provider adds to the message, JSON by name.
    pub(crate) extras: Vec<(&'static str, &'a RawValue)>,
}

/// The probability of one token of the answer.
#[derive(Clone, Debug)]
pub(crate) struct TokenLogprob<'a> {
    pub(crate) token: Literal<'a>,
    pub(crate) logprob: Number<'a>,
    /// What else could have stood there.
    pub(crate) top: Vec<(Literal<'a>, Number<'a>)>,
}

/// What identifies a reply. Where the provider is silent, the dialect fills in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplyHead<'a> {
    pub(crate) id: Option<Literal<'a>>,
    pub(crate) model: Option<Literal<'a>>,
    /// Unix seconds.
    pub(crate) created: Option<Number<'a>>,
    /// The tier that served it, in OpenAI's words.
    pub(crate) service_tier: Option<Literal<'a>>,
}

/// What stands for it where the provider is silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    /// The model that was asked for; unescaped.
    pub(crate) model: &'a str,
    /// Unix seconds.
    pub(crate) now: u64,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Finish<'a> {
    /// It had no more to say; also what a reason that we do not know is taken for.
    #[default]
    Stop,
    /// It wrote this stop sequence.
    StopSequence(Literal<'a>),
    /// `max_tokens` or the context window was reached.
    Length,
    /// It calls tools.
    ToolCalls,
    /// It, or a filter, refused.
    Refusal,
}

// === impl ReplyHead ===

impl ReplyHead<'_> {
    /// An id for a call to which the provider gave none: unlike those of other calls and other replies.
    pub(crate) fn call_id(&self, at: usize, now: u64) -> String {
        match self.id.filter(|id| !id.is_empty()) {
            Some(id) => format!("call_{}_{at}", id.escaped()),
            None => format!("call_{now:x}_{at}"),
        }
    }
}

// === impl Answer ===

impl<'a> Answer<'a> {
    /// The usual one: a single choice without probabilities.
    pub(crate) fn single(
        head: ReplyHead<'a>,
        parts: Vec<PartKind<'a>>,
        finish: Finish<'a>,
        usage: Usage,
    ) -> Self {
        Self { head, choices: vec![Choice { parts, finish, ..Choice::default() }], usage }
    }
}

/// An image that a model drew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawn<'a> {
    /// For example `image/png`.
    pub(crate) media_type: Literal<'a>,
    /// Base64.
    pub(crate) data: Literal<'a>,
}

/// An error in the provider's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProviderError {
    /// For programs, for example `overloaded_error`; empty where there is none.
    pub(crate) kind: String,
    /// For people.
    pub(crate) message: String,
    /// To be named to the provider's support.
    pub(crate) request_id: Option<String>,
}

/// One step of a stream. Texts are escaped JSON; pieces may end anywhere but inside an escape.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// Comes first, and again only to fill what was missing.
    Started(ReplyHead<'a>),
    /// What follows belongs to this of several answers; the first, until it comes.
    Choice(usize),
    Text(Literal<'a>),
    /// Of the text before it.
    Citation(Citation<'a>),
    /// Of tokens before it.
    Logprobs(Vec<TokenLogprob<'a>>),
    /// What the provider adds to the message, JSON by name.
    Extra(&'static str, &'a RawValue),
    Refusal(Literal<'a>),
    /// An image that the model drew, whole.
    Image(Drawn<'a>),
    Thinking(Literal<'a>),
    Signature(Literal<'a>),
    RedactedThinking(Literal<'a>),
    /// Tools count from 0 in the order in which they start, over all answers.
    ToolStarted {
        tool: usize,
        id: Literal<'a>,
        name: Literal<'a>,
    },
    ToolArguments {
        tool: usize,
        json: Literal<'a>,
    },
    /// The provider closed the open block.
    BlockStopped,
    Finished(Finish<'a>),
    /// Cumulative: replaces what came before.
    Usage(Usage),
    Ping,
    Error(ProviderError),
    /// The end mark of the stream.
    Done,
}

/// Takes the steps that one provider event makes.
pub(crate) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Reads one provider's replies.
pub(crate) trait Decode: Send + std::fmt::Debug {
    /// A whole success body.
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault>;
    /// The data of one event of a stream.
    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault>;
    /// A whole error body; `None` where it has not the provider's shape.
    fn error(&self, body: &[u8]) -> Option<ProviderError>;
    /// True where the last usage of the stream has come: later events do not change it.
    fn has_counted(&self) -> bool;
    /// The provider's stream ended: true where what came is a complete answer.
    fn is_complete(&self) -> bool;
}

/// Writes replies in one client's dialect.
pub(crate) trait Encode: Send + std::fmt::Debug {
    /// A whole reply.
    fn whole(&mut self, answer: &Answer<'_>, out: &mut Vec<u8>);
    /// One step of a stream; never an [`Event::Error`], which [`broken`](Self::broken) writes.
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault>;
    /// The whole body of an error.
    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>);
    /// The event that says that a stream broke.
    fn broken(&mut self, error: &ProviderError, out: &mut Vec<u8>);
}
