mod collect;
mod frames;
mod opening;
mod socket;
mod stream;
mod whole;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use tollgate_types::{Endpoint, Tokens, Usage};
use tollgate_wire::encoding::{DecodeError, Decoder, Encoding};

use self::{
    collect::Collect,
    frames::Frames,
    socket::Socket,
    stream::{Passing, Translating},
    whole::Whole,
};
use crate::{
    Counts, Delivery, Fault, Tally, identity, local,
    meter::Meter,
    translate::{Framing, Reader},
};

/// The most that is held of one reply, and the most that a compressed one may become, in bytes.
pub(crate) const MOST: usize = 64 * 1024 * 1024;

/// Bytes for the client, in order. Pass-through hands on the buffers it was given; translation appends.
#[derive(Debug, Default)]
pub struct Output(pub Vec<Bytes>);

/// The head of the reply as the client gets it.
#[derive(Debug)]
pub struct Head {
    /// The status; never changed for an error the provider reported itself.
    pub status: StatusCode,
    /// Provider headers, edited: framing headers dropped where the body's length changes, `content-type` fitting.
    pub headers: HeaderMap,
}

/// Reads one provider reply: passes or translates its bytes, and counts its tokens. Chunks may split anywhere.
///
/// Life: [`head`](Self::head) once, [`push`](Self::push) per chunk, then [`finish`](Self::finish) at the end of
/// the body, or [`break_off`](Self::break_off) where it broke. [`usage`](Self::usage) holds at any moment, so a
/// client that left is charged for what it got: in the provider's numbers where they have come, else in an
/// estimate.
///
/// A stream leaves in whole events: what a chunk has of the next event waits for the rest of it (uncompressed
/// streams), so that a stream which breaks can still be closed with an error event. Nothing leaves before the
/// first event, or the first members of a document, have shown that the reply is no error.
#[derive(Debug)]
pub struct Reply {
    endpoint: Endpoint,
    delivery: Delivery,
    /// About the tokens of the prompt, for streams that end before the provider has counted them.
    prompt: Tokens,
    source: Source,
    mode: Mode,
    coding: Coding,
    framing: Framing,
    /// Undoes the framing of a stream that is no stream of server-sent events.
    frames: Option<Frames>,
    rewrite: Option<RewriteError>,
}

/// The call that a reply answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) endpoint: Endpoint,
    pub(crate) delivery: Delivery,
    /// About the tokens of the prompt; used for streams alone.
    pub(crate) prompt: Tokens,
    /// How the provider frames a stream.
    pub(crate) framing: Framing,
    /// Puts the errors of a host that passes on the dialect but not its errors into the dialect.
    pub(crate) rewrite: Option<RewriteError>,
}

/// Appends an error body in the client's dialect.
pub(crate) type RewriteError = fn(StatusCode, &HeaderMap, &[u8], &mut Vec<u8>);

/// What becomes of the usage chunk of an OpenAI stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UsageChunk {
    /// The client asked for it, or nobody did.
    Keep,
    /// Only the gateway asked for it.
    Strip,
}

/// Where the client's bytes come from.
#[derive(Debug)]
enum Source {
    /// The provider's bytes, read on their way.
    Provider { meter: Box<Meter>, usage_chunk: UsageChunk },
    /// The translator.
    Translator(Box<dyn Reader>),
}

/// What is done with the body.
#[derive(Debug)]
enum Mode {
    /// A success whose first byte has not come: what it is going to be, and white space that came before.
    Expecting(Expected, Vec<Bytes>),
    /// Forwarded unread: no body is due, or no one here can read it.
    Unread,
    Whole(Whole),
    Passing(Passing),
    Translating(Translating),
    /// Held up to its end: documents to translate, errors to rewrite.
    Collect(Collect),
    /// Two streams of messages, which the host joins; see [`Reply::see`].
    Socket(Socket),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Document,
    Stream,
}

