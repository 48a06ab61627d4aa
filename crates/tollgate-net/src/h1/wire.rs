use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::{
    HeaderMap, HeaderName, Method, Request,
    header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING},
};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use crate::{
    Chunks, Origin, Payload,
    failure::{Cause, cause},
};

/// Bytes of a streamed body that are gathered at most before they are written.
const GATHER: usize = 64 * 1024;

/// Bytes of a head beside its path: most have fewer, and counting them first would take as long as writing them.
const USUAL: usize = 512;

/// Slices of one write.
const SLICES: usize = 64;

/// A request as it goes out over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Wire {
    /// It asks for a head alone.
    pub(crate) bodiless: bool,
    body: Outgoing,
    written: bool,
    failed: bool,
}

#[derive(Debug)]
enum Outgoing {
    /// Head and body, kept until the upstream was heard: they may have to be sent once more.
    Whole {
        head: Vec<u8>,
        body: Bytes,
        sent: usize,
    },
    Streamed(Box<Streamed>),
}

#[derive(Debug)]
struct Streamed {
    queue: Chunks,
    body: Payload,
    framing: Framing,
    /// The trailers that the head announces: others are not sent.
    trailers: Vec<HeaderName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
    Over,
}

/// Why a request could not be written.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection takes nothing more.
    Connection(io::Error),
    /// Its own body broke off.
    Body(Cause),
}

// === impl Wire ===

impl Wire {
    /// Origin form, and a `Host` field, as RFC 9112 section 3.2 asks for. Framing is ours, whatever the request says.
    pub(crate) fn new(request: Request<Payload>, origin: &Origin) -> Self {
        let (parts, payload) = request.into_parts();
        let framing = match payload.size_hint().exact() {
            _ if payload.is_end_stream() => Framing::Over,
            // Trailers can stand behind chunks alone.
            Some(_) if parts.headers.contains_key(TRAILER) && !matches!(payload, Payload::Whole(_)) => {
                Framing::Chunked
            }
            Some(length) => Framing::Length(length),
            // These hardly ever have one, and many servers want none.
            None if matches!(parts.method, Method::GET | Method::HEAD) => Framing::Over,
            None => Framing::Chunked,
        };
        let head = head(&parts, origin, framing);
        let body = match payload {
            Payload::Whole(body) => Outgoing::Whole { head, body, sent: 0 },
            _ if framing == Framing::Over => Outgoing::Whole { head, body: Bytes::new(), sent: 0 },
            body => {
                let (queue, trailers) = (Chunks::from(Bytes::from(head)), announced(&parts.headers));
                Outgoing::Streamed(Box::new(Streamed { queue, body, framing, trailers }))
            }
        };
        Self { bodiless: parts.method == Method::HEAD, body, written: false, failed: false }
    }

    /// The same request from its start, where all of it is in memory.
    pub(crate) fn again(self) -> Option<Self> {
        match self.body {
            Outgoing::Whole { head, body, .. } => {
                let body = Outgoing::Whole { head, body, sent: 0 };
                Some(Self { body, written: false, failed: false, ..self })
            }
            Outgoing::Streamed(_) => None,
        }
    }

    /// True once all of it was handed to the connection.
    pub(crate) const fn is_written(&self) -> bool {
        self.written
    }

    /// True once the connection took nothing more.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Writes what can be written now; ready once that is all of it.
    pub(crate) fn poll<T>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>
    where
        T: AsyncWrite + Unpin,
    {
        if self.written || self.failed {
            return Poll::Ready(Ok(()));
        }
        let outcome = match &mut self.body {
            Outgoing::Whole { head, body, sent } => {
                poll_whole((&head[..], &body[..]), sent, (io, cx)).map_err(Fault::Connection)
            }
            Outgoing::Streamed(streamed) => streamed.poll(io, cx),
        };
        match &outcome {
            Poll::Ready(Ok(())) => self.written = true,
            Poll::Ready(Err(Fault::Connection(_))) => self.failed = true,
            Poll::Ready(Err(Fault::Body(_))) | Poll::Pending => {}
        }
        outcome
    }
}

fn poll_whole<T: AsyncWrite + Unpin>(
    (head, body): (&[u8], &[u8]),
    sent: &mut usize,
    (io, cx): (&mut T, &mut Context<'_>),
) -> Poll<io::Result<()>> {
    while *sent < head.len() + body.len() {
        let mut both = [IoSlice::new(head), IoSlice::new(body)];
        let mut left = &mut both[..];
        IoSlice::advance_slices(&mut left, *sent);
        *sent += ready!(poll_write(left, io, cx))?;
    }
    Pin::new(io).poll_flush(cx)
}

/// Writes some of these slices, of which one at least is not empty.
fn poll_write<T: AsyncWrite + Unpin>(
    slices: &[IoSlice<'_>],
    io: &mut T,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let count = ready!(match slices.iter().find(|slice| !slice.is_empty()) {
        Some(first) if slices.len() == 1 || !io.is_write_vectored() => Pin::new(io).poll_write(cx, first),
        _ => Pin::new(io).poll_write_vectored(cx, slices),
    })?;
    Poll::Ready(if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) })
}

