//! Any reply of a provider, split anywhere: the same bytes for the client, the same usage, no panic.
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use libfuzzer_sys::fuzz_target;
use tollgate_llm::{Call, Output, Target, inspect, prepare};
use tollgate_types::{ApiSchema, Endpoint, Usage};

const REQUEST: &str = r#"{"model":"m","stream":STREAM,"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"input":"hi"}"#;
const PAIRS: [(Endpoint, ApiSchema); 8] = [
    (Endpoint::ChatCompletions, ApiSchema::OpenAi),
    (Endpoint::ChatCompletions, ApiSchema::Anthropic),
    (Endpoint::Messages, ApiSchema::Anthropic),
    (Endpoint::Messages, ApiSchema::OpenAi),
    (Endpoint::Responses, ApiSchema::OpenAi),
    (Endpoint::Embeddings, ApiSchema::AzureOpenAi),
    (Endpoint::ChatCompletions, ApiSchema::AwsBedrock),
    (Endpoint::Embeddings, ApiSchema::AwsBedrock),
];

#[derive(Debug, arbitrary::Arbitrary)]
struct Input<'a> {
    pair: u8,
    streamed: bool,
    ok: bool,
    step: u8,
    body: &'a [u8],
}

fn read<'a>(input: &Input<'_>, chunks: impl Iterator<Item = &'a [u8]>) -> Option<(Vec<u8>, Usage)> {
    let (endpoint, schema) = PAIRS[usize::from(input.pair) % PAIRS.len()];
    let body = Bytes::from(REQUEST.replace("STREAM", if input.streamed { "true" } else { "false" }));
    let inspected = inspect(endpoint, &body).ok()?;
    let target = Target { schema, prefix: "v1".to_owned(), version: Some("2025-01-01".to_owned()) };
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
    let (_, mut reply) = prepare(&call).ok()?;
    let kind = if input.streamed { "text/event-stream" } else { "application/json" };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let status = if input.ok { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    reply.head(status, headers);
    let mut out = Output::default();
    for chunk in chunks {
        reply.push(Bytes::copy_from_slice(chunk), &mut out).ok()?;
    }
    reply.finish(&mut out).ok()?;
    Some((out.0.concat(), reply.usage()))
}

fuzz_target!(|input: Input<'_>| {
    let whole = read(&input, std::iter::once(input.body));
    let pieces = read(&input, input.body.chunks(usize::from(input.step) + 1));
    if whole.is_some() && pieces.is_some() {
        assert_eq!(whole, pieces);
    }
});
