//! Google's dialects: shapes, usage, errors, and what Google would refuse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Got, get, post, post_with};
use serde_json::{Value, json};
use tollgate_simulate::Simulator;

const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const STREAM: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
const VERTEX: &str = "/v1/projects/p/locations/us-central1/publishers";

fn simulator() -> Simulator {
    Simulator::start().unwrap()
}

fn ask(more: &Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "How are you today?"}]}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn weather(schema: &str) -> Value {
    let parameters =
        json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]});
    json!([{"functionDeclarations": [{"name": "weather", schema: parameters}]}])
}

/// The events of a stream whose lines end with CR LF.
fn events(got: &Got) -> Vec<Value> {
    let events = got.text().split_terminator("\r\n\r\n");
    events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[test]
fn both_services_answer_and_their_usage_adds_up() {
    let sim = simulator();
    let vertex = format!("{VERTEX}/google/models/gemini-2.5-flash:generateContent");
    for path in [GEMINI, &vertex] {
        let got = post_with(&sim, path, &[("x-goog-api-key", "key-1234")], &ask(&json!({})));
        let reply = got.json();
        assert_eq!((got.status(), got.header("x-simulator-key")), (200, Some("1234")));
        assert_eq!(reply["candidates"][0]["finishReason"], "STOP");
        assert_eq!(reply["candidates"][0]["content"]["role"], "model");
        let words =
            reply["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap().split(' ').count();
        let usage = &reply["usageMetadata"];
        assert_eq!((&usage["promptTokenCount"], &usage["candidatesTokenCount"]), (&json!(5), &json!(words)));
        assert_eq!(usage["totalTokenCount"], 5 + words);
        assert_eq!(reply["modelVersion"], "gemini-2.5-flash");
    }
}

#[test]
fn a_stream_says_what_the_whole_reply_says_and_counts_at_its_end() {
    let sim = simulator();
    let whole = post(&sim, GEMINI, &ask(&json!({}))).json();
    let got = post(&sim, STREAM, &ask(&json!({})));
    let events = events(&got);
    let text: String = events
        .iter()
        .map(|event| event["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(whole["candidates"][0]["content"]["parts"][0]["text"], text);
    let last = events.last().unwrap();
    assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
}

#[test]
fn without_alt_sse_a_stream_is_an_array() {
    let path = STREAM.trim_end_matches("?alt=sse");
    let got = post(&simulator(), path, &ask(&json!({})));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.json().as_array().unwrap().len(), 17);
}

#[test]
fn thoughts_are_marked_counted_apart_and_signed() {
    let sim = simulator();
    let thinking = json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true}}});
    let reply = post(&sim, GEMINI, &ask(&thinking)).json();
    let parts = reply["candidates"][0]["content"]["parts"].as_array().unwrap();
    assert_eq!(parts[0]["thought"], true);
    assert!(parts[1]["thoughtSignature"].is_string());
    assert_eq!(reply["usageMetadata"]["thoughtsTokenCount"], 24);
    assert_eq!(reply["usageMetadata"]["totalTokenCount"], 5 + 16 + 24);
    let events = events(&post(&sim, STREAM, &ask(&thinking)));
    assert_eq!(events[0]["candidates"][0]["content"]["parts"][0]["thought"], true);
}

#[test]
fn tools_are_called_and_their_results_end_the_calling() {
    let sim = simulator();
    let forced = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}});
    let mut body = ask(&json!({"tools": weather("parameters"), "toolConfig": forced}));
    let reply = post(&sim, GEMINI, &body).json();
    let part = reply["candidates"][0]["content"]["parts"][0].clone();
    assert_eq!(part["functionCall"], json!({"name": "weather", "args": {"city": "fox"}}));
    let turns = body["contents"].as_array_mut().unwrap();
    turns.push(json!({"role": "model", "parts": [part]}));
    let result = json!({"functionResponse": {"name": "weather", "response": {"output": "sunny"}}});
    turns.push(json!({"role": "user", "parts": [result]}));
    body["toolConfig"] = Value::Null;
    let reply = post(&sim, GEMINI, &body).json();
    assert!(reply["candidates"][0]["content"]["parts"][0]["text"].is_string());
}

#[test]
fn names_may_be_in_snake_case_but_for_those_that_the_client_made() {
    let schema = json!({"type": "object", "properties": {"one_city": {"type": "string"}}});
    let tools = json!([{"function_declarations": [{"name": "weather", "parameters_json_schema": schema}]}]);
    let body = ask(&json!({"tools": tools, "tool_config": {"function_calling_config": {"mode": "ANY"}}}));
    let reply = post(&simulator(), GEMINI, &body).json();
    let part = &reply["candidates"][0]["content"]["parts"][0];
    assert_eq!(part["functionCall"]["args"], json!({"one_city": "fox"}));
}

