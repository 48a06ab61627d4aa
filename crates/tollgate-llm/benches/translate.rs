//! Time per translated event, reply and request.

use std::hint::black_box;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_llm::{
    Call, Delivery, Output, Shape, Target, inspect, prepare,
    translate::{Job, Reader, Translated, translate},
};
use tollgate_types::{ApiSchema, Endpoint, ModelId};

/// Events of one measured stream.
const EVENTS: u64 = 200;

fn run(endpoint: Endpoint, schema: ApiSchema, body: &[u8]) -> Translated {
    let target = Target { schema, prefix: "v1".to_owned(), version: None };
    let model = ModelId::from("some-model");
    let job = Job {
        endpoint,
        target: &target,
        model: &model,
        delivery: Delivery::Streamed,
        wants_usage: true,
        beta: None,
        now: 1_767_225_600,
    };
    translate(&job, body).expect("the request is translated")
}

fn reader(endpoint: Endpoint, schema: ApiSchema) -> Box<dyn Reader> {
    run(endpoint, schema, br#"{"messages":[],"input":"","contents":[]}"#).reader
}

fn anthropic_stream() -> Vec<Vec<u8>> {
    let mut events = vec![
        br#"{"type":"message_start","message":{"id":"msg_01A","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#.to_vec(),
        br#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.to_vec(),
    ];
    let delta =
        br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" and then some"}}"#;
    events.extend((0..EVENTS - 5).map(|_| delta.to_vec()));
    events.push(br#"{"type":"content_block_stop","index":0}"#.to_vec());
    events.push(br#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":195}}"#.to_vec());
    events.push(br#"{"type":"message_stop"}"#.to_vec());
    events
}

fn openai_stream() -> Vec<Vec<u8>> {
    let delta = br#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":[{"index":0,"delta":{"content":" and then some"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcdefgh"}"#;
    let mut events: Vec<_> = (0..EVENTS - 3).map(|_| delta.to_vec()).collect();
    events.push(br#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.to_vec());
    events.push(br#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}"#.to_vec());
    events.push(b"[DONE]".to_vec());
    events
}

fn bedrock_stream() -> Vec<Vec<u8>> {
    let delta = br#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":" and then some"},"p":"abcdefghijklmnopqrs"}}"#;
    let mut events = vec![br#"{"messageStart":{"role":"assistant","p":"abcdefgh"}}"#.to_vec()];
    events.extend((0..EVENTS - 4).map(|_| delta.to_vec()));
    events.push(br#"{"contentBlockStop":{"contentBlockIndex":0,"p":"ab"}}"#.to_vec());
    events.push(br#"{"messageStop":{"stopReason":"end_turn","p":"abcdef"}}"#.to_vec());
    events.push(br#"{"metadata":{"usage":{"inputTokens":25,"outputTokens":195,"totalTokens":220},"metrics":{"latencyMs":900}}}"#.to_vec());
    events
}

fn gemini_stream() -> Vec<Vec<u8>> {
    let delta = br#"{"candidates":[{"content":{"parts":[{"text":" and then some"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":25,"totalTokenCount":25},"modelVersion":"gemini-3-flash","responseId":"r1"}"#;
    let mut events: Vec<_> = (0..EVENTS - 1).map(|_| delta.to_vec()).collect();
    events.push(br#"{"candidates":[{"content":{"parts":[{"text":"."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":199,"totalTokenCount":224},"modelVersion":"gemini-3-flash","responseId":"r1"}"#.to_vec());
    events
}

fn cohere_stream() -> Vec<Vec<u8>> {
    let mut events = vec![
        br#"{"id":"c14c","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#.to_vec(),
        br#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#.to_vec(),
    ];
    let delta =
        br#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" and then some"}}}}"#;
    events.extend((0..EVENTS - 4).map(|_| delta.to_vec()));
    events.push(br#"{"type":"content-end","index":0}"#.to_vec());
    events.push(br#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":25,"output_tokens":195}}}}"#.to_vec());
    events
}

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/stream");
    group.throughput(Throughput::Elements(EVENTS));
    let pairs = [
        ("anthropic-to-chat", Endpoint::ChatCompletions, ApiSchema::Anthropic, anthropic_stream()),
        ("openai-to-messages", Endpoint::Messages, ApiSchema::OpenAi, openai_stream()),
        ("bedrock-to-chat", Endpoint::ChatCompletions, ApiSchema::AwsBedrock, bedrock_stream()),
        ("bedrock-to-messages", Endpoint::Messages, ApiSchema::AwsBedrock, bedrock_stream()),
        ("anthropic-to-responses", Endpoint::Responses, ApiSchema::Anthropic, anthropic_stream()),
        ("gemini-to-chat", Endpoint::ChatCompletions, ApiSchema::GcpVertexAi, gemini_stream()),
        ("gemini-to-messages", Endpoint::Messages, ApiSchema::GcpVertexAi, gemini_stream()),
        ("cohere-to-chat", Endpoint::ChatCompletions, ApiSchema::Cohere, cohere_stream()),
        ("cohere-to-responses", Endpoint::Responses, ApiSchema::Cohere, cohere_stream()),
        ("gemini-to-responses", Endpoint::Responses, ApiSchema::GcpVertexAi, gemini_stream()),
        ("openai-to-gemini", Endpoint::StreamGenerateContent, ApiSchema::OpenAi, openai_stream()),
        ("anthropic-to-gemini", Endpoint::StreamGenerateContent, ApiSchema::Anthropic, anthropic_stream()),
    ];
    for (name, endpoint, schema, events) in &pairs {
        group.bench_function(*name, |bencher| {
            let mut out = Vec::with_capacity(1 << 20);
            bencher.iter(|| {
                out.clear();
                let mut reader = reader(*endpoint, *schema);
                for event in events {
                    reader.event(None, black_box(event), &mut out).expect("the stream is sound");
                }
                reader.end(&mut out).expect("the stream is whole");
                out.len()
            });
        });
    }
    group.finish();
}

/// One frame of an AWS event stream for each event.
fn frames(events: &[Vec<u8>], wrap: fn(&[u8]) -> (String, Vec<u8>)) -> Vec<Bytes> {
    let frame = |event: &Vec<u8>| {
        let (kind, payload) = wrap(event);
        let mut headers = b"\x0b:event-type\x07\0".to_vec();
        headers.push(u8::try_from(kind.len()).expect("short names"));
        headers.extend_from_slice(kind.as_bytes());
        headers.extend_from_slice(b"\x0d:message-type\x07\0\x05event");
        let size = |bytes: usize| u32::try_from(bytes).expect("small frames").to_be_bytes();
        let mut bytes = size(16 + headers.len() + payload.len()).to_vec();
        bytes.extend_from_slice(&size(headers.len()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend_from_slice(&headers);
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        Bytes::from(bytes)
    };
    events.iter().map(frame).collect()
}

/// `{"kind":payload}`
fn named(event: &[u8]) -> (String, Vec<u8>) {
    let text = std::str::from_utf8(event).expect("events are text");
    let (kind, payload) = text[2..text.len() - 1].split_once("\":").expect("events are unions");
    (kind.to_owned(), payload.as_bytes().to_vec())
}

fn chunk(event: &[u8]) -> (String, Vec<u8>) {
    ("chunk".to_owned(), format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(event)).into_bytes())
}

/// The whole way of a stream from AWS, each frame for itself.
fn framed_streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/frames");
    group.throughput(Throughput::Elements(EVENTS));
    let (bedrock, anthropic) = (frames(&bedrock_stream(), named), frames(&anthropic_stream(), chunk));
    let pairs = [
        ("bedrock-to-chat", Endpoint::ChatCompletions, ApiSchema::AwsBedrock, &bedrock),
        ("aws-anthropic-to-chat", Endpoint::ChatCompletions, ApiSchema::AwsAnthropic, &anthropic),
        ("aws-anthropic-to-messages", Endpoint::Messages, ApiSchema::AwsAnthropic, &anthropic),
    ];
    let body = Bytes::from_static(br#"{"model":"m","max_tokens":9,"messages":[],"stream":true}"#);
    let content_type = HeaderValue::from_static("application/vnd.amazon.eventstream");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    for (name, endpoint, schema, chunks) in pairs {
        let inspected = inspect(endpoint, &body).expect("the bench's own request");
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
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (_, mut reply) = prepare(&call).expect("the pair is served");
                reply.head(StatusCode::OK, headers.clone());
                let mut out = Output::default();
                for chunk in chunks {
                    reply.push(black_box(chunk.clone()), &mut out).expect("the stream is sound");
                }
                reply.finish(&mut out).expect("the stream is whole");
                out.0.len()
            });
        });
    }
    group.finish();
}

/// A whole reply of each provider, with this text in it.
fn whole_replies(text: &str) -> [(ApiSchema, String); 5] {
    [
        (
            ApiSchema::OpenAi,
            format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}}}"#
            ),
        ),
        (
            ApiSchema::Anthropic,
            format!(
                r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":19,"output_tokens":10}}}}"#
            ),
        ),
        (
            ApiSchema::AwsBedrock,
            format!(
                r#"{{"output":{{"message":{{"role":"assistant","content":[{{"text":"{text}"}}]}}}},"stopReason":"end_turn","usage":{{"inputTokens":19,"outputTokens":10,"totalTokens":29}},"metrics":{{"latencyMs":9}}}}"#
            ),
        ),
        (
            ApiSchema::GcpVertexAi,
            format!(
                r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{text}"}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":19,"candidatesTokenCount":10,"totalTokenCount":29}},"modelVersion":"m","responseId":"r"}}"#
            ),
        ),
        (
            ApiSchema::Cohere,
            format!(
                r#"{{"id":"c","finish_reason":"COMPLETE","message":{{"role":"assistant","content":[{{"type":"text","text":"{text}"}}]}},"usage":{{"tokens":{{"input_tokens":19,"output_tokens":10}}}}}}"#
            ),
        ),
    ]
}

