use super::{finish_reason, usage};
use crate::translate::{
    event::{Answer, Finish},
    json,
    turn::PartKind,
};

/// What the answer says of itself, filled in where the provider is silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// Written where the provider gives none; unescaped.
    pub(super) model: &'a str,
    /// Unix seconds.
    pub(super) now: u64,
}

/// `"id":…,"object":…,"created":…,"model":…` with the opening brace.
pub(super) fn head(
    out: &mut Vec<u8>,
    object: &str,
    head: &crate::translate::event::ReplyHead<'_>,
    names: Names<'_>,
) {
    out.push(b'{');
    match head.id.filter(|id| !id.is_empty()) {
        Some(id) => json::literal_field(out, "id", id),
        None => json::text_field(out, "id", &format!("chatcmpl-{:x}", names.now)),
    }
    json::text_field(out, "object", object);
    match head.created.and_then(tollgate_wire::Number::as_u64) {
        Some(created) => json::number_field(out, "created", created),
        None => json::number_field(out, "created", names.now),
    }
    match head.model.filter(|model| !model.is_empty()) {
        Some(model) => json::literal_field(out, "model", model),
        None => json::text_field(out, "model", names.model),
    }
}

/// A whole `chat.completion`.
pub(super) fn whole(answer: &Answer<'_>, names: Names<'_>, out: &mut Vec<u8>) {
    head(out, "chat.completion", &answer.head, names);
    json::key(out, "choices");
    out.extend_from_slice(br#"[{"index":0,"message":{"role":"assistant""#);
    content(&answer.parts, out);
    refusal(&answer.parts, out);
    thinking(&answer.parts, out);
    tool_calls(&answer.parts, out);
    out.push(b'}');
    json::raw_field(out, "logprobs", "null");
    json::text_field(out, "finish_reason", finish_reason(&answer.finish));
    if let Finish::StopSequence(matched) = answer.finish {
        json::literal_field(out, "stop_reason", matched);
    }
    out.extend_from_slice(b"}]");
    if !answer.usage.is_empty() {
        json::key(out, "usage");
        usage(out, &answer.usage);
    }
    out.push(b'}');
}

/// All text in one string, `null` where there is none.
fn content(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    json::key(out, "content");
    let mut is_open = false;
    for part in parts {
        let PartKind::Text(text) = part else { continue };
        if !is_open {
            out.push(b'"');
            is_open = true;
        }
        out.extend_from_slice(text.escaped().as_bytes());
    }
    out.extend_from_slice(if is_open { b"\"" } else { b"null" });
}

fn refusal(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    json::key(out, "refusal");
    match parts.iter().find_map(|part| if let PartKind::Refusal(text) = part { Some(*text) } else { None }) {
        Some(text) => json::literal(out, text),
        None => json::raw(out, "null"),
    }
}

/// `reasoning_content` for those who read, `thinking_blocks` for those who send it back.
fn thinking(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    let texts = || {
        parts.iter().filter_map(|part| match part {
            PartKind::Thinking { text, .. } if !text.is_empty() => Some(*text),
            _ => None,
        })
    };
    if texts().next().is_some() {
        json::key(out, "reasoning_content");
        out.push(b'"');
        texts().for_each(|text| out.extend_from_slice(text.escaped().as_bytes()));
        out.push(b'"');
    }
    let mut is_open = false;
    for part in parts {
        if !matches!(part, PartKind::Thinking { .. } | PartKind::RedactedThinking(_)) {
            continue;
        }
        if !is_open {
            json::key(out, "thinking_blocks");
            out.push(b'[');
            is_open = true;
        }
        thinking_block(part, out);
    }
    if is_open {
        out.push(b']');
    }
}

/// One element of `thinking_blocks`.
fn thinking_block(part: &PartKind<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    match part {
        PartKind::Thinking { text, signature } => {
            out.extend_from_slice(br#"{"type":"thinking""#);
            json::literal_field(out, "thinking", *text);
            if let Some(signature) = signature {
                json::literal_field(out, "signature", *signature);
            }
        }
        PartKind::RedactedThinking(data) => {
            out.extend_from_slice(br#"{"type":"redacted_thinking""#);
            json::literal_field(out, "data", *data);
        }
        PartKind::Text(_)
        | PartKind::Image { .. }
        | PartKind::Document { .. }
        | PartKind::ToolCall { .. }
        | PartKind::ToolResult { .. }
        | PartKind::Refusal(_) => out.push(b'{'),
    }
    out.push(b'}');
}

fn tool_calls(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    let mut is_open = false;
    for part in parts {
        let PartKind::ToolCall { id, name, input } = part else { continue };
        if !is_open {
            json::key(out, "tool_calls");
            out.push(b'[');
            is_open = true;
        }
        json::comma(out);
        out.push(b'{');
        json::literal_field(out, "id", *id);
        json::text_field(out, "type", "function");
        json::key(out, "function");
        out.push(b'{');
        json::literal_field(out, "name", *name);
        json::text_field(out, "arguments", input);
        out.extend_from_slice(b"}}");
    }
    if is_open {
        out.push(b']');
    }
}
