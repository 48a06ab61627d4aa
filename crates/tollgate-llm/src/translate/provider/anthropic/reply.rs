use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, anthropic as wire};

use super::{error, usage::Counts};
use crate::{
    Fault,
    translate::{
        event::{Answer, Finish, ReplyHead},
        json::parsed,
        turn::{Citation, Origin, PartKind, Range},
    },
};

/// Reads a whole message.
pub(super) fn whole(body: &[u8]) -> Result<Answer<'_>, Fault> {
    let reply: wire::Reply<'_> = parsed(body).map_err(Fault::Malformed)?;
    if reply.error.is_some() || reply.kind.is_some_and(|kind| kind.escaped() == "error") {
        return Err(error::in_reply(reply.error.as_ref()));
    }
    let Some(content) = reply.content else {
        return Err(Fault::Malformed("a message without content".to_owned()));
    };
    let mut counts = Counts::NONE;
    if let Some(usage) = &reply.usage {
        counts.update(usage);
    }
    let mut parts = Vec::with_capacity(content.len());
    for block in &content {
        parts.extend(part(block));
        parts.extend(block.citations.iter().flatten().filter_map(citation).map(PartKind::Citation));
    }
    Ok(Answer::single(
        ReplyHead { id: reply.id, model: reply.model, ..ReplyHead::default() },
        parts,
        finish(reply.stop_reason, reply.stop_sequence),
        counts.total(),
    ))
}

/// Reads `{"input_tokens":…}`.
pub(crate) fn counted(body: &[u8]) -> Result<u64, Fault> {
    #[derive(serde::Deserialize)]
    struct Count {
        input_tokens: u64,
    }
    let count: Count = parsed(body).map_err(Fault::Malformed)?;
    Ok(count.input_tokens)
}

/// Why the model stopped. A reason that we do not know is taken for a plain end: the answer is whole either way.
pub(super) fn finish<'a>(reason: Option<Literal<'a>>, sequence: Option<Literal<'a>>) -> Finish<'a> {
    match reason.unwrap_or_default().escaped() {
        "stop_sequence" => sequence.map_or(Finish::Stop, Finish::StopSequence),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Refusal,
        _ => Finish::Stop,
    }
}

/// `None` where its kind is not known.
pub(super) fn citation<'a>(citation: &wire::Citation<'a>) -> Option<Citation<'a>> {
    let document = |at: Range| Origin::Document { index: citation.document_index.unwrap_or_default(), at };
    let range = |from: Option<u64>, to: Option<u64>, range: fn(u64, u64) -> Range| {
        from.zip(to).map_or(Range::Unknown, |(from, to)| range(from, to))
    };
    let blocks = || range(citation.start_block_index, citation.end_block_index, Range::Blocks);
    let origin = match citation.kind?.escaped() {
        "char_location" => document(range(citation.start_char_index, citation.end_char_index, Range::Chars)),
        "page_location" => {
            document(range(citation.start_page_number, citation.end_page_number, Range::Pages))
        }
        "content_block_location" => document(blocks()),
        "web_search_result_location" => Origin::Url(citation.url?),
        "search_result_location" => Origin::SearchResult {
            index: citation.search_result_index.unwrap_or_default(),
            source: citation.source,
            at: blocks(),
        },
        _ => return None,
    };
    let title = citation.title.or(citation.document_title);
    Some(Citation { span: None, cited: citation.cited_text, title, origin })
}

/// `None` for blocks of the provider's own tools, which no other dialect has.
fn part<'a>(block: &wire::ReplyBlock<'a>) -> Option<PartKind<'a>> {
    match block.kind.escaped() {
        "text" => block.text.map(PartKind::Text),
        "thinking" => {
            Some(PartKind::Thinking { text: block.thinking.unwrap_or_default(), signature: block.signature })
        }
        "redacted_thinking" => block.data.map(PartKind::RedactedThinking),
        "tool_use" => Some(PartKind::ToolCall {
            id: block.id?,
            name: block.name?,
            input: Cow::Borrowed(block.input.map_or("{}", RawValue::get)),
        }),
        _ => None,
    }
}