/// What is done about `content-encoding`.
#[derive(Debug)]
enum Coding {
    Plain,
    /// The client gets the decoded bytes.
    Decoded(Decoder),
    /// The client gets the encoded bytes, a decoded copy is read.
    Copied(Decoder),
    /// The provider used a coding that cannot be undone.
    Unknown(Box<str>),
}

// === impl Reply ===

impl Reply {
    /// A reply whose bytes are the client's.
    pub(crate) fn passing(begun: &Begun, usage_chunk: UsageChunk) -> Box<Self> {
        Self::new(begun, Source::Provider { meter: Box::new(Meter::new(begun.endpoint)), usage_chunk })
    }

    /// A reply that a translator reads.
    pub(crate) fn translating(begun: &Begun, reader: Box<dyn Reader>) -> Box<Self> {
        Self::new(begun, Source::Translator(reader))
    }

    /// Boxed at once, since it is handed on several times before it reads anything.
    fn new(begun: &Begun, source: Source) -> Box<Self> {
        let Begun { endpoint, delivery, prompt, framing, rewrite } = *begun;
        let expected = match delivery {
            Delivery::Whole => Expected::Document,
            Delivery::Streamed => Expected::Stream,
        };
        let mode = Mode::Expecting(expected, Vec::new());
        Box::new(Self {
            endpoint,
            delivery,
            prompt,
            source,
            mode,
            coding: Coding::Plain,
            framing,
            frames: None,
            rewrite,
        })
    }

    /// Takes the provider's status and headers; gives the client's.
    pub fn head(&mut self, status: StatusCode, mut headers: HeaderMap) -> Head {
        self.mode = self.mode_for(status, &headers);
        self.frames = self.frames_for(&headers);
        self.coding = self.coding_for(&headers);
        let decoded = matches!(self.coding, Coding::Decoded(_));
        let strips = matches!(
            (&self.mode, &self.source),
            (Mode::Expecting(Expected::Stream, _), Source::Provider { usage_chunk: UsageChunk::Strip, .. })
        );
        if let Source::Translator(reader) = &mut self.source {
            reader.head(&headers);
        }
        let content_type = match (&self.mode, &self.source) {
            (Mode::Expecting(Expected::Stream, _), _) if self.frames.is_some() => Some("text/event-stream"),
            (Mode::Collect(_), _) => Some("application/json"),
            (Mode::Expecting(Expected::Stream, _), Source::Translator(_)) => Some("text/event-stream"),
            _ => None,
        };
        if decoded {
            headers.remove(CONTENT_ENCODING);
        }
        if decoded || strips || content_type.is_some() {
            headers.remove(CONTENT_LENGTH);
        }
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        identity::name_request(self.endpoint.dialect(), &mut headers);
        if let Mode::Collect(collect) = &mut self.mode {
            collect.set_head(status, &headers);
        }
        Head { status, headers }
    }

