//! Any events in sound frames, to every client: the same bytes however they are split, no panic.
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use libfuzzer_sys::fuzz_target;
use tollgate_llm::{Call, Output, Target, inspect, prepare};
use tollgate_types::{ApiSchema, Endpoint, Usage};

const REQUEST: &[u8] =
    br#"{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"input":"hi"}"#;
const PAIRS: [(Endpoint, ApiSchema); 5] = [
    (Endpoint::ChatCompletions, ApiSchema::AwsBedrock),
    (Endpoint::Messages, ApiSchema::AwsBedrock),
    (Endpoint::Responses, ApiSchema::AwsBedrock),
    (Endpoint::ChatCompletions, ApiSchema::AwsAnthropic),
    (Endpoint::Messages, ApiSchema::AwsAnthropic),
];
const KINDS: [&str; 8] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "chunk",
    "surprise",
];

#[derive(Debug, arbitrary::Arbitrary)]
struct Input<'a> {
    pair: u8,
    step: u8,
    frames: Vec<Frame<'a>>,
}

#[derive(Debug, arbitrary::Arbitrary)]
struct Frame<'a> {
    exception: bool,
    kind: u8,
    payload: &'a str,
}

impl Frame<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let kind = KINDS[usize::from(self.kind) % KINDS.len()];
        let message = if self.exception { "exception" } else { "event" };
        let payload = if kind == "chunk" {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(self.payload))
        } else {
            self.payload.to_owned()
        };
        let mut headers = Vec::new();
        for (name, value) in [(":message-type", message), (&format!(":{message}-type"), kind)] {
            headers.push(name.len() as u8);
            headers.extend_from_slice(name.as_bytes());
            headers.extend_from_slice(&[7, 0, value.len() as u8]);
            headers.extend_from_slice(value.as_bytes());
        }
        let start = out.len();
        out.extend_from_slice(&((16 + headers.len() + payload.len()) as u32).to_be_bytes());
        out.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
        out.extend_from_slice(&headers);
        out.extend_from_slice(payload.as_bytes());
        out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
    }
}

fn read<'a>(pair: u8, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Usage, bool) {
    let (endpoint, schema) = PAIRS[usize::from(pair) % PAIRS.len()];
    let body = Bytes::from_static(REQUEST);
    let inspected = inspect(endpoint, &body).expect("the request is sound");
    let target = Target { schema, prefix: String::new(), version: None };
    let call = Call {
        endpoint,
        body: &body,
        inspected: &inspected,
        target: &target,
        model_override: None,
        mutations: &[],
        query: None,
        beta: None,
        now: 0,
    };
    let (_, mut reply) = prepare(&call).expect("the pair is served");
    let content_type = HeaderValue::from_static("application/vnd.amazon.eventstream");
    reply.head(StatusCode::OK, HeaderMap::from_iter([(CONTENT_TYPE, content_type)]));
    let mut out = Output::default();
    let mut result = Ok(());
    for chunk in chunks {
        result = reply.push(Bytes::copy_from_slice(chunk), &mut out);
        if result.is_err() {
            break;
        }
    }
    let is_whole = result.and_then(|()| reply.finish(&mut out)).is_ok();
    (out.0.concat(), reply.usage(), is_whole)
}

fuzz_target!(|input: Input<'_>| {
    let mut bytes = Vec::new();
    input.frames.iter().for_each(|frame| frame.write(&mut bytes));
    let whole = read(input.pair, std::iter::once(&bytes[..]));
    let pieces = read(input.pair, bytes.chunks(usize::from(input.step) + 1));
    if whole.2 && pieces.2 {
        assert_eq!(whole, pieces);
    }
});
