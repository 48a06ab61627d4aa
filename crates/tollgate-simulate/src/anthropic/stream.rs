use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call},
    anthropic::messages::{SIGNATURE, stop, usage},
    events::{Events, Tokens},
    openai::chat::halves,
};

pub(crate) fn events(answer: &Answer) -> Events {
    let mut events = Events::default();
    let mut first = usage(answer);
    first["output_tokens"] = 1.into();
    let message = json!({
        "id": answer.id("msg_"), "type": "message", "role": "assistant", "model": answer.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": first,
    });
    events.lead.push(event("message_start", &json!({"type": "message_start", "message": message})));
    let mut index = 0;
    if let Some(thinking) = &answer.reasoning {
        events.lead.push(start(index, &json!({"type": "thinking", "thinking": "", "signature": ""})));
        ping(&mut events, index);
        for half in halves(&thinking.joined()) {
            events.lead.push(delta(index, &json!({"type": "thinking_delta", "thinking": half})));
        }
        events.lead.push(delta(index, &json!({"type": "signature_delta", "signature": SIGNATURE})));
        events.lead.push(end(index));
        index += 1;
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let id = Call::id(answer, "toolu_", position);
        events
            .lead
            .push(start(index, &json!({"type": "tool_use", "id": id, "name": call.name, "input": {}})));
        ping(&mut events, index);
        let arguments = call.arguments.to_string();
        for part in std::iter::once("").chain(halves(&arguments)) {
            events.lead.push(delta(index, &json!({"type": "input_json_delta", "partial_json": part})));
        }
        events.lead.push(end(index));
        index += 1;
    }
    if answer.calls.is_empty() {
        events.lead.push(start(index, &json!({"type": "text", "text": ""})));
        ping(&mut events, index);
        events.tokens = Some(text(answer, index));
        events.tail.push(end(index));
    }
    let (reason, sequence) = stop(&answer.finish);
    let last = json!({
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": sequence},
        "usage": {
            "input_tokens": answer.usage.input - answer.usage.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": answer.usage.cached,
            "output_tokens": answer.usage.output,
        },
    });
    events.tail.push(event("message_delta", &last));
    events.tail.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}

fn text(answer: &Answer, index: usize) -> Tokens {
    let before = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\
         \"delta\":{{\"type\":\"text_delta\",\"text\":\""
    );
    Tokens {
        text: answer.text.clone(),
        before: before.into_bytes(),
        after: b"\"}}\n\n".to_vec(),
        number: None,
    }
}

pub(crate) fn event(name: &str, data: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

/// One follows the start of the first block.
fn ping(events: &mut Events, index: usize) {
    if index == 0 {
        events.lead.push(event("ping", &json!({"type": "ping"})));
    }
}

fn start(index: usize, block: &Value) -> Vec<u8> {
    event(
        "content_block_start",
        &json!({"type": "content_block_start", "index": index, "content_block": block}),
    )
}

fn delta(index: usize, delta: &Value) -> Vec<u8> {
    event("content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn end(index: usize) -> Vec<u8> {
    event("content_block_stop", &json!({"type": "content_block_stop", "index": index}))
}
