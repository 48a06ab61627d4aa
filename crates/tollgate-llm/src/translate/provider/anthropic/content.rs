use serde_json::value::RawValue;
use tollgate_wire::Literal;

use crate::{
    Untranslatable,
    translate::{
        json,
        turn::{Message, Outcome, Part, PartKind, Role, Source, Turn},
    },
};

/// Media types of `image` blocks (Anthropic API reference).
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Instructions from anywhere in the list, as `system`.
pub(super) fn system(
    turn: &Turn<'_>,
    instruction: Option<Literal<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    let mut is_open = false;
    let mut open = |out: &mut Vec<u8>| {
        if !is_open {
            json::key(out, "system");
            out.push(b'[');
            is_open = true;
        }
        json::comma(out);
    };
    for message in turn.messages.iter().filter(|message| message.role == Role::System) {
        for part in message.parts.iter().filter(|part| is_kept(part)) {
            let PartKind::Text(_) = part.kind else {
                return Err(Untranslatable::Field {
                    field: message.place(part.at),
                    reason: "instructions are text alone with Anthropic".to_owned(),
                });
            };
            open(out);
            block(message, part, out)?;
        }
    }
    if let Some(instruction) = instruction {
        open(out);
        text(instruction, None, out);
    }
    if is_open {
        out.push(b']');
    }
    Ok(())
}

/// `messages`: neighbours of one role become one message, so that the roles alternate and all results of parallel
/// calls stand in one user message, as Anthropic requires.
pub(super) fn messages(turn: &Turn<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    alternating(turn, out, |message, part, out| {
        json::comma(out);
        block(message, part, out)
    })
}

