//! What same-dialect traffic costs: the request's inspection, the reply's reading. `cargo bench -p tollgate-llm`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_llm::{Call, Inspected, Output, Reply, Target, inspect, prepare};
use tollgate_types::{ApiSchema, Endpoint, ModelId};

const SENTENCE: &str = "The quick brown fox said \\\"hello\\\" to the lazy dog near the river bank.\\n";

fn chat(kib: usize, stream: bool) -> Bytes {
    let prompt = SENTENCE.repeat(kib * 1024 / SENTENCE.len());
    Bytes::from(format!(
        "{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"stream\":{stream}}}"
    ))
}

fn reply(endpoint: Endpoint, body: &Bytes, inspected: &Inspected) -> Box<Reply> {
    let target = Target { schema: ApiSchema::OpenAi, prefix: "v1".to_owned(), version: None };
    let call = Call {
        endpoint,
        body,
        inspected,
        target: &target,
        model_override: None,
        mutations: &[],
        query: None,
        beta: None,
        now: 0,
    };
    prepare(&call).expect("the bench's own request").1
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("inspect");
    for kib in [1, 64, 400] {
        let body = chat(kib, false);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(format!("{kib} KiB")), &body, |b, body| {
            b.iter(|| inspect(Endpoint::ChatCompletions, black_box(body)));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("prepare");
    let target = Target { schema: ApiSchema::OpenAi, prefix: "v1".to_owned(), version: None };
    let other = ModelId::from("gpt-other");
    for (name, model_override) in [("pass", None), ("override", Some(&other))] {
        let body = chat(400, false);
        let inspected = inspect(Endpoint::ChatCompletions, &body).expect("the bench's own request");
        let call = Call {
            endpoint: Endpoint::ChatCompletions,
            body: &body,
            inspected: &inspected,
            target: &target,
            model_override,
            mutations: &[],
            query: None,
            beta: None,
            now: 0,
        };
        group.bench_function(format!("{name} 400 KiB"), |b| b.iter(|| prepare(black_box(&call))));
    }
    group.finish();
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers
}

fn streams(c: &mut Criterion) {
    let event = "data: {\"id\":\"chatcmpl-9xQm2\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
                 \"model\":\"gpt-4o-mini\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":\
                 [{\"index\":0,\"delta\":{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}],\
                 \"usage\":null}\n\n";
    let body = chat(1, true);
    let inspected = inspect(Endpoint::ChatCompletions, &body).expect("the bench's own request");
    let mut group = c.benchmark_group("stream");
    for per_chunk in [1, 7] {
        let chunk = Bytes::from(event.repeat(per_chunk));
        group.throughput(Throughput::Elements(per_chunk as u64));
        group.bench_function(format!("event, {per_chunk} a chunk"), |b| {
            let mut reply = reply(Endpoint::ChatCompletions, &body, &inspected);
            reply.head(StatusCode::OK, headers("text/event-stream"));
            let mut out = Output(Vec::with_capacity(8));
            b.iter(|| {
                out.0.clear();
                reply.push(black_box(chunk.clone()), &mut out).expect("the bench's own stream");
            });
        });
    }
    group.finish();
}

fn documents(c: &mut Criterion) {
    let vector = vec!["-0.0123456789"; 1536].join(",");
    let data: Vec<_> = (0..14)
        .map(|index| format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":[{vector}]}}"))
        .collect();
    let text = format!(
        "{{\"object\":\"list\",\"data\":[{}],\"model\":\"e\",\"usage\":{{\"prompt_tokens\":8,\"total_tokens\":8}}}}",
        data.join(",")
    );
    let chunks: Vec<_> = text.as_bytes().chunks(16 * 1024).map(Bytes::copy_from_slice).collect();
    let body = Bytes::from_static(b"{\"model\":\"e\",\"input\":\"x\"}");
    let inspected = inspect(Endpoint::Embeddings, &body).expect("the bench's own request");
    let mut group = c.benchmark_group("document");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(format!("embeddings, {} KiB", text.len() / 1024), |b| {
        b.iter(|| {
            let mut reply = reply(Endpoint::Embeddings, &body, &inspected);
            reply.head(StatusCode::OK, headers("application/json"));
            let mut out = Output::default();
            for chunk in &chunks {
                reply.push(chunk.clone(), &mut out).expect("the bench's own reply");
            }
            reply.finish(&mut out).expect("the bench's own reply");
            reply.usage()
        });
    });
    group.finish();
}

criterion_group!(benches, requests, streams, documents);
criterion_main!(benches);
