use tollgate_wire::{Literal, escape_into};

use crate::{
    Untranslatable,
    translate::{
        json,
        provider::openai::{address, tool_call},
        turn::{Message, Outcome, Part, PartKind, Role, Turn},
    },
};

/// `messages`
pub(super) fn messages(turn: &Turn<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    json::key(out, "messages");
    out.push(b'[');
    for message in &turn.messages {
        match message.role {
            Role::System => said("system", message, out)?,
            Role::User => {
                for part in &message.parts {
                    if let PartKind::ToolResult { id, outcome, parts } = &part.kind {
                        tool_result(message, part, (*id, *outcome), parts, out)?;
                    }
                }
                said("user", message, out)?;
            }
            Role::Assistant => assistant(message, out),
        }
    }
    out.push(b']');
    Ok(())
}

/// Instructions, or what the user says; nothing where the message held results alone.
fn said(role: &str, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let is_said = |part: &&Part<'_>| !matches!(part.kind, PartKind::ToolResult { .. });
    let count = message.parts.iter().filter(is_said).count();
    let Some(first) = message.parts.iter().find(is_said) else { return Ok(()) };
    json::comma(out);
    out.push(b'{');
    json::text_field(out, "role", role);
    json::key(out, "content");
    match first.kind {
        PartKind::Text(text) if count == 1 => json::literal(out, text),
        _ => {
            out.push(b'[');
            for part in message.parts.iter().filter(is_said) {
                content(message, part, out)?;
            }
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(())
}

fn content(message: &Message<'_>, part: &Part<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let refused = |reason: &str| {
        Err(Untranslatable::Field { field: message.place(part.at), reason: reason.to_owned() })
    };
    match &part.kind {
        PartKind::Text(value) | PartKind::Refusal(value) => text(*value, out),
        PartKind::Image { source, detail } => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"image_url","image_url":{"url":""#);
            address(*source, out);
            out.push(b'"');
            if let Some(detail) = detail {
                json::literal_field(out, "detail", *detail);
            }
            out.extend_from_slice(b"}}");
        }
        PartKind::Document { .. } => return refused("Cohere takes documents as text, not as files"),
        PartKind::Audio(_) => return refused("Cohere takes no audio"),
        PartKind::Video(_) => return refused("Cohere takes no video"),
        PartKind::ToolCall { .. } => return refused("a user's message calls no tools"),
        // Written before; a user does not think, nor cite.
        PartKind::ToolResult { .. }
        | PartKind::Thinking { .. }
        | PartKind::RedactedThinking(_)
        | PartKind::Citation(_) => {}
    }
    Ok(())
}

fn text(text: Literal<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"type":"text""#);
    json::literal_field(out, "text", text);
    out.push(b'}');
}

/// A result as text; a failed call's becomes `{"error": …}`, since Cohere has no flag for it.
fn tool_result(
    message: &Message<'_>,
    part: &Part<'_>,
    (id, outcome): (Literal<'_>, Outcome),
    parts: &[Part<'_>],
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    let outcome = json::worded(outcome, parts);
    json::comma(out);
    out.extend_from_slice(br#"{"role":"tool""#);
    json::literal_field(out, "tool_call_id", id);
    json::key(out, "content");
    out.push(b'"');
    if outcome == Outcome::Error {
        out.extend_from_slice(br#"{\"error\":\""#);
    }
    for inner in parts {
        match (&inner.kind, outcome) {
            (PartKind::Text(text) | PartKind::Refusal(text), Outcome::Success) => {
                out.extend_from_slice(text.escaped().as_bytes());
            }
            // The text is JSON in a string in JSON: its escapes are escaped once more.
            (PartKind::Text(text) | PartKind::Refusal(text), Outcome::Error) => {
                escape_into(out, text.escaped());
            }
            _ => {
                return Err(Untranslatable::Field {
                    field: message.place(part.at),
                    reason: "Cohere takes text alone as the result of a tool".to_owned(),
                });
            }
        }
    }
    if outcome == Outcome::Error {
        out.extend_from_slice(br#"\"}"#);
    }
    out.extend_from_slice(b"\"}");
    Ok(())
}

/// Beside calls, text is what Cohere calls the plan.
fn assistant(message: &Message<'_>, out: &mut Vec<u8>) {
    let has = |test: fn(&PartKind<'_>) -> bool| message.parts.iter().any(|part| test(&part.kind));
    let has_calls = has(|kind| matches!(kind, PartKind::ToolCall { .. }));
    let is_text = |kind: &PartKind<'_>| matches!(kind, PartKind::Text(_) | PartKind::Refusal(_));
    let has_text = has(is_text);
    let has_thinking = has(|kind| matches!(kind, PartKind::Thinking { text, .. } if !text.is_empty()));
    if !has_calls && !has_text && !has_thinking {
        return;
    }
    json::comma(out);
    out.extend_from_slice(br#"{"role":"assistant""#);
    if has_calls && has_text {
        json::key(out, "tool_plan");
        out.push(b'"');
        for part in &message.parts {
            if let PartKind::Text(text) | PartKind::Refusal(text) = part.kind {
                out.extend_from_slice(text.escaped().as_bytes());
            }
        }
        out.push(b'"');
    }
    if has_thinking || (has_text && !has_calls) {
        json::key(out, "content");
        out.push(b'[');
        for part in &message.parts {
            match part.kind {
                PartKind::Thinking { text, .. } if !text.is_empty() => {
                    json::comma(out);
                    out.extend_from_slice(br#"{"type":"thinking""#);
                    json::literal_field(out, "thinking", text);
                    out.push(b'}');
                }
                PartKind::Text(value) | PartKind::Refusal(value) if !has_calls => text(value, out),
                _ => {}
            }
        }
        out.push(b']');
    }
    if has_calls {
        json::key(out, "tool_calls");
        out.push(b'[');
        message.parts.iter().for_each(|part| tool_call(part, out));
        out.push(b']');
    }
    out.push(b'}');
}
