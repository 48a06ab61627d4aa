//! The OpenAI dialect (platform.openai.com/docs/api-reference), which Azure speaks too.

pub(crate) mod audio;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod files;
pub(crate) mod images;
pub(crate) mod models;
pub(crate) mod realtime;
pub(crate) mod responses;

use serde_json::{Value, json};

use crate::answer::{Answer, Finish, Usage};

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

/// Usage as chat and completions report it, as JSON.
pub(crate) fn usage(answer: &Answer) -> String {
    let Usage { input, cached, output, reasoning } = answer.usage;
    let mut out = String::with_capacity(320);
    let parts = [
        (r#"{"prompt_tokens":"#, input),
        (r#","completion_tokens":"#, output),
        (r#","total_tokens":"#, input + output),
        (r#","prompt_tokens_details":{"cached_tokens":"#, cached),
        (r#","audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":"#, reasoning),
    ];
    for (name, count) in parts {
        out.push_str(name);
        out.push_str(itoa::Buffer::new().format(count));
    }
    out.push_str(r#","audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#);
    out
}

/// The last event but one of a stream whose client asked for usage: `head` with no choice.
pub(crate) fn usage_event(mut head: Value, answer: &Answer) -> Vec<u8> {
    const HOLE: &str = "\"usage\":null";
    head["choices"] = json!([]);
    head["usage"] = Value::Null;
    let text = head.to_string().replace(HOLE, &format!("\"usage\":{}", usage(answer)));
    format!("data: {text}\n\n").into_bytes()
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

/// `POST /tokenize`, as vLLM has it.
pub(crate) fn tokens(count: u64) -> Value {
    json!({"count": count, "max_model_len": 131_072, "tokens": (0..count).collect::<Vec<_>>(), "token_strs": null})
}