/// The same with blocks of another kind, as `write` writes them.
pub(crate) fn alternating(
    turn: &Turn<'_>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(&Message<'_>, &Part<'_>, &mut Vec<u8>) -> Result<(), Untranslatable>,
) -> Result<(), Untranslatable> {
    json::key(out, "messages");
    out.push(b'[');
    let mut open = None;
    for message in turn.messages.iter().filter(|message| message.role != Role::System) {
        for part in message.parts.iter().filter(|part| is_kept(part)) {
            if open != Some(message.role) {
                if open.is_some() {
                    out.extend_from_slice(b"]}");
                }
                open = Some(message.role);
                json::comma(out);
                out.extend_from_slice(match message.role {
                    Role::Assistant => br#"{"role":"assistant","content":["#.as_slice(),
                    Role::User | Role::System => br#"{"role":"user","content":["#.as_slice(),
                });
            }
            write(message, part, out)?;
        }
    }
    if open.is_some() {
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    Ok(())
}

/// `,"cache_control":{…}` where there is a mark.
pub(super) fn cache(mark: Option<&RawValue>, out: &mut Vec<u8>) {
    if let Some(mark) = mark {
        json::raw_field(out, "cache_control", mark.get());
    }
}

/// False for what Anthropic and Bedrock refuse and nobody misses: blank text, thinking that nobody signed, sources of
/// old text, which Anthropic takes back only in its own words, with an encrypted index.
pub(crate) fn is_kept(part: &Part<'_>) -> bool {
    match &part.kind {
        PartKind::Text(text) | PartKind::Refusal(text) => !text.is_blank(),
        PartKind::Thinking { signature, .. } => signature.is_some_and(|signature| !signature.is_empty()),
        PartKind::RedactedThinking(data) => !data.is_empty(),
        PartKind::Image { .. }
        | PartKind::Document { .. }
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::ToolCall { .. }
        | PartKind::ToolResult { .. } => true,
        PartKind::Citation(_) => false,
    }
}

fn block(message: &Message<'_>, part: &Part<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    match &part.kind {
        PartKind::Text(value) | PartKind::Refusal(value) => text(*value, part.cache, out),
        PartKind::Image { source: from, .. } => {
            out.extend_from_slice(br#"{"type":"image""#);
            source(*from, &IMAGES, out).map_err(|reason| at(message, part, reason))?;
            finish(part, out);
        }
        PartKind::Document { source: from, title } => {
            out.extend_from_slice(br#"{"type":"document""#);
            source(*from, &["application/pdf"], out).map_err(|reason| at(message, part, reason))?;
            if let Some(title) = title {
                json::literal_field(out, "title", *title);
            }
            finish(part, out);
        }
        PartKind::Audio(_) => return Err(at(message, part, "Anthropic takes no audio".to_owned())),
        PartKind::Video(_) => return Err(at(message, part, "Anthropic takes no video".to_owned())),
        PartKind::Citation(_) => {}
        PartKind::ToolCall { id, name, input } => {
            out.extend_from_slice(br#"{"type":"tool_use""#);
            json::key(out, "id");
            tool_id(*id, out);
            json::literal_field(out, "name", *name);
            json::raw_field(out, "input", input);
            finish(part, out);
        }
        PartKind::ToolResult { id, outcome, parts } => {
            out.extend_from_slice(br#"{"type":"tool_result""#);
            json::key(out, "tool_use_id");
            tool_id(*id, out);
            result(message, parts, out)?;
            if *outcome == Outcome::Error {
                json::raw_field(out, "is_error", "true");
            }
            finish(part, out);
        }
        PartKind::Thinking { text, signature } => {
            out.extend_from_slice(br#"{"type":"thinking""#);
            json::literal_field(out, "thinking", *text);
            json::literal_field(out, "signature", signature.unwrap_or_default());
            out.push(b'}');
        }
        PartKind::RedactedThinking(data) => {
            out.extend_from_slice(br#"{"type":"redacted_thinking""#);
            json::literal_field(out, "data", *data);
            out.push(b'}');
        }
    }
    Ok(())
}

fn finish(part: &Part<'_>, out: &mut Vec<u8>) {
    cache(part.cache, out);
    out.push(b'}');
}

fn text(text: Literal<'_>, mark: Option<&RawValue>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"text""#);
    json::literal_field(out, "text", text);
    cache(mark, out);
    out.push(b'}');
}

/// `,"content":…` of a tool's result; an empty result has none.
fn result(message: &Message<'_>, parts: &[Part<'_>], out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let mut kept = parts.iter().filter(|part| is_kept(part)).peekable();
    if kept.peek().is_none() {
        return Ok(());
    }
    json::key(out, "content");
    out.push(b'[');
    for part in kept {
        json::comma(out);
        block(message, part, out)?;
    }
    out.push(b']');
    Ok(())
}

/// `,"source":{…}`
fn source(source: Source<'_>, media_types: &[&str], out: &mut Vec<u8>) -> Result<(), String> {
    json::key(out, "source");
    out.push(b'{');
    match source {
        Source::Base64 { media_type, data } => {
            let given = media_type.decode().to_ascii_lowercase();
            let given = if given == "image/jpg" { "image/jpeg" } else { given.as_str() };
            if !media_types.contains(&given) {
                return Err(format!("media type {given:?} is not one of {}", media_types.join(", ")));
            }
            json::text_field(out, "type", "base64");
            json::text_field(out, "media_type", given);
            json::literal_field(out, "data", data);
        }
        Source::Url(url) => {
            json::text_field(out, "type", "url");
            json::literal_field(out, "url", url);
        }
    }
    out.push(b'}');
    Ok(())
}

/// Anthropic takes letters, digits, `_` and `-` in ids; other providers' ids have more. Call and result are
/// rewritten alike, so they still meet.
fn tool_id(id: Literal<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend(id.decode().chars().map(|c| match u8::try_from(c) {
        Ok(byte) if byte.is_ascii_alphanumeric() || byte == b'-' => byte,
        Ok(_) | Err(_) => b'_',
    }));
    out.push(b'"');
}

fn at(message: &Message<'_>, part: &Part<'_>, reason: String) -> Untranslatable {
    Untranslatable::Field { field: message.place(part.at), reason }
}
