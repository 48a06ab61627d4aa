use serde_json::{Value, json};

use super::{PLAN, call, finish, id, usage};
use crate::{
    answer::Answer,
    anthropic::stream::event,
    events::{Events, Tokens},
    openai::chat::halves,
};

pub(crate) fn events(answer: &Answer) -> Events {
    let mut events = Events::default();
    let message =
        json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    events.lead.push(event(
        "message-start",
        &json!({"id": id(answer), "type": "message-start", "delta": {"message": message}}),
    ));
    if answer.calls.is_empty() {
        said(answer, &mut events);
    } else {
        called(answer, &mut events);
    }
    let last = json!({
        "type": "message-end",
        "delta": {"finish_reason": finish(&answer.finish), "usage": usage(answer.usage)},
    });
    events.tail.push(event("message-end", &last));
    events
}

fn said(answer: &Answer, events: &mut Events) {
    let mut index = 0;
    if let Some(thinking) = &answer.reasoning {
        let content = json!({"type": "thinking", "thinking": ""});
        events.lead.push(step("content-start", Some(index), &json!({"content": content})));
        for half in halves(&thinking.joined()) {
            let content = json!({"thinking": half});
            events.lead.push(step("content-delta", Some(index), &json!({"content": content})));
        }
        events.lead.push(end("content-end", index));
        index += 1;
    }
    let content = json!({"type": "text", "text": ""});
    events.lead.push(step("content-start", Some(index), &json!({"content": content})));
    let before = format!(
        "event: content-delta\ndata: {{\"type\":\"content-delta\",\"index\":{index},\"delta\":{{\"message\":\
         {{\"content\":{{\"text\":\""
    );
    events.tokens = Some(Tokens {
        text: answer.text.clone(),
        before: before.into_bytes(),
        after: b"\"}}}}\n\n".to_vec(),
        number: None,
    });
    events.tail.push(end("content-end", index));
}

fn called(answer: &Answer, events: &mut Events) {
    for half in halves(PLAN) {
        events.lead.push(step("tool-plan-delta", None, &json!({"tool_plan": half})));
    }
    for index in 0..answer.calls.len() {
        let Some(mut call) = call(answer, index) else { continue };
        let arguments = call["function"]["arguments"].take();
        call["function"]["arguments"] = "".into();
        events.lead.push(step("tool-call-start", Some(index), &json!({"tool_calls": call})));
        for half in halves(arguments.as_str().unwrap_or_default()) {
            let piece = json!({"tool_calls": {"function": {"arguments": half}}});
            events.lead.push(step("tool-call-delta", Some(index), &piece));
        }
        events.lead.push(end("tool-call-end", index));
    }
}

fn step(name: &str, index: Option<usize>, message: &Value) -> Vec<u8> {
    let mut data = json!({"type": name, "delta": {"message": message}});
    if let Some(index) = index {
        data["index"] = index.into();
    }
    event(name, &data)
}

fn end(name: &str, index: usize) -> Vec<u8> {
    event(name, &json!({"type": name, "index": index}))
}