    /// Takes one chunk of the provider's body, appends what the client gets.
    ///
    /// # Errors
    /// [`Fault`]. As long as nothing was appended to any `out`, the caller may still try another backend.
    pub fn push(&mut self, chunk: Bytes, out: &mut Output) -> Result<(), Fault> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        match &mut self.coding {
            Coding::Plain => self.unframe(chunk, None, out),
            Coding::Decoded(decoder) => {
                decoder.push(&chunk, &mut text).map_err(undecodable)?;
                self.unframe(text.into(), None, out)
            }
            Coding::Copied(decoder) => {
                decoder.push(&chunk, &mut text).map_err(undecodable)?;
                self.take(text.into(), Some(chunk), out)
            }
            Coding::Unknown(name) => match &self.mode {
                Mode::Unread => self.take(chunk, None, out),
                // An error keeps its status; its words cannot be read.
                Mode::Collect(collect) if !collect.is_success() => Ok(()),
                _ => Err(Fault::Malformed(format!("its content-encoding {name} is unknown"))),
            },
        }
    }

    /// The provider's body ended: appends the rest.
    ///
    /// # Errors
    /// [`Fault::Truncated`] where the end mark is missing, and the others as in [`push`](Self::push).
    pub fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        if self.frames.as_ref().is_some_and(|frames| !frames.is_whole()) {
            return Err(Fault::Truncated);
        }
        match &mut self.mode {
            Mode::Expecting(..) => Err(Fault::Truncated),
            Mode::Unread | Mode::Socket(_) => Ok(()),
            Mode::Whole(whole) => whole.finish(out),
            Mode::Passing(passing) => match &mut self.source {
                Source::Provider { meter, .. } => passing.finish(meter, out),
                Source::Translator(_) => Ok(()),
            },
            Mode::Translating(translating) => match &mut self.source {
                Source::Translator(reader) => translating.finish(reader.as_mut(), out),
                Source::Provider { .. } => Ok(()),
            },
            Mode::Collect(collect) => match &mut self.source {
                Source::Translator(reader) => collect.translate(reader.as_mut(), out),
                Source::Provider { .. } => {
                    match self.rewrite {
                        Some(rewrite) => collect.rewrite(rewrite, out),
                        None => collect.wrap(self.endpoint.dialect(), out),
                    }
                    Ok(())
                }
            },
        }
    }

    /// The body broke after the first byte went out: appends the error event of the client's dialect.
    /// Appends nothing where the reply was not a stream, or a compressed one; the caller then has to break the
    /// connection.
    pub fn break_off(&mut self, message: &str, out: &mut Output) {
        if !self.is_stream() || matches!(self.coding, Coding::Copied(_) | Coding::Unknown(_)) {
            return;
        }
        if let Mode::Passing(passing) = &mut self.mode {
            // The beginning of an event never reached the client: the error starts at a boundary.
            passing.forget();
        }
        match &mut self.source {
            Source::Provider { meter, .. } => {
                out.0.push(local::error_event(self.endpoint, message, meter.events()));
            }
            Source::Translator(reader) => {
                let mut event = Vec::new();
                reader.break_off(message, &mut event);
                out.append(event);
            }
        }
    }

    /// Reads what the client got of a connection that is no HTTP any more.
    pub fn see(&mut self, piece: &[u8]) {
        if let (Mode::Socket(socket), Source::Provider { meter, .. }) = (&mut self.mode, &mut self.source) {
            socket.see(piece, meter);
        }
    }

    /// Tokens up to now. A stream that ends before the provider has counted gets an estimate: the events with
    /// content are the output, a quarter of the request's bytes of text are the input.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let counted = match &self.source {
            Source::Provider { meter, .. } => meter.usage(),
            Source::Translator(reader) => reader.usage(),
        };
        self.tally().complete(counted, self.prompt)
    }

    /// Ids that whoever answered gave, or spoke of: of files and batches.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let meter = match &self.source {
            Source::Provider { meter, .. } => Some(meter),
            Source::Translator(_) => None,
        };
        meter.into_iter().flat_map(|meter| meter.ids())
    }

    /// True where [`usage`](Self::usage) is not, or not yet, the provider's own.
    #[must_use]
    pub fn usage_is_estimated(&self) -> bool {
        self.tally().counts == Counts::Due
    }

    fn tally(&self) -> Tally {
        match &self.source {
            Source::Provider { meter, .. } => meter.tally(),
            Source::Translator(reader) => reader.tally(),
        }
    }

    /// The model the provider says it served.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match &self.source {
            Source::Provider { meter, .. } => meter.model(),
            Source::Translator(reader) => reader.model(),
        }
    }

    /// True where the reply to the client is a stream of events.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        match self.mode {
            Mode::Expecting(Expected::Stream, _) | Mode::Passing(_) | Mode::Translating(_) => true,
            Mode::Expecting(Expected::Document, _)
            | Mode::Unread
            | Mode::Whole(_)
            | Mode::Collect(_)
            | Mode::Socket(_) => false,
        }
    }

    /// True where nothing of the body is looked at, so that none of it has to be held.
    #[must_use]
    pub const fn is_unread(&self) -> bool {
        matches!(self.mode, Mode::Unread)
    }

    /// True where what follows the head is no reply, but two streams of messages.
    #[must_use]
    pub const fn is_socket(&self) -> bool {
        matches!(self.mode, Mode::Socket(_))
    }

    fn mode_for(&self, status: StatusCode, headers: &HeaderMap) -> Mode {
        if status == StatusCode::SWITCHING_PROTOCOLS && self.endpoint == Endpoint::Realtime {
            return Mode::Socket(Socket::new());
        }
        let no_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
        if status.is_redirection() || status.is_informational() || no_body {
            return Mode::Unread;
        }
        if !status.is_success() {
            return match self.source {
                Source::Provider { .. } if is_json(headers) && self.rewrite.is_none() => Mode::Unread,
                Source::Provider { .. } | Source::Translator(_) => Mode::Collect(Collect::error()),
            };
        }
        if self.is_opaque(headers) {
            return Mode::Unread;
        }
        let coded = matches!(encoding(headers), Found::Unknown(_));
        if coded && matches!(self.source, Source::Provider { usage_chunk: UsageChunk::Keep, .. }) {
            return Mode::Unread;
        }
        let streams = is_event_stream(headers) || (self.delivery == Delivery::Streamed && !is_json(headers));
        match (&self.source, streams) {
            (Source::Translator(_), false) => Mode::Collect(Collect::document()),
            (_, true) => Mode::Expecting(Expected::Stream, Vec::new()),
            (Source::Provider { .. }, false) => Mode::Expecting(Expected::Document, Vec::new()),
        }
    }

    /// True for sound, pictures, text and files: whatever they hold, it is no error and has no usage.
    fn is_opaque(&self, headers: &HeaderMap) -> bool {
        match self.endpoint {
            Endpoint::FileContent => true,
            Endpoint::Speech | Endpoint::Transcriptions | Endpoint::Translations => {
                !is_json(headers) && !is_event_stream(headers)
            }
            _ => false,
        }
    }

    fn coding_for(&self, headers: &HeaderMap) -> Coding {
        let decodes = match (&self.mode, &self.source) {
            (Mode::Unread | Mode::Socket(_), _) => return Coding::Plain,
            _ if self.frames.is_some() => true,
            (Mode::Expecting(Expected::Stream, _), Source::Provider { usage_chunk, .. }) => {
                *usage_chunk == UsageChunk::Strip
            }
            (Mode::Collect(_), _) | (_, Source::Translator(_)) => true,
            _ => false,
        };
        match encoding(headers) {
            Found::None => Coding::Plain,
            Found::Unknown(name) => Coding::Unknown(name),
            Found::Known(encoding) => match Decoder::new(encoding, MOST) {
                Ok(decoder) if decodes => Coding::Decoded(decoder),
                Ok(decoder) => Coding::Copied(decoder),
                Err(_) => Coding::Unknown(encoding.to_string().into()),
            },
        }
    }

    /// What undoes the framing, where the reply is a stream that has one.
    fn frames_for(&self, headers: &HeaderMap) -> Option<Frames> {
        let streams = matches!(self.mode, Mode::Expecting(Expected::Stream, _));
        let framed =
            self.framing != Framing::Sse && !essence(headers).eq_ignore_ascii_case(b"text/event-stream");
        (streams && framed).then(|| Frames::new(self.framing))
    }

    /// Takes what is left of the coding: text, or frames around text.
    fn unframe(&mut self, text: Bytes, raw: Option<Bytes>, out: &mut Output) -> Result<(), Fault> {
        let Some(frames) = &mut self.frames else { return self.take(text, raw, out) };
        let mut events = Vec::with_capacity(text.len());
        let broken = frames.push(&text, &mut events);
        if !events.is_empty() {
            self.take(events.into(), None, out)?;
        }
        broken
    }

    /// Takes readable text. `raw` is what goes to the client, where that is something else.
    fn take(&mut self, text: Bytes, raw: Option<Bytes>, out: &mut Output) -> Result<(), Fault> {
        if let Mode::Expecting(..) = self.mode {
            let Some(first) = text.iter().copied().find(|byte| !byte.is_ascii_whitespace()) else {
                if let Mode::Expecting(_, held) = &mut self.mode {
                    held.push(raw.unwrap_or(text));
                    return whole::bounded(&*held);
                }
                return Ok(());
            };
            self.begin(first)?;
        }
        match (&mut self.mode, &mut self.source) {
            (Mode::Whole(whole), Source::Provider { meter, .. }) => {
                whole.read(&text, meter)?;
                whole.forward(raw.unwrap_or(text), out)
            }
            (Mode::Passing(passing), Source::Provider { meter, .. }) => match raw {
                None => passing.push(text, meter, out),
                Some(raw) => passing.push_coded(&text, raw, (meter.as_mut(), out)),
            },
            (Mode::Translating(translating), Source::Translator(reader)) => {
                translating.push(&text, reader.as_mut(), out)
            }
            (Mode::Collect(collect), _) => collect.push(&text),
            (Mode::Unread | Mode::Socket(_) | Mode::Expecting(..), _)
            | (Mode::Whole(_) | Mode::Passing(_), Source::Translator(_))
            | (Mode::Translating(_), Source::Provider { .. }) => {
                out.0.push(raw.unwrap_or(text));
                Ok(())
            }
        }
    }

    /// Decides by the first byte of a success what it is, since content types lie.
    fn begin(&mut self, first: u8) -> Result<(), Fault> {
        let Mode::Expecting(expected, held) = &mut self.mode else { return Ok(()) };
        let held = std::mem::take(held);
        let is_stream = match (*expected, first) {
            (Expected::Stream, b'{' | b'[') => false,
            // The first letters of the four fields, a comment, a byte order mark.
            (Expected::Stream, b'd' | b'e' | b'i' | b'r' | b':' | 0xef) => true,
            (Expected::Stream, _) => {
                return Err(Fault::Malformed("it is neither a stream of events nor JSON".to_owned()));
            }
            (Expected::Document, _) => false,
        };
        self.mode = match (&self.source, is_stream) {
            (Source::Provider { usage_chunk, .. }, true) => Mode::Passing(Passing::new(*usage_chunk, held)),
            (Source::Translator(_), true) => Mode::Translating(Translating::new()),
            (Source::Provider { .. }, false) => Mode::Whole(Whole::new(self.endpoint, held)),
            (Source::Translator(_), false) => Mode::Collect(Collect::document()),
        };
        Ok(())
    }
}

