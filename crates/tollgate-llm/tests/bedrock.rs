//! Amazon Bedrock through the gateway's eyes: frames on the wire, messages that pass, embeddings, counts.

mod support;

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tollgate_llm::{Call, Fault, Output, Prepared, Reply, Target, inspect, prepare};
use tollgate_testkit::cases;
use tollgate_types::{ApiSchema, Endpoint, Tokens};

use self::support::{Events, NOW};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-v1:0";
const FRAMES: &str = "application/vnd.amazon.eventstream";

/// A call to a schema, with the betas that the client named.
fn call(endpoint: Endpoint, schema: ApiSchema, body: &Value) -> (Prepared, Box<Reply>) {
    let body = Bytes::from(body.to_string());
    let inspected = inspect(endpoint, &body).expect("the requests here are sound");
    let target = Target { schema, prefix: String::new(), version: None };
    let call = Call {
        endpoint,
        body: &body,
        inspected: &inspected,
        target: &target,
        model_override: None,
        mutations: &[],
        query: None,
        beta: Some("context-1m-2025-08-07,unheard-of"),
        now: NOW,
    };
    prepare(&call).expect("the pairs here are served")
}

fn conversation(more: &Value) -> Value {
    let mut body = json!({
        "model": CLAUDE,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Good evening!"}],
    });
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn streamed() -> Value {
    conversation(&json!({"stream": true}))
}

fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

/// A frame of the kind that a header names.
fn frame(message: &str, kind: &str, payload: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [(":message-type", message), (&format!(":{message}-type"), kind)] {
        block.push(u8::try_from(name.len()).expect("short names"));
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).expect("short values").to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let size = |bytes: usize| u32::try_from(bytes).expect("small frames").to_be_bytes();
    let mut bytes = size(16 + block.len() + payload.len()).to_vec();
    bytes.extend_from_slice(&size(block.len()));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(payload.as_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn event(kind: &str, payload: &Value) -> Vec<u8> {
    frame("event", kind, &payload.to_string())
}

/// An event of Anthropic's in a frame.
fn chunk(event: &str) -> Vec<u8> {
    frame("event", "chunk", &json!({"bytes": STANDARD.encode(event), "p": "abc"}).to_string())
}

/// Events as golden cases have them, in frames.
fn framed(sse: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, data) in Events::default().push(sse) {
        let data: Value = serde_json::from_slice(&data).expect("golden events are JSON");
        let (kind, payload) =
            data.as_object().and_then(|map| map.iter().next()).expect("golden events are unions");
        bytes.extend(match name.as_deref() {
            Some("error") => frame(
                "exception",
                "throttlingException",
                &json!({"message": data["error"]["message"]}).to_string(),
            ),
            _ => event(kind, payload),
        });
    }
    bytes
}

/// Pushes a body in pieces and ends it; breaks it off as the gateway does.
fn tell(reply: &mut Reply, body: &[u8], size: usize) -> (Result<(), Fault>, String) {
    let mut out = Output::default();
    let result = body
        .chunks(size)
        .try_for_each(|piece| reply.push(Bytes::copy_from_slice(piece), &mut out))
        .and_then(|()| reply.finish(&mut out));
    if let Err(fault) = &result
        && !out.0.is_empty()
    {
        reply.break_off(&fault.to_string(), &mut out);
    }
    (result, String::from_utf8(out.0.concat()).expect("streams are text"))
}

#[test]
fn frames_give_what_the_golden_cases_want_however_they_are_cut() {
    let clients = [
        (Endpoint::ChatCompletions, "openai-chat"),
        (Endpoint::Responses, "openai-responses"),
        (Endpoint::Messages, "anthropic-messages"),
    ];
    let mut count = 0;
    for (endpoint, folder) in clients {
        for case in cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(folder)) {
            if !case.has("reply.bedrock.sse") {
                continue;
            }
            let body = framed(&case.read("reply.bedrock.sse"));
            let request = json!({
                "model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [], "input": "", "stream": true,
                "stream_options": {"include_usage": true},
            });
            let request = if endpoint == Endpoint::Messages {
                json!({"model": "gpt-4o-mini", "max_tokens": 100, "messages": [], "stream": true})
            } else {
                request
            };
            for size in [1, 7, 64, usize::MAX] {
                let (_, mut reply) = call(endpoint, ApiSchema::AwsBedrock, &request);
                let head = reply.head(StatusCode::OK, headers(&[("content-type", FRAMES)]));
                assert_eq!(head.headers[CONTENT_TYPE], "text/event-stream");
                let (result, out) = tell(&mut reply, &body, size);
                case.expect(&format!("want.reply.{folder}.sse"), &out);
                assert_eq!(result.is_err(), case.has("want.fault.txt"), "{}", case.name);
            }
            count += 1;
        }
    }
    assert!(count > 20, "only {count} streams were found");
}

#[test]
fn a_long_stream_takes_no_more_memory_than_a_short_one() {
    let delta =
        event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "and then some"}}));
    let (_, mut reply) = call(Endpoint::ChatCompletions, ApiSchema::AwsBedrock, &streamed());
    reply.head(StatusCode::OK, headers(&[("content-type", FRAMES)]));
    let mut push = |count: usize| {
        allocation_counter::measure(|| {
            for piece in (0..count).flat_map(|_| delta.chunks(50)) {
                reply
                    .push(Bytes::copy_from_slice(piece), &mut Output::default())
                    .expect("the stream is sound");
            }
        })
    };
    push(10);
    let (early, late) = (push(100), push(100));
    assert_eq!((early.count_total, early.bytes_total), (late.count_total, late.bytes_total));
    assert_eq!(push(1000).count_current, 0, "nothing is kept");
}

