use super::{Tools, stop_reason, usage};
use crate::translate::{
    event::{Answer, Finish, ReplyHead},
    json,
    turn::PartKind,
};

/// What the answer says of itself where the provider is silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// Unescaped.
    pub(super) model: &'a str,
    /// Unix seconds.
    pub(super) now: u64,
}

/// `{"id":…,"type":"message","role":"assistant","model":…`
pub(super) fn head(out: &mut Vec<u8>, head: &ReplyHead<'_>, names: Names<'_>) {
    out.push(b'{');
    match head.id.filter(|id| !id.is_empty()) {
        Some(id) => json::literal_field(out, "id", id),
        None => json::text_field(out, "id", &format!("msg_{:x}", names.now)),
    }
    json::text_field(out, "type", "message");
    json::text_field(out, "role", "assistant");
    match head.model.filter(|model| !model.is_empty()) {
        Some(model) => json::literal_field(out, "model", model),
        None => json::text_field(out, "model", names.model),
    }
}

/// A whole message.
pub(super) fn whole(answer: &Answer<'_>, names: Names<'_>, out: &mut Vec<u8>) {
    head(out, &answer.head, names);
    json::key(out, "content");
    out.push(b'[');
    for (at, part) in answer.parts.iter().enumerate() {
        block(at, part, names, out);
    }
    out.push(b']');
    let has = |test: fn(&PartKind<'_>) -> bool| answer.parts.iter().any(test);
    let tools =
        if has(|part| matches!(part, PartKind::ToolCall { .. })) { Tools::Called } else { Tools::None };
    let finish =
        if has(|part| matches!(part, PartKind::Refusal(_))) { Finish::Refusal } else { answer.finish };
    end(&finish, tools, out);
    json::key(out, "usage");
    usage(out, &answer.usage);
    out.push(b'}');
}

/// `"stop_reason":…,"stop_sequence":…`
pub(super) fn end(finish: &Finish<'_>, tools: Tools, out: &mut Vec<u8>) {
    json::text_field(out, "stop_reason", stop_reason(finish, tools));
    match finish {
        Finish::StopSequence(matched) => json::literal_field(out, "stop_sequence", *matched),
        Finish::Stop | Finish::Length | Finish::ToolCalls | Finish::Refusal => {
            json::raw_field(out, "stop_sequence", "null");
        }
    }
}

fn block(at: usize, part: &PartKind<'_>, names: Names<'_>, out: &mut Vec<u8>) {
    match part {
        PartKind::Text(text) | PartKind::Refusal(text) => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"text""#);
            json::literal_field(out, "text", *text);
        }
        PartKind::Thinking { text, signature } => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"thinking""#);
            json::literal_field(out, "thinking", *text);
            json::literal_field(out, "signature", signature.unwrap_or_default());
        }
        PartKind::RedactedThinking(data) => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"redacted_thinking""#);
            json::literal_field(out, "data", *data);
        }
        PartKind::ToolCall { id, name, input } => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"tool_use""#);
            if id.is_empty() {
                json::text_field(out, "id", &format!("toolu_{:x}_{at}", names.now));
            } else {
                json::literal_field(out, "id", *id);
            }
            json::literal_field(out, "name", *name);
            json::raw_field(out, "input", input);
        }
        PartKind::Image { .. } | PartKind::Document { .. } | PartKind::ToolResult { .. } => return,
    }
    out.push(b'}');
}
