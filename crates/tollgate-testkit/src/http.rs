//! A plain HTTP/1.1 client that tells how a reply ended.
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
};

use crate::process::PATIENCE;

/// What a client asks.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// Method and path.
    pub line: &'a str,
    /// Beside `host`, `connection`, `content-type` and `content-length`, which are there unless they are here.
    pub headers: BTreeMap<String, String>,
    /// As it is sent.
    pub body: String,
    /// The client leaves after so many events of a stream.
    pub leave_after: Option<usize>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// 0 where the connection ended before.
    pub status: u16,
    /// Statuses of informational replies that came before it.
    pub early: Vec<u16>,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// Without what frames it.
    pub body: Vec<u8>,
    /// Names in lower case.
    pub trailers: Vec<(String, String)>,
    /// True where the reply ended as HTTP says, false where the connection broke or the client left.
    pub whole: bool,
}

/// Bytes as they come, read to their end on demand.
pub(crate) struct Reader<S> {
    stream: S,
    held: Vec<u8>,
}

/// Sends a request on a connection of its own, and reads what comes to its end.
#[must_use]
pub fn ask(port: u16, ask: &Ask<'_>) -> Reply {
    connect(port).map_or_else(Reply::default, |stream| converse(stream, ask))
}

/// A connection to this machine. `None` where nobody listens.
#[must_use]
pub fn connect(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// Sends a request over a connection, and reads what comes to its end. A body that `expect` announces is sent once it
/// is asked for.
pub fn converse(mut stream: impl Read + Write, ask: &Ask<'_>) -> Reply {
    let waits = ask.headers.keys().any(|name| name.eq_ignore_ascii_case("expect"));
    if waits {
        put(&mut stream, head(ask).as_bytes());
    } else {
        send(&mut stream, ask);
    }
    Reader::new(stream).reply(ask, waits)
}

/// Sends a request, and leaves the reply to the caller.
pub fn send(stream: &mut impl Write, ask: &Ask<'_>) {
    put(stream, (head(ask) + &ask.body).as_bytes());
}

fn head(ask: &Ask<'_>) -> String {
    let has = |name: &str| ask.headers.keys().any(|have| have.eq_ignore_ascii_case(name));
    let mut head = format!("{} HTTP/1.1\r\n", ask.line);
    let mut add = |name: &str, value: &str| head.extend([name, ": ", value, "\r\n"]);
    let defaults = [("host", "gateway.test"), ("connection", "close"), ("content-type", "application/json")];
    defaults.iter().filter(|(name, _)| !has(name)).for_each(|(name, value)| add(name, value));
    ask.headers.iter().for_each(|(name, value)| add(name, value));
    if !ask.line.starts_with("GET ") && !has("transfer-encoding") {
        add("content-length", &ask.body.len().to_string());
    }
    head.push_str("\r\n");
    head
}

/// A gateway may answer and hang up before it has read everything.
fn put(stream: &mut impl Write, bytes: &[u8]) {
    let (Ok(()) | Err(_)) = stream.write_all(bytes);
}

/// A GET without a body.
#[must_use]
pub fn get(port: u16, path: &str) -> Reply {
    ask(port, &Ask { line: &format!("GET {path}"), ..Ask::default() })
}

// === impl Reader ===

impl<S: Read + Write> Reader<S> {
    /// `waits` where the body has not been sent yet.
    pub(crate) fn reply(mut self, ask: &Ask<'_>, mut waits: bool) -> Reply {
        let mut reply = Reply::default();
        while let Some(status) = self.head(&mut reply) {
            if !(100..200).contains(&status) {
                return self.rest(reply, ask);
            }
            reply.early.push(status);
            if std::mem::take(&mut waits) {
                put(&mut self.stream, ask.body.as_bytes());
            }
        }
        reply.status = 0;
        reply
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        put(&mut self.stream, bytes);
    }
}

impl<S: Read> Reader<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// The next head; its status.
    pub(crate) fn head(&mut self, reply: &mut Reply) -> Option<u16> {
        let head = self.until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        reply.status = status.unwrap_or_default();
        reply.headers = lines.filter_map(header).collect();
        Some(reply.status)
    }

    /// What follows the last head.
    pub(crate) fn rest(mut self, mut reply: Reply, ask: &Ask<'_>) -> Reply {
        let length = reply.header("content-length").and_then(|length| length.parse().ok());
        reply.whole = if ask.line.starts_with("HEAD ") || matches!(reply.status, 204 | 304) {
            true
        } else if reply.header("transfer-encoding").is_some() {
            self.chunks(&mut reply, ask.leave_after)
        } else if let Some(length) = length {
            self.exactly(length).map(|body| reply.body = body).is_some()
        } else {
            while self.more() {}
            reply.body = std::mem::take(&mut self.held);
            true
        };
        reply
    }

    /// True where the last chunk came.
    fn chunks(&mut self, reply: &mut Reply, leave_after: Option<usize>) -> bool {
        loop {
            let Some(size) = self.until(b"\r\n") else { return false };
            let size = String::from_utf8_lossy(&size).trim().to_owned();
            let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16) else {
                return false;
            };
            if size == 0 {
                while let Some(line) = self.until(b"\r\n") {
                    match header(String::from_utf8_lossy(&line).trim_end()) {
                        Some(trailer) => reply.trailers.push(trailer),
                        None => return true,
                    }
                }
                return false;
            }
            let Some(chunk) = self.exactly(size + 2) else { return false };
            reply.body.extend(chunk.into_iter().take(size));
            let events = reply.body.windows(2).filter(|pair| pair == b"\n\n").count();
            if leave_after.is_some_and(|most| events >= most) {
                return false;
            }
        }
    }

    fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.held.windows(mark.len()).position(|bytes| bytes == mark) {
                return Some(self.held.drain(..at + mark.len()).collect());
            }
            if !self.more() {
                return None;
            }
        }
    }

    pub(crate) fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.held.len() < count {
            if !self.more() {
                return None;
            }
        }
        Some(self.held.drain(..count).collect())
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 16384];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.held.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}

// === impl Reply ===

impl Reply {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| &**value)
    }

    /// The body, with what is no UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