#[test]
fn a_damaged_stream_ends_with_an_error_and_an_untouched_one_lets_another_backend_try() {
    let start = event("messageStart", &json!({"role": "assistant"}));
    let delta = event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "a"}}));
    let mut damaged = [start.clone(), delta.clone(), delta.clone()].concat();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let stream = || {
        let (_, mut reply) = call(Endpoint::ChatCompletions, ApiSchema::AwsBedrock, &streamed());
        reply.head(StatusCode::OK, headers(&[("content-type", FRAMES)]));
        reply
    };
    for size in [1, usize::MAX] {
        let (result, out) = tell(&mut stream(), &damaged, size);
        assert!(matches!(result, Err(Fault::Malformed(_))), "{result:?}");
        assert_eq!(out.matches("\"content\":\"a\"").count(), 1);
        assert!(out.ends_with("\"param\":null}}\n\n") && !out.contains("[DONE]"), "{out}");
    }
    let (result, out) = tell(&mut stream(), &damaged[..start.len() + delta.len() + 5], 10);
    assert_eq!(result, Err(Fault::Truncated));
    assert!(out.contains("the provider's reply ended early"), "{out}");
    let exception = frame("exception", "throttlingException", r#"{"message":"slow down"}"#);
    assert_eq!(
        tell(&mut stream(), &exception, 10),
        (Err(Fault::ErrorInReply("slow down".to_owned())), String::new())
    );
    assert!(matches!(tell(&mut stream(), b"<html>not frames</html>", 10).0, Err(Fault::Malformed(_))));
    assert!(matches!(tell(&mut stream(), b"", 10).0, Err(Fault::Truncated)));
}

#[test]
fn a_reply_has_the_id_of_its_request() {
    let own = [("content-type", "application/json"), ("x-amzn-requestid", "a-\"quoted\"-id")];
    let (_, mut reply) = call(Endpoint::Messages, ApiSchema::AwsBedrock, &conversation(&json!({})));
    reply.head(StatusCode::OK, headers(&own));
    let body = json!({"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": "end_turn"});
    let (result, out) = tell(&mut reply, body.to_string().as_bytes(), 10);
    let out: Value = serde_json::from_str(&out).expect("a reply is JSON");
    assert_eq!((result, out["id"].as_str()), (Ok(()), Some("a-\"quoted\"-id")));
}

