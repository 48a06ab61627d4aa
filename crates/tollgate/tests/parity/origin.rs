//! A server that answers what a scenario has written, and keeps what it was asked. HTTP/1.1 by hand, since no library
//! sends all that may come.
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use serde::Deserialize;
use serde_json::Value;
use tollgate_testkit::process::PATIENCE;

use crate::outcome::Seen;

/// What is answered to the next request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Answer {
    /// Informational replies before it.
    early: Vec<Early>,
    status: u16,
    headers: BTreeMap<String, String>,
    /// JSON, or text that is sent as it is.
    body: Value,
    /// Bytes that `$(padding)` in the body stands for.
    padding: usize,
    /// Behind the body, which comes in chunks then.
    trailers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Early {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// The server. It takes one connection after the other, each for one request.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) port: u16,
    answers: Sender<Answer>,
    asked: Receiver<Seen>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            early: Vec::new(),
            status: 200,
            headers: BTreeMap::new(),
            body: Value::Null,
            padding: 0,
            trailers: BTreeMap::new(),
        }
    }
}

// === impl Origin ===

impl Origin {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((answers, next), (tell, asked)) = (channel(), channel());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever leaves in the middle is the gateway's business.
                let _: Option<()> = serve(stream, &next, &tell);
            }
        });
        Self { port, answers, asked }
    }

    /// Says what is answered next, after what was said before; where nothing was, 200 without a body.
    pub(crate) fn answer(&self, answer: Answer) {
        self.answers.send(answer).unwrap();
    }

    /// What was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        self.asked.try_iter().collect()
    }
}

fn serve(stream: TcpStream, next: &Receiver<Answer>, tell: &Sender<Seen>) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let seen = request(&mut reader)?;
    let answer = next.try_recv().unwrap_or_default();
    let bytes = answer.bytes(&seen.method);
    tell.send(seen).ok()?;
    let mut stream = reader.into_inner();
    stream.write_all(&bytes).ok()
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = fields(reader)?;
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    if find("expect").is_some() {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut trailers = Vec::new();
    let mut body = Vec::new();
    if find("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(line(reader)?.split(';').next()?, 16).ok()?;
            if size == 0 {
                trailers = fields(reader)?;
                break;
            }
            reader.take(size as u64).read_to_end(&mut body).ok()?;
            line(reader)?;
        }
    } else if let Some(length) = find("content-length").and_then(|length| length.parse().ok()) {
        reader.take(length).read_to_end(&mut body).ok()?;
    }
    let (path, query) = (path.to_owned(), query.to_owned());
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Seen { method, path, query, headers, body, trailers })
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    Some(line.trim_end().to_owned())
}

/// Lines up to an empty one, names in lower case.
fn fields(reader: &mut BufReader<TcpStream>) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else { return Some(fields) };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

// === impl Answer ===

impl Answer {
    fn bytes(&self, method: &str) -> Vec<u8> {
        let text = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let body = text.replace("$(padding)", &"x".repeat(self.padding));
        let mut out = String::new();
        for Early { status, headers } in &self.early {
            out.push_str(&format!("HTTP/1.1 {status} Early\r\n{}\r\n", written(headers)));
        }
        out.push_str(&format!(
            "HTTP/1.1 {} Answered\r\nconnection: close\r\n{}",
            self.status,
            written(&self.headers)
        ));
        let bodiless = method == "HEAD" || matches!(self.status, 204 | 304);
        if self.trailers.is_empty() {
            if !matches!(self.status, 204 | 304) {
                out.push_str(&format!("content-length: {}\r\n", body.len()));
            }
            out.push_str("\r\n");
            out.push_str(if bodiless { "" } else { &body });
        } else {
            let names: Vec<_> = self.trailers.keys().map(String::as_str).collect();
            out.push_str(&format!("transfer-encoding: chunked\r\ntrailer: {}\r\n\r\n", names.join(", ")));
            if !body.is_empty() {
                out.push_str(&format!("{:x}\r\n{body}\r\n", body.len()));
            }
            out.push_str(&format!("0\r\n{}\r\n", written(&self.trailers)));
        }
        out.into_bytes()
    }
}

fn written(fields: &BTreeMap<String, String>) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}
