//! Bedrock's operations: shapes, frames, faults. The SDK of AWS reads them in `tests/sdk`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Got, post, post_with};
use serde_json::{Value, json};
use tollgate_simulate::Simulator;
use tollgate_wire::event_stream::{Kind, Splitter};

const MODEL: &str = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0";

fn simulator() -> Simulator {
    Simulator::start().unwrap()
}

fn converse(more: &Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": "How are you today?"}]}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn anthropic() -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 3,
        "messages": [{"role": "user", "content": "How are you today?"}],
    })
}

/// The frames as (type, payload).
fn frames(got: &Got) -> Vec<(String, Value)> {
    let mut splitter = Splitter::new(1 << 20);
    let (mut at, mut seen) = (0, Vec::new());
    while let Some(frame) = splitter.next(&got.body, &mut at).unwrap() {
        let kind = match frame.kind {
            Kind::Event(kind) | Kind::Exception(kind) => kind.to_owned(),
            Kind::Error { .. } => panic!("an error of no known type"),
        };
        seen.push((kind, serde_json::from_slice(frame.payload).unwrap()));
    }
    assert!(splitter.is_between_frames());
    seen
}

#[test]
fn a_conversation_is_answered_and_its_usage_adds_up() {
    let got = post(
        &simulator(),
        &format!("{MODEL}/converse"),
        &converse(&json!({"inferenceConfig": {"maxTokens": 3}})),
    );
    let reply = got.json();
    assert_eq!(got.header("x-simulator-model"), Some("anthropic.claude-sonnet-4-5-20250929-v1:0"));
    assert!(got.header("x-amzn-requestid").is_some());
    assert_eq!(reply["output"]["message"]["content"], json!([{"text": "The quick brown"}]));
    assert_eq!(reply["stopReason"], "max_tokens");
    assert_eq!(reply["usage"]["totalTokens"], 5 + 3);
}

#[test]
fn a_streamed_conversation_is_framed_and_says_the_same() {
    let got = post(&simulator(), &format!("{MODEL}/converse-stream"), &converse(&json!({})));
    assert_eq!(got.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let frames = frames(&got);
    let kinds: Vec<_> = frames.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds.first(), Some(&"messageStart"));
    assert_eq!(kinds[kinds.len() - 3..], ["contentBlockStop", "messageStop", "metadata"]);
    let text: String = frames.iter().filter_map(|(_, payload)| payload["delta"]["text"].as_str()).collect();
    let whole = post(&simulator(), &format!("{MODEL}/converse"), &converse(&json!({}))).json();
    assert_eq!(whole["output"]["message"]["content"][0]["text"], text);
    assert_eq!(whole["usage"], frames.last().unwrap().1["usage"]);
}

#[test]
fn an_anthropic_stream_comes_in_chunks() {
    let got = post(&simulator(), &format!("{MODEL}/invoke-with-response-stream"), &anthropic());
    let events = frames(&got).into_iter().map(|(kind, payload)| {
        assert_eq!(kind, "chunk");
        let event = STANDARD.decode(payload["bytes"].as_str().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&event).unwrap()
    });
    let events: Vec<_> = events.collect();
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events.last().unwrap()["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 3);
}

#[test]
fn tools_and_schemas_are_read_in_bedrocks_words() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!({
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}}],
        "toolChoice": {"any": {}},
    });
    let reply =
        post(&simulator(), &format!("{MODEL}/converse"), &converse(&json!({"toolConfig": tools}))).json();
    assert_eq!(reply["stopReason"], "tool_use");
    assert_eq!(reply["output"]["message"]["content"][0]["toolUse"]["input"], json!({"city": "fox"}));
    let format = json!({"textFormat": {
        "type": "json_schema", "structure": {"jsonSchema": {"schema": schema.to_string()}},
    }});
    let reply =
        post(&simulator(), &format!("{MODEL}/converse"), &converse(&json!({"outputConfig": format}))).json();
    assert_eq!(reply["output"]["message"]["content"][0]["text"], r#"{"city":"fox"}"#);
}

#[test]
fn what_bedrock_refuses_is_refused() {
    let sim = simulator();
    let table = [
        ("converse", json!({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]})),
        ("converse", json!({"messages": [{"role": "user", "content": [{"text": " "}]}]})),
        ("converse", json!({"messages": [{"role": "user", "content": []}]})),
        ("invoke", json!({"max_tokens": 3, "messages": []})),
        (
            "invoke",
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 3, "messages": [], "model": "m"}),
        ),
        ("count-tokens", json!({"input": {}})),
    ];
    for (verb, body) in table {
        let got = post(&sim, &format!("{MODEL}/{verb}"), &body);
        assert_eq!(got.status(), 400, "{body}");
        assert!(got.header("x-amzn-errortype").unwrap().starts_with("ValidationException:"));
        assert!(got.json()["message"].is_string());
    }
}

#[test]
fn tokens_are_counted_in_both_forms() {
    let sim = simulator();
    let path = format!("{MODEL}/count-tokens");
    let body = STANDARD.encode(anthropic().to_string());
    for input in [json!({"invokeModel": {"body": body}}), json!({"converse": converse(&json!({}))})] {
        assert_eq!(post(&sim, &path, &json!({"input": input})).json(), json!({"inputTokens": 5}));
    }
}

#[test]
fn embeddings_of_both_vendors_have_their_own_shapes() {
    let sim = simulator();
    let titan = post(&sim, "/model/amazon.titan-embed-text-v2%3A0/invoke", &json!({"inputText": "hello"}));
    assert_eq!(titan.json()["inputTextTokenCount"], 2);
    assert_eq!(titan.json()["embedding"].as_array().unwrap().len(), 8);
    let texts = json!({"texts": ["hello", "world"], "input_type": "search_query"});
    let cohere = post(&sim, "/model/cohere.embed-english-v3/invoke", &texts);
    assert_eq!(cohere.header("x-amzn-bedrock-input-token-count"), Some("4"));
    assert_eq!(cohere.json()["embeddings"].as_array().unwrap().len(), 2);
}

#[test]
fn an_error_in_the_stream_is_an_exception_frame() {
    let faults = [("x-sim-fault", "error-event"), ("x-sim-after", "2")];
    let got = post_with(&simulator(), &format!("{MODEL}/converse-stream"), &faults, &converse(&json!({})));
    let last = frames(&got).pop().unwrap();
    assert_eq!(last, ("throttlingException".to_owned(), json!({"message": "simulated error"})));
}