#[test]
fn errors_say_their_type_and_the_id_of_the_request() {
    let (_, mut reply) = call(Endpoint::ChatCompletions, ApiSchema::AwsBedrock, &conversation(&json!({})));
    let own = [
        ("content-type", "application/json"),
        ("x-amzn-requestid", "id-1"),
        ("x-amzn-errortype", "ThrottlingException:http://internal.amazon.com/coral/"),
        ("retry-after", "7"),
    ];
    let head = reply.head(StatusCode::TOO_MANY_REQUESTS, headers(&own));
    assert_eq!(
        (head.status, head.headers["retry-after"].as_bytes()),
        (StatusCode::TOO_MANY_REQUESTS, &b"7"[..])
    );
    let (_, out) = tell(&mut reply, br#"{"message":"too many"}"#, 5);
    let out: Value = serde_json::from_str(&out).expect("an error is JSON");
    assert_eq!(out["error"]["type"], "ThrottlingException");
    assert_eq!((&out["error"]["message"], &out["request_id"]), (&json!("too many"), &json!("id-1")));
}

#[test]
fn messages_pass_to_anthropics_models_less_what_bedrock_refuses() {
    let body =
        conversation(&json!({"stream": true, "anthropic_beta": ["own"], "big": 12345678901234567890_u64}));
    let (prepared, _) = call(Endpoint::Messages, ApiSchema::AwsAnthropic, &body);
    assert_eq!(prepared.path, "/model/us.anthropic.claude-sonnet-4-5-v1:0/invoke-with-response-stream");
    let sent: Value = serde_json::from_slice(&prepared.body).expect("bodies are JSON");
    assert_eq!(sent["anthropic_version"], "bedrock-2023-05-31");
    assert_eq!(sent["anthropic_beta"], json!(["context-1m-2025-08-07"]));
    assert!(sent.get("model").is_none() && sent.get("stream").is_none());
    assert_eq!(sent["big"], body["big"]);
    assert!(prepared.remove.iter().any(|name| name == "anthropic-beta"));
    let (prepared, _) = call(Endpoint::Messages, ApiSchema::AwsAnthropic, &conversation(&json!({})));
    assert!(prepared.path.ends_with("/invoke"));
}

const MESSAGE: [&str; 5] = [
    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":5,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüß dich"}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":40}}"#,
    r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":5}}"#,
];

#[test]
fn a_stream_of_chunks_reaches_anthropics_clients_byte_for_byte() {
    let body: Vec<u8> = MESSAGE.iter().flat_map(|event| chunk(event)).collect();
    for size in [1, 33, usize::MAX] {
        let (_, mut reply) = call(Endpoint::Messages, ApiSchema::AwsAnthropic, &streamed());
        let head =
            reply.head(StatusCode::OK, headers(&[("content-type", FRAMES), ("content-length", "999")]));
        assert_eq!(head.headers[CONTENT_TYPE], "text/event-stream");
        assert!(!head.headers.contains_key("content-length"));
        let (result, out) = tell(&mut reply, &body, size);
        let events = Events::default().push(out.as_bytes());
        let data: Vec<_> = events.iter().map(|(_, data)| String::from_utf8_lossy(data)).collect();
        assert_eq!((result, &data[..]), (Ok(()), &MESSAGE.map(Into::into)[..]));
        let names: Vec<_> = events.iter().filter_map(|(name, _)| name.as_deref()).collect();
        assert_eq!((names[0], names[4]), ("message_start", "message_stop"));
        assert_eq!((reply.usage().input, reply.usage().output), (Some(Tokens(5)), Some(Tokens(40))));
        assert_eq!(reply.model(), Some("claude"));
    }
}

