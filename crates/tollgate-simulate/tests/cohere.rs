//! The shapes of Cohere's API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{post, post_with};
use serde_json::{Value, json};
use tollgate_simulate::Simulator;

fn chat(more: &Value) -> Value {
    let mut body =
        json!({"model": "command-a-03-2025", "messages": [{"role": "user", "content": "call weather"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn a_chat_is_counted_twice() {
    let sim = Simulator::start().unwrap();
    let reply = post(&sim, "/v2/chat", &chat(&json!({"thinking": {"type": "enabled"}}))).json();
    assert_eq!(reply["finish_reason"], "COMPLETE");
    assert_eq!(reply["message"]["content"][0]["type"], "thinking");
    assert_eq!(reply["message"]["content"][1]["type"], "text");
    assert_eq!(reply["usage"]["tokens"], reply["usage"]["billed_units"]);
}

#[test]
fn tools_are_planned_then_called() {
    let sim = Simulator::start().unwrap();
    let tools =
        json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let asked = chat(&json!({"tools": tools, "tool_choice": "REQUIRED", "stream": true}));
    let events = post(&sim, "/v2/chat", &asked).events();
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.first(), Some(&"message-start"));
    assert_eq!(names.last(), Some(&"message-end"));
    for name in ["tool-plan-delta", "tool-call-start", "tool-call-delta", "tool-call-end"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(events.iter().all(|(name, data)| data["type"] == name.as_str()));
}

#[test]
fn documents_are_ranked_by_the_words_they_share() {
    let sim = Simulator::start().unwrap();
    let body = json!({
        "model": "rerank-v3.5", "query": "capital of Italy", "top_n": 2,
        "documents": ["Paris", "Rome is the capital of Italy", "the capital of Peru"],
    });
    let reply = post(&sim, "/v2/rerank", &body).json();
    let ranked: Vec<_> =
        reply["results"].as_array().unwrap().iter().map(|one| one["index"].clone()).collect();
    assert_eq!(ranked, [1, 2]);
}

#[test]
fn errors_are_a_message() {
    let sim = Simulator::start().unwrap();
    let got = post_with(&sim, "/v2/chat", &[("x-sim-status", "429")], &chat(&json!({})));
    assert_eq!(got.status(), 429);
    assert!(got.json()["message"].is_string());
    let got = post(&sim, "/v2/embed", &json!({"model": "embed-v4.0", "texts": ["a"]}));
    assert_eq!(got.status(), 400);
}
