use tollgate_wire::{Literal, escape_into};

use super::family::Family;
use crate::{
    Untranslatable,
    translate::{
        json,
        turn::{Message, Outcome, Part, PartKind, Role, Source, Turn},
    },
};

/// `messages`
pub(super) fn messages(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    json::key(out, "messages");
    out.push(b'[');
    for message in &turn.messages {
        match message.role {
            Role::System => system(message, out),
            Role::Assistant => assistant(message, family, out),
            Role::User => user(message, out)?,
        }
    }
    out.push(b']');
    Ok(())
}

/// Instructions as one string, their blocks a blank line apart: many servers take no list here.
fn system(message: &Message<'_>, out: &mut Vec<u8>) {
    let mut texts = texts(&message.parts).peekable();
    if texts.peek().is_none() {
        return;
    }
    json::comma(out);
    out.extend_from_slice(br#"{"role":"system","content":""#);
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.extend_from_slice(br"\n\n");
        }
        out.extend_from_slice(text.escaped().as_bytes());
    }
    out.extend_from_slice(b"\"}");
}

fn assistant(message: &Message<'_>, family: Family, out: &mut Vec<u8>) {
    let has_calls = message.parts.iter().any(|part| matches!(part.kind, PartKind::ToolCall { .. }));
    let has_text = texts(&message.parts).next().is_some();
    let has_thinking = family == Family::Compatible && thoughts(&message.parts).next().is_some();
    if !has_calls && !has_text && !has_thinking {
        return;
    }
    json::comma(out);
    out.extend_from_slice(br#"{"role":"assistant","content":"#);
    if has_text || !has_calls {
        out.push(b'"');
        texts(&message.parts).for_each(|text| out.extend_from_slice(text.escaped().as_bytes()));
        out.push(b'"');
    } else {
        json::raw(out, "null");
    }
    if has_thinking {
        thinking(&message.parts, out);
    }
    if has_calls {
        json::key(out, "tool_calls");
        out.push(b'[');
        message.parts.iter().for_each(|part| tool_call(part, out));
        out.push(b']');
    }
    out.push(b'}');
}

/// The thinking of an earlier answer: plain for models that read it again, signed for gateways behind us.
fn thinking(parts: &[Part<'_>], out: &mut Vec<u8>) {
    let plain = || {
        parts.iter().filter_map(|part| match part.kind {
            PartKind::Thinking { text, .. } if !text.is_empty() => Some(text),
            _ => None,
        })
    };
    if plain().next().is_some() {
        json::key(out, "reasoning_content");
        out.push(b'"');
        plain().for_each(|text| out.extend_from_slice(text.escaped().as_bytes()));
        out.push(b'"');
    }
    json::key(out, "thinking_blocks");
    out.push(b'[');
    for kind in thoughts(parts) {
        json::comma(out);
        out.push(b'{');
        match *kind {
            PartKind::Thinking { text, signature } => {
                json::text_field(out, "type", "thinking");
                json::literal_field(out, "thinking", text);
                if let Some(signature) = signature {
                    json::literal_field(out, "signature", signature);
                }
            }
            PartKind::RedactedThinking(data) => {
                json::text_field(out, "type", "redacted_thinking");
                json::literal_field(out, "data", data);
            }
            PartKind::Text(_)
            | PartKind::Image { .. }
            | PartKind::Document { .. }
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::ToolCall { .. }
            | PartKind::ToolResult { .. }
            | PartKind::Refusal(_)
            | PartKind::Citation(_) => {}
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// One of `tool_calls`, if it is a call.
pub(crate) fn tool_call(part: &Part<'_>, out: &mut Vec<u8>) {
    let PartKind::ToolCall { id, name, input } = &part.kind else { return };
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

/// A user's message: first its tool results, which have to follow the calls at once, then what the user says.
/// OpenAI's tool messages hold text alone, so images in results are shown in the user's message.
fn user(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    for part in &message.parts {
        if let PartKind::ToolResult { id, outcome, parts } = &part.kind {
            tool_result(*id, *outcome, parts, out);
        }
    }
    let said = || {
        message.parts.iter().flat_map(|part| match &part.kind {
            PartKind::ToolResult { parts, .. } => {
                parts.iter().filter(|part| !is_text(part)).collect::<Vec<_>>()
            }
            _ => vec![part],
        })
    };
    let count = said().count();
    if count == 0 {
        return Ok(());
    }
    json::comma(out);
    out.extend_from_slice(br#"{"role":"user","content":"#);
    match said().next().map(|part| &part.kind) {
        Some(PartKind::Text(text)) if count == 1 => json::literal(out, *text),
        _ => {
            out.push(b'[');
            for part in said() {
                content_part(message, part, out)?;
            }
            out.push(b']');
        }
    }
    out.push(b'}');
    Ok(())
}

/// A failed call's result becomes `{"error": …}`, which the other direction reads as a failure again.
fn tool_result(id: Literal<'_>, outcome: Outcome, parts: &[Part<'_>], out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"role":"tool""#);
    json::literal_field(out, "tool_call_id", id);
    json::key(out, "content");
    out.push(b'"');
    match json::worded(outcome, parts) {
        Outcome::Success => texts(parts).for_each(|text| out.extend_from_slice(text.escaped().as_bytes())),
        Outcome::Error => {
            out.extend_from_slice(br#"{\"error\":\""#);
            // The text is JSON in a string in JSON: its escapes are escaped once more.
            texts(parts).for_each(|text| escape_into(out, text.escaped()));
            out.extend_from_slice(br#"\"}"#);
        }
    }
    out.extend_from_slice(b"\"}");
}

fn content_part(message: &Message<'_>, part: &Part<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let refused = |reason: &str| {
        Err(Untranslatable::Field { field: message.place(part.at), reason: reason.to_owned() })
    };
    match &part.kind {
        PartKind::Text(text) | PartKind::Refusal(text) => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"text""#);
            json::literal_field(out, "text", *text);
            out.push(b'}');
        }
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
        PartKind::Document { source: Source::Url(_), .. } => {
            return refused("OpenAI takes documents as base64, not by address");
        }
        PartKind::Document { source: source @ Source::Base64 { .. }, title } => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"file","file":{"#);
            let name = title.filter(|title| !title.is_empty());
            json::literal_field(out, "filename", name.unwrap_or(Literal::from_escaped("document.pdf")));
            json::key(out, "file_data");
            out.push(b'"');
            address(*source, out);
            out.extend_from_slice(b"\"}}");
        }
        PartKind::Audio(Source::Base64 { media_type, data }) => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"input_audio","input_audio":{"#);
            json::literal_field(out, "data", *data);
            json::text_field(out, "format", audio_format(media_type.escaped()));
            out.extend_from_slice(b"}}");
        }
        PartKind::Audio(Source::Url(_)) => {
            return refused("OpenAI takes audio as base64, not by address");
        }
        PartKind::Video(_) => return refused("OpenAI's chat API takes no video"),
        PartKind::ToolCall { .. } => return refused("a user's message calls no tools"),
        // Written before; a user does not think, nor cite.
        PartKind::ToolResult { .. }
        | PartKind::Thinking { .. }
        | PartKind::RedactedThinking(_)
        | PartKind::Citation(_) => {}
    }
    Ok(())
}

/// OpenAI's word for a media type.
fn audio_format(media_type: &str) -> &str {
    match media_type {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}

/// The address, inside the quotes.
pub(crate) fn address(source: Source<'_>, out: &mut Vec<u8>) {
    match source {
        Source::Url(url) => out.extend_from_slice(url.escaped().as_bytes()),
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"data:");
            out.extend_from_slice(media_type.escaped().as_bytes());
            out.extend_from_slice(b";base64,");
            out.extend_from_slice(data.escaped().as_bytes());
        }
    }
}

pub(super) fn texts<'p, 'a>(parts: &'p [Part<'a>]) -> impl Iterator<Item = Literal<'a>> + 'p {
    parts.iter().filter_map(|part| match part.kind {
        PartKind::Text(text) | PartKind::Refusal(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

fn thoughts<'p, 'a>(parts: &'p [Part<'a>]) -> impl Iterator<Item = &'p PartKind<'a>> + 'p {
    parts
        .iter()
        .map(|part| &part.kind)
        .filter(|kind| matches!(kind, PartKind::Thinking { .. } | PartKind::RedactedThinking(_)))
}

const fn is_text(part: &Part<'_>) -> bool {
    matches!(part.kind, PartKind::Text(_) | PartKind::Refusal(_))
}