#[test]
fn an_exception_among_chunks_is_anthropics_error_event() {
    let exception = frame("exception", "serviceUnavailableException", r#"{"message":"come \"back\""}"#);
    let body = [chunk(MESSAGE[0]), chunk(MESSAGE[1]), chunk(MESSAGE[2]), exception].concat();
    let (_, mut reply) = call(Endpoint::Messages, ApiSchema::AwsAnthropic, &streamed());
    reply.head(StatusCode::OK, headers(&[("content-type", FRAMES)]));
    let (_, out) = tell(&mut reply, &body, 50);
    let wanted = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
                  \"message\":\"come \\\"back\\\"\"}}\n\n";
    assert!(out.ends_with(wanted), "{out}");
    assert_eq!(out.matches("event: error").count(), 1);
}

#[test]
fn chunks_reach_openais_clients_translated() {
    let body: Vec<u8> = MESSAGE.iter().flat_map(|event| chunk(event)).collect();
    let (prepared, mut reply) = call(Endpoint::ChatCompletions, ApiSchema::AwsAnthropic, &streamed());
    assert!(prepared.path.ends_with("/invoke-with-response-stream"));
    reply.head(StatusCode::OK, headers(&[("content-type", FRAMES)]));
    let (result, out) = tell(&mut reply, &body, 40);
    assert!(result.is_ok() && out.contains("Grüß dich") && out.ends_with("data: [DONE]\n\n"), "{out}");
    assert_eq!(reply.usage().output, Some(Tokens(40)));
}

#[test]
fn errors_of_bedrock_are_put_into_anthropics_words() {
    let table = [
        (r#"{"message":"too many"}"#, "rate_limit_error", "too many"),
        (
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"own"}}"#,
            "rate_limit_error",
            "own",
        ),
        ("<html>", "rate_limit_error", "<html>"),
    ];
    for (body, kind, message) in table {
        let (_, mut reply) = call(Endpoint::Messages, ApiSchema::AwsAnthropic, &conversation(&json!({})));
        let own = [("content-type", "application/json"), ("x-amzn-requestid", "id-1")];
        reply.head(StatusCode::TOO_MANY_REQUESTS, headers(&own));
        let (_, out) = tell(&mut reply, body.as_bytes(), 5);
        let wanted =
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "id-1"});
        assert_eq!(serde_json::from_str::<Value>(&out).expect("an error is JSON"), wanted);
    }
}

#[test]
fn tokens_are_counted_for_every_client() {
    let chat = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "a"}]});
    let nova = "us.amazon.nova-pro-v1:0";
    let claude = "/model/anthropic.claude-sonnet-4-5-v1:0/count-tokens";
    let table = [
        (Endpoint::CountTokens, ApiSchema::AwsAnthropic, chat(CLAUDE), claude, "invokeModel"),
        (Endpoint::CountTokens, ApiSchema::AwsBedrock, chat(CLAUDE), claude, "invokeModel"),
        (
            Endpoint::CountTokens,
            ApiSchema::AwsBedrock,
            chat(nova),
            "/model/amazon.nova-pro-v1:0/count-tokens",
            "converse",
        ),
        (Endpoint::Tokenize, ApiSchema::AwsAnthropic, chat(CLAUDE), claude, "invokeModel"),
        (
            Endpoint::Tokenize,
            ApiSchema::AwsBedrock,
            json!({"model": CLAUDE, "prompt": "a"}),
            claude,
            "converse",
        ),
        (
            Endpoint::InputTokens,
            ApiSchema::AwsBedrock,
            json!({"model": CLAUDE, "input": "a"}),
            claude,
            "converse",
        ),
        (
            Endpoint::InputTokens,
            ApiSchema::AwsAnthropic,
            json!({"model": CLAUDE, "input": "a"}),
            claude,
            "invokeModel",
        ),
    ];
    for (endpoint, schema, body, path, form) in table {
        let (prepared, mut reply) = call(endpoint, schema, &body);
        assert_eq!(prepared.path, path);
        let sent: Value = serde_json::from_slice(&prepared.body).expect("bodies are JSON");
        let input = &sent["input"][form];
        if form == "invokeModel" {
            let inner = STANDARD.decode(input["body"].as_str().expect("base64")).expect("base64");
            let inner: Value = serde_json::from_slice(&inner).expect("bodies are JSON");
            assert_eq!(inner["anthropic_version"], "bedrock-2023-05-31");
            assert!(inner["max_tokens"].is_u64() && inner.get("model").is_none(), "{inner}");
        } else {
            assert_eq!(input["messages"], json!([{"role": "user", "content": [{"text": "a"}]}]));
        }
        reply.head(StatusCode::OK, headers(&[("content-type", "application/json")]));
        let (result, out) = tell(&mut reply, br#"{"inputTokens":42}"#, 4);
        let out: Value = serde_json::from_str(&out).expect("counts are JSON");
        let count = if endpoint == Endpoint::Tokenize { &out["count"] } else { &out["input_tokens"] };
        assert_eq!((result, count), (Ok(()), &json!(42)));
        assert_eq!(reply.usage().input, Some(Tokens(42)));
    }
}

