//! A client of HTTP/1.1 that shows what came off the wire, also of what broke.

use std::io;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::stand::PATIENCE;

/// A reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// False where it broke before its end.
    pub(crate) whole: bool,
}

/// A reply that is read as it comes.
pub(crate) struct Open {
    stream: TcpStream,
    seen: Vec<u8>,
}

pub(crate) async fn post(port: u16, path: &str, body: &str) -> Reply {
    send(port, &request("POST", path, body)).await
}

pub(crate) async fn get(port: u16, path: &str) -> Reply {
    send(port, &request("GET", path, "")).await
}

pub(crate) async fn try_get(port: u16, path: &str) -> Option<Reply> {
    let mut open = Open::send(port, &request("GET", path, "")).await.ok()?;
    Some(open.rest().await)
}

pub(crate) async fn send(port: u16, request: &str) -> Reply {
    Open::send(port, request).await.unwrap().rest().await
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let content = match body {
        "" => String::new(),
        _ => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: gateway.example\r\nauthorization: Bearer client-key\r\nx-team: red\r\n\
         connection: close\r\n{content}\r\n{body}"
    )
}

impl Open {
    pub(crate) async fn send(port: u16, request: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request.as_bytes()).await?;
        Ok(Self { stream, seen: Vec::new() })
    }

    /// Sends more.
    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until this has been seen.
    pub(crate) async fn until(&mut self, text: &str) {
        let reading = async {
            while !String::from_utf8_lossy(&self.seen).contains(text) {
                assert!(self.more().await, "{text} never came: {}", String::from_utf8_lossy(&self.seen));
            }
        };
        timeout(PATIENCE, reading).await.expect("it comes in time");
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Reply {
        let reading = async { while self.more().await {} };
        timeout(PATIENCE, reading).await.expect("the reply ends in time");
        Reply::of(&self.seen)
    }

    async fn more(&mut self) -> bool {
        let mut piece = vec![0; 16 * 1024];
        let count = self.stream.read(&mut piece).await.unwrap_or_default();
        self.seen.extend_from_slice(&piece[..count]);
        count > 0
    }
}

impl Reply {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let (body, whole) = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            true => joined(body),
            false => (body.to_owned(), status != 0),
        };
        Self { status, head: head.to_owned(), body, whole }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A chunked body put together, and whether it had its end.
fn joined(mut text: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return (body, false) };
        if size == 0 {
            return (body, true);
        }
        let Some(piece) = rest.get(..size) else { return (body + rest, false) };
        body += piece;
        text = rest.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}
