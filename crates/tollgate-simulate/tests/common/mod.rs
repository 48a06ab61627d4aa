#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use serde_json::Value;
use tollgate_simulate::Simulator;

pub(crate) struct Got {
    pub(crate) head: String,
    /// As it came over the wire.
    pub(crate) raw: Vec<u8>,
    /// The chunks removed, when there were chunks and they were sound.
    pub(crate) body: Vec<u8>,
    /// The connection was reset.
    pub(crate) reset: bool,
}

impl Got {
    pub(crate) fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (have, value) = line.split_once(": ")?;
            (have == name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The events' names (empty without one) and data.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        self.text()
            .split("\n\n")
            .filter(|event| !event.is_empty() && *event != "data: [DONE]")
            .map(|event| {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let data = field("data: ").unwrap_or_else(|| panic!("no data in {event:?}"));
                (field("event: ").unwrap_or("").into(), serde_json::from_str(data).unwrap())
            })
            .collect()
    }
}

pub(crate) fn post(simulator: &Simulator, path: &str, body: &Value) -> Got {
    post_with(simulator, path, &[], body)
}

pub(crate) fn post_with(simulator: &Simulator, path: &str, headers: &[(&str, &str)], body: &Value) -> Got {
    send(simulator, &("POST", path, headers), body.to_string().as_bytes())
}

pub(crate) fn get(simulator: &Simulator, path: &str) -> Got {
    send(simulator, &("GET", path, &[]), b"")
}

pub(crate) fn send(
    simulator: &Simulator,
    (method, path, headers): &(&str, &str, &[(&str, &str)]),
    body: &[u8],
) -> Got {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in *headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    exchange(simulator, &[request.as_bytes(), body].concat())
}

/// Sends bytes and reads until the connection ends or one second is silent.
pub(crate) fn exchange(simulator: &Simulator, request: &[u8]) -> Got {
    let mut stream = TcpStream::connect(simulator.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    let reset = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break false,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    let _ = stream.shutdown(Shutdown::Both);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let raw = bytes[end..].to_vec();
    let body = if head.contains("transfer-encoding: chunked") { dechunk(&raw) } else { raw.clone() };
    Got { head, raw, body, reset }
}

/// What can be read of the chunks.
fn dechunk(mut raw: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    while let Some(eol) = raw.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&raw[..eol]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && eol + 2 + size <= raw.len()) else { break };
        joined.extend_from_slice(&raw[eol + 2..eol + 2 + size]);
        raw = &raw[(eol + 4 + size).min(raw.len())..];
    }
    joined
}
