//! `…:generateContent`.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call, Finish},
    ask::Ask,
    reply::Reply,
};

/// Opaque to clients, who send it back.
pub(crate) const SIGNATURE: &str = "c2ltdWxhdGVkLXRob3VnaHQtc2lnbmF0dXJl";

pub(crate) fn reply(ask: &Ask<'_>, answer: &Answer) -> Reply {
    let candidate = |index: u32| {
        let mut parts = Vec::new();
        if let Some(thought) = &answer.reasoning {
            parts.push(json!({"text": thought.joined(), "thought": true}));
        }
        parts.extend(answer.calls.iter().enumerate().map(|(at, call)| called(at, call)));
        if answer.calls.is_empty() {
            let mut text = json!({"text": answer.text.joined()});
            if answer.reasoning.is_some() {
                text["thoughtSignature"] = SIGNATURE.into();
            }
            parts.push(text);
        }
        let mut candidate = json!({
            "content": {"role": "model", "parts": parts},
            "finishReason": finish_reason(&answer.finish),
            "index": index,
        });
        if let Some(logprobs) = logprobs(ask, answer) {
            candidate["logprobsResult"] = logprobs;
        }
        candidate
    };
    let mut body = head(answer);
    body["candidates"] = (0..=answer.more).map(candidate).collect();
    body["usageMetadata"] = usage(answer);
    Reply::json(200, body.to_string()).with_usage(answer.usage)
}

/// What every reply and every event carries.
pub(crate) fn head(answer: &Answer) -> Value {
    json!({"modelVersion": answer.model, "responseId": answer.id("resp")})
}

/// A call as a part. The first one carries the signature.
pub(crate) fn called(index: usize, call: &Call) -> Value {
    let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
    if index == 0 {
        part["thoughtSignature"] = SIGNATURE.into();
    }
    part
}

pub(crate) const fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Done | Finish::Stop(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
    }
}

/// Thoughts stand beside the candidates' tokens.
pub(crate) fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    let mut counts = json!({
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    });
    if usage.reasoning > 0 {
        counts["thoughtsTokenCount"] = usage.reasoning.into();
    }
    if usage.cached > 0 {
        counts["cachedContentTokenCount"] = usage.cached.into();
    }
    counts
}

/// `logprobsResult`, where it was asked for.
pub(crate) fn logprobs(ask: &Ask<'_>, answer: &Answer) -> Option<Value> {
    if ask.rich("logprobs") != &Value::Bool(true) {
        return None;
    }
    let top = usize::try_from(ask.rich("top_logprobs").as_u64().unwrap_or(0)).unwrap_or(0).min(20);
    let token = |piece: &str| json!({"token": piece, "tokenId": 7, "logProbability": -0.25});
    let chosen: Vec<_> = answer.text.pieces().map(token).collect();
    let likeliest = answer.text.pieces().map(|piece| json!({"candidates": vec![token(piece); top]}));
    Some(json!({"chosenCandidates": chosen, "topCandidates": likeliest.collect::<Vec<_>>()}))
}