// === impl Output ===

impl Output {
    /// Appends what a translator wrote.
    fn append(&mut self, written: Vec<u8>) {
        if !written.is_empty() {
            self.0.push(written.into());
        }
    }
}

enum Found {
    None,
    Known(Encoding),
    Unknown(Box<str>),
}

fn encoding(headers: &HeaderMap) -> Found {
    let mut found = Found::None;
    for value in headers.get_all(CONTENT_ENCODING) {
        let name = String::from_utf8_lossy(value.as_bytes());
        if name.trim().is_empty() || name.trim().eq_ignore_ascii_case("identity") {
            continue;
        }
        found = match (found, Encoding::parse(&name)) {
            (Found::None, Some(encoding)) => Found::Known(encoding),
            _ => return Found::Unknown(name.into()),
        };
    }
    found
}

fn undecodable(error: DecodeError) -> Fault {
    match error {
        DecodeError::TooLarge(limit) => Fault::TooLarge(limit),
        DecodeError::Broken(_) => Fault::Malformed(error.to_string()),
    }
}

/// The content type without its parameters.
fn essence(headers: &HeaderMap) -> &[u8] {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let end = kind.iter().position(|byte| *byte == b';').unwrap_or(kind.len());
    kind[..end].trim_ascii()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    let kinds = [&b"text/event-stream"[..], b"application/vnd.amazon.eventstream"];
    kinds.iter().any(|kind| essence.eq_ignore_ascii_case(kind))
}

/// `application/json`, `application/problem+json` …
fn is_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    let ends = |suffix: &[u8]| {
        essence.len() >= suffix.len() && essence[essence.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    };
    ends(b"/json") || ends(b"+json")
}

#[cfg(test)]
mod tests;