const CLIENTS: [(&str, Endpoint); 4] = [
    ("chat", Endpoint::ChatCompletions),
    ("responses", Endpoint::Responses),
    ("messages", Endpoint::Messages),
    ("gemini", Endpoint::GenerateContent),
];

fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/reply");
    let text = "All work and no play makes \\\"Jack\\\" a dull boy.\\n".repeat(4 * 1024 / 48);
    for (schema, body) in &whole_replies(&text) {
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (client, endpoint) in CLIENTS {
            if !tollgate_llm::translate::supports(endpoint, *schema) {
                continue;
            }
            group.bench_function(format!("{schema}-to-{client}/4KiB"), |bencher| {
                let mut out = Vec::with_capacity(1 << 16);
                bencher.iter(|| {
                    out.clear();
                    let mut reader = reader(endpoint, *schema);
                    reader.whole(black_box(body.as_bytes()), &mut out).expect("the reply is sound");
                    out.len()
                });
            });
        }
    }
    group.finish();
}

/// A form as `curl -F` makes it: a sound of this many bytes, and the model behind it.
fn form(bytes: usize) -> Bytes {
    let part = |head: &str| format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\n");
    let mut body = part("name=\"file\"; filename=\"a.wav\"").into_bytes();
    body.extend((0..bytes).map(|i| u8::try_from(i * 7 % 251).unwrap_or_default()));
    body.extend_from_slice(format!("\r\n{}whisper-1\r\n--X--\r\n", part("name=\"model\"")).as_bytes());
    Bytes::from(body)
}

