use tollgate_wire::Literal;

use super::{extras, finish_reason, usage};
use crate::translate::{
    event::{Answer, Choice, Drawn, Finish, Names, TokenLogprob},
    json,
    turn::{Citation, Origin, PartKind, Source},
};

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
    if let Some(tier) = head.service_tier {
        json::literal_field(out, "service_tier", tier);
    }
}

/// A whole `chat.completion`.
pub(super) fn whole(answer: &Answer<'_>, names: Names<'_>, out: &mut Vec<u8>) {
    head(out, "chat.completion", &answer.head, names);
    json::key(out, "choices");
    out.push(b'[');
    let mut calls = 0;
    for (index, one) in answer.choices.iter().enumerate() {
        choice(index, one, |at| answer.head.call_id(calls + at, names.now), out);
        calls += one.parts.iter().filter(|part| matches!(part, PartKind::ToolCall { .. })).count();
    }
    out.push(b']');
    if !answer.usage.is_empty() {
        json::key(out, "usage");
        usage(out, &answer.usage);
    }
    out.push(b'}');
}

/// One answer; `call_id` names calls that have no id by their place.
fn choice(index: usize, choice: &Choice<'_>, call_id: impl Fn(usize) -> String, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    json::number_field(out, "index", index as u64);
    json::key(out, "message");
    out.extend_from_slice(br#"{"role":"assistant""#);
    content(&choice.parts, out);
    refusal(&choice.parts, out);
    images(&choice.parts, out);
    annotations(&choice.parts, out);
    thinking(&choice.parts, out);
    tool_calls(&choice.parts, call_id, out);
    for (name, value) in &choice.extras {
        extras(name, value, out);
    }
    out.push(b'}');
    logprobs(&choice.logprobs, out);
    json::text_field(out, "finish_reason", finish_reason(&choice.finish));
    if let Finish::StopSequence(matched) = choice.finish {
        json::literal_field(out, "stop_reason", matched);
    }
    out.push(b'}');
}

/// `"logprobs":…`, `null` where there are none.
pub(super) fn logprobs(tokens: &[TokenLogprob<'_>], out: &mut Vec<u8>) {
    json::key(out, "logprobs");
    if tokens.is_empty() {
        return json::raw(out, "null");
    }
    out.extend_from_slice(br#"{"content":["#);
    elements(tokens, out);
    out.extend_from_slice(br#"],"refusal":null}"#);
}

/// One object for each token, with the alternatives to it.
pub(crate) fn elements(tokens: &[TokenLogprob<'_>], out: &mut Vec<u8>) {
    for one in tokens {
        json::comma(out);
        out.push(b'{');
        token(one.token, one.logprob, out);
        json::key(out, "top_logprobs");
        out.push(b'[');
        for (text, logprob) in &one.top {
            json::comma(out);
            out.push(b'{');
            token(*text, *logprob, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// `"token":…,"logprob":…,"bytes":[…]`
fn token(text: Literal<'_>, logprob: tollgate_wire::Number<'_>, out: &mut Vec<u8>) {
    json::literal_field(out, "token", text);
    json::raw_field(out, "logprob", logprob.as_str());
    json::key(out, "bytes");
    out.push(b'[');
    for byte in text.decode().bytes() {
        json::comma(out);
        json::number(out, u64::from(byte));
    }
    out.push(b']');
}

/// `images`, as gateways to models that draw have it: OpenAI's chat has no place for them.
fn images(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    let drawn = parts.iter().filter_map(|part| match part {
        PartKind::Image { source: Source::Base64 { media_type, data }, .. } => {
            Some(Drawn { media_type: *media_type, data: *data })
        }
        _ => None,
    });
    let mut drawn = drawn.peekable();
    if drawn.peek().is_none() {
        return;
    }
    json::key(out, "images");
    out.push(b'[');
    drawn.for_each(|one| image(one, out));
    out.push(b']');
}

/// One element of `images`.
pub(super) fn image(Drawn { media_type, data }: Drawn<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"type":"image_url","image_url":{"url":"data:"#);
    out.extend_from_slice(media_type.escaped().as_bytes());
    out.extend_from_slice(b";base64,");
    out.extend_from_slice(data.escaped().as_bytes());
    out.extend_from_slice(br#""}}"#);
}

/// `annotations`: pages of the web alone, for OpenAI's chat has no other kind.
fn annotations(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    // Nobody has to know how long texts are that nothing is cited for.
    if !parts.iter().any(|part| matches!(part, PartKind::Citation(_))) {
        return;
    }
    let (mut from, mut to) = (0, 0);
    let mut is_open = false;
    for part in parts {
        match part {
            PartKind::Text(text) => (from, to) = (to, to + chars(*text)),
            PartKind::Citation(citation) => {
                let Origin::Url(_) = citation.origin else { continue };
                if !is_open {
                    json::key(out, "annotations");
                    out.push(b'[');
                    is_open = true;
                }
                annotation(citation, (from, to), out);
            }
            PartKind::Image { .. }
            | PartKind::Document { .. }
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::ToolCall { .. }
            | PartKind::ToolResult { .. }
            | PartKind::Thinking { .. }
            | PartKind::RedactedThinking(_)
            | PartKind::Refusal(_) => {}
        }
    }
    if is_open {
        out.push(b']');
    }
}

/// One element of `annotations`; `text` is where the text stands that it belongs to.
pub(super) fn annotation(citation: &Citation<'_>, text: (u64, u64), out: &mut Vec<u8>) {
    let Origin::Url(url) = citation.origin else { return };
    let (from, to) = citation.span.unwrap_or(text);
    json::comma(out);
    out.extend_from_slice(br#"{"type":"url_citation","url_citation":{"#);
    json::number_field(out, "start_index", from);
    json::number_field(out, "end_index", to);
    json::literal_field(out, "url", url);
    json::literal_field(out, "title", citation.title.unwrap_or_default());
    out.extend_from_slice(b"}}");
}

/// Characters of a text.
pub(super) fn chars(text: Literal<'_>) -> u64 {
    text.chars()
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
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::ToolCall { .. }
        | PartKind::ToolResult { .. }
        | PartKind::Refusal(_)
        | PartKind::Citation(_) => out.push(b'{'),
    }
    out.push(b'}');
}

fn tool_calls(parts: &[PartKind<'_>], call_id: impl Fn(usize) -> String, out: &mut Vec<u8>) {
    let mut count = 0;
    for part in parts {
        let PartKind::ToolCall { id, name, input } = part else { continue };
        if count == 0 {
            json::key(out, "tool_calls");
            out.push(b'[');
        }
        json::comma(out);
        out.push(b'{');
        if id.is_empty() {
            json::text_field(out, "id", &call_id(count));
        } else {
            json::literal_field(out, "id", *id);
        }
        count += 1;
        json::text_field(out, "type", "function");
        json::key(out, "function");
        out.push(b'{');
        json::literal_field(out, "name", *name);
        json::text_field(out, "arguments", input);
        out.extend_from_slice(b"}}");
    }
    if count > 0 {
        out.push(b']');
    }
}
