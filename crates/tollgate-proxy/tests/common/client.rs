use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A client connection, one request after the other, that hides nothing of what comes back.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// False where the body broke off.
    pub whole: bool,
}

// === impl Client ===

impl Client {
    pub fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.stream.get_mut().write_all(bytes).unwrap();
        self
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> &mut Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str("host: gateway.example\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.send(text.as_bytes())
    }

    /// The status line and the headers of the next reply.
    pub fn head(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status =
            line.split(' ').nth(1).unwrap_or_else(|| panic!("no status line: {line:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer { status, headers, body: Vec::new(), whole: false }
    }

    /// One reply with its body.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("")
    }

    /// One reply to a request of this method.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        if method == "HEAD" || answer.status == 204 || answer.status == 304 {
            answer.whole = true;
            return answer;
        }
        if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                if chunk.is_empty() {
                    answer.whole = true;
                    break;
                }
                answer.body.extend(chunk);
            }
        } else if let Some(length) = answer.header("content-length").map(|length| length.parse().unwrap()) {
            answer.body.resize(length, 0);
            answer.whole = self.stream.read_exact(&mut answer.body).is_ok();
        } else {
            answer.whole = self.stream.read_to_end(&mut answer.body).is_ok();
        }
        answer
    }

    /// One chunk of a chunked body; empty at its end, `None` where it broke off.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(length);
        Some(chunk)
    }
}

// === impl Answer ===

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| &**value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// One POST of JSON on a connection of its own.
pub fn post(to: SocketAddr, path: &str, body: &str) -> Answer {
    Client::connect(to).request("POST", path, &[("content-type", "application/json")], body).answer()
}

/// One GET on a connection of its own.
pub fn get(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    Client::connect(to).request("GET", path, headers, "").answer()
}

/// Exactly these bytes on a connection of their own, and what comes back until it is closed.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut client = Client::connect(to);
    client.send(bytes);
    let mut back = Vec::new();
    let _broken_off_is_an_end_too = client.stream.read_to_end(&mut back);
    String::from_utf8_lossy(&back).into_owned()
}
