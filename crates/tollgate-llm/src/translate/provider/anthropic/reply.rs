use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, anthropic as wire};

use super::{error, usage::Counts};
use crate::{
    Fault,
    translate::{
        event::{Answer, Finish, ReplyHead},
        json::reason,
        turn::PartKind,
    },
};

/// Reads a whole message.
pub(super) fn whole(body: &[u8]) -> Result<Answer<'_>, Fault> {
    let reply: wire::Reply<'_> =
        serde_json::from_slice(body).map_err(|error| Fault::Malformed(reason(&error)))?;
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
    Ok(Answer {
        head: ReplyHead { id: reply.id, model: reply.model, created: None },
        parts: content.iter().filter_map(part).collect(),
        finish: finish(reply.stop_reason, reply.stop_sequence),
        usage: counts.total(),
    })
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
