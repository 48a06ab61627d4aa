//! `POST /model/{id}/converse-stream`. The events are written as server-sent events first; `frames` makes frames of
//! them when they are sent.

use serde_json::{Value, json};

use super::converse::{request_id, stop, usage};
use crate::{
    answer::{Answer, Call, Finish},
    anthropic::{messages::SIGNATURE, stream::event},
    bedrock::frames::Framing,
    events::{Events, Tokens},
    openai::chat::halves,
    reply::Reply,
};

pub(super) fn reply(answer: &Answer) -> Reply {
    let reply = Reply::events(events(answer), answer.usage);
    Reply { content_type: "application/vnd.amazon.eventstream", headers: vec![request_id(answer)], ..reply }
}

fn events(answer: &Answer) -> Events {
    let mut events = Events { framing: Framing::Named, ..Events::default() };
    events.lead.push(event("messageStart", &json!({"role": "assistant", "p": "abcdefgh"})));
    let mut index = 0;
    if let Some(thinking) = &answer.reasoning {
        for half in halves(&thinking.joined()) {
            events.lead.push(delta(index, &json!({"reasoningContent": {"text": half}})));
        }
        events.lead.push(delta(index, &json!({"reasoningContent": {"signature": SIGNATURE}})));
        events.lead.push(end(index));
        index += 1;
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let start =
            json!({"toolUse": {"toolUseId": Call::id(answer, "tooluse_", position), "name": call.name}});
        let start = json!({"contentBlockIndex": index, "start": start, "p": "abcd"});
        events.lead.push(event("contentBlockStart", &start));
        for part in halves(&call.arguments.to_string()) {
            events.lead.push(delta(index, &json!({"toolUse": {"input": part}})));
        }
        events.lead.push(end(index));
        index += 1;
    }
    if answer.calls.is_empty() {
        // Blocks of text begin without an event of their own.
        events.tokens = Some(text(answer, index));
        events.tail.push(end(index));
    }
    let mut last = json!({"stopReason": stop(&answer.finish), "p": "abcdefghijkl"});
    if let Finish::Stop(sequence) = &answer.finish {
        last["additionalModelResponseFields"] = json!({"stop_sequence": sequence});
    }
    events.tail.push(event("messageStop", &last));
    events
        .tail
        .push(event("metadata", &json!({"usage": usage(answer), "metrics": {"latencyMs": 1}, "p": "ab"})));
    events
}

fn text(answer: &Answer, index: usize) -> Tokens {
    let before =
        format!("event: contentBlockDelta\ndata: {{\"contentBlockIndex\":{index},\"delta\":{{\"text\":\"");
    Tokens {
        text: answer.text.clone(),
        before: before.into_bytes(),
        after: b"\"},\"p\":\"abcdefghijklmno\"}\n\n".to_vec(),
        number: None,
    }
}

fn delta(index: usize, delta: &Value) -> Vec<u8> {
    event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta, "p": "abcde"}))
}

fn end(index: usize) -> Vec<u8> {
    event("contentBlockStop", &json!({"contentBlockIndex": index, "p": "abcdefg"}))
}
