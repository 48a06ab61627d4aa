//! `POST /model/{id}/invoke` and `invoke-with-response-stream` for Anthropic's models: their own messages API.

use serde_json::json;

use super::converse::request_id;
use crate::{
    answer::Answer,
    anthropic::{messages, stream::event},
    ask::Ask,
    bedrock::frames::Framing,
    reply::{Body, Reply},
};

pub(super) fn reply(ask: &Ask<'_>, answer: &Answer) -> Reply {
    let headers = vec![
        request_id(answer),
        ("x-amzn-bedrock-input-token-count", (answer.usage.input - answer.usage.cached).to_string()),
        ("x-amzn-bedrock-output-token-count", answer.usage.output.to_string()),
        ("x-amzn-bedrock-invocation-latency", "1".to_owned()),
    ];
    Reply { headers, ..messages::reply(ask, answer) }
}

pub(super) fn stream(ask: &Ask<'_>, answer: &Answer) -> Reply {
    let mut reply = messages::reply(ask, answer);
    if let Body::Events(events) = &mut reply.body {
        events.framing = Framing::Wrapped;
        events.tail.pop();
        let metrics = json!({
            "inputTokenCount": answer.usage.input - answer.usage.cached,
            "outputTokenCount": answer.usage.output,
            "invocationLatency": 1,
            "firstByteLatency": 1,
        });
        let last = json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics});
        events.tail.push(event("message_stop", &last));
    }
    Reply {
        content_type: "application/vnd.amazon.eventstream",
        headers: vec![request_id(answer), ("x-amzn-bedrock-content-type", "application/json".to_owned())],
        ..reply
    }
}
