//! As much HTTP/1.1 as a load generator needs, and no more: it must be cheaper than what it measures.

use memchr::memmem;

/// Reads one reply after the other from whatever pieces arrive.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    state: State,
    /// Bytes of the head or of a chunk's size line that are not complete yet.
    partial: Vec<u8>,
    pub(crate) status: u16,
    close: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Length(usize),
    ChunkSize,
    ChunkData(usize),
    Trailer,
    UntilClose,
}

/// What a piece brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    /// The reply is complete.
    Done,
    /// Not HTTP.
    Bad,
}

// === impl Reader ===

impl Reader {
    /// Whether the connection may carry another request.
    pub(crate) const fn keeps_alive(&self) -> bool {
        !self.close
    }

    /// Takes a piece; `body` gets the parts of the body in it.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut body: impl FnMut(&[u8])) -> Progress {
        while !bytes.is_empty() {
            match self.state {
                State::Head => match self.line(&mut bytes, b"\r\n\r\n") {
                    Some(head) => {
                        let done = self.head(&head);
                        if done != Progress::More {
                            return done;
                        }
                    }
                    None => return Progress::More,
                },
                State::Length(left) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    body(part);
                    bytes = rest;
                    self.state = State::Length(left - part.len());
                    if left == part.len() {
                        return self.done();
                    }
                }
                State::ChunkSize => {
                    let Some(line) = self.line(&mut bytes, b"\r\n") else { return Progress::More };
                    let digits =
                        line.split(|byte| *byte == b';' || *byte == b'\r').next().unwrap_or_default();
                    let size =
                        std::str::from_utf8(digits).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
                    self.state = match size {
                        Some(0) => State::Trailer,
                        Some(size) => State::ChunkData(size + 2),
                        None => return Progress::Bad,
                    };
                }
                State::ChunkData(left) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    let data = left.saturating_sub(2).min(part.len());
                    body(&part[..data]);
                    bytes = rest;
                    let left = left - part.len();
                    self.state = if left == 0 { State::ChunkSize } else { State::ChunkData(left) };
                }
                State::Trailer => match self.line(&mut bytes, b"\r\n") {
                    Some(line) if line == b"\r\n" => return self.done(),
                    Some(_) => {}
                    None => return Progress::More,
                },
                State::UntilClose => {
                    body(bytes);
                    return Progress::More;
                }
            }
        }
        Progress::More
    }

    /// The connection has ended: whether that completes the reply.
    pub(crate) fn end(&mut self) -> Progress {
        if self.state == State::UntilClose { self.done() } else { Progress::Bad }
    }

    fn done(&mut self) -> Progress {
        self.state = State::Head;
        Progress::Done
    }

    /// Up to and with `end`, when it has arrived.
    fn line(&mut self, bytes: &mut &[u8], end: &[u8]) -> Option<Vec<u8>> {
        let before = self.partial.len();
        if before == 0
            && let Some(at) = memmem::find(bytes, end)
        {
            let (line, rest) = bytes.split_at(at + end.len());
            *bytes = rest;
            return Some(line.to_vec());
        }
        self.partial.extend_from_slice(bytes);
        let from = before.saturating_sub(end.len());
        let Some(at) = memmem::find(&self.partial[from..], end) else {
            *bytes = &[];
            return None;
        };
        let mut line = std::mem::take(&mut self.partial);
        line.truncate(from + at + end.len());
        *bytes = &bytes[line.len() - before..];
        Some(line)
    }

    fn head(&mut self, head: &[u8]) -> Progress {
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(status) = status else { return Progress::Bad };
        self.status = status;
        self.close = false;
        self.state = State::UntilClose;
        for line in head.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                let Some(length) = length else { return Progress::Bad };
                self.state = State::Length(length);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                self.state = State::ChunkSize;
            } else if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close") {
                self.close = true;
            }
        }
        match self.state {
            State::Length(0) => self.done(),
            State::UntilClose => {
                self.close = true;
                Progress::More
            }
            _ => Progress::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &[u8], piece: usize) -> (Vec<u8>, Progress, u16) {
        let (mut reader, mut body, mut last) = (Reader::default(), Vec::new(), Progress::More);
        for piece in reply.chunks(piece) {
            assert_eq!(last, Progress::More);
            last = reader.push(piece, |part| body.extend_from_slice(part));
        }
        (body, last, reader.status)
    }

    #[test]
    fn replies_are_read_at_any_split() {
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let chunks =
            b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        for piece in 1..80 {
            assert_eq!(read(length, piece), (b"hello".to_vec(), Progress::Done, 200));
            assert_eq!(read(chunks, piece), (b"hello".to_vec(), Progress::Done, 404));
        }
    }

    #[test]
    fn a_reply_without_a_length_ends_with_the_connection() {
        let mut reader = Reader::default();
        assert_eq!(reader.push(b"HTTP/1.1 200 OK\r\n\r\nhello", |_| {}), Progress::More);
        assert_eq!((reader.end(), reader.keeps_alive()), (Progress::Done, false));
    }

    #[test]
    fn what_is_not_http_is_bad() {
        assert_eq!(read(b"nonsense and more\r\n\r\n", 100).1, Progress::Bad);
    }
}
