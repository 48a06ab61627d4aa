use http::{HeaderMap, StatusCode};

use super::{Decoder, Names, parse};

/// A reply out of bytes alone, for properties and fuzzing: what a connection makes of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReadReply {
    /// `None` until the head is all there.
    pub status: Option<StatusCode>,
    /// Headers of the head.
    pub headers: HeaderMap,
    /// The body without its framing, up to the end or to what is wrong.
    pub body: Vec<u8>,
    /// Trailers of chunks.
    pub trailers: Option<HeaderMap>,
    /// Bytes behind the reply; `None` where it is not whole.
    pub behind: Option<usize>,
    /// Whether the connection takes another request then.
    pub keeps_alive: bool,
    /// It is no reply of HTTP/1.
    pub malformed: bool,
}

/// Reads a reply that comes in these pieces. `bodiless` where it answers a `HEAD` request.
pub fn read_reply<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, bodiless: bool) -> ReadReply {
    let (mut reply, mut decoder) = (ReadReply::default(), None);
    let (mut kept, mut names) = (Vec::new(), Names::default());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let decoder = match &mut decoder {
            Some(decoder) => decoder,
            None => match parse(&kept, bodiless, &mut names) {
                Ok(None) => continue,
                Ok(Some(parsed)) => {
                    kept.drain(..parsed.length);
                    reply.status = Some(parsed.parts.status);
                    reply.headers = parsed.parts.headers;
                    reply.keeps_alive = parsed.keeps_alive;
                    decoder.insert(Decoder::new(parsed.framing))
                }
                Err(_) => return ReadReply { malformed: true, ..reply },
            },
        };
        let (used, data) = decoder.push(&kept);
        reply.body.extend_from_slice(&data);
        kept.drain(..used);
        if decoder.fault().is_some() {
            return ReadReply { malformed: true, ..reply };
        }
    }
    if let Some(mut decoder) = decoder.filter(Decoder::is_done) {
        reply.trailers = decoder.take_trailers().map(|trailers| *trailers);
        reply.behind = Some(kept.len());
    }
    reply
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// What replies, and what is nearly one, are made of.
    const PARTS: [&str; 20] = [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 404 \r\n",
        "content-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "a: b\r\n",
        "a : b\r\n",
        "\r\n",
        "5\r\nhello\r\n",
        "A;x=\"y\"\r\n0123456789\r\n",
        "0\r\n",
        "hello",
        "5",
        ";x",
        "\r",
        "\n",
        "zz",
        " ",
        "\0",
    ];

    fn cut<'a>(mut input: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        for length in lengths {
            let (piece, rest) = input.split_at(input.len().min(*length));
            pieces.push(piece);
            input = rest;
        }
        pieces.push(input);
        pieces
    }

    proptest! {
        #[test]
        fn a_reply_is_the_same_however_its_bytes_arrive(
            chunked: bool,
            parts in vec(select(&PARTS[..]), 0..24),
            lengths in vec(0..12_usize, 0..60),
            bodiless: bool,
        ) {
            let first = if chunked { "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" } else { "" };
            let input = [first, &parts.concat()].concat();
            let whole = read_reply([input.as_bytes()], bodiless);
            prop_assert_eq!(read_reply(cut(input.as_bytes(), &lengths), bodiless), whole);
        }
    }

    #[test]
    fn what_is_too_long_is_so_however_it_arrives() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let line = |length: usize| format!("{head}1;{}\r\na\r\n0\r\n\r\n", "x".repeat(length));
        let trailer = |length: usize| format!("{head}0\r\na: {}\r\n\r\n", "x".repeat(length));
        for (input, malformed) in
            [(line(16_000), false), (line(17_000), true), (trailer(16_000), false), (trailer(17_000), true)]
        {
            for step in [1000, input.len()] {
                let reply = read_reply(input.as_bytes().chunks(step), false);
                assert_eq!(reply.malformed, malformed, "{} in steps of {step}", input.len());
            }
        }
    }
}