fn head(parts: &http::request::Parts, origin: &Origin, framing: Framing) -> Vec<u8> {
    let http::request::Parts { method, uri, headers, .. } = parts;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = Vec::with_capacity(path.len() + USUAL);
    push(&mut head, &[method.as_str().as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1\r\n"]);
    if !headers.contains_key(HOST) {
        match uri.authority() {
            Some(authority) => push(&mut head, &[b"host: ", authority.as_str().as_bytes(), b"\r\n"]),
            None => push(&mut head, &[b"host: ", origin.authority().as_bytes(), b"\r\n"]),
        }
    }
    for (name, value) in headers {
        let is_framing = *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
        if !is_framing && (*name != TRAILER || framing == Framing::Chunked) {
            push(&mut head, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
    }
    let length = match framing {
        Framing::Length(length) => Some(length),
        Framing::Over if matches!(*method, Method::POST | Method::PUT | Method::PATCH) => Some(0),
        Framing::Over | Framing::Chunked => None,
    };
    if let Some(length) = length {
        push(&mut head, &[b"content-length: ", itoa::Buffer::new().format(length).as_bytes(), b"\r\n"]);
    }
    if framing == Framing::Chunked {
        head.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The names in the `trailer` header.
fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

fn push(head: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| head.extend_from_slice(part));
}

// === impl Streamed ===

impl Streamed {
    fn poll<T: AsyncWrite + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            self.gather(cx)?;
            if self.queue.is_empty() {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(Fault::Connection)?;
                return if self.framing == Framing::Over { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.queue.chunks_vectored(&mut slices);
            let written = ready!(poll_write(&slices[..count], io, cx)).map_err(Fault::Connection)?;
            self.queue.advance(written);
        }
    }

    /// Takes from the body what is there.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let broken = |text| Err(Fault::Body(cause(text)));
        while self.framing != Framing::Over && self.queue.remaining() < GATHER {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => return Err(Fault::Body(error.into())),
                Poll::Ready(None) => match self.framing {
                    Framing::Length(1..) => return broken("the request's body is shorter than its length"),
                    Framing::Length(0) | Framing::Over => {
                        self.framing = Framing::Over;
                        return Ok(());
                    }
                    Framing::Chunked => {
                        self.queue.push(Bytes::from_static(b"0\r\n\r\n"));
                        self.framing = Framing::Over;
                        return Ok(());
                    }
                },
                Poll::Pending => return Ok(()),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    if let (Ok(trailers), Framing::Chunked) = (frame.into_trailers(), self.framing) {
                        self.end_with(&trailers);
                    }
                    continue;
                }
            };
            match &mut self.framing {
                Framing::Length(left) => match left.checked_sub(data.len() as u64) {
                    Some(rest) => {
                        self.queue.push(data);
                        *left = rest;
                        if rest == 0 {
                            self.framing = Framing::Over;
                        }
                    }
                    None => return broken("the request's body is longer than its length"),
                },
                Framing::Chunked if data.is_empty() => {}
                Framing::Chunked => {
                    self.queue.push(Bytes::from(format!("{:x}\r\n", data.len())));
                    self.queue.push(data);
                    self.queue.push(Bytes::from_static(b"\r\n"));
                }
                Framing::Over => {}
            }
        }
        Ok(())
    }
}

impl Streamed {
    /// The last chunk, and those trailers that the upstream was told of: servers do not expect others.
    fn end_with(&mut self, trailers: &HeaderMap) {
        let mut end = b"0\r\n".to_vec();
        for (name, value) in trailers.iter().filter(|(name, _)| self.trailers.contains(name)) {
            push(&mut end, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        end.extend_from_slice(b"\r\n");
        self.queue.push(end.into());
        self.framing = Framing::Over;
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible};

    use http_body::{Body, Frame, SizeHint};

    use crate::Protocol;

    use super::*;

    /// A connection that takes so many bytes at a time.
    struct Slow(Vec<u8>, usize);

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let count = buf.len().min(self.1);
            self.0.extend_from_slice(&buf[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            self.poll_write(cx, &all)
        }

        fn is_write_vectored(&self) -> bool {
            self.1.is_multiple_of(2)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Parts(VecDeque<&'static str>, Option<u64>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))))
        }

        fn size_hint(&self) -> SizeHint {
            self.1.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    /// A body with trailers behind it.
    struct Trailed(Parts, Option<HeaderMap>);

    impl Body for Trailed {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                Some(frame) => Poll::Ready(Some(frame)),
                None => Poll::Ready(self.1.take().map(|trailers| Ok(Frame::trailers(trailers)))),
            }
        }

        fn size_hint(&self) -> SizeHint {
            self.0.size_hint()
        }
    }

    #[test]
    fn trailers_that_were_announced_go_behind_the_last_chunk() {
        let trailed = |length| {
            let trailers = [("x-sum", "1"), ("x-other", "2")];
            let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            Payload::streamed(Trailed(Parts(["ab"].into(), length), Some(trailers.into_iter().collect())))
        };
        let head = "POST /p HTTP/1.1\r\nhost: a.example:8080\r\n";
        let announcing = || Request::post("/p").header("trailer", "X-Sum, x-missing");
        let wanted = format!(
            "{head}trailer: X-Sum, x-missing\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n"
        );
        for length in [None, Some(2)] {
            assert_eq!(sent(announcing().body(trailed(length)).unwrap(), 7), Ok(wanted.clone()));
        }
        let silent = Request::post("/p").body(trailed(None)).unwrap();
        let plain = format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
        assert_eq!(sent(silent, 7), Ok(plain));
        let known = Request::post("/p").body(trailed(Some(2))).unwrap();
        assert_eq!(sent(known, 7), Ok(format!("{head}content-length: 2\r\n\r\nab")));
        let whole = announcing().body(Payload::from(Bytes::from_static(b"ab"))).unwrap();
        assert_eq!(sent(whole, 7), Ok(format!("{head}content-length: 2\r\n\r\nab")));
    }

    fn sent(request: Request<Payload>, step: usize) -> Result<String, String> {
        let origin = Origin::new("a.example", 8080, Protocol::Http1, None);
        let (mut wire, mut io) = (Wire::new(request, &origin), Slow(Vec::new(), step));
        match wire.poll(&mut io, &mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(String::from_utf8(io.0).unwrap()),
            Poll::Ready(Err(Fault::Body(cause))) => Err(cause.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn post(payload: Payload) -> Request<Payload> {
        let request = Request::post("http://b.example/p?q").header("a", "1").header("content-length", "999");
        request.header("transfer-encoding", "gzip").body(payload).unwrap()
    }

    #[test]
    fn a_request_is_framed_by_its_body_alone() {
        let parts = |length| Payload::streamed(Parts(["ab", "", "c"].into(), length));
        let whole = Payload::from(Bytes::from_static(b"abc"));
        let head = "POST /p?q HTTP/1.1\r\nhost: b.example\r\na: 1\r\n";
        let known = format!("{head}content-length: 3\r\n\r\nabc");
        for step in [1, 2, 1000] {
            for (payload, expected) in [
                (Payload::from(Bytes::from_static(b"abc")), known.clone()),
                (parts(Some(3)), known.clone()),
                (
                    parts(None),
                    format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
                ),
                (Payload::empty(), format!("{head}content-length: 0\r\n\r\n")),
            ] {
                assert_eq!(sent(post(payload), step), Ok(expected));
            }
        }
        let get = Request::get("/").header("host", "c").body(parts(None)).unwrap();
        assert_eq!(sent(get, 7).unwrap(), "GET / HTTP/1.1\r\nhost: c\r\n\r\n");
        let bare = Request::get("/").body(whole).unwrap();
        assert_eq!(
            sent(bare, 7).unwrap(),
            "GET / HTTP/1.1\r\nhost: a.example:8080\r\ncontent-length: 3\r\n\r\nabc"
        );
    }

    #[test]
    fn a_body_of_another_length_than_told_is_its_own_fault() {
        for (length, fault) in [(1, "longer"), (4, "shorter")] {
            let payload = Payload::streamed(Parts(["ab", "c"].into(), Some(length)));
            assert!(sent(post(payload), 100).unwrap_err().contains(fault));
        }
    }

    #[test]
    fn a_whole_request_starts_again_from_its_first_byte() {
        let origin = Origin::new("a", 80, Protocol::Http1, None);
        let mut wire = Wire::new(post(Payload::from(Bytes::from_static(b"abc"))), &origin);
        for _ in 0..2 {
            let mut io = Slow(Vec::new(), 5);
            let polled = wire.poll(&mut io, &mut Context::from_waker(std::task::Waker::noop()));
            assert!(polled.is_ready() && wire.is_written() && io.0.ends_with(b"\r\n\r\nabc"));
            wire = wire.again().unwrap();
        }
        let streamed = Payload::streamed(Parts(["a"].into(), None));
        assert!(Wire::new(post(streamed), &origin).again().is_none());
    }
}
