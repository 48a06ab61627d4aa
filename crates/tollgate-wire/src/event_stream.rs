//! AWS event streams (`application/vnd.amazon.eventstream`), split as they arrive.
//!
//! A frame is its length, the length of its headers and a CRC-32 of both (big-endian, 4 bytes each), then the headers,
//! the payload and a CRC-32 of all that came before. Source: Smithy, "Amazon Event Stream Specification".

mod header;

use self::header::Headers;

/// A frame whose checksums are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// JSON for the services that we know.
    pub payload: &'a [u8],
}

/// What a frame is, by its `:message-type` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `event`, with its `:event-type`; also frames that do not say what they are.
    Event(&'a str),
    /// `exception`, an error that the service's model knows, with its `:exception-type`. It ends the stream.
    Exception(&'a str),
    /// `error`, one that the model does not know: `:error-code` and `:error-message`. It ends the stream.
    Error {
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
    },
}

/// The bytes are no event stream, or it was damaged on its way. Nothing that follows can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenFrame {
    /// The frame is larger than the splitter may hold; the limit is in bytes.
    #[error("a frame is larger than {0} bytes")]
    TooLarge(usize),
    /// The lengths cannot be.
    #[error("the lengths of a frame contradict each other")]
    Lengths,
    /// The checksum of the lengths is wrong.
    #[error("the checksum of a frame's lengths is wrong")]
    Prelude,
    /// The checksum of the frame is wrong.
    #[error("the checksum of a frame is wrong")]
    Message,
    /// The headers end in the middle of one, or one has an unknown type.
    #[error("the headers of a frame are malformed")]
    Headers,
}

/// Splits one stream. A frame that lies in one chunk is neither copied nor allocated for.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    /// The frame that earlier chunks began, or the one that was handed out last.
    carry: Vec<u8>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// `carry` is the beginning of a frame; empty at a frame's boundary.
    Begun,
    /// The frame that was handed out last lies in `carry`.
    HandedOut,
}

/// Bytes of the two lengths and their checksum.
const PRELUDE: usize = 12;

/// Bytes of a checksum.
const CHECKSUM: usize = 4;

/// Memory that is kept for the next frame that chunks cut.
const KEPT: usize = 64 * 1024;

// === impl Splitter ===

impl Splitter {
    /// Holds `limit` bytes of one frame at most; larger frames are refused, however they arrive.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, carry: Vec::new(), place: Place::Begun }
    }

    /// Reads on in `chunk` from `*at`, and leaves `*at` behind the frame that it returns. `None`: the chunk is used
    /// up, and the next call brings the next one with `*at` at 0.
    ///
    /// # Errors
    /// [`BrokenFrame`]; the stream is lost then.
    pub fn next<'s>(&'s mut self, chunk: &'s [u8], at: &mut usize) -> Result<Option<Frame<'s>>, BrokenFrame> {
        if self.place == Place::HandedOut {
            self.place = Place::Begun;
            self.carry.clear();
            self.carry.shrink_to(KEPT);
        }
        let rest = chunk.get(*at..).unwrap_or_default();
        if self.carry.is_empty() {
            if let Some(size) = self.size(rest)?
                && let Some(frame) = rest.get(..size)
            {
                *at += size;
                return frame_in(frame).map(Some);
            }
            self.carry.extend_from_slice(rest);
            *at = chunk.len();
            return Ok(None);
        }
        let whole = self.fill(PRELUDE, chunk, at)
            && match self.size(&self.carry)? {
                Some(size) => self.fill(size, chunk, at),
                None => false,
            };
        if !whole {
            return Ok(None);
        }
        self.place = Place::HandedOut;
        frame_in(&self.carry).map(Some)
    }

    /// True at a frame's boundary: a stream that ends elsewhere was cut.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.place == Place::HandedOut || self.carry.is_empty()
    }

    /// Moves bytes of the chunk until so many are held; false where the chunk has not enough.
    fn fill(&mut self, size: usize, chunk: &[u8], at: &mut usize) -> bool {
        let rest = chunk.get(*at..).unwrap_or_default();
        let missing = size.saturating_sub(self.carry.len());
        let taken = rest.get(..missing).unwrap_or(rest);
        self.carry.extend_from_slice(taken);
        *at += taken.len();
        taken.len() == missing
    }

    /// The length of the frame that begins here, as soon as it can be read. Checked before anything is held, so that a
    /// damaged length makes nobody wait for bytes that never come.
    fn size(&self, bytes: &[u8]) -> Result<Option<usize>, BrokenFrame> {
        let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
        let (lengths, checksum) = prelude.split_at(PRELUDE - CHECKSUM);
        if crc32fast::hash(lengths) != number(checksum) {
            return Err(BrokenFrame::Prelude);
        }
        let size = number(lengths) as usize;
        if size > self.limit {
            return Err(BrokenFrame::TooLarge(self.limit));
        }
        let headers = header_length(lengths);
        let least = headers.checked_add(PRELUDE + CHECKSUM).ok_or(BrokenFrame::Lengths)?;
        if size < least { Err(BrokenFrame::Lengths) } else { Ok(Some(size)) }
    }
}

/// Reads a frame of the right length.
fn frame_in(bytes: &[u8]) -> Result<Frame<'_>, BrokenFrame> {
    let (message, checksum) =
        bytes.split_at_checked(bytes.len().saturating_sub(CHECKSUM)).ok_or(BrokenFrame::Lengths)?;
    if crc32fast::hash(message) != number(checksum) {
        return Err(BrokenFrame::Message);
    }
    let (prelude, rest) = message.split_at_checked(PRELUDE).ok_or(BrokenFrame::Lengths)?;
    let (headers, payload) = rest.split_at_checked(header_length(prelude)).ok_or(BrokenFrame::Lengths)?;
    Ok(Frame { kind: kind(headers)?, payload })
}

fn kind(headers: &[u8]) -> Result<Kind<'_>, BrokenFrame> {
    let (mut message_type, mut event, mut exception, mut code, mut message) = ("event", "", "", "", "");
    for header in Headers::new(headers) {
        let (name, value) = header?;
        match name {
            b":message-type" => message_type = value.unwrap_or_default(),
            b":event-type" => event = value.unwrap_or_default(),
            b":exception-type" => exception = value.unwrap_or_default(),
            b":error-code" => code = value.unwrap_or_default(),
            b":error-message" => message = value.unwrap_or_default(),
            _ => {}
        }
    }
    Ok(match message_type {
        "exception" => Kind::Exception(exception),
        "error" => Kind::Error { code, message },
        _ => Kind::Event(event),
    })
}

/// The second length of a prelude.
fn header_length(prelude: &[u8]) -> usize {
    number(prelude.get(4..).unwrap_or_default()) as usize
}

/// The first four bytes, big-endian; 0 where there are fewer.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
