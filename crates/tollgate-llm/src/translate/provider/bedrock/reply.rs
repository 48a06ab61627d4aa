use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::{Literal, bedrock as wire};

use super::usage;
use crate::{
    Fault,
    translate::{
        event::{Answer, Finish, ReplyHead},
        json::parsed,
        turn::{Citation, Origin, PartKind, Range},
    },
};

/// Reads a whole reply of `Converse`. It has no id: the request's stands for it.
pub(super) fn whole(body: &[u8]) -> Result<Answer<'_>, Fault> {
    let reply: wire::Reply<'_> = parsed(body).map_err(Fault::Malformed)?;
    let Some(message) = reply.output.and_then(|output| output.message) else {
        return Err(Fault::Malformed("a reply without a message".to_owned()));
    };
    let mut parts = Vec::with_capacity(message.content.len());
    message.content.iter().for_each(|block| read(block, &mut parts));
    let service_tier = reply.service_tier.and_then(|tier| tier.kind);
    let head = ReplyHead { service_tier, ..ReplyHead::default() };
    let finish = finish(reply.stop_reason, reply.additional);
    let usage = reply.usage.as_ref().map(usage::total).unwrap_or_default();
    Ok(Answer::single(head, parts, finish, usage))
}

/// Why the model stopped. What a guardrail wrote instead of the model is a refusal like a filter's.
pub(super) fn finish<'a>(reason: Option<Literal<'a>>, additional: Option<&'a RawValue>) -> Finish<'a> {
    #[derive(Deserialize)]
    struct Additional<'a> {
        #[serde(borrow)]
        stop_sequence: Option<Literal<'a>>,
    }
    match reason.unwrap_or_default().escaped() {
        "stop_sequence" => additional
            .and_then(|raw| serde_json::from_str::<Additional<'a>>(raw.get()).ok())
            .and_then(|additional| additional.stop_sequence)
            .map_or(Finish::Stop, Finish::StopSequence),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "content_filtered" | "guardrail_intervened" => Finish::Refusal,
        _ => Finish::Stop,
    }
}

/// Adds what a block says; nothing for kinds that no other dialect has.
fn read<'a>(block: &wire::ContentBlock<'a>, parts: &mut Vec<PartKind<'a>>) {
    parts.extend(block.text.map(PartKind::Text));
    if let Some(call) = &block.tool_use
        && !is_hosted(call.kind)
        && let (Some(id), Some(name)) = (call.id, call.name)
    {
        let input = Cow::Borrowed(call.input.map_or("{}", RawValue::get));
        parts.push(PartKind::ToolCall { id, name, input });
    }
    if let Some(reasoning) = &block.reasoning {
        if let Some(said) = &reasoning.text {
            let text = said.text.unwrap_or_default();
            parts.push(PartKind::Thinking { text, signature: said.signature });
        }
        parts.extend(reasoning.redacted.map(PartKind::RedactedThinking));
    }
    if let Some(cited) = &block.citations {
        parts.extend(cited.content.iter().flatten().filter_map(|piece| piece.text).map(PartKind::Text));
        parts.extend(cited.citations.iter().flatten().filter_map(citation).map(PartKind::Citation));
    }
}

/// True for calls of tools that Bedrock runs itself.
pub(super) fn is_hosted(kind: Option<Literal<'_>>) -> bool {
    kind.is_some_and(|kind| kind.escaped() == "server_tool_use")
}

/// `None` where nothing says what is cited.
pub(super) fn citation<'a>(citation: &wire::Citation<'a>) -> Option<Citation<'a>> {
    let location = citation.location.as_ref()?;
    let document = |stretch: wire::Stretch, range: fn(u64, u64) -> Range| Origin::Document {
        index: stretch.document_index,
        at: range(stretch.start, stretch.end),
    };
    let origin = if let Some(url) = location.web.as_ref().and_then(|web| web.url) {
        Origin::Url(url)
    } else if let Some(stretch) = location.document_char {
        document(stretch, Range::Chars)
    } else if let Some(stretch) = location.document_page {
        document(stretch, Range::Pages)
    } else if let Some(stretch) = location.document_chunk {
        document(stretch, Range::Blocks)
    } else {
        let stretch = location.search_result_location?;
        let at = Range::Blocks(stretch.start, stretch.end);
        Origin::SearchResult { index: stretch.search_result_index, source: citation.source, at }
    };
    let cited = citation.source_content.iter().flatten().find_map(|piece| piece.text);
    Some(Citation { span: None, cited, title: citation.title, origin })
}
