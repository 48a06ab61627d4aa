//! `POST /v1/completions`.

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    ask::Ask,
    events::{Events, Tokens},
    openai::{DONE, data, finish_reason, usage, usage_event},
    reply::Reply,
};

pub(crate) fn reply(ask: &Ask<'_>, answer: &Answer) -> Reply {
    if ask.stream {
        return Reply::events(stream(ask, answer), answer.usage);
    }
    let text = answer.text.joined();
    let choices = (0..=answer.more).map(|index| choice(index, &text, json!(finish_reason(&answer.finish))));
    let mut whole = object(answer, choices.collect()).to_string();
    whole.truncate(whole.len() - 1);
    whole += &format!(",\"usage\":{}}}", usage(answer));
    Reply::json(200, whole).with_usage(answer.usage)
}

fn choice(index: u32, text: &str, finish: Value) -> Value {
    json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish})
}

fn object(answer: &Answer, choices: Vec<Value>) -> Value {
    json!({
        "id": answer.id("cmpl-"), "object": "text_completion", "created": answer.created,
        "model": answer.model, "choices": choices,
    })
}

fn stream(ask: &Ask<'_>, answer: &Answer) -> Events {
    const HOLE: &str = "\u{1}";
    let event = data(&object(answer, vec![choice(0, HOLE, Value::Null)]));
    let event = String::from_utf8_lossy(&event).into_owned();
    let (before, after) = event.split_once("\\u0001").unwrap_or_default();
    let mut events = Events {
        tokens: Some(Tokens {
            text: answer.text.clone(),
            before: before.as_bytes().to_vec(),
            after: after.as_bytes().to_vec(),
            number: None,
        }),
        ..Events::default()
    };
    for index in 0..=answer.more {
        let last = vec![choice(index, "", json!(finish_reason(&answer.finish)))];
        events.tail.push(data(&object(answer, last)));
    }
    if ask.include_usage {
        events.tail.push(usage_event(object(answer, Vec::new()), answer));
    }
    events.tail.push(DONE.to_vec());
    events
}
