use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::Malformed;

/// Bytes of a chunk's size line, its extensions included.
const LINE: usize = 16 * 1024;

/// Bytes of all trailers, and how many they may be.
const TRAILER_BYTES: usize = 16 * 1024;
const TRAILERS: usize = 64;

/// How the end of a body is told (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked,
    UntilClose,
}

/// Takes the framing off a body. May be given it in pieces of any size.
#[derive(Debug)]
pub(crate) struct Decoder {
    stage: Stage,
    trailers: Option<Box<HeaderMap>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many bytes are left.
    Length(u64),
    /// A chunk's size line is next.
    Size,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The line end behind a chunk is next.
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
    Broken(Malformed),
}

// === impl Decoder ===

impl Decoder {
    pub(crate) const fn new(framing: Framing) -> Self {
        let stage = match framing {
            Framing::Length(0) => Stage::Done,
            Framing::Length(left) => Stage::Length(left),
            Framing::Chunked => Stage::Size,
            Framing::UntilClose => Stage::UntilClose,
        };
        Self { stage, trailers: None }
    }

    /// True once the whole body was given.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// What is wrong with the framing, once that was met.
    pub(crate) const fn fault(&self) -> Option<Malformed> {
        match self.stage {
            Stage::Broken(fault) => Some(fault),
            _ => None,
        }
    }

    /// Bytes that are still to come, where that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        match self.stage {
            Stage::Length(left) => Some(left),
            Stage::Done => Some(0),
            _ => None,
        }
    }

    /// The trailers, once the body is done.
    pub(crate) fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.trailers.take()
    }

    /// The connection has ended: true where the body may end like that.
    pub(crate) fn ended(&mut self) -> bool {
        if self.stage == Stage::UntilClose {
            self.stage = Stage::Done;
        }
        self.is_done()
    }

    /// Counts bytes of a body of known length that were read past [`Decoder::push`].
    pub(crate) fn passed(&mut self, count: usize) {
        if let Stage::Length(left) = self.stage {
            self.stage = match left.saturating_sub(count as u64) {
                0 => Stage::Done,
                left => Stage::Length(left),
            };
        }
    }

    /// Takes what has come: how much of it was used, and the data in it, joined. What was not used is to be given
    /// again, with more behind it.
    pub(crate) fn push(&mut self, input: &[u8]) -> (usize, Bytes) {
        match self.stage {
            Stage::Length(left) => {
                let count = fitting(left, input.len());
                self.passed(count);
                (count, Bytes::copy_from_slice(&input[..count]))
            }
            Stage::UntilClose => (input.len(), Bytes::copy_from_slice(input)),
            Stage::Done | Stage::Broken(_) => (0, Bytes::new()),
            Stage::Size | Stage::Chunk(_) | Stage::ChunkEnd | Stage::Trailers => self.push_chunked(input),
        }
    }

    fn push_chunked(&mut self, input: &[u8]) -> (usize, Bytes) {
        let (mut used, mut data) = (0, Vec::new());
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            let step = match self.stage {
                Stage::Size => {
                    size_line(rest).map(|line| line.map(|(size, length)| (length, after_size(size))))
                }
                Stage::Chunk(left) => {
                    let count = fitting(left, rest.len());
                    if data.is_empty() {
                        // One allocation, and no more room than needed where this is all that has come.
                        data.reserve_exact(if count + 16 >= rest.len() { count } else { rest.len() });
                    }
                    data.extend_from_slice(&rest[..count]);
                    let left = left - count as u64;
                    match rest.get(count..) {
                        Some([b'\r', b'\n', ..]) => Ok(Some((count + 2, Stage::Size))),
                        _ if left == 0 => Ok(Some((count, Stage::ChunkEnd))),
                        _ => Ok(Some((count, Stage::Chunk(left)))),
                    }
                }
                Stage::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => Ok(Some((2, Stage::Size))),
                    [b'\r'] => Ok(None),
                    _ => Err(Malformed("a chunk is longer than its size")),
                },
                Stage::Trailers => {
                    self.read_trailers(rest).map(|length| length.map(|length| (length, Stage::Done)))
                }
                Stage::Length(_) | Stage::UntilClose | Stage::Done | Stage::Broken(_) => break,
            };
            match step {
                Ok(Some((length, stage))) => {
                    used += length;
                    self.stage = stage;
                }
                Ok(None) => break,
                Err(fault) => self.stage = Stage::Broken(fault),
            }
        }
        (used, data.into())
    }

    /// How long they are, once they are all there.
    fn read_trailers(&mut self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        if rest.starts_with(b"\r\n") {
            return Ok(Some(2));
        }
        let mut lines = [httparse::EMPTY_HEADER; TRAILERS];
        match httparse::parse_headers(rest, &mut lines) {
            Ok(httparse::Status::Complete((length, lines))) if length <= TRAILER_BYTES => {
                let mut trailers = HeaderMap::with_capacity(lines.len());
                for line in lines {
                    let name = HeaderName::from_bytes(line.name.as_bytes());
                    let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line.value)) else {
                        return Err(Malformed("a trailer is not valid"));
                    };
                    trailers.append(name, value);
                }
                self.trailers = Some(Box::new(trailers));
                Ok(Some(length))
            }
            Ok(httparse::Status::Partial) if rest.len() < TRAILER_BYTES => Ok(None),
            Ok(_) => Err(Malformed("the trailers are too long")),
            Err(_) => Err(Malformed("a trailer is not valid")),
        }
    }
}

