//! `POST /v1/messages`.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Call, Finish},
    anthropic::stream,
    ask::Ask,
    reply::Reply,
    text::escape,
};

/// Opaque to clients, who send it back.
pub(crate) const SIGNATURE: &str = "EqQBCkYIARgCKkDsaW11bGF0ZWQtc2lnbmF0dXJlLW5vdC1hLXNlY3JldA==";

pub(crate) fn reply(ask: &Ask<'_>, answer: &Answer) -> Reply {
    if ask.stream {
        Reply::events(stream::events(answer), answer.usage)
    } else {
        Reply::json(200, whole(answer)).with_usage(answer.usage)
    }
}

fn whole(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let id = answer.id("msg_");
    let _ = write!(out, r#"{{"id":"{id}","type":"message","role":"assistant","model":""#);
    escape(&answer.model, &mut out);
    out.extend_from_slice(br#"","content":["#);
    let mut comma = "";
    if let Some(thinking) = &answer.reasoning {
        let block = json!({"type": "thinking", "thinking": thinking.joined(), "signature": SIGNATURE});
        let _ = write!(out, "{block}");
        comma = ",";
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let id = Call::id(answer, "toolu_", index);
        let block = json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments});
        let _ = write!(out, "{comma}{block}");
        comma = ",";
    }
    if answer.calls.is_empty() {
        let _ = write!(out, r#"{comma}{{"type":"text","text":""#);
        escape(&answer.text.joined(), &mut out);
        out.extend_from_slice(br#""}"#);
    }
    let (reason, sequence) = stop(&answer.finish);
    let _ =
        write!(out, r#"],"stop_reason":"{reason}","stop_sequence":{sequence},"usage":{}}}"#, usage(answer));
    out
}

/// Anthropic reports cached tokens beside `input_tokens`, not inside.
pub(crate) fn usage(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "service_tier": "standard",
    })
}

/// `stop_reason` and `stop_sequence`.
pub(crate) fn stop(finish: &Finish) -> (&'static str, Value) {
    match finish {
        Finish::Done => ("end_turn", Value::Null),
        Finish::Length => ("max_tokens", Value::Null),
        Finish::Stop(sequence) => ("stop_sequence", json!(sequence)),
        Finish::Calls => ("tool_use", Value::Null),
    }
}
