//! Reads usage, model and end marks out of a reply that passes through, endpoint by endpoint.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use tollgate_types::{Endpoint, Usage};
use tollgate_wire::scan::{self, Kind, Member, Value};

use crate::usage::{self, AnthropicCounts};

/// What one reply has told so far.
#[derive(Debug)]
pub(crate) struct Meter {
    protocol: Protocol,
    usage: Usage,
    anthropic: AnthropicCounts,
    model: Option<Box<str>>,
    end: End,
    events: u64,
}

/// What an event is to the client who did not ask for usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Ordinary,
    /// An OpenAI chunk that carries usage and no choice.
    UsageOnly,
}

/// How the stream's events are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// OpenAI chunks, closed by `[DONE]`.
    Chunks,
    Responses,
    Anthropic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// The last chunk with choices finished one: enough for servers that forget `[DONE]`.
    Finished,
    /// The end mark was seen, or an error event, behind which nothing is due.
    Marked,
}

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static FINISH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"finish_reason\""));

// === impl Meter ===

impl Meter {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let protocol = match endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings | Endpoint::Models => {
                Protocol::Chunks
            }
            Endpoint::Responses => Protocol::Responses,
            Endpoint::Messages | Endpoint::CountTokens | Endpoint::AnthropicModels => Protocol::Anthropic,
        };
        Self {
            protocol,
            usage: Usage::default(),
            anthropic: AnthropicCounts::default(),
            model: None,
            end: End::Open,
            events: 0,
        }
    }

    pub(crate) const fn usage(&self) -> Usage {
        self.usage
    }

    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Events read so far.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    /// True where the stream may end here.
    pub(crate) const fn is_complete(&self) -> bool {
        matches!(self.end, End::Finished | End::Marked)
    }

    /// Takes a top-level member of a whole reply.
    pub(crate) fn member(&mut self, key: &[u8], value: Value<'_>) {
        match key {
            b"model" => self.model = value.text().map(Into::into),
            b"usage" => self.take_usage(value),
            // Anthropic's count_tokens.
            b"input_tokens" => {
                self.usage.input = value.count().map(tollgate_types::Tokens);
                self.usage.total = self.usage.input;
            }
            _ => {}
        }
    }

    /// Takes one event of a stream.
    pub(crate) fn event(&mut self, name: Option<&str>, data: &[u8]) -> Sight {
        self.events += 1;
        match self.protocol {
            Protocol::Chunks => self.chunk(name, data),
            Protocol::Responses => {
                self.responses_event(name.map_or_else(|| type_of(data), Some), data);
                Sight::Ordinary
            }
            Protocol::Anthropic => {
                self.anthropic_event(name.map_or_else(|| type_of(data), Some), data);
                Sight::Ordinary
            }
        }
    }

    fn chunk(&mut self, name: Option<&str>, data: &[u8]) -> Sight {
        if data.trim_ascii() == b"[DONE]" || name == Some("error") || data.starts_with(b"{\"error\"") {
            self.end = End::Marked;
            return Sight::Ordinary;
        }
        if self.model.is_none() {
            self.model = text_member(data, "model");
        }
        if self.end != End::Marked {
            match field(&FINISH, data) {
                Field::Absent => {}
                Field::Null => self.end = End::Open,
                Field::Set => self.end = End::Finished,
            }
        }
        if field(&USAGE, data) == Field::Set { self.usage_chunk(data) } else { Sight::Ordinary }
    }

    fn usage_chunk(&mut self, data: &[u8]) -> Sight {
        let (mut has_usage, mut has_no_choice) = (false, false);
        for Member { key, value, .. } in scan::members(data).map_while(Result::ok) {
            match key {
                b"usage" if value.kind() == Kind::Object => {
                    has_usage = true;
                    self.take_usage(value);
                }
                b"choices" => has_no_choice = value.is_empty_array(),
                _ => {}
            }
        }
        if has_usage && has_no_choice { Sight::UsageOnly } else { Sight::Ordinary }
    }

    fn responses_event(&mut self, name: Option<&str>, data: &[u8]) {
        match name {
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                self.end = End::Marked;
                self.members_of(data, "response");
            }
            Some("error") => self.end = End::Marked,
            Some("response.created") => self.members_of(data, "response"),
            _ => {}
        }
    }

    fn anthropic_event(&mut self, name: Option<&str>, data: &[u8]) {
        match name {
            Some("message_start") => self.members_of(data, "message"),
            Some("message_delta") => {
                for Member { key, value, .. } in scan::members(data).map_while(Result::ok) {
                    if key == b"usage" {
                        self.take_usage(value);
                    }
                }
            }
            Some("message_stop" | "error") => self.end = End::Marked,
            _ => {}
        }
    }

    /// Takes the members of the object under `outer`.
    fn members_of(&mut self, data: &[u8], outer: &str) {
        for outer in scan::members(data).map_while(Result::ok).filter(|member| member.is(outer)) {
            for Member { key, value, .. } in outer.value.members().map_while(Result::ok) {
                self.member(key, value);
            }
        }
    }

    fn take_usage(&mut self, value: Value<'_>) {
        match self.protocol {
            Protocol::Chunks | Protocol::Responses => self.usage.merge(&usage::openai(value)),
            Protocol::Anthropic => {
                self.anthropic.read(value);
                self.usage = self.anthropic.usage();
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Absent,
    Null,
    Set,
}

/// Whether a key occurs with a value. The key is looked for with its quotes, which text inside of a JSON string
/// cannot have unescaped; only a field of an inner object is mistaken for one of the outer.
fn field(key: &Finder<'_>, data: &[u8]) -> Field {
    let mut seen = Field::Absent;
    let mut rest = data;
    while let Some(at) = key.find(rest) {
        rest = rest[at + key.needle().len()..].trim_ascii_start();
        let Some(value) = rest.strip_prefix(b":") else { continue };
        if value.trim_ascii_start().starts_with(b"null") {
            seen = Field::Null;
        } else {
            return Field::Set;
        }
    }
    seen
}

fn text_member(data: &[u8], name: &str) -> Option<Box<str>> {
    let member = scan::members(data).map_while(Result::ok).find(|member| member.is(name))?;
    member.value.text().map(Into::into)
}

/// `type` of an event whose server leaves the `event` line out. The types are plain words, never escaped.
fn type_of(data: &[u8]) -> Option<&str> {
    let member = scan::members(data).map_while(Result::ok).find(|member| member.key == b"type")?;
    let word = member.value.bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(word).ok()
}
