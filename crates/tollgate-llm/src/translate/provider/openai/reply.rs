use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, openai as wire};

use super::{error, usage};
use crate::{
    Fault,
    translate::{
        event::{Answer, Choice, Finish, ReplyHead, TokenLogprob},
        json::parsed,
        turn::{Citation, Origin, PartKind},
    },
};

/// Reads a whole chat completion.
pub(super) fn whole(body: &[u8]) -> Result<Answer<'_>, Fault> {
    let reply: wire::Reply<'_> = parsed(body).map_err(Fault::Malformed)?;
    if let Some(error) = &reply.error {
        return Err(Fault::ErrorInReply(error::detail(error).message));
    }
    let choices: Vec<_> = reply.choices.into_iter().flatten().map(choice).collect();
    if choices.is_empty() {
        return Err(Fault::Malformed("a chat completion without choices".to_owned()));
    }
    let head = ReplyHead {
        id: reply.id,
        model: reply.model,
        created: reply.created,
        service_tier: reply.service_tier,
    };
    Ok(Answer { head, choices, usage: reply.usage.as_ref().map(usage).unwrap_or_default() })
}

fn choice(choice: wire::Choice<'_>) -> Choice<'_> {
    Choice {
        finish: finish(choice.finish_reason, choice.stop_reason),
        parts: choice.message.map(parts).unwrap_or_default(),
        logprobs: logprobs(choice.logprobs),
        extras: Vec::new(),
    }
}

/// The probabilities of the text's tokens.
pub(super) fn logprobs(logprobs: Option<wire::ChoiceLogprobs<'_>>) -> Vec<TokenLogprob<'_>> {
    let tokens = logprobs.and_then(|logprobs| logprobs.content).into_iter().flatten();
    tokens
        .map(|one| {
            let top = one.top_logprobs.into_iter().flatten();
            TokenLogprob {
                token: one.token,
                logprob: one.logprob,
                top: top.map(|top| (top.token, top.logprob)).collect(),
            }
        })
        .collect()
}

/// An annotation of the text, where it is a page of the web.
pub(super) fn citation<'a>(annotation: &wire::Annotation<'a>) -> Option<Citation<'a>> {
    let page = annotation.url_citation?;
    Some(Citation {
        span: page.start_index.zip(page.end_index),
        cited: None,
        title: page.title,
        origin: Origin::Url(page.url),
    })
}

/// Why the model stopped; a reason that we do not know is taken for a plain end. vLLM names the stop sequence in
/// `stop_reason`, which is a token's number where a token stopped it.
pub(super) fn finish<'a>(reason: Option<Literal<'a>>, matched: Option<&'a RawValue>) -> Finish<'a> {
    match reason.unwrap_or_default().escaped() {
        "stop" => match matched.map(|raw| serde_json::from_str::<Literal<'a>>(raw.get())) {
            Some(Ok(sequence)) => Finish::StopSequence(sequence),
            Some(Err(_)) | None => Finish::Stop,
        },
        "length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::Refusal,
        _ => Finish::Stop,
    }
}

/// In Anthropic's order: thinking, text, calls.
fn parts(message: wire::ReplyMessage<'_>) -> Vec<PartKind<'_>> {
    let mut parts = Vec::with_capacity(4);
    for block in message.thinking_blocks.iter().flatten() {
        match block.kind.escaped() {
            "thinking" => parts.push(PartKind::Thinking {
                text: block.thinking.unwrap_or_default(),
                signature: block.signature,
            }),
            "redacted_thinking" => parts.extend(block.data.map(PartKind::RedactedThinking)),
            _ => {}
        }
    }
    if parts.is_empty() {
        let thought = present(message.reasoning_content).or_else(|| present(message.reasoning));
        parts.extend(thought.map(|text| PartKind::Thinking { text, signature: None }));
    }
    parts.extend(present(message.content).map(PartKind::Text));
    parts.extend(message.annotations.iter().flatten().filter_map(citation).map(PartKind::Citation));
    parts.extend(present(message.refusal).map(PartKind::Refusal));
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

/// Arguments that the model wrote wrongly become an empty object: the client's SDK takes nothing but objects.
pub(crate) fn input(arguments: Option<Literal<'_>>) -> Cow<'_, str> {
    let text = arguments.unwrap_or_default().decode();
    let is_object = text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&text).is_ok();
    if is_object { text } else { Cow::Borrowed("{}") }
}

/// Text that is there and not empty.
pub(crate) fn present(text: Option<Literal<'_>>) -> Option<Literal<'_>> {
    text.filter(|text| !text.is_empty())
}
