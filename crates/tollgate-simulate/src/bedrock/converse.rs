//! `POST /model/{id}/converse`.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call, Finish},
    anthropic::messages::SIGNATURE,
    reply::Reply,
};

pub(super) fn reply(answer: &Answer) -> Reply {
    let mut content = Vec::new();
    if let Some(thinking) = &answer.reasoning {
        content.push(json!({
            "reasoningContent": {"reasoningText": {"text": thinking.joined(), "signature": SIGNATURE}},
        }));
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let id = Call::id(answer, "tooluse_", index);
        content.push(json!({"toolUse": {"toolUseId": id, "name": call.name, "input": call.arguments}}));
    }
    if answer.calls.is_empty() {
        content.push(json!({"text": answer.text.joined()}));
    }
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop(&answer.finish),
        "usage": usage(answer),
        "metrics": {"latencyMs": 1},
    });
    if let Finish::Stop(sequence) = &answer.finish {
        body["additionalModelResponseFields"] = json!({"stop_sequence": sequence});
    }
    Reply { headers: vec![request_id(answer)], ..Reply::json(200, body.to_string()) }.with_usage(answer.usage)
}

/// Bedrock reports cached tokens beside `inputTokens`, not inside.
pub(super) fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "inputTokens": usage.input - usage.cached,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": 0,
    })
}

pub(super) const fn stop(finish: &Finish) -> &'static str {
    match finish {
        Finish::Done => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Stop(_) => "stop_sequence",
        Finish::Calls => "tool_use",
    }
}

/// A UUID, as AWS gives its requests.
pub(super) fn request_id(answer: &Answer) -> (&'static str, String) {
    let (time, serial) = (answer.created & 0xffff_ffff, answer.serial & 0xffff_ffff_ffff);
    ("x-amzn-requestid", format!("{time:08x}-0000-4000-8000-{serial:012x}"))
}
