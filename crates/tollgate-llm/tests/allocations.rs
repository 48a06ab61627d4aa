//! A long prompt that passes through is looked at and never parsed: allocations do not grow with it. A translated stream
//! holds nothing of what went by.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use tollgate_llm::{
    Call, Delivery, Target, inspect, prepare,
    translate::{Job, translate},
};
use tollgate_types::{ApiSchema, Endpoint, ModelId};

/// A chat of many messages, so that a parse into a tree would show.
fn chat(kib: usize, rest: &str) -> Bytes {
    let message = r#"{"role":"user","content":"The quick brown fox said \"hello\" to the lazy dog.\n"},"#;
    let messages = message.repeat(kib * 1024 / message.len());
    Bytes::from(format!(r#"{{"model":"gpt-4o-mini","messages":[{}]{rest}}}"#, messages.trim_end_matches(',')))
}

/// What it takes to inspect a body and to prepare one attempt.
fn cost(body: &Bytes, model_override: Option<&ModelId>) -> AllocationInfo {
    let target = Target { schema: ApiSchema::OpenAi, prefix: "v1".to_owned(), version: None };
    let endpoint = Endpoint::ChatCompletions;
    measure(|| {
        let inspected = inspect(endpoint, body).expect("the test's own request");
        let call = Call {
            endpoint,
            body,
            inspected: &inspected,
            target: &target,
            model_override,
            mutations: &[],
            query: None,
            beta: None,
            now: 0,
        };
        drop(prepare(&call).expect("the test's own request"));
    })
}

#[test]
fn a_prompt_of_400_kib_takes_the_allocations_of_one_kib() {
    let (short, long) = (chat(1, ""), chat(400, ""));
    let (few, many) = (cost(&short, None), cost(&long, None));
    assert_eq!(many.count_total, few.count_total);
    assert_eq!(many.bytes_total, few.bytes_total);
    assert!(many.count_total <= 16 && many.bytes_total <= 4096, "{many:?}");
}

#[test]
fn a_patched_prompt_is_copied_once() {
    let other = ModelId::from("gpt-4o");
    let patches = [("", Some(&other)), (r#","stream":true"#, None), (r#","stream":true"#, Some(&other))];
    for (rest, model_override) in patches {
        let (short, long) = (chat(1, rest), chat(400, rest));
        let (few, many) = (cost(&short, model_override), cost(&long, model_override));
        assert_eq!(many.count_total, few.count_total, "{rest}");
        assert!(many.count_total <= 24, "{many:?}");
        let copied = many.bytes_total - few.bytes_total;
        assert_eq!(copied, (long.len() - short.len()) as u64, "{rest}");
    }
}

/// A client and a provider, the first event of a stream, one of its many, and how many allocations such a one takes at
/// most. Nothing that is one for every token may creep in unseen.
const STREAMS: [(Endpoint, ApiSchema, &str, &str, u64); 10] = [
    (
        Endpoint::ChatCompletions,
        ApiSchema::Anthropic,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some"}}"#,
        0,
    ),
    (
        Endpoint::GenerateContent,
        ApiSchema::Anthropic,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some"}}"#,
        0,
    ),
    (
        Endpoint::Responses,
        ApiSchema::Anthropic,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some"}}"#,
        0,
    ),
    (
        Endpoint::Messages,
        ApiSchema::OpenAi,
        r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"some"}}]}"#,
        1,
    ),
    (
        Endpoint::StreamGenerateContent,
        ApiSchema::OpenAi,
        r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"some"}}]}"#,
        1,
    ),
    (
        Endpoint::ChatCompletions,
        ApiSchema::AwsBedrock,
        r#"{"messageStart":{"role":"assistant"}}"#,
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"some"}}}"#,
        0,
    ),
    (
        Endpoint::ChatCompletions,
        ApiSchema::GcpVertexAi,
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"}}],"responseId":"r"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"some"}],"role":"model"}}],"responseId":"r"}"#,
        3,
    ),
    (
        Endpoint::Messages,
        ApiSchema::GcpVertexAi,
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"}}],"responseId":"r"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"some"}],"role":"model"}}],"responseId":"r"}"#,
        3,
    ),
    (
        Endpoint::ChatCompletions,
        ApiSchema::Cohere,
        r#"{"type":"message-start","id":"c","delta":{"message":{"role":"assistant"}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"some"}}}}"#,
        0,
    ),
    (
        Endpoint::Messages,
        ApiSchema::Cohere,
        r#"{"type":"message-start","id":"c","delta":{"message":{"role":"assistant"}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"some"}}}}"#,
        0,
    ),
];

#[test]
fn a_stream_of_ten_thousand_events_holds_what_one_of_ten_holds_and_allocates_no_more_for_each() {
    const EVENTS: u64 = 10_000;
    let mut wrong = Vec::new();
    for (endpoint, schema, first, event, most) in STREAMS {
        let target = Target { schema, prefix: "v1".to_owned(), version: None };
        let model = ModelId::from("some-model");
        let delivery = Delivery::Streamed;
        let job =
            Job { endpoint, target: &target, model: &model, delivery, wants_usage: true, beta: None, now: 0 };
        let request = br#"{"messages":[],"contents":[],"input":"","max_tokens":9}"#;
        let mut reader = translate(&job, request).expect("the pair is translated").reader;
        let mut out = Vec::with_capacity(64 * 1024);
        let mut feed = |event: &str| {
            out.clear();
            reader.event(None, event.as_bytes(), &mut out).expect("the stream is sound");
        };
        feed(first);
        (0..10).for_each(|_| feed(event));
        let info = measure(|| (0..EVENTS).for_each(|_| feed(event)));
        // A response repeats all of itself at its end.
        let said = if endpoint == Endpoint::Responses { 2 * 4 * EVENTS } else { 0 };
        let held = u64::try_from(info.bytes_current).unwrap_or(0);
        if held > said {
            wrong.push(format!("{endpoint} by {schema} holds {held} bytes more"));
        }
        // What grows by doubling is no allocation of an event's own.
        let each = info.count_total / EVENTS;
        if each > most {
            wrong.push(format!(
                "{endpoint} by {schema} takes {each} allocations for an event, at most {most} before"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
