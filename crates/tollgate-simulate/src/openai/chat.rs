//! `POST /v1/chat/completions`.

use std::{borrow::Cow, io::Write as _};

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call},
    ask::Ask,
    events::{Events, Tokens},
    openai::{DONE, finish_reason, usage},
    reply::Reply,
    text::escape,
};

pub(crate) fn reply(ask: &Ask<'_>, answer: &Answer) -> Reply {
    if ask.stream {
        Reply::events(stream(ask, answer), answer.usage)
    } else {
        Reply::json(200, whole(ask, answer)).with_usage(answer.usage)
    }
}

fn whole(ask: &Ask<'_>, answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let text = answer.text.joined();
    open(answer, "chat.completion", &mut out);
    for index in 0..=answer.more {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, r#"{comma}{{"index":{index},"message":{{"role":"assistant","content":"#);
        if answer.calls.is_empty() {
            out.push(b'"');
            escape(&text, &mut out);
            out.push(b'"');
        } else {
            let _ = write!(out, r#"null,"tool_calls":{}"#, calls(answer));
        }
        let finish = finish_reason(&answer.finish);
        let _ = write!(
            out,
            r#","refusal":null,"annotations":[]}},"logprobs":{},"finish_reason":"{finish}"}}"#,
            logprobs(ask, answer)
        );
    }
    let _ = write!(
        out,
        r#"],"usage":{},"service_tier":"default","system_fingerprint":"fp_simulated"}}"#,
        usage(answer)
    );
    out
}

/// Everything up to the first choice.
fn open(answer: &Answer, object: &str, out: &mut Vec<u8>) {
    let id = answer.id("chatcmpl-");
    let _ = write!(out, r#"{{"id":"{id}","object":"{object}","created":{},"model":""#, answer.created);
    escape(&answer.model, out);
    out.extend_from_slice(br#"","choices":["#);
}

fn calls(answer: &Answer) -> Value {
    let call = |(index, call): (usize, &Call)| {
        json!({
            "id": Call::id(answer, "call_", index),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments.to_string()},
        })
    };
    answer.calls.iter().enumerate().map(call).collect()
}

/// As JSON.
fn logprobs(ask: &Ask<'_>, answer: &Answer) -> Cow<'static, str> {
    if ask.rich("logprobs") != &Value::Bool(true) {
        return "null".into();
    }
    let top = usize::try_from(ask.rich("top_logprobs").as_u64().unwrap_or(0)).unwrap_or(0).min(20);
    let token = |piece: &str| {
        let entry = json!({"token": piece, "logprob": -0.25, "bytes": piece.as_bytes()});
        let mut with_top = entry.clone();
        with_top["top_logprobs"] = vec![entry; top].into();
        with_top
    };
    json!({"content": answer.text.pieces().map(token).collect::<Vec<_>>(), "refusal": null})
        .to_string()
        .into()
}

fn stream(ask: &Ask<'_>, answer: &Answer) -> Events {
    let mut start = b"data: ".to_vec();
    open(answer, "chat.completion.chunk", &mut start);
    let nulls = if ask.include_usage { r#","usage":null"# } else { "" };
    let end = format!("],\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulated\"{nulls}}}\n\n")
        .into_bytes();
    let chunk = |choice: Value| [&start[..], choice.to_string().as_bytes(), &end].concat();
    let delta = |index: u32, delta: Value| {
        chunk(json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": null}))
    };
    let mut events = Events::default();
    for index in 0..=answer.more {
        let content = if answer.calls.is_empty() { json!("") } else { Value::Null };
        events.lead.push(delta(index, json!({"role": "assistant", "content": content, "refusal": null})));
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let name = json!({"name": call.name, "arguments": ""});
        let id = Call::id(answer, "call_", position);
        let first = json!({"index": position, "id": id, "type": "function", "function": name});
        events.lead.push(delta(0, json!({"tool_calls": [first]})));
        for part in halves(&call.arguments.to_string()) {
            let more = json!({"index": position, "function": {"arguments": part}});
            events.lead.push(delta(0, json!({"tool_calls": [more]})));
        }
    }
    if answer.more == 0 {
        let before = [&start[..], br#"{"index":0,"delta":{"content":""#].concat();
        let after = [&br#""},"logprobs":null,"finish_reason":null}"#[..], &end].concat();
        events.tokens = Some(Tokens { text: answer.text.clone(), before, after, number: None });
    } else {
        for piece in answer.text.pieces() {
            events.lead.extend((0..=answer.more).map(|index| delta(index, json!({"content": piece}))));
        }
    }
    let finish = finish_reason(&answer.finish);
    for index in 0..=answer.more {
        let last = json!({"index": index, "delta": {}, "logprobs": null, "finish_reason": finish});
        events.tail.push(chunk(last));
    }
    if ask.include_usage {
        let mut last = b"data: ".to_vec();
        open(answer, "chat.completion.chunk", &mut last);
        let _ = write!(
            last,
            "],\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulated\",\"usage\":{}}}\n\n",
            usage(answer)
        );
        events.tail.push(last);
    }
    events.tail.push(DONE.to_vec());
    events
}

/// Two parts at a character boundary, so that readers have to join them.
pub(crate) fn halves(text: &str) -> [&str; 2] {
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle -= 1;
    }
    let (left, right) = text.split_at(middle);
    [left, right]
}
