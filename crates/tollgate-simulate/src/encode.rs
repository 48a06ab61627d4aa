//! Replies as bytes, right and wrong.

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use serde_json::json;

use crate::{
    Encoding, Fault,
    answer::Usage,
    events::Events,
    google, openai,
    reply::{Body, Provider, Reply},
    route::{self, Exchange},
    state::State,
};

/// How the reply's body ends on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Length(usize),
    Chunks,
    Close,
}

/// A stream compressor whose output so far is complete after each event.
#[derive(Debug)]
pub(crate) enum Compressor {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

/// Replaces the reply by what the fault says, when the fault is in the content and not on the wire.
pub(crate) fn distort(exchange: &mut Exchange) {
    let Some(fault) = exchange.behaviour.fault else { return };
    let whole = |content_type, body: Vec<u8>| Reply { content_type, ..Reply::json(200, body) };
    let json = "application/json";
    let replaced = match (fault, &mut exchange.reply.body) {
        (Fault::Html, _) => {
            let page = b"<html><body><h1>502 Bad Gateway</h1></body></html>\n".to_vec();
            whole("text/html; charset=utf-8", page)
        }
        (Fault::ErrorBody, _) | (Fault::ErrorEvent, Body::Whole(_)) => {
            Reply { status: 200, ..route::refusal(exchange.provider, 500, "simulated error") }
        }
        (Fault::Empty, _) => whole(exchange.reply.content_type, Vec::new()),
        (Fault::Null, _) => whole(json, b"null".to_vec()),
        (Fault::Malformed | Fault::BadEvent, Body::Whole(body)) => {
            body.truncate(body.len() * 2 / 3);
            return;
        }
        (Fault::EmptyChoices, Body::Whole(body)) => {
            if let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(body) {
                for list in ["choices", "content", "output", "data", "candidates"] {
                    if value.get(list).is_some() {
                        value[list] = serde_json::json!([]);
                    }
                }
                *body = value.to_string().into_bytes();
            }
            return;
        }
        (Fault::ErrorEvent, Body::Events(events)) => {
            let after = exchange.behaviour.after.unwrap_or(0) as usize;
            let mut cut = head_of(events, after);
            cut.push(odd_event(Fault::ErrorEvent, exchange.provider));
            let content_type = exchange.reply.content_type;
            let events = Events { lead: cut, framing: events.framing, ..Events::default() };
            Reply { content_type, ..Reply::events(events, Usage::default()) }
        }
        _ => return,
    };
    exchange.reply = Reply { usage: exchange.reply.usage, ..replaced };
}

/// The first `count` events.
fn head_of(events: &Events, count: usize) -> Vec<Vec<u8>> {
    let one = |index| {
        let mut bytes = Vec::new();
        events.write(index, &mut bytes);
        bytes
    };
    (0..events.len().min(count)).map(one).collect()
}

/// The event that a fault puts into a stream.
pub(crate) fn odd_event(fault: Fault, provider: Provider) -> Vec<u8> {
    match (fault, provider) {
        (Fault::ErrorEvent, Provider::Anthropic) => {
            let error = crate::anthropic::error(529, "simulated error");
            format!("event: error\ndata: {error}\n\n").into_bytes()
        }
        (Fault::ErrorEvent, Provider::Cohere) => {
            let data = r#"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"simulated error"}}"#;
            format!("event: message-end\ndata: {data}\n\n").into_bytes()
        }
        (Fault::ErrorEvent, Provider::OpenAi | Provider::Azure) => {
            openai::data(&openai::error(500, "simulated error"))
        }
        (Fault::ErrorEvent, Provider::Bedrock) => {
            b"event: exception:throttlingException\ndata: {\"message\":\"simulated error\"}\n\n".to_vec()
        }
        (Fault::EmptyChoices, Provider::Bedrock) => b"event: surprise\ndata: {\"p\":\"a\"}\n\n".to_vec(),
        (Fault::ErrorEvent, Provider::Google) => google::stream::data(&google::error(500, "simulated error")),
        (Fault::EmptyChoices, Provider::Google) => {
            google::stream::data(&json!({"candidates": [], "modelVersion": "", "surprise": [{}]}))
        }
        (Fault::EmptyChoices, Provider::Anthropic | Provider::Cohere) => {
            b"event: surprise\ndata: {\"type\":\"surprise\"}\n\n".to_vec()
        }
        (Fault::EmptyChoices, Provider::OpenAi | Provider::Azure) => {
            b"data: {\"id\":\"\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"\",\"choices\":[],\
              \"prompt_filter_results\":[]}\n\n"
                .to_vec()
        }
        _ => b"data: {\"id\":\"broken\n\n".to_vec(),
    }
}

/// Appends the status line and the headers.
pub(crate) fn head(
    exchange: &Exchange,
    (ending, keep_alive): (Ending, bool),
    state: &State,
    out: &mut Vec<u8>,
) {
    let (reply, behaviour) = (&exchange.reply, &exchange.behaviour);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(reply.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(reply.status).as_bytes());
    out.extend_from_slice(b"\r\nserver: tollgate-simulate\r\ncontent-type: ");
    out.extend_from_slice(reply.content_type.as_bytes());
    out.extend_from_slice(b"\r\n");
    match ending {
        Ending::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Ending::Chunks => out.extend_from_slice(b"transfer-encoding: chunked\r\ncache-control: no-cache\r\n"),
        Ending::Close => {}
    }
    if !keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
    if exchange.is_call {
        header(out, "x-simulator-instance", &state.options.name);
        header(out, "x-simulator-model", &exchange.model);
        header(out, "x-simulator-key", &exchange.key);
        let id = match exchange.provider {
            Provider::Anthropic => "request-id",
            // Bedrock's answers name their own; its errors do not.
            Provider::Bedrock if reply.headers.iter().any(|(name, _)| *name == "x-amzn-requestid") => {
                "x-simulator-request-id"
            }
            Provider::Bedrock => "x-amzn-requestid",
            Provider::OpenAi | Provider::Azure | Provider::Cohere | Provider::Google | Provider::KServe => {
                "x-request-id"
            }
        };
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b": req_");
        out.extend_from_slice(itoa::Buffer::new().format(state.serial()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in &reply.headers {
        header(out, name, value);
    }
    if let Some(seconds) = behaviour.retry_after {
        let _ = write!(out, "retry-after: {seconds}\r\n");
    }
    if let Some(encoding) = behaviour.encoding {
        header(out, "content-encoding", encoding.name());
    }
    if let Some(bytes) = behaviour.header_bytes {
        header(out, "x-simulator-padding", &"p".repeat(bytes.min(16 << 20)));
    }
    out.extend_from_slice(b"\r\n");
}

/// A header whose value may hold anything that a request held: control characters are dropped.
fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let sound = |byte: &u8| *byte >= 0x20 && *byte != 0x7f;
    if value.as_bytes().iter().all(sound) {
        out.extend_from_slice(value.as_bytes());
    } else {
        out.extend(value.bytes().filter(sound));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends one chunk (RFC 9112 section 7.1); an empty one, which would end the body, is left out.
pub(crate) fn chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        let _ = write!(out, "{:x}\r\n", bytes.len());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Simulated",
    }
}

// === impl Compressor ===

impl Compressor {
    pub(crate) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    /// What `bytes` add to the output, readable at once.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        const MEMORY: &str = "writing to a Vec does not fail";
        match self {
            Self::Gzip(encoder) => {
                encoder.write_all(bytes).and_then(|()| encoder.flush()).expect(MEMORY);
                std::mem::take(encoder.get_mut())
            }
            Self::Deflate(encoder) => {
                encoder.write_all(bytes).and_then(|()| encoder.flush()).expect(MEMORY);
                std::mem::take(encoder.get_mut())
            }
        }
    }

    /// The end of the output.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
        }
        .unwrap_or_default()
    }
}
