//! A client that talks over a WebSocket (RFC 6455).
use std::io::{Read, Write};

use crate::http::{Ask, Reader, Reply, send};

/// What each frame of a client is masked with; any four bytes do.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
/// The status of a session that ended well.
const WELL: [u8; 2] = 1000_u16.to_be_bytes();

/// Shakes hands, says `texts`, closes the session once so many texts have come as the number beside them says, and reads
/// to its end. The body of the reply has a line for each
/// text that came; it is whole where the server closed the session as well. With `leave_after` the client is gone after
/// so many texts, and closes nothing. What is no 101 is read as any other reply.
pub fn talk(mut stream: impl Read + Write, ask: &Ask<'_>, (texts, heard): (&[String], usize)) -> Reply {
    let mut ask = ask.clone();
    let handshake = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in handshake {
        ask.headers.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    send(&mut stream, &ask);
    let (mut reader, mut reply) = (Reader::new(stream), Reply::default());
    match reader.head(&mut reply) {
        Some(101) => {}
        Some(_) => return reader.rest(reply, &ask),
        None => return reply,
    }
    for text in texts {
        reader.put(&frame(TEXT, text.as_bytes()));
    }
    let (mut seen, mut says) = (0, ask.leave_after.is_none());
    loop {
        if says && seen >= heard {
            reader.put(&frame(CLOSE, &WELL));
            says = false;
        }
        let Some((kind, data)) = reader.frame() else { break };
        match kind {
            TEXT => {
                reply.body.extend(data);
                reply.body.push(b'\n');
                seen += 1;
            }
            CLOSE => reply.whole = true,
            _ => {}
        }
        if ask.leave_after.is_some_and(|most| seen >= most) {
            break;
        }
    }
    reply
}

/// A frame of a client.
fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    match data.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(data.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

impl<S: Read> Reader<S> {
    /// The next frame of a server; `None` at the end of the connection.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let start = self.exactly(2)?;
        let extended = match start[1] & 0x7f {
            126 => self.exactly(2)?,
            127 => self.exactly(8)?,
            short => vec![short],
        };
        let length = extended.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        Some((start[0], self.exactly(length)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_masked_as_the_rfc_shows() {
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(frame(TEXT, b"Hello"), hello);
    }

    #[test]
    fn frames_of_servers_are_read_whatever_their_length() {
        let long = [&[0x81, 126, 1, 0][..], &[b'x'; 256], &[0x88, 2, 3, 0xe8]].concat();
        let mut reader = Reader::new(&long[..]);
        assert_eq!(reader.frame(), Some((TEXT, vec![b'x'; 256])));
        assert_eq!(reader.frame(), Some((CLOSE, WELL.to_vec())));
        assert_eq!(reader.frame(), None);
    }
}
