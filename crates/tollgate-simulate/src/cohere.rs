//! The Cohere dialect, version 2 (docs.cohere.com/reference): chat, embed and rerank.

mod stream;

use std::io::Write as _;

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call, Finish, Usage},
    ask::Ask,
    behaviour::Behaviour,
    openai::embeddings,
    reply::Reply,
    scan, text,
    text::escape,
};

/// Documents that one call ranks at most.
const MOST_DOCUMENTS: usize = 1000;

/// The body of an error.
pub(crate) fn error(message: &str) -> Value {
    json!({"id": "00000000-0000-4000-8000-000000000000", "message": message})
}

/// `POST /v2/chat`.
pub(crate) fn chat(ask: &Ask<'_>, answer: &Answer) -> Reply {
    if ask.stream {
        Reply::events(stream::events(answer), answer.usage)
    } else {
        Reply::json(200, whole(answer)).with_usage(answer.usage)
    }
}

fn whole(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let id = id(answer);
    let _ = write!(out, r#"{{"id":"{id}","message":{{"role":"assistant""#);
    if answer.calls.is_empty() {
        out.extend_from_slice(br#","content":["#);
        if let Some(thinking) = &answer.reasoning {
            let _ = write!(out, "{},", json!({"type": "thinking", "thinking": thinking.joined()}));
        }
        out.extend_from_slice(br#"{"type":"text","text":""#);
        escape(&answer.text.joined(), &mut out);
        out.extend_from_slice(br#""}]"#);
    } else {
        let calls: Vec<_> = (0..answer.calls.len()).filter_map(|index| call(answer, index)).collect();
        let _ = write!(out, r#","tool_plan":"{PLAN}","tool_calls":{}"#, Value::Array(calls));
    }
    let (reason, usage) = (finish(&answer.finish), usage(answer.usage));
    let _ = write!(out, r#"}},"finish_reason":"{reason}","usage":{usage}}}"#);
    out
}

/// What the model says before it calls its tools.
const PLAN: &str = "I will call the tools that were asked for.";

/// A UUID.
fn id(answer: &Answer) -> String {
    format!("{:08x}-0000-4000-8000-{:012x}", answer.created & 0xffff_ffff, answer.serial)
}

/// One of `tool_calls`.
fn call(answer: &Answer, index: usize) -> Option<Value> {
    let call = answer.calls.get(index)?;
    let id = Call::id(answer, &format!("{}_", call.name), index);
    let arguments = call.arguments.to_string();
    Some(json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments}}))
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Done => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Stop(_) => "STOP_SEQUENCE",
        Finish::Calls => "TOOL_CALL",
    }
}

/// Cohere adds words of its own to a prompt, which it counts and does not bill; none are added here.
fn usage(usage: Usage) -> Value {
    let counts = json!({"input_tokens": usage.input, "output_tokens": usage.output});
    json!({"billed_units": counts, "tokens": counts, "cached_tokens": usage.cached})
}

/// `POST /v2/embed`.
pub(crate) fn embed(ask: &Ask<'_>, behaviour: &Behaviour, body: &[u8]) -> Reply {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let texts = document["texts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if document["input_type"].as_str().is_none() {
        return Reply::json(400, error("invalid request: input_type is required").to_string());
    }
    let dimensions = document["output_dimension"].as_u64();
    let dimensions = dimensions.unwrap_or_else(|| u64::from(behaviour.dimensions.unwrap_or(8)));
    let vector = embeddings::numbers_of(dimensions);
    let vectors = vec![vector; texts.len()].join(",");
    let input: u64 = texts.iter().filter_map(Value::as_str).map(|one| text::count(one.len()).max(1)).sum();
    let mut out = Vec::with_capacity(vectors.len() + 512);
    let _ = write!(
        out,
        r#"{{"id":"{:08x}-0000-4000-8000-000000000000","embeddings":{{"float":[{vectors}]}},"texts":{},"meta":{{"api_version":{{"version":"2"}},"billed_units":{{"input_tokens":{input}}}}},"response_type":"embeddings_by_type"}}"#,
        ask.model.len(),
        Value::Array(texts.to_vec()),
    );
    Reply::json(200, out).with_usage(Usage { input, ..Usage::default() })
}

/// `POST /v2/rerank`: documents that share more words with the query come first.
pub(crate) fn rerank(body: &[u8]) -> Reply {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let query = document["query"].as_str().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let documents = document["documents"].as_array().map(Vec::as_slice).unwrap_or_default();
    if documents.len() > MOST_DOCUMENTS {
        return Reply::json(400, error("invalid request: too many documents").to_string());
    }
    let shared = |one: &Value| {
        let text = one.as_str().or_else(|| one["text"].as_str()).unwrap_or_default().to_lowercase();
        words.iter().filter(|word| text.contains(**word)).count()
    };
    let mut ranked: Vec<_> = documents.iter().map(shared).enumerate().collect();
    ranked.sort_by_key(|(index, shared)| (std::cmp::Reverse(*shared), *index));
    let top = document["top_n"].as_u64().and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
    let most = words.len().max(1);
    let results: Vec<_> = ranked
        .iter()
        .take(top)
        .map(|(index, shared)| {
            #[expect(clippy::cast_precision_loss, reason = "words are few")]
            let score = (*shared as f64 + 0.01) / (most as f64 + 0.01);
            json!({"index": index, "relevance_score": score})
        })
        .collect();
    let input = scan::members(body).map(|(_, value)| text::count(value.len())).sum();
    let meta = json!({
        "api_version": {"version": "2"}, "billed_units": {"search_units": 1}, "tokens": {"input_tokens": input},
    });
    let reply =
        json!({"id": "00000000-0000-4000-8000-00000000000a", "results": results, "meta": meta}).to_string();
    Reply::json(200, reply).with_usage(Usage { input, ..Usage::default() })
}
