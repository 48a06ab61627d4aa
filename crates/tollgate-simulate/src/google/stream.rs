//! `…:streamGenerateContent`: events with `alt=sse`, else one array that grows.

use serde_json::{Value, json};

use super::content::{SIGNATURE, called, finish_reason, head, logprobs, usage};
use crate::{
    answer::Answer,
    ask::Ask,
    events::{Events, Tokens},
    openai::chat::halves,
    reply::Reply,
};

pub(crate) fn reply(ask: &Ask<'_>, answer: &Answer, query: &str) -> Reply {
    let events = events(ask, answer);
    if query.split('&').any(|pair| pair == "alt=sse") {
        return Reply::events(events, answer.usage);
    }
    let mut array = vec![b'['];
    for index in 0..events.len() {
        let mut event = Vec::new();
        events.write(index, &mut event);
        array.extend_from_slice(if index == 0 { b"" } else { b",\r\n" });
        array.extend_from_slice(event.strip_prefix(b"data: ").unwrap_or(&event).trim_ascii_end());
    }
    array.push(b']');
    Reply::json(200, array).with_usage(answer.usage)
}

/// An event without a name; lines end as Google ends them.
pub(crate) fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\r\n\r\n").into_bytes()
}

fn events(ask: &Ask<'_>, answer: &Answer) -> Events {
    let chunk = |index: u32, part: &Value| {
        let mut body = head(answer);
        let content = json!({"role": "model", "parts": [part]});
        body["candidates"] = json!([{"content": content, "index": index}]);
        body
    };
    let mut events = Events::default();
    if let Some(thought) = &answer.reasoning {
        for half in halves(&thought.joined()) {
            events.lead.push(data(&chunk(0, &json!({"text": half, "thought": true}))));
        }
    }
    for (at, call) in answer.calls.iter().enumerate() {
        events.lead.push(data(&chunk(0, &called(at, call))));
    }
    if answer.calls.is_empty() && answer.more == 0 {
        events.tokens = Some(text(answer, &chunk(0, &json!({"text": "@"}))));
    } else if answer.calls.is_empty() {
        for piece in answer.text.pieces() {
            events.lead.extend((0..=answer.more).map(|index| data(&chunk(index, &json!({"text": piece})))));
        }
    }
    for index in 0..=answer.more {
        let mut part = json!({"text": ""});
        if answer.reasoning.is_some() && answer.calls.is_empty() {
            part["thoughtSignature"] = SIGNATURE.into();
        }
        let mut last = chunk(index, &part);
        last["candidates"][0]["finishReason"] = finish_reason(&answer.finish).into();
        if let Some(logprobs) = logprobs(ask, answer) {
            last["candidates"][0]["logprobsResult"] = logprobs;
        }
        if index == answer.more {
            last["usageMetadata"] = usage(answer);
        }
        events.tail.push(data(&last));
    }
    events
}

/// Events of the text, cut out of one whose text is `@`.
fn text(answer: &Answer, sample: &Value) -> Tokens {
    let event = data(sample);
    let hole = memchr::memmem::find(&event, b"\"@\"").map_or(0, |at| at + 1);
    let (before, after) = event.split_at(hole);
    let after = after.strip_prefix(b"@").unwrap_or(after);
    Tokens { text: answer.text.clone(), before: before.to_vec(), after: after.to_vec(), number: None }
}