/// Forms pass: they are scanned for their model, which may be replaced.
fn forms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("form");
    let body = form(1 << 20);
    let pieces: Vec<Bytes> =
        (0..body.len()).step_by(16 * 1024).map(|at| body.slice(at..body.len().min(at + 16 * 1024))).collect();
    let other = ModelId::from("local/whisper-large");
    group.throughput(Throughput::Bytes(body.len() as u64));
    for (name, model) in [("pass", None), ("another model", Some(&other))] {
        group.bench_function(format!("{name}/1MiB"), |bencher| {
            bencher.iter(|| {
                let kind: &[u8] = b"multipart/form-data; boundary=X";
                let Ok(Shape::Form(mut form)) = Shape::of(Endpoint::Transcriptions, Some(kind)) else {
                    return 0;
                };
                for piece in &pieces {
                    form.push(black_box(piece)).expect("the form is sound");
                }
                model.map_or(0, |model| form.place().renamed(&pieces, model).map_or(0, |out| out.len()))
            });
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/request");
    for kib in [1, 64, 400] {
        let prompt = "All work and no play makes \\\"Jack\\\" a dull boy.\\n".repeat(kib * 1024 / 48);
        let clients = [
            (
                "chat",
                Endpoint::ChatCompletions,
                format!(
                    r#"{{"model":"m","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{prompt}"}}],"stream":true}}"#
                ),
            ),
            (
                "responses",
                Endpoint::Responses,
                format!(r#"{{"model":"m","instructions":"Be brief.","input":"{prompt}","stream":true}}"#),
            ),
            (
                "gemini",
                Endpoint::StreamGenerateContent,
                format!(
                    r#"{{"systemInstruction":{{"parts":[{{"text":"Be brief."}}]}},"contents":[{{"role":"user","parts":[{{"text":"{prompt}"}}]}}]}}"#
                ),
            ),
        ];
        for (client, endpoint, body) in &clients {
            group.throughput(Throughput::Bytes(body.len() as u64));
            for schema in
                [ApiSchema::Anthropic, ApiSchema::AwsBedrock, ApiSchema::GcpVertexAi, ApiSchema::Cohere]
            {
                if !tollgate_llm::translate::supports(*endpoint, schema) {
                    continue;
                }
                group.bench_function(format!("{client}-to-{schema}/{kib}KiB"), |bencher| {
                    bencher.iter(|| run(*endpoint, schema, black_box(body.as_bytes())).body.len());
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, streams, framed_streams, replies, requests, forms);
criterion_main!(benches);
