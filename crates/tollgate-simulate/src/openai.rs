//! The OpenAI dialect (platform.openai.com/docs/api-reference), which Azure speaks too.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod responses;

use serde_json::{Value, json};

use crate::answer::{Answer, Finish};

/// The event that ends a stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// An event without a name.
pub(crate) fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

pub(crate) const fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Done | Finish::Stop(_) => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

/// Usage as chat and completions report it.
pub(crate) fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// The body of an error.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        404 => ("invalid_request_error", json!("model_not_found")),
        429 => ("rate_limit_error", json!("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// The body of an error at Azure.
pub(crate) fn azure_error(status: u16, message: &str) -> Value {
    let code = match status {
        404 => "DeploymentNotFound".to_owned(),
        _ => status.to_string(),
    };
    json!({"error": {"code": code, "message": message}})
}

/// `POST /v1/moderations`: nothing is ever flagged.
pub(crate) fn moderation(model: &str) -> Value {
    let names = ["harassment", "hate", "illicit", "self-harm", "sexual", "violence"];
    let categories: serde_json::Map<_, _> = names.iter().map(|name| ((*name).into(), json!(false))).collect();
    let scores: serde_json::Map<_, _> = names.iter().map(|name| ((*name).into(), json!(0.0001))).collect();
    let result = json!({"flagged": false, "categories": categories, "category_scores": scores});
    json!({"id": "modr-simulated", "model": model, "results": [result]})
}
