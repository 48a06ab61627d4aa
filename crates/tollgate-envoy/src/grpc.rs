//! gRPC over HTTP/2, as far as these servers need it: messages with their length in front, and a status behind.

use std::{fmt, mem};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use prost::Message;

/// Bytes before each message: a flag and a length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub(crate) struct Frames {
    /// What is there of the next message.
    held: Held,
    limit: usize,
}

/// Bytes that wait for the rest of their message.
enum Held {
    /// As they came: nearly always whole messages.
    Piece(Bytes),
    /// Put together, since a message came in several pieces.
    Joined(BytesMut),
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    /// A message is larger than is taken; in bytes.
    #[error("a message of {0} bytes is larger than the limit (--max-message-size)")]
    TooLarge(usize),
    /// Nobody agreed on a compression.
    #[error("messages are compressed, which was not agreed on")]
    Compressed,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok = 0,
    Unimplemented = 12,
}

// === impl Frames ===

impl Frames {
    /// Takes messages of at most `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { held: Held::Piece(Bytes::new()), limit }
    }

    /// Takes what has come.
    pub(crate) fn push(&mut self, piece: Bytes) {
        let wanted = self.wanted().unwrap_or_default();
        match &mut self.held {
            Held::Piece(held) if held.is_empty() => *held = piece,
            Held::Piece(held) => {
                let mut joined = BytesMut::with_capacity(wanted.max(held.len() + piece.len()));
                joined.extend_from_slice(held);
                joined.extend_from_slice(&piece);
                self.held = Held::Joined(joined);
            }
            Held::Joined(held) => held.extend_from_slice(&piece),
        }
    }

    /// The next message, where all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, BadFrame> {
        let Some(length) = self.length()? else { return Ok(None) };
        let whole = PREFIX + length;
        Ok(match &mut self.held {
            Held::Piece(held) if held.len() >= whole => {
                held.advance(PREFIX);
                Some(held.split_to(length))
            }
            Held::Joined(held) if held.len() >= whole => {
                held.advance(PREFIX);
                let message = held.split_to(length).freeze();
                self.held = Held::Piece(mem::take(held).freeze());
                Some(message)
            }
            Held::Piece(_) | Held::Joined(_) => None,
        })
    }

    /// The length of the next message, where it is known.
    fn length(&self) -> Result<Option<usize>, BadFrame> {
        let held: &[u8] = match &self.held {
            Held::Piece(held) => held,
            Held::Joined(held) => held,
        };
        let Some((&[flag, a, b, c, d], _)) = held.split_first_chunk() else { return Ok(None) };
        if flag != 0 {
            return Err(BadFrame::Compressed);
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > self.limit { Err(BadFrame::TooLarge(length)) } else { Ok(Some(length)) }
    }

    /// Bytes that the message under way takes.
    fn wanted(&self) -> Option<usize> {
        Some(PREFIX + self.length().ok()??)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match self {
            Self::Piece(held) => held.len(),
            Self::Joined(held) => held.len(),
        };
        write!(f, "Held({length})")
    }
}

/// Appends a message with its length.
pub(crate) fn write(message: &impl Message, out: &mut BytesMut) {
    let length = message.encoded_len();
    out.reserve(PREFIX + length);
    out.put_u8(0);
    // Nothing of this size is sent: bodies come in pieces.
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(out);
}

/// What a call ends with.
pub(crate) fn trailers(code: Code, message: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(code as u16));
    if !message.is_empty()
        && let Ok(message) = HeaderValue::from_str(message)
    {
        trailers.insert(MESSAGE, message);
    }
    trailers
}

/// The head of a reply.
pub(crate) fn reply<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A reply that says no more than how the call ended.
pub(crate) fn refusal<B: Default>(code: Code, message: &str) -> Response<B> {
    let mut response = reply(B::default());
    response.headers_mut().extend(trailers(code, message));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(messages: &[&[u8]]) -> Vec<u8> {
        let mut all = Vec::new();
        for message in messages {
            all.push(0);
            all.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
            all.extend_from_slice(message);
        }
        all
    }

    #[test]
    fn messages_come_out_whole_however_they_were_cut() {
        let messages: [&[u8]; 4] = [b"one", b"", b"three is longer than the rest", b"4"];
        let all = framed(&messages);
        for size in 1..=all.len() {
            let (mut frames, mut seen) = (Frames::new(100), Vec::new());
            for piece in all.chunks(size) {
                frames.push(Bytes::copy_from_slice(piece));
                while let Some(message) = frames.next().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, messages, "cut every {size} bytes");
        }
    }

    #[test]
    fn a_message_is_refused_before_it_is_held() {
        let mut frames = Frames::new(10);
        frames.push(Bytes::from_static(&[0, 0, 0, 0, 11]));
        assert_eq!(frames.next(), Err(BadFrame::TooLarge(11)));
        let mut frames = Frames::new(10);
        frames.push(Bytes::from_static(&[1, 0, 0, 0, 1, 0]));
        assert_eq!(frames.next(), Err(BadFrame::Compressed));
    }
}
