use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::Literal;

use super::media::{self, Media};
use crate::{
    Untranslatable, aws,
    translate::{
        json,
        provider::anthropic::{alternating, is_kept},
        turn::{Message, Outcome, Part, PartKind, Role, Turn},
    },
};

/// Characters of `toolUseId`.
const ID: usize = 64;

/// Whether a model takes `cachePoint` blocks; others refuse the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    Taken,
    Refused,
}

// === impl Marks ===

impl Marks {
    /// Claude and Nova (Amazon Bedrock user guide, prompt caching). An ARN does not tell: then the client knows.
    pub(super) fn of(model: &str) -> Self {
        let taken = aws::is_claude(model) || model.contains("nova") || model.starts_with("arn:");
        if taken { Self::Taken } else { Self::Refused }
    }
}

/// Instructions from anywhere in the list, as `system`.
pub(super) fn system(
    turn: &Turn<'_>,
    instruction: Option<Literal<'_>>,
    marks: Marks,
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    let mut blocks = vec![b'['];
    for message in turn.messages.iter().filter(|message| message.role == Role::System) {
        for part in message.parts.iter().filter(|part| is_kept(part)) {
            let PartKind::Text(value) = part.kind else {
                let reason = "instructions are text alone with Amazon Bedrock".to_owned();
                return Err(at(message, part, reason));
            };
            text(value, &mut blocks);
            mark(part.cache, marks, &mut blocks);
        }
    }
    if let Some(instruction) = instruction {
        text(instruction, &mut blocks);
    }
    if blocks.len() > 1 {
        blocks.push(b']');
        json::key(out, "system");
        out.extend_from_slice(&blocks);
    }
    Ok(())
}

/// `messages`: neighbours of one role become one message, so that the roles alternate and all results of parallel
/// calls stand in one user message, as Bedrock requires.
pub(super) fn messages(turn: &Turn<'_>, marks: Marks, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let mut documents = 0;
    alternating(turn, out, |message, part, out| {
        block(message, part, &mut documents, out)?;
        mark(part.cache, marks, out);
        Ok(())
    })
}

/// A `cachePoint` behind the block or the tool that a mark stands on.
pub(super) fn mark(mark: Option<&RawValue>, marks: Marks, out: &mut Vec<u8>) {
    #[derive(Deserialize)]
    struct Mark<'a> {
        #[serde(borrow)]
        ttl: Option<Literal<'a>>,
    }
    let Some(mark) = mark.filter(|_| marks == Marks::Taken) else { return };
    json::comma(out);
    out.extend_from_slice(br#"{"cachePoint":{"type":"default""#);
    let ttl = serde_json::from_str::<Mark<'_>>(mark.get()).ok().and_then(|mark| mark.ttl);
    if let Some(ttl) = ttl.filter(|ttl| matches!(ttl.escaped(), "5m" | "1h")) {
        json::literal_field(out, "ttl", ttl);
    }
    out.extend_from_slice(b"}}");
}

fn block(
    message: &Message<'_>,
    part: &Part<'_>,
    documents: &mut usize,
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    let wrong = |reason| at(message, part, reason);
    match &part.kind {
        PartKind::Text(value) | PartKind::Refusal(value) => text(*value, out),
        PartKind::Image { source, .. } => media::block(Media::Image, *source, out).map_err(wrong)?,
        PartKind::Audio(source) => media::block(Media::Audio, *source, out).map_err(wrong)?,
        PartKind::Video(source) => media::block(Media::Video, *source, out).map_err(wrong)?,
        PartKind::Document { source, title } => {
            *documents += 1;
            media::document(*source, (*title, *documents), out).map_err(wrong)?;
        }
        PartKind::ToolCall { id, name, input } => {
            json::comma(out);
            out.extend_from_slice(br#"{"toolUse":{"#);
            tool_id(*id, out);
            json::literal_field(out, "name", *name);
            json::raw_field(out, "input", input);
            out.extend_from_slice(b"}}");
        }
        PartKind::ToolResult { id, outcome, parts } => {
            json::comma(out);
            out.extend_from_slice(br#"{"toolResult":{"#);
            tool_id(*id, out);
            json::key(out, "content");
            out.push(b'[');
            for one in parts.iter().filter(|one| is_kept(one)) {
                block(message, one, documents, out)?;
            }
            out.push(b']');
            if *outcome == Outcome::Error {
                json::text_field(out, "status", "error");
            }
            out.extend_from_slice(b"}}");
        }
        PartKind::Thinking { text, signature } => {
            json::comma(out);
            out.extend_from_slice(br#"{"reasoningContent":{"reasoningText":{"#);
            json::literal_field(out, "text", *text);
            json::literal_field(out, "signature", signature.unwrap_or_default());
            out.extend_from_slice(b"}}}");
        }
        PartKind::RedactedThinking(data) => redacted(*data, out).map_err(wrong)?,
        PartKind::Citation(_) => {}
    }
    Ok(())
}

fn text(text: Literal<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "text", text);
    out.push(b'}');
}

/// Bedrock's blobs are base64, and that is what clients got: it goes back as it is.
fn redacted(data: Literal<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    if STANDARD.decode(data.decode().as_bytes()).is_err() {
        return Err("redacted thinking that is no base64 did not come from Amazon Bedrock".to_owned());
    }
    json::comma(out);
    out.extend_from_slice(br#"{"reasoningContent":{"#);
    json::literal_field(out, "redactedContent", data);
    out.extend_from_slice(b"}}");
    Ok(())
}

/// `"toolUseId":…`: letters, digits, `_`, `-`, `.` and `:`, up to a bound; other providers' ids have more. Call and
/// result are rewritten alike, so they still meet.
fn tool_id(id: Literal<'_>, out: &mut Vec<u8>) {
    json::key(out, "toolUseId");
    out.push(b'"');
    let id = id.decode();
    let skipped = id.chars().count().saturating_sub(ID);
    out.extend(id.chars().skip(skipped).map(|c| match u8::try_from(c) {
        Ok(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':') => byte,
        Ok(_) | Err(_) => b'_',
    }));
    out.push(b'"');
}

fn at(message: &Message<'_>, part: &Part<'_>, reason: String) -> Untranslatable {
    Untranslatable::Field { field: message.place(part.at), reason }
}
