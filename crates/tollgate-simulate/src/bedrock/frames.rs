//! Frames of `application/vnd.amazon.eventstream` (Smithy, "Amazon Event Stream Specification"), made from server-sent
//! events, so that every fault of a stream works in both.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;

/// How events are framed on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As they are: server-sent events.
    #[default]
    Sse,
    /// A frame for each, of the event's own type.
    Named,
    /// A frame of the type `chunk` for each, the data in base64.
    Wrapped,
}

/// An event of this name is an exception of that type.
const EXCEPTION: &str = "exception:";

// === impl Framing ===

impl Framing {
    /// Turns complete server-sent events into what is sent.
    pub(crate) fn apply(self, events: &mut Vec<u8>) {
        if self == Self::Sse {
            return;
        }
        let text = std::mem::take(events);
        let mut rest = &text[..];
        while !rest.is_empty() {
            let end = memmem::find(rest, b"\n\n").map_or(rest.len(), |at| at + 2);
            self.frame(&rest[..end], events);
            rest = &rest[end..];
        }
    }

    fn frame(self, event: &[u8], out: &mut Vec<u8>) {
        let (mut name, mut data) = ("", &b""[..]);
        for line in event.split(|byte| *byte == b'\n') {
            if let Some(value) = line.strip_prefix(b"event: ") {
                name = std::str::from_utf8(value).unwrap_or_default();
            } else if let Some(value) = line.strip_prefix(b"data: ") {
                data = value;
            }
        }
        let kind = (":content-type", "application/json");
        match (name.strip_prefix(EXCEPTION), self) {
            (Some(exception), _) => {
                write(&[(":exception-type", exception), kind, (":message-type", "exception")], data, out);
            }
            (None, Self::Wrapped) => {
                let payload = format!(r#"{{"bytes":"{}","p":"abcdefghijk"}}"#, STANDARD.encode(data));
                write(&[(":event-type", "chunk"), kind, (":message-type", "event")], payload.as_bytes(), out);
            }
            (None, Self::Named | Self::Sse) => {
                write(&[(":event-type", name), kind, (":message-type", "event")], data, out);
            }
        }
    }
}

/// Appends one frame.
fn write(headers: &[(&str, &str)], payload: &[u8], out: &mut Vec<u8>) {
    const TEXT: u8 = 7;
    let mut block = Vec::with_capacity(96);
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        block.extend_from_slice(name.as_bytes());
        block.push(TEXT);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let start = out.len();
    out.extend_from_slice(&length(16 + block.len() + payload.len()));
    out.extend_from_slice(&length(block.len()));
    out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
    out.extend_from_slice(&block);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
}
