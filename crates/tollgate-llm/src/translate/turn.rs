//! A request between the dialects: borrowed from the client's body, strings still escaped, unknown JSON as it is.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number};

use crate::Untranslatable;

/// One request.
#[derive(Debug, Default)]
pub(crate) struct Turn<'a> {
    pub(crate) messages: Vec<Message<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    /// Tools that a provider runs itself; most backends refuse them, see [`Turn::refuse_hosted`].
    pub(crate) hosted: Vec<HostedTool<'a>>,
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
    pub(crate) seed: Option<Number<'a>>,
    pub(crate) presence_penalty: Option<Number<'a>>,
    pub(crate) frequency_penalty: Option<Number<'a>>,
    pub(crate) logprobs: Option<Logprobs<'a>>,
    pub(crate) format: Option<Format<'a>>,
    pub(crate) thinking: Option<Thinking<'a>>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub(crate) effort: Option<Literal<'a>>,
    /// `low`, `medium`, `high`.
    pub(crate) verbosity: Option<Literal<'a>>,
    /// In the client's words.
    pub(crate) service_tier: Option<Literal<'a>>,
    /// Who is behind the call.
    pub(crate) user: Option<Literal<'a>>,
    pub(crate) vendor: Vendor<'a>,
}

/// Fields that only some providers know, as the client wrote them.
#[derive(Debug, Default)]
pub(crate) struct Vendor<'a> {
    /// Gemini: a list of thresholds by category.
    pub(crate) safety_settings: Option<&'a RawValue>,
    /// Gemini: an object; `media_resolution` is read.
    pub(crate) generation_config: Option<&'a RawValue>,
    /// vLLM: the answer is one of these strings.
    pub(crate) guided_choice: Option<&'a RawValue>,
    /// vLLM: the answer matches this pattern.
    pub(crate) guided_regex: Option<&'a RawValue>,
    /// vLLM: the answer is JSON of this schema.
    pub(crate) guided_json: Option<&'a RawValue>,
}

/// How much of the token probabilities the client wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logprobs<'a> {
    /// Alternatives for each token; none where it is absent.
    pub(crate) top: Option<Number<'a>>,
}

/// A tool that a provider runs itself: `google_search`, `web_search_20250305` …
#[derive(Debug)]
pub(crate) struct HostedTool<'a> {
    /// Its place in the client's request, for errors.
    pub(crate) field: String,
    pub(crate) kind: Literal<'a>,
    /// What the client says about it, an object.
    pub(crate) options: Option<&'a RawValue>,
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

#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    /// Its place in the client's message.
    pub(crate) at: usize,
    /// `cache_control`, an object.
    pub(crate) cache: Option<&'a RawValue>,
    pub(crate) kind: PartKind<'a>,
}

#[derive(Clone, Debug)]
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
    Audio(Source<'a>),
    Video(Source<'a>),
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
    /// Belongs to the text before it.
    Citation(Citation<'a>),
}

/// What a piece of the answer's text rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Citation<'a> {
    /// Where in the answer's text, in characters; absent means the text part before it, as a whole.
    pub(crate) span: Option<(u64, u64)>,
    /// The words that are cited.
    pub(crate) cited: Option<Literal<'a>>,
    pub(crate) title: Option<Literal<'a>>,
    pub(crate) origin: Origin<'a>,
}

/// What is cited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// A page of the web.
    Url(Literal<'a>),
    /// A document of the request, counted from 0 over all documents.
    Document { index: u64, at: Range },
    /// A search result of the request, counted from 0 over all of them.
    SearchResult { index: u64, source: Option<Literal<'a>>, at: Range },
}

/// A stretch of a document: from the first, up to but without the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Characters, from 0.
    Chars(u64, u64),
    /// Pages, from 1.
    Pages(u64, u64),
    /// Blocks, from 0.
    Blocks(u64, u64),
    Unknown,
}

/// Where the bytes of an image, a document or a sound are.
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

#[derive(Debug, Default)]
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

// === impl Turn ===

impl Turn<'_> {
    /// For backends that run no tools themselves: an answer without them would be another answer.
    ///
    /// # Errors
    /// The first such tool, by its field.
    pub(crate) fn refuse_hosted(&self, provider: &str) -> Result<(), Untranslatable> {
        match self.hosted.first() {
            None => Ok(()),
            Some(tool) => Err(Untranslatable::Field {
                field: tool.field.clone(),
                reason: format!(
                    "{:?} is a tool that its provider runs, and {provider} has none of this kind; \
                     use function tools",
                    tool.kind.decode()
                ),
            }),
        }
    }
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