#[test]
fn a_count_that_fails_is_an_error_of_the_clients() {
    let (_, mut reply) = call(Endpoint::CountTokens, ApiSchema::AwsBedrock, &conversation(&json!({})));
    reply.head(StatusCode::BAD_REQUEST, headers(&[("content-type", "application/json")]));
    let (_, out) = tell(&mut reply, br#"{"message":"no counting here"}"#, 9);
    let wanted =
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "no counting here"}});
    assert_eq!(serde_json::from_str::<Value>(&out).expect("an error is JSON"), wanted);
}

#[test]
fn embeddings_of_both_vendors_become_openais() {
    let table = [
        (
            json!({"model": "amazon.titan-embed-text-v2:0", "input": ["a"], "dimensions": 256}),
            json!({"inputText": "a", "dimensions": 256}),
            json!({"embedding": [0.5, 1], "embeddingsByType": {"float": [0.5, 1]}, "inputTextTokenCount": 3}),
            json!([[0.5, 1]]),
        ),
        (
            json!({"model": "cohere.embed-english-v3", "input": ["a", "b"], "input_type": "search_query"}),
            json!({"texts": ["a", "b"], "input_type": "search_query"}),
            json!({"id": "x", "embeddings": [[0.5], [1]], "response_type": "embeddings_floats"}),
            json!([[0.5], [1]]),
        ),
        (
            json!({"model": "cohere.embed-v4:0", "input": "a", "dimensions": 512}),
            json!({"texts": ["a"], "input_type": "search_document", "output_dimension": 512}),
            json!({"embeddings": {"float": [[0.5]]}, "response_type": "embeddings_by_type"}),
            json!([[0.5]]),
        ),
    ];
    for (request, wanted, answer, vectors) in table {
        let (prepared, mut reply) = call(Endpoint::Embeddings, ApiSchema::AwsBedrock, &request);
        assert!(prepared.path.starts_with("/model/") && prepared.path.ends_with("/invoke"));
        assert_eq!(serde_json::from_slice::<Value>(&prepared.body).expect("bodies are JSON"), wanted);
        let own = [("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", "3")];
        reply.head(StatusCode::OK, headers(&own));
        let (result, out) = tell(&mut reply, answer.to_string().as_bytes(), 9);
        let out: Value = serde_json::from_str(&out).expect("embeddings are JSON");
        let got: Vec<_> =
            out["data"].as_array().expect("a list").iter().map(|one| one["embedding"].clone()).collect();
        assert_eq!((result, json!(got)), (Ok(()), vectors));
        assert_eq!(out["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
        assert_eq!(reply.usage().input, Some(Tokens(3)));
    }
}

#[test]
fn titan_takes_one_text_and_nobody_takes_tokens() {
    for (model, input) in [
        ("amazon.titan-embed-text-v2:0", json!(["a", "b"])),
        ("amazon.titan-embed-text-v2:0", json!([1, 2])),
        ("cohere.embed-english-v3", json!([[1, 2]])),
    ] {
        let body = Bytes::from(json!({"model": model, "input": input}).to_string());
        let refused = support::run(Endpoint::Embeddings, ApiSchema::AwsBedrock, &body);
        assert!(refused.unwrap_err().to_string().contains("input"), "{input}");
    }
}
