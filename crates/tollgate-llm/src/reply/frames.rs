use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate_wire::{
    bedrock as wire, escape_into,
    event_stream::{BrokenFrame, Frame, Kind, Splitter},
    scan,
};

use super::stream::EVENT;
use crate::{Fault, translate::Framing};

/// Turns frames of an AWS event stream into server-sent events, so that behind it one stream is like another.
#[derive(Debug)]
pub(super) struct Frames {
    splitter: Splitter,
    framing: Framing,
    /// An event in base64, decoded; kept for its memory.
    decoded: Vec<u8>,
}

// === impl Frames ===

impl Frames {
    pub(super) const fn new(framing: Framing) -> Self {
        Self { splitter: Splitter::new(EVENT), framing, decoded: Vec::new() }
    }

    /// Takes a chunk, and appends the events whose frames it completes.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Self { splitter, framing, decoded } = self;
        let mut at = 0;
        while let Some(frame) = splitter.next(chunk, &mut at).map_err(broken)? {
            event(*framing, frame, decoded, out)?;
        }
        Ok(())
    }

    /// False where the stream was cut inside a frame.
    pub(super) fn is_whole(&self) -> bool {
        self.splitter.is_between_frames()
    }
}

/// Appends one frame as an event.
fn event(framing: Framing, frame: Frame<'_>, decoded: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match (frame.kind, framing) {
        (Kind::Event(kind), Framing::Named) => {
            out.extend_from_slice(b"data: {\"");
            escape_into(out, kind);
            out.extend_from_slice(b"\":");
            line(frame.payload, out);
            out.extend_from_slice(b"}\n\n");
        }
        (Kind::Event(_), Framing::Chunks | Framing::Sse) => chunk(frame.payload, decoded, out)?,
        (Kind::Exception(kind), _) => {
            let body: Option<wire::ErrorBody<'_>> = serde_json::from_slice(frame.payload).ok();
            let message = body.and_then(|body| body.message.or(body.original)).unwrap_or_default();
            error(kind, &message.decode(), out);
        }
        (Kind::Error { code, message }, _) => error(code, message, out),
    }
    Ok(())
}

/// A piece of the model's own stream: the event's name stands in its data, and clients want it before.
fn chunk(payload: &[u8], decoded: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let malformed = |what: &str| Fault::Malformed(what.to_owned());
    let part: wire::Part<'_> =
        serde_json::from_slice(payload).map_err(|_| malformed("a chunk that is no JSON object"))?;
    let Some(bytes) = part.bytes else { return Ok(()) };
    decoded.clear();
    STANDARD
        .decode_vec(bytes.decode().as_bytes(), decoded)
        .map_err(|_| malformed("a chunk whose bytes are no base64"))?;
    let mut members = scan::members(decoded).map_while(Result::ok);
    let kind = members.find(|member| member.key == b"type").and_then(|member| member.value.text());
    if let Some(kind) = kind {
        out.extend_from_slice(b"event: ");
        line(kind.as_bytes(), out);
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    line(decoded, out);
    out.extend_from_slice(b"\n\n");
    Ok(())
}

/// An exception as Anthropic writes an error event, in its words.
fn error(kind: &str, message: &str, out: &mut Vec<u8>) {
    let kind = match kind {
        "throttlingException" => "rate_limit_error",
        "validationException" => "invalid_request_error",
        "serviceUnavailableException" => "overloaded_error",
        "modelTimeoutException" => "timeout_error",
        _ => "api_error",
    };
    let message = if message.is_empty() { "the provider gave no message" } else { message };
    out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"message\":\"");
    escape_into(out, message);
    out.extend_from_slice(b"\"}}\n\n");
}

/// Appends text as one line: a line break in JSON is white space.
fn line(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text);
    if let Some(written) = out.get_mut(start..)
        && memchr::memchr2(b'\n', b'\r', written).is_some()
    {
        written.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
}

fn broken(error: BrokenFrame) -> Fault {
    match error {
        BrokenFrame::TooLarge(limit) => Fault::TooLarge(limit),
        BrokenFrame::Lengths | BrokenFrame::Prelude | BrokenFrame::Message | BrokenFrame::Headers => {
            Fault::Malformed(error.to_string())
        }
    }
}
