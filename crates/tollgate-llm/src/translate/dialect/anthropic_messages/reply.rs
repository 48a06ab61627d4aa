use tollgate_wire::Literal;

use super::{Tools, stop_reason, usage};
use crate::translate::{
    event::{Answer, Choice, Finish, Names, ReplyHead},
    json,
    turn::{Citation, Origin, PartKind, Range},
};

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
    let empty = Choice::default();
    let choice = answer.choices.first().unwrap_or(&empty);
    for (at, part) in choice.parts.iter().enumerate() {
        let made = || answer.head.call_id(at, names.now);
        block(part, choice.parts.get(at + 1..).unwrap_or_default(), made, out);
    }
    out.push(b']');
    let has = |test: fn(&PartKind<'_>) -> bool| choice.parts.iter().any(test);
    let tools =
        if has(|part| matches!(part, PartKind::ToolCall { .. })) { Tools::Called } else { Tools::None };
    let finish =
        if has(|part| matches!(part, PartKind::Refusal(_))) { Finish::Refusal } else { choice.finish };
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

/// One block; citations stand in the text block that they follow, and a call without an id gets the one that is
/// made up.
fn block(part: &PartKind<'_>, rest: &[PartKind<'_>], made: impl Fn() -> String, out: &mut Vec<u8>) {
    match part {
        PartKind::Text(text) | PartKind::Refusal(text) => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"text""#);
            json::literal_field(out, "text", *text);
            let follows = |part: &&PartKind<'_>| matches!(part, PartKind::Citation(_));
            if rest.first().is_some_and(|next| follows(&next)) {
                json::key(out, "citations");
                out.push(b'[');
                for one in rest.iter().take_while(follows) {
                    if let PartKind::Citation(one) = one {
                        citation(one, out);
                    }
                }
                out.push(b']');
            }
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
                json::text_field(out, "id", &made());
            } else {
                json::literal_field(out, "id", *id);
            }
            json::literal_field(out, "name", *name);
            json::raw_field(out, "input", input);
        }
        PartKind::Image { .. }
        | PartKind::Document { .. }
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::ToolResult { .. }
        | PartKind::Citation(_) => return,
    }
    out.push(b'}');
}

/// One element of `citations`.
pub(super) fn citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    match citation.origin {
        Origin::Url(url) => {
            json::text_field(out, "type", "web_search_result_location");
            json::literal_field(out, "url", url);
            json::literal_field(out, "title", citation.title.unwrap_or_default());
            json::text_field(out, "encrypted_index", "");
        }
        Origin::Document { index, at } => {
            let (kind, fields) = match at {
                Range::Chars(..) | Range::Unknown => {
                    ("char_location", ["start_char_index", "end_char_index"])
                }
                Range::Pages(..) => ("page_location", ["start_page_number", "end_page_number"]),
                Range::Blocks(..) => ("content_block_location", ["start_block_index", "end_block_index"]),
            };
            json::text_field(out, "type", kind);
            json::number_field(out, "document_index", index);
            optional(out, "document_title", citation.title);
            range(at, fields, out);
        }
        Origin::SearchResult { index, source, at } => {
            json::text_field(out, "type", "search_result_location");
            json::number_field(out, "search_result_index", index);
            json::literal_field(out, "source", source.unwrap_or_default());
            optional(out, "title", citation.title);
            range(at, ["start_block_index", "end_block_index"], out);
        }
    }
    json::literal_field(out, "cited_text", citation.cited.unwrap_or_default());
    out.push(b'}');
}

fn optional(out: &mut Vec<u8>, name: &str, text: Option<Literal<'_>>) {
    match text {
        Some(text) => json::literal_field(out, name, text),
        None => json::raw_field(out, name, "null"),
    }
}

fn range(at: Range, [first, last]: [&str; 2], out: &mut Vec<u8>) {
    let (from, to) = match at {
        Range::Chars(from, to) | Range::Pages(from, to) | Range::Blocks(from, to) => (from, to),
        Range::Unknown => (0, 0),
    };
    json::number_field(out, first, from);
    json::number_field(out, last, to);
}
