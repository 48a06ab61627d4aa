//! Reads usage, model and end marks out of a reply that passes through, endpoint by endpoint.

mod gemini;
mod pattern;

use std::sync::LazyLock;

use memchr::memmem::Finder;
use tollgate_types::{Dialect, Endpoint, Usage};
use tollgate_wire::scan::{self, Kind, Member, NotJson, Value};

use self::pattern::Pattern;
use crate::{
    Counts, Tally,
    usage::{self, AnthropicCounts},
};

/// What one reply has told so far.
#[derive(Debug)]
pub(crate) struct Meter {
    protocol: Protocol,
    usage: Usage,
    anthropic: AnthropicCounts,
    /// The last usage has come.
    counts: Counts,
    model: Option<Box<str>>,
    end: End,
    choices: Choices,
    events: u64,
    pieces: u64,
    pattern: Pattern,
    /// What the reply is about, and the files that belong to it.
    ids: Vec<Box<str>>,
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
    Gemini,
    Cohere,
    /// OpenAI's images and sound: events that name their type, the last of which has the usage. Servers of open
    /// models send chunks in their place.
    Typed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// All choices that began are finished: enough for servers that forget `[DONE]`.
    Finished,
    /// The end mark was seen.
    Marked,
    /// An error event was seen, behind which nothing is due.
    Failed,
}

/// The choices of an OpenAI stream by their index, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Choices {
    begun: u128,
    finished: u128,
}

/// How a chunk that brings text begins behind `"choices":`.
const PLAIN: &[u8] = br#"[{"index":0,"delta":{"content":""#;

/// The one choice of an event that names no index.
const FIRST: u64 = 0;

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static CHOICES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"choices\""));
static FINISH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"finish_reason\""));
static SIGNATURE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"signature_delta\""));

// === impl Meter ===

