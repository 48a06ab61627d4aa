//! A request between the dialects: borrowed from the client's body, strings still escaped, unknown JSON as it is.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number};

/// One request.
#[derive(Debug, Default)]
pub(crate) struct Turn<'a> {
    pub(crate) messages: Vec<Message<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) choice: Option<ToolChoice<'a>>,
    pub(crate) parallel: Option<Parallel>,
    /// Upper bound of output tokens, thinking included.
    pub(crate) max_tokens: Option<Number<'a>>,
    pub(crate) temperature: Option<Number<'a>>,
    pub(crate) top_p: Option<Number<'a>>,
    pub(crate) top_k: Option<Number<'a>>,
    /// How many answers; one where it is absent.
    pub(crate) answers: Option<Number<'a>>,
    pub(crate) stop: Vec<Literal<'a>>,
    pub(crate) format: Option<Format<'a>>,
    pub(crate) thinking: Option<Thinking<'a>>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub(crate) effort: Option<Literal<'a>>,
    /// Who is behind the call.
    pub(crate) user: Option<Literal<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    System,
    User,
    Assistant,
}

#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) role: Role,
    /// Its place in the client's list; `None` for instructions that stand apart.
    pub(crate) at: Option<usize>,
    pub(crate) parts: Vec<Part<'a>>,
}

#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Its place in the client's message.
    pub(crate) at: usize,
    /// `cache_control`, an object.
    pub(crate) cache: Option<&'a RawValue>,
    pub(crate) kind: PartKind<'a>,
}

#[derive(Debug)]
pub(crate) enum PartKind<'a> {
    Text(Literal<'a>),
    Image {
        source: Source<'a>,
        detail: Option<Literal<'a>>,
    },
    Document {
        source: Source<'a>,
        title: Option<Literal<'a>>,
    },
    ToolCall {
        id: Literal<'a>,
        name: Literal<'a>,
        input: Cow<'a, str>,
    },
    ToolResult {
        id: Literal<'a>,
        outcome: Outcome,
        parts: Vec<Part<'a>>,
    },
    Thinking {
        text: Literal<'a>,
        signature: Option<Literal<'a>>,
    },
    /// Opaque, never decoded.
    RedactedThinking(Literal<'a>),
    Refusal(Literal<'a>),
}

/// Where the bytes of an image or a document are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Base64 { media_type: Literal<'a>, data: Literal<'a> },
    Url(Literal<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Error,
}

#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Literal<'a>,
    pub(crate) description: Option<Literal<'a>>,
    /// JSON Schema of the input.
    pub(crate) schema: Option<&'a RawValue>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    Any,
    None,
    Named(Literal<'a>),
}

/// How many tools one answer may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parallel {
    Many,
    One,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Format<'a> {
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema(&'a RawValue),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Thinking<'a> {
    Enabled { budget: Number<'a>, display: Option<Literal<'a>> },
    Adaptive { display: Option<Literal<'a>> },
    Disabled,
}

// === impl Message ===

impl Message<'_> {
    /// The place of one of its parts in the client's request.
    pub(crate) fn place(&self, part: usize) -> String {
        match self.at {
            Some(at) => format!("messages[{at}].content[{part}]"),
            None => format!("system[{part}]"),
        }
    }
}

// === impl Part ===

impl<'a> Part<'a> {
    /// A part without a cache mark.
    pub(crate) const fn plain(at: usize, kind: PartKind<'a>) -> Self {
        Self { at, cache: None, kind }
    }
}