#[test]
fn what_google_refuses_is_refused() {
    let sim = simulator();
    let call = json!({"functionCall": {"name": "weather", "args": {}}});
    let turn = |role: &str, part: Value| json!({"role": role, "parts": [part]});
    let unsigned = json!([
        turn("user", json!({"text": "hi"})),
        turn("model", call.clone()),
        turn("user", json!({"functionResponse": {"name": "weather", "response": {}}}))
    ]);
    let unanswered = json!([turn("model", call), turn("user", json!({"text": "hi"}))]);
    let refs = json!([{"functionDeclarations": [{"name": "f", "parameters": {"$ref": "#/x"}}]}]);
    for (model, body) in [
        ("gemini-2.5-pro", json!({"contents": []})),
        ("gemini-2.5-pro", ask(&json!({"temperature": 1}))),
        ("gemini-2.5-pro", ask(&json!({"generationConfig": {"top_logprobs": 1}}))),
        ("gemini-2.5-pro", ask(&json!({"generation_config": {"max_tokens": 1}}))),
        ("gemini-2.5-pro", ask(&json!({"tools": refs}))),
        ("gemini-2.5-pro", json!({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]})),
        ("gemini-2.5-pro", json!({"contents": [{"role": "user", "parts": []}]})),
        ("gemini-2.5-pro", json!({"contents": unanswered})),
        ("gemini-3-pro-preview", json!({"contents": unsigned})),
    ] {
        let got = post(&sim, &format!("/v1beta/models/{model}:generateContent"), &body);
        assert_eq!(got.status(), 400, "{body}");
        assert_eq!(got.json()["error"]["status"], "INVALID_ARGUMENT", "{body}");
    }
}

#[test]
fn errors_have_the_canonical_code_of_their_status() {
    let sim = simulator();
    for (status, name) in [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (500, "INTERNAL")] {
        let path = format!("/v1beta/models/sim-{status}:generateContent");
        let got = post(&sim, &path, &ask(&json!({})));
        let error = &got.json()["error"];
        assert_eq!((got.status(), &error["code"], &error["status"]), (status, &json!(status), &json!(name)));
    }
    let got = post(&sim, "/v1beta/models/sim-error-event:streamGenerateContent?alt=sse", &ask(&json!({})));
    assert_eq!(events(&got).last().unwrap()["error"]["status"], "INTERNAL");
}

#[test]
fn vectors_and_tokens_are_counted() {
    let sim = simulator();
    let content = json!({"parts": [{"text": "twelve bytes"}]});
    let count =
        post(&sim, "/v1beta/models/gemini-2.5-flash:countTokens", &json!({"contents": [content.clone()]}));
    assert_eq!(count.json()["totalTokens"], 3);
    let embed = |path: &str, body: Value| {
        post(&sim, &format!("/v1beta/models/gemini-embedding-001:{path}"), &body).json()
    };
    let one = embed("embedContent", json!({"content": content.clone(), "outputDimensionality": 4}));
    assert_eq!(one["embedding"]["values"].as_array().unwrap().len(), 4);
    let two = embed("batchEmbedContents", json!({"requests": [{"content": content}, {"content": content}]}));
    assert_eq!(two["embeddings"].as_array().unwrap().len(), 2);
    let body = json!({"instances": [{"content": "twelve bytes"}], "parameters": {"outputDimensionality": 3}});
    let predicted = post(&sim, &format!("{VERTEX}/google/models/gemini-embedding-001:predict"), &body).json();
    assert_eq!(predicted["predictions"][0]["embeddings"]["statistics"]["token_count"], 3);
    assert_eq!(predicted["predictions"][0]["embeddings"]["values"].as_array().unwrap().len(), 3);
}

#[test]
fn anthropic_on_vertex_takes_the_version_and_not_the_model_in_the_body() {
    let sim = simulator();
    let path = |model: &str, verb: &str| format!("{VERTEX}/anthropic/models/{model}:{verb}");
    let mut body = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 5,
        "messages": [{"role": "user", "content": "How are you today?"}]});
    let reply = post(&sim, &path("claude-sonnet-5", "rawPredict"), &body);
    assert_eq!(reply.json()["model"], "claude-sonnet-5");
    body["stream"] = true.into();
    let events = post(&sim, &path("claude-sonnet-5", "streamRawPredict"), &body).events();
    assert_eq!(events.last().unwrap().0, "message_stop");
    body["model"] = "claude-sonnet-5".into();
    assert_eq!(post(&sim, &path("claude-sonnet-5", "rawPredict"), &body).status(), 400);
    assert_eq!(post(&sim, &path("count-tokens", "rawPredict"), &body).json()["input_tokens"], 5);
    body["anthropic_version"] = Value::Null;
    let got = post(&sim, &path("claude-sonnet-5", "rawPredict"), &body);
    assert_eq!((got.status(), &got.json()["type"]), (400, &json!("error")));
}

#[test]
fn models_are_listed_as_the_gemini_api_lists_them() {
    let sim = simulator();
    let list = get(&sim, "/v1beta/models").json();
    assert!(
        list["models"].as_array().unwrap().iter().any(|model| model["name"] == "models/gemini-2.5-flash")
    );
    assert_eq!(get(&sim, "/v1beta/models/gemini-2.5-flash").json()["name"], "models/gemini-2.5-flash");
    assert_eq!(get(&sim, "/v1beta/models/none").json()["error"]["status"], "NOT_FOUND");
}