impl Meter {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let protocol = match (endpoint, endpoint.dialect()) {
            (Endpoint::Responses, _) => Protocol::Responses,
            (
                Endpoint::ImageGenerations
                | Endpoint::ImageEdits
                | Endpoint::Speech
                | Endpoint::Transcriptions
                | Endpoint::Translations,
                _,
            ) => Protocol::Typed,
            (_, Dialect::OpenAi) => Protocol::Chunks,
            (_, Dialect::Cohere) => Protocol::Cohere,
            (_, Dialect::Anthropic) => Protocol::Anthropic,
            (_, Dialect::Gemini) => Protocol::Gemini,
        };
        Self {
            protocol,
            usage: Usage::default(),
            anthropic: AnthropicCounts::default(),
            counts: Counts::Due,
            model: None,
            end: End::Open,
            choices: Choices::default(),
            events: 0,
            pieces: 0,
            pattern: Pattern::default(),
            ids: Vec::new(),
        }
    }

    /// Ids of files and batches that the reply named.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(|id| &**id)
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
        matches!(self.end, End::Finished | End::Marked | End::Failed)
    }

    /// How far the stream has come.
    pub(crate) fn tally(&self) -> Tally {
        let is_final = self.events == 0 || self.end == End::Marked || self.counts == Counts::Final;
        Tally { pieces: self.pieces, counts: if is_final { Counts::Final } else { Counts::Due } }
    }

    /// The body ended where it may end.
    pub(crate) fn finish(&mut self) {
        if self.end == End::Finished {
            self.end = End::Marked;
        }
    }

    /// Takes a top-level member of a whole reply.
    pub(crate) fn member(&mut self, key: &[u8], value: Value<'_>) {
        match key {
            b"model" | b"modelVersion" => self.model = value.text().map(Into::into),
            // Valid already.
            b"usage" | b"meta" | b"usageMetadata" => self.take_usage(key, value.bytes()).unwrap_or_default(),
            // Anthropic's count_tokens, and Gemini's.
            b"input_tokens" | b"totalTokens" => {
                self.usage.input = value.count().map(tollgate_types::Tokens);
                self.usage.total = self.usage.input;
            }
            b"id" | b"input_file_id" | b"output_file_id" | b"error_file_id" => {
                self.ids.extend(value.text().map(Into::into));
            }
            _ => {}
        }
    }

    /// Takes a top-level member whose value is still to be validated.
    ///
    /// # Errors
    /// [`NotJson`]
    pub(crate) fn unread_member(&mut self, key: &[u8], value: &[u8]) -> Result<(), NotJson> {
        if matches!(key, b"usage" | b"meta" | b"usageMetadata") {
            return self.take_usage(key, value);
        }
        self.member(key, scan::document(value)?);
        Ok(())
    }

    /// Reads the usage at the beginning of a text, where it is spelled as usual; [`Meter::take_counted`] takes it.
    pub(crate) fn usage_ahead(&self, key: &[u8], ahead: &[u8]) -> Option<(Usage, usize)> {
        let known = matches!(self.protocol, Protocol::Chunks | Protocol::Responses | Protocol::Typed);
        (known && matches!(key, b"usage" | b"usageMetadata")).then(|| usage::openai_ahead(ahead)).flatten()
    }

    /// Takes what OpenAI counts.
    pub(crate) fn take_counted(&mut self, counted: &Usage) {
        if counted.output.is_some() {
            self.counts = Counts::Final;
        }
        self.usage.merge(counted);
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
            Protocol::Gemini => {
                self.gemini_event(data);
                Sight::Ordinary
            }
            Protocol::Cohere => {
                self.cohere_event(name.map_or_else(|| type_of(data), Some), data);
                Sight::Ordinary
            }
            Protocol::Typed => match name.map_or_else(|| type_of(data), Some) {
                Some(kind) => {
                    self.typed_event(kind, data);
                    Sight::Ordinary
                }
                None => self.chunk(None, data),
            },
        }
    }

    /// Takes the events that `text` begins with as far as they are like the last one; how many bytes they have.
    /// Ordinary they are, all of them.
    pub(crate) fn leading_pieces(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(length) = text.get(at..).and_then(|rest| self.pattern.leading(rest)) {
            self.events += 1;
            self.take_plain_piece();
            at += length;
        }
        at
    }

    fn chunk(&mut self, name: Option<&str>, data: &[u8]) -> Sight {
        if name.is_none() && self.pattern.fits(data) {
            self.take_plain_piece();
            return Sight::Ordinary;
        }
        if data.trim_ascii() == b"[DONE]" {
            self.end = End::Marked;
            return Sight::Ordinary;
        }
        if name == Some("error") || data.starts_with(b"{\"error\"") {
            self.end = End::Failed;
            return Sight::Ordinary;
        }
        if self.model.is_none() {
            self.model = text_member(data, "model");
        }
        let text = self.read_choices(data);
        if is_set(&USAGE, data) {
            return self.usage_chunk(data);
        }
        if let Some(text) = text.filter(|_| name.is_none() && self.model.is_some()) {
            self.pattern.learn(data, text);
        }
        Sight::Ordinary
    }

    /// The first choice brings text and goes on.
    const fn take_plain_piece(&mut self) {
        self.pieces += 1;
        self.choices.go_on();
        if matches!(self.end, End::Finished) {
            self.end = End::Open;
        }
    }

    /// Where the text begins, if they are a plain piece.
    fn read_choices(&mut self, data: &[u8]) -> Option<usize> {
        let choices = behind(&CHOICES, data)?;
        if is_plain_piece(choices) {
            self.take_plain_piece();
            return Some(data.len() - choices.len() + PLAIN.len());
        }
        let (mut any, mut piece) = (false, false);
        for choice in scan::elements(choices).map_while(Result::ok) {
            any = true;
            piece |= self.choices.read(choice);
        }
        self.pieces += u64::from(piece);
        if any && matches!(self.end, End::Open | End::Finished) {
            self.end = if self.choices.are_finished() { End::Finished } else { End::Open };
        }
        None
    }

    fn usage_chunk(&mut self, data: &[u8]) -> Sight {
        let (mut has_usage, mut has_no_choice) = (false, false);
        for Member { key, value, .. } in scan::members(data).map_while(Result::ok) {
            match key {
                b"usage" if value.kind() == Kind::Object => {
                    has_usage = true;
                    self.member(key, value);
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
            Some("error") => self.end = End::Failed,
            Some(name) if name.ends_with(".delta") => self.pieces += 1,
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
                        self.member(key, value);
                        self.counts = Counts::Final;
                    }
                }
            }
            Some("content_block_delta") => self.pieces += u64::from(SIGNATURE.find(data).is_none()),
            Some("message_stop") => self.end = End::Marked,
            Some("error") => self.end = End::Failed,
            _ => {}
        }
    }

    /// Takes an event of a realtime session, which has many responses, each with its own usage.
    pub(crate) fn realtime_event(&mut self, data: &[u8]) {
        let (outer, wanted): (_, &[u8]) = match type_of(data) {
            Some("response.done") => ("response", b"usage"),
            Some("session.created" | "session.updated") => ("session", b"model"),
            _ => return,
        };
        for outer in scan::members(data).map_while(Result::ok).filter(|member| member.is(outer)) {
            for Member { key, value, .. } in outer.value.members().map_while(Result::ok) {
                match key {
                    b"usage" if key == wanted => {
                        self.usage.add(&usage::openai(value.bytes()).unwrap_or_default());
                    }
                    b"model" if key == wanted => self.member(key, value),
                    _ => {}
                }
            }
        }
    }

    fn typed_event(&mut self, kind: &str, data: &[u8]) {
        if kind == "error" {
            self.end = End::Failed;
        } else if kind.ends_with(".done") || kind.ends_with(".completed") {
            self.end = End::Marked;
            for Member { key, value, .. } in scan::members(data).map_while(Result::ok) {
                self.member(key, value);
            }
        } else {
            self.pieces += 1;
        }
    }

    fn cohere_event(&mut self, name: Option<&str>, data: &[u8]) {
        match name {
            Some("message-end") => {
                self.end = End::Marked;
                self.members_of(data, "delta");
            }
            Some("content-delta" | "tool-plan-delta" | "tool-call-delta") => self.pieces += 1,
            None if data.trim_ascii() == b"[DONE]" => self.end = End::Marked,
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

    fn take_usage(&mut self, key: &[u8], text: &[u8]) -> Result<(), NotJson> {
        match self.protocol {
            Protocol::Cohere => self.usage.merge(&usage::cohere(text)?),
            _ if key == b"meta" => {
                scan::document(text)?;
            }
            Protocol::Chunks | Protocol::Responses | Protocol::Typed => {
                self.take_counted(&usage::openai(text)?);
            }
            Protocol::Anthropic => {
                self.anthropic.read(text)?;
                self.usage = self.anthropic.usage();
            }
            Protocol::Gemini => self.usage.merge(&usage::gemini(text)?),
        }
        Ok(())
    }
}

// === impl Choices ===

impl Choices {
    /// Reads one choice of a chunk; true where it brings content.
    fn read(&mut self, choice: Value<'_>) -> bool {
        let (mut index, mut finished, mut piece) = (Some(FIRST), false, false);
        for Member { key, value, .. } in choice.members().map_while(Result::ok) {
            match key {
                b"index" => index = value.count(),
                b"finish_reason" => finished = says_something(value),
                b"delta" => piece |= value.members().map_while(Result::ok).any(|member| is_content(&member)),
                b"text" => piece |= says_something(value),
                _ => {}
            }
        }
        self.note(index, finished);
        piece
    }

    /// A choice beyond the bits never finishes, so that such a stream needs its end mark.
    fn note(&mut self, index: Option<u64>, finished: bool) {
        let bit = index.and_then(|index| 1_u128.checked_shl(u32::try_from(index).ok()?));
        match bit {
            Some(bit) => {
                self.begun |= bit;
                if finished {
                    self.finished |= bit;
                } else {
                    self.finished &= !bit;
                }
            }
            None => self.begun = u128::MAX,
        }
    }

    /// The first choice goes on.
    const fn go_on(&mut self) {
        self.begun |= 1;
        self.finished &= !1;
    }

    const fn are_finished(self) -> bool {
        self.begun & !self.finished == 0
    }
}

/// True for one choice, the first, that brings text and goes on, as OpenAI and most others write it: nearly every
/// chunk of nearly every stream, told without a walk.
fn is_plain_piece(choices: &[u8]) -> bool {
    let Some(rest) = choices.strip_prefix(PLAIN) else { return false };
    let Some(at) = FINISH.find(rest) else { return false };
    let rest_of_choice = &rest[at + FINISH.needle().len()..];
    rest[0] != b'"' && rest_of_choice.starts_with(b":null") && FINISH.find(rest_of_choice).is_none()
}

fn is_content(member: &Member<'_>) -> bool {
    member.key != b"role" && says_something(member.value)
}

fn says_something(value: Value<'_>) -> bool {
    !matches!(value.bytes(), b"null" | b"\"\"" | b"[]" | b"{}")
}

/// What stands behind a key and its colon, where the key first occurs. The key is looked for with its quotes,
/// which text inside of a JSON string cannot have unescaped; only a field of an inner object is mistaken for one
/// of the outer.
fn behind<'a>(key: &Finder<'_>, data: &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = data;
    while let Some(at) = key.find(rest) {
        rest = rest[at + key.needle().len()..].trim_ascii_start();
        if let Some(value) = rest.strip_prefix(b":") {
            return Some(value.trim_ascii_start());
        }
    }
    None
}

/// Whether a key occurs with a value that is not `null`.
fn is_set(key: &Finder<'_>, data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(value) = behind(key, rest) {
        if !value.starts_with(b"null") {
            return true;
        }
        rest = value;
    }
    false
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

#[cfg(test)]
mod tests;
