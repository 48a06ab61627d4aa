//! Reads the frames of a WebSocket (RFC 6455, section 5) that a server sends, while they pass.

/// What a server may not send, or what cannot be read: a compressed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub &'static str);

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// UTF-8.
    Text,
    /// Anything.
    Binary,
    /// Pings, pongs, closes.
    Control,
}

/// A piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Of which kind its message is.
    pub content: Content,
    /// What it brings.
    pub data: &'a [u8],
    /// True where the message ends with it.
    pub last: bool,
}

/// Splits a server's bytes into parts of messages; they may be cut anywhere.
#[derive(Debug)]
pub struct Frames {
    /// What there is of a frame's head: at most ten bytes.
    head: [u8; 10],
    known: usize,
    /// Bytes of the frame that are to come.
    rest: u64,
    frame: Option<Frame>,
    /// What the message is whose frames follow each other.
    message: Option<Content>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    content: Content,
    last: bool,
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;

// === impl Frames ===

impl Frames {
    /// At the first frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: [0; 10], known: 0, rest: 0, frame: None, message: None }
    }

    /// Reads `piece` from `at` up to the end of the next part; `None` where it is used up.
    ///
    /// # Errors
    /// [`Unreadable`], after which nothing more can be read.
    pub fn next<'a>(&mut self, piece: &'a [u8], at: &mut usize) -> Result<Option<Part<'a>>, Unreadable> {
        while self.frame.is_none() {
            let Some(byte) = piece.get(*at) else { return Ok(None) };
            *at += 1;
            self.head(*byte)?;
        }
        let Some(frame) = self.frame else { return Ok(None) };
        let left = piece.len() - *at;
        let taken = usize::try_from(self.rest).map_or(left, |rest| rest.min(left));
        if taken == 0 && self.rest > 0 {
            return Ok(None);
        }
        let data = &piece[*at..*at + taken];
        *at += taken;
        self.rest -= taken as u64;
        let ended = self.rest == 0;
        if ended {
            self.frame = None;
        }
        Ok(Some(Part { content: frame.content, data, last: ended && frame.last }))
    }

    fn head(&mut self, byte: u8) -> Result<(), Unreadable> {
        self.head[self.known] = byte;
        self.known += 1;
        let [first, second, ..] = self.head;
        if self.known == 1 && first & RESERVED != 0 {
            return Err(Unreadable("a frame has an extension that was not agreed on"));
        }
        if self.known < 2 {
            return Ok(());
        }
        if second & MASK != 0 {
            return Err(Unreadable("a server's frame is masked"));
        }
        let length = match second {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        if self.known < length {
            return Ok(());
        }
        self.known = 0;
        self.rest = match length {
            2 => u64::from(second),
            _ => self.head[2..length].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
        };
        self.begin(first)
    }

    fn begin(&mut self, first: u8) -> Result<(), Unreadable> {
        let last = first & FIN != 0;
        let content = match (first & OPCODE, self.message) {
            (0, Some(content)) => content,
            (1, None) => Content::Text,
            (2, None) => Content::Binary,
            (8..=10, _) if last && self.rest < 126 => {
                self.frame = Some(Frame { content: Content::Control, last });
                return Ok(());
            }
            _ => return Err(Unreadable("a frame has an unknown kind, or one that is out of place")),
        };
        self.message = (!last).then_some(content);
        self.frame = Some(Frame { content, last });
        Ok(())
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Message = (Content, Vec<u8>);

    fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Message>, Unreadable> {
        let (mut frames, mut all) = (Frames::new(), Vec::new());
        let (mut message, mut control) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut at = 0;
            while let Some(Part { content, data, last }) = frames.next(piece, &mut at)? {
                let open = if content == Content::Control { &mut control } else { &mut message };
                open.extend_from_slice(data);
                if last {
                    all.push((content, std::mem::take(open)));
                }
            }
        }
        Ok(all)
    }

    fn sample() -> Vec<u8> {
        let mut bytes = vec![0x01, 2, b'h', b'e', 0x89, 1, b'p', 0x80, 3, b'l', b'l', b'o', 0x81, 0];
        bytes.extend([0x82, 126, 1, 0]);
        bytes.extend([7; 256]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.extend([9; 65536]);
        bytes
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let wanted = vec![
            (Content::Control, b"p".to_vec()),
            (Content::Text, b"hello".to_vec()),
            (Content::Text, Vec::new()),
            (Content::Binary, vec![7; 256]),
            (Content::Binary, vec![9; 65536]),
        ];
        let bytes = sample();
        for step in [1, 2, 3, 7, 4096, bytes.len()] {
            assert_eq!(messages(bytes.chunks(step)), Ok(wanted.clone()), "{step}");
        }
    }

    #[test]
    fn what_no_server_may_send_is_told() {
        for wrong in [
            &[0xc1, 0][..],
            &[0x81, 0x80],
            &[0x80, 0],
            &[0x01, 0, 0x81, 0],
            &[0x83, 0],
            &[0x09, 0],
            &[0x88, 126, 0, 200],
        ] {
            assert!(messages([wrong]).is_err(), "{wrong:?}");
        }
    }
}
