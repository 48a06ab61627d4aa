//! Time per translated event, reply and request.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate_llm::{
    Delivery, Target,
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
        now: 1_767_225_600,
    };
    translate(&job, body).expect("the request is translated")
}

fn reader(endpoint: Endpoint, schema: ApiSchema) -> Box<dyn Reader> {
    run(endpoint, schema, br#"{"messages":[]}"#).reader
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

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/stream");
    group.throughput(Throughput::Elements(EVENTS));
    let pairs = [
        ("anthropic-to-chat", Endpoint::ChatCompletions, ApiSchema::Anthropic, anthropic_stream()),
        ("openai-to-messages", Endpoint::Messages, ApiSchema::OpenAi, openai_stream()),
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

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate/request");
    for kib in [1, 64, 400] {
        let prompt = "All work and no play makes \\\"Jack\\\" a dull boy.\\n".repeat(kib * 1024 / 48);
        let chat = format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{prompt}"}}],"stream":true}}"#
        );
        group.throughput(Throughput::Bytes(chat.len() as u64));
        group.bench_function(format!("chat-to-anthropic/{kib}KiB"), |bencher| {
            bencher.iter(|| {
                run(Endpoint::ChatCompletions, ApiSchema::Anthropic, black_box(chat.as_bytes())).body.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, streams, requests);
criterion_main!(benches);