fn fitting(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

const fn after_size(size: u64) -> Stage {
    if size == 0 { Stage::Trailers } else { Stage::Chunk(size) }
}

/// A chunk's size and the length of its line, once that is all there.
fn size_line(rest: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    const FAULT: Malformed = Malformed("a chunk's size is not valid");
    let (mut size, mut at) = (0_u64, 0);
    for byte in rest {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => break,
        };
        if at == 15 {
            return Err(FAULT);
        }
        size = (size << 4) | u64::from(digit);
        at += 1;
    }
    match &rest[at..] {
        [] => Ok(None),
        _ if at == 0 => Err(FAULT),
        [b'\r', b'\n', ..] => Ok(Some((size, at + 2))),
        [b'\r'] => Ok(None),
        [b';' | b' ' | b'\t', extension @ ..] => match memchr(b'\n', extension) {
            // A carriage return elsewhere might be a line end to somebody else.
            Some(end)
                if end > 0 && at + 1 + end <= LINE && memchr(b'\r', &extension[..end]) == Some(end - 1) =>
            {
                Ok(Some((size, at + 1 + end + 1)))
            }
            None if rest.len() <= LINE => Ok(None),
            _ => Err(FAULT),
        },
        _ => Err(FAULT),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Gives a body in these pieces, as a connection does: what was not used is given again.
    fn decoded(framing: Framing, input: &[u8], pieces: &[usize]) -> (Decoder, Vec<u8>, Vec<u8>) {
        let (mut decoder, mut data, mut kept, mut at) = (Decoder::new(framing), Vec::new(), Vec::new(), 0);
        for piece in pieces.iter().copied().chain([input.len()]) {
            let next = input.len().min(at + piece);
            kept.extend_from_slice(&input[at..next]);
            at = next;
            let (used, more) = decoder.push(&kept);
            data.extend_from_slice(&more);
            kept.drain(..used);
        }
        (decoder, data, kept)
    }

    proptest! {
        #[test]
        fn chunks_are_joined_however_they_arrive(
            chunks in vec(vec(any::<u8>(), 1..40), 0..8),
            extended: bool,
            pieces in vec(1..50_usize, 0..60),
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                let extension = if extended { " ; a=\"b\"" } else { "" };
                input.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\nnext");
            let (mut decoder, data, kept) = decoded(Framing::Chunked, &input, &pieces);
            prop_assert!(decoder.is_done());
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(&kept, b"next");
            let trailers = decoder.take_trailers().unwrap();
            prop_assert_eq!(trailers["x-sum"].as_bytes(), b"1");
        }

        #[test]
        fn a_known_length_ends_where_it_says(body: Vec<u8>, pieces in vec(1..50_usize, 0..20)) {
            let input = [&body[..], b"next"].concat();
            let (decoder, data, kept) = decoded(Framing::Length(body.len() as u64), &input, &pieces);
            prop_assert!(decoder.is_done());
            prop_assert_eq!(data, body);
            prop_assert_eq!(&kept, b"next");
        }

        #[test]
        fn any_bytes_are_taken_or_refused(input: Vec<u8>, pieces in vec(1..50_usize, 0..20)) {
            decoded(Framing::Chunked, &input, &pieces);
        }
    }

    #[test]
    fn data_before_a_broken_line_is_given() {
        for broken in [
            "x\r\n",
            "\r\n",
            "2\n",
            "2 \n",
            "2;\r\r\n",
            "2;a\rb\r\n",
            "-1\r\n",
            "0x1\r\n",
            "2y\r\n",
            "1000000000000000\r\n",
        ] {
            let input = ["3\r\nabc\r\n", broken].concat();
            let (decoder, data, _) = decoded(Framing::Chunked, input.as_bytes(), &[]);
            assert!(decoder.fault().is_some(), "{broken:?}");
            assert_eq!(data, b"abc", "{broken:?}");
        }
        let (decoder, data, _) = decoded(Framing::Chunked, b"3\r\nabcd\r\n", &[]);
        assert_eq!((decoder.fault().is_some(), &data[..]), (true, &b"abc"[..]));
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        let line = [&b"1;"[..], &[b'a'; LINE + 1]].concat();
        assert!(decoded(Framing::Chunked, &line, &[]).0.fault().is_some());
        let trailers = [&b"0\r\na: "[..], &[b'a'; TRAILER_BYTES + 1]].concat();
        assert!(decoded(Framing::Chunked, &trailers, &[]).0.fault().is_some());
    }

    #[test]
    fn only_a_body_without_framing_may_end_with_the_connection() {
        for (framing, whole) in
            [(Framing::UntilClose, true), (Framing::Length(4), false), (Framing::Chunked, false)]
        {
            let mut decoder = decoded(framing, b"1\r\n", &[]).0;
            assert_eq!(decoder.ended(), whole, "{framing:?}");
        }
    }
}
