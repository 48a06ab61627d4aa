use serde_json::value::RawValue;
use tollgate_types::{Tokens, Usage};
use tollgate_wire::{Literal, Number, cohere as wire};

use crate::{
    Fault,
    translate::{
        event::{Answer, Finish, ReplyHead},
        json::parsed,
        provider::openai::{input, present},
        turn::{Citation, Origin, PartKind, Range},
    },
};

/// Why the model stopped, or what went wrong.
pub(super) enum End {
    Finish(Finish<'static>),
    Failed(&'static str),
}

/// Reads a whole reply.
pub(super) fn whole(body: &[u8]) -> Result<Answer<'_>, Fault> {
    let reply: wire::Reply<'_> = parsed(body).map_err(Fault::Malformed)?;
    let Some(message) = reply.message else {
        return Err(Fault::Malformed("a reply without a message".to_owned()));
    };
    let finish = match end(reply.finish_reason) {
        End::Finish(finish) => finish,
        End::Failed(reason) => return Err(Fault::ErrorInReply(reason.to_owned())),
    };
    let head = ReplyHead { id: reply.id, ..ReplyHead::default() };
    let usage = reply.usage.map(|counted| usage(&counted)).unwrap_or_default();
    Ok(Answer::single(head, parts(message), finish, usage))
}

/// A reason that we do not know is taken for a plain end.
pub(super) fn end(reason: Option<Literal<'_>>) -> End {
    End::Finish(match reason.unwrap_or_default().escaped() {
        "MAX_TOKENS" | "ERROR_LIMIT" => Finish::Length,
        "TOOL_CALL" => Finish::ToolCalls,
        "ERROR_TOXIC" => Finish::Refusal,
        "ERROR" => return End::Failed("the generation failed"),
        "TIMEOUT" => return End::Failed("the generation took too long"),
        _ => Finish::Stop,
    })
}

fn parts(message: wire::Message<'_>) -> Vec<PartKind<'_>> {
    let mut parts = Vec::with_capacity(4);
    for content in message.content.into_iter().flatten() {
        if let Some(text) = present(content.thinking) {
            parts.push(PartKind::Thinking { text, signature: None });
        }
        parts.extend(present(content.text).map(PartKind::Text));
    }
    for citation in message.citations.iter().flatten() {
        parts.extend(citations(citation).map(PartKind::Citation));
    }
    parts.extend(present(message.tool_plan).map(PartKind::Text));
    for call in message.tool_calls.into_iter().flatten() {
        let Some(function) = call.function else { continue };
        parts.push(PartKind::ToolCall {
            id: call.id.unwrap_or_default(),
            name: function.name.unwrap_or_default(),
            input: input(function.arguments),
        });
    }
    parts
}

/// One for each source.
pub(super) fn citations<'c, 'a>(citation: &'c wire::Citation<'a>) -> impl Iterator<Item = Citation<'a>> + 'c {
    let span = citation.start.zip(citation.end);
    citation.sources.iter().flatten().map(move |source| {
        let text = |raw: Option<&'a RawValue>| {
            raw.and_then(|raw| serde_json::from_str::<Literal<'a>>(raw.get()).ok())
        };
        let document = source.document.as_ref();
        let origin = match document.and_then(|document| text(document.url)) {
            Some(url) => Origin::Url(url),
            None => Origin::Document { index: number(source.id), at: Range::Unknown },
        };
        let title = document.and_then(|document| text(document.title)).or(source.id);
        Citation { span, cited: None, title, origin }
    })
}

/// The number in `doc:3`.
fn number(id: Option<Literal<'_>>) -> u64 {
    let id = id.unwrap_or_default();
    id.escaped().rsplit(':').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Cohere counts twice: all tokens, and those that it bills. The first is what other providers count.
pub(super) fn usage(usage: &wire::Usage<'_>) -> Usage {
    let count = |number: Option<Number<'_>>| number.and_then(Number::as_u64).map(Tokens);
    let pick = |pick: fn(&wire::Counts<'_>) -> Option<u64>| {
        let counts = [usage.tokens, usage.billed_units];
        counts.iter().flatten().find_map(pick).map(Tokens)
    };
    let input = pick(|counts| counts.input_tokens.and_then(Number::as_u64));
    let output = pick(|counts| counts.output_tokens.and_then(Number::as_u64));
    Usage {
        input,
        output,
        total: input.zip(output).map(|(input, output)| input + output),
        cached_input: count(usage.cached_tokens),
        ..Usage::default()
    }
}
