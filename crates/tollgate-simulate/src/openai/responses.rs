//! `POST /v1/responses` and `/v1/responses/input_tokens`.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call, Finish},
    ask::Ask,
    events::{Events, Tokens},
    openai::chat::halves,
    reply::Reply,
};

pub(crate) fn reply(ask: &Ask<'_>, answer: &Answer) -> Reply {
    if ask.stream {
        return Reply::events(stream(answer), answer.usage);
    }
    Reply::json(200, response(answer, State::Ended).to_string()).with_usage(answer.usage)
}

pub(crate) fn input_tokens(ask: &Ask<'_>) -> Reply {
    Reply::json(
        200,
        json!({"object": "response.input_tokens", "input_tokens": ask.prompt_tokens}).to_string(),
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InProgress,
    Ended,
}

fn response(answer: &Answer, state: State) -> Value {
    let ended = state == State::Ended;
    let (status, why) = match (&answer.finish, ended) {
        (_, false) => ("in_progress", Value::Null),
        (Finish::Length, true) => ("incomplete", json!({"reason": "max_output_tokens"})),
        (Finish::Done | Finish::Stop(_) | Finish::Calls, true) => ("completed", Value::Null),
    };
    let output: Vec<Value> =
        if ended { items(answer).iter().map(|item| item.done.clone()).collect() } else { vec![] };
    let usage = if ended { usage(answer) } else { Value::Null };
    json!({
        "id": answer.id("resp_"), "object": "response", "created_at": answer.created, "status": status,
        "error": null, "incomplete_details": why, "instructions": null, "max_output_tokens": null,
        "model": answer.model, "output": output, "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": true, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null, "metadata": {},
    })
}

fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.input, "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output, "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}

/// One entry of `output`, as it is when it begins and when it is done.
struct Item {
    id: String,
    begun: Value,
    done: Value,
}

fn items(answer: &Answer) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(reasoning) = &answer.reasoning {
        let id = answer.id("rs_");
        let summary = json!([{"type": "summary_text", "text": reasoning.joined()}]);
        items.push(Item {
            begun: json!({"id": id, "type": "reasoning", "summary": []}),
            done: json!({"id": id, "type": "reasoning", "summary": summary}),
            id,
        });
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let id = Call::id(answer, "fc_", index);
        let item = |status: &str, arguments: String| {
            json!({
                "id": id, "type": "function_call", "status": status, "arguments": arguments,
                "call_id": Call::id(answer, "call_", index), "name": call.name,
            })
        };
        let begun = item("in_progress", String::new());
        let done = item("completed", call.arguments.to_string());
        items.push(Item { id, begun, done });
    }
    if answer.calls.is_empty() {
        let id = answer.id("msg_");
        let status = if answer.finish == Finish::Length { "incomplete" } else { "completed" };
        let part =
            json!({"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text.joined()});
        items.push(Item {
            begun: json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}),
            done: json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": [part]}),
            id,
        });
    }
    items
}

/// Numbers the events as they are written.
#[derive(Default)]
struct Script {
    next: u64,
}

impl Script {
    fn event(&mut self, kind: &str, mut fields: Value) -> Vec<u8> {
        let mut event = json!({"type": kind});
        if let (Some(event), Some(fields)) = (event.as_object_mut(), fields.as_object_mut()) {
            event.append(fields);
            event.insert("sequence_number".into(), self.next.into());
        }
        self.next += 1;
        format!("event: {kind}\ndata: {event}\n\n").into_bytes()
    }
}

fn stream(answer: &Answer) -> Events {
    let mut script = Script::default();
    let mut events = Events::default();
    let begun = json!({"response": response(answer, State::InProgress)});
    events.lead.push(script.event("response.created", begun.clone()));
    events.lead.push(script.event("response.in_progress", begun));
    for (index, item) in items(answer).into_iter().enumerate() {
        let added = json!({"output_index": index, "item": item.begun});
        let at = json!({"item_id": item.id, "output_index": index});
        let whole = json!({"output_index": index, "item": item.done});
        events.lead.push(script.event("response.output_item.added", added));
        match item.done["type"].as_str() {
            Some("function_call") => {
                arguments(&mut script, &mut events.lead, &at, &item.done);
                events.lead.push(script.event("response.output_item.done", whole));
            }
            Some("reasoning") => {
                summary(&mut script, &mut events.lead, &at, answer);
                events.lead.push(script.event("response.output_item.done", whole));
            }
            _ => {
                message(&mut script, &mut events, &at, answer);
                events.tail.push(script.event("response.output_item.done", whole));
            }
        }
    }
    let kind = if answer.finish == Finish::Length { "response.incomplete" } else { "response.completed" };
    events.tail.push(script.event(kind, json!({"response": response(answer, State::Ended)})));
    events
}

fn with(at: &Value, more: Value) -> Value {
    let mut joined = at.clone();
    if let (Some(joined), Value::Object(mut more)) = (joined.as_object_mut(), more) {
        joined.append(&mut more);
    }
    joined
}

fn arguments(script: &mut Script, out: &mut Vec<Vec<u8>>, at: &Value, item: &Value) {
    let text = item["arguments"].as_str().unwrap_or_default();
    for part in halves(text) {
        out.push(script.event("response.function_call_arguments.delta", with(at, json!({"delta": part}))));
    }
    out.push(script.event("response.function_call_arguments.done", with(at, json!({"arguments": text}))));
}

fn summary(script: &mut Script, out: &mut Vec<Vec<u8>>, at: &Value, answer: &Answer) {
    let text = answer.reasoning.as_ref().map(crate::text::Text::joined).unwrap_or_default();
    let at = with(at, json!({"summary_index": 0}));
    let part = |text: &str| with(&at, json!({"part": {"type": "summary_text", "text": text}}));
    out.push(script.event("response.reasoning_summary_part.added", part("")));
    for half in halves(&text) {
        out.push(script.event("response.reasoning_summary_text.delta", with(&at, json!({"delta": half}))));
    }
    out.push(script.event("response.reasoning_summary_text.done", with(&at, json!({"text": text}))));
    out.push(script.event("response.reasoning_summary_part.done", part(&text)));
}

fn message(script: &mut Script, events: &mut Events, at: &Value, answer: &Answer) {
    let at = with(at, json!({"content_index": 0}));
    let text = answer.text.joined();
    let part = |text: &str| {
        with(&at, json!({"part": {"type": "output_text", "annotations": [], "logprobs": [], "text": text}}))
    };
    events.lead.push(script.event("response.content_part.added", part("")));
    let kind = "response.output_text.delta";
    let mut head = json!({"type": kind});
    head = with(&head, at.clone());
    let head = head.to_string();
    events.tokens = Some(Tokens {
        text: answer.text.clone(),
        before: format!("event: {kind}\ndata: {},\"delta\":\"", &head[..head.len() - 1]).into_bytes(),
        after: br#"","logprobs":[],"sequence_number":"#.to_vec(),
        number: Some((script.next, b"}\n\n")),
    });
    script.next += u64::from(answer.text.len());
    let done = with(&at, json!({"text": text, "logprobs": []}));
    events.tail.push(script.event("response.output_text.done", done));
    events.tail.push(script.event("response.content_part.done", part(&text)));
}
