use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number, gemini as wire};

use super::{error, usage::usage};
use crate::{
    Fault,
    translate::{
        event::{Answer, Choice, Drawn, Finish, ReplyHead, TokenLogprob},
        json::parsed,
        turn::{Citation, Origin, PartKind, Source},
    },
};

/// What an answer's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished(Finish<'static>),
    /// What came is no answer; for example the model called a tool in a way that nobody can read.
    Failed,
}

/// Reads a whole reply.
pub(super) fn whole(body: &[u8]) -> Result<Answer<'_>, Fault> {
    let reply: wire::Chunk<'_> = parsed(body).map_err(Fault::Malformed)?;
    if let Some(error) = &reply.error {
        return Err(Fault::ErrorInReply(error::detail(error).message));
    }
    let head = head(&reply);
    let usage = reply.usage_metadata.as_ref().map(usage).unwrap_or_default();
    let mut candidates = reply.candidates.unwrap_or_default();
    candidates.sort_by_key(|candidate| candidate.index.unwrap_or_default());
    let mut choices = candidates.into_iter().map(choice).collect::<Result<Vec<_>, _>>()?;
    if choices.is_empty() {
        let Some(feedback) = reply.prompt_feedback.filter(|feedback| feedback.block_reason.is_some()) else {
            return Err(Fault::Malformed("a reply without candidates".to_owned()));
        };
        let parts = feedback.block_reason_message.map(PartKind::Refusal).into_iter().collect();
        choices.push(Choice { parts, finish: Finish::Refusal, ..Choice::default() });
    }
    Ok(Answer { head, choices, usage })
}

/// What identifies the answer.
pub(super) const fn head<'a>(reply: &wire::Chunk<'a>) -> ReplyHead<'a> {
    ReplyHead { id: reply.response_id, model: reply.model_version, created: None, service_tier: None }
}

fn choice(candidate: wire::Candidate<'_>) -> Result<Choice<'_>, Fault> {
    let mut parts = parts(candidate.content.unwrap_or_default());
    let citations = citations(&parts, candidate.citation_metadata.as_ref(), candidate.grounding_metadata);
    if let Some(at) = parts.iter().rposition(|part| matches!(part, PartKind::Text(_))) {
        parts.splice(at + 1..at + 1, citations.into_iter().map(PartKind::Citation));
    }
    let calls = parts.iter().any(|part| matches!(part, PartKind::ToolCall { .. }));
    let finish = match end(candidate.finish_reason.unwrap_or_default().escaped(), calls) {
        End::Finished(finish) => finish,
        End::Failed => {
            return Err(Fault::ErrorInReply(failure(candidate.finish_reason, candidate.finish_message)));
        }
    };
    let extras =
        [("safety_ratings", candidate.safety_ratings), ("grounding_metadata", candidate.grounding_metadata)];
    let extras = extras.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok(Choice { parts, finish, logprobs: logprobs(candidate.logprobs_result), extras })
}

/// Why the model stopped. A reason that we do not know is taken for a plain end.
pub(super) fn end(reason: &str, calls: bool) -> End {
    End::Finished(match reason {
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::Refusal,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE" => return End::Failed,
        _ if calls => Finish::ToolCalls,
        _ => Finish::Stop,
    })
}

/// Words for an answer that is none.
pub(super) fn failure(reason: Option<Literal<'_>>, message: Option<Literal<'_>>) -> String {
    let reason = reason.unwrap_or_default().decode();
    match message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{reason}: {}", message.decode()),
        None => format!("the model's answer failed with {reason}"),
    }
}

fn parts(content: wire::Content<'_>) -> Vec<PartKind<'_>> {
    let mut parts = Vec::with_capacity(4);
    for part in content.parts.unwrap_or_default() {
        let signature = part.thought_signature.filter(|signature| !signature.is_empty());
        let text = part.text.filter(|text| !text.is_empty());
        let drawn = drawn(&part);
        match (text, part.function_call) {
            (Some(text), _) if part.thought == Some(true) => {
                parts.push(PartKind::Thinking { text, signature })
            }
            (_, Some(call)) => {
                let at = parts.len();
                sign(&mut parts, at, signature);
                parts.push(PartKind::ToolCall {
                    id: call.id.unwrap_or_default(),
                    name: call.name.unwrap_or_default(),
                    input: arguments(call.args),
                });
            }
            (Some(text), None) => {
                let at = parts.len();
                sign(&mut parts, at, signature);
                parts.push(PartKind::Text(text));
            }
            // Gemini signs a text that has ended in a part of its own.
            (None, None) => {
                let text = parts.iter().rposition(|part| matches!(part, PartKind::Text(_)));
                let at = text.filter(|_| drawn.is_none()).unwrap_or(parts.len());
                sign(&mut parts, at, signature);
            }
        }
        if let Some(Drawn { media_type, data }) = drawn {
            parts.push(PartKind::Image { source: Source::Base64 { media_type, data }, detail: None });
        }
    }
    parts
}

/// The image in a part; those that the model draws while it thinks are no part of the answer.
pub(super) fn drawn<'a>(part: &wire::Part<'a>) -> Option<Drawn<'a>> {
    let blob = part.inline_data.filter(|_| part.thought != Some(true))?;
    let media_type = blob.mime_type.filter(|kind| kind.escaped().starts_with("image/"))?;
    Some(Drawn { media_type, data: blob.data.filter(|data| !data.is_empty())? })
}

/// A signature belongs to the thoughts before it; where they are not told, or signed, it stands at `at` by itself.
fn sign<'a>(parts: &mut Vec<PartKind<'a>>, at: usize, signature: Option<Literal<'a>>) {
    let Some(signature) = signature else { return };
    let thought = parts.iter_mut().rev().find_map(|part| match part {
        PartKind::Thinking { signature, .. } => Some(signature),
        _ => None,
    });
    match thought {
        Some(unsigned @ None) => *unsigned = Some(signature),
        Some(Some(_)) | None => {
            parts.insert(at, PartKind::Thinking { text: Literal::default(), signature: Some(signature) });
        }
    }
}

/// Arguments are an object, whatever the model wrote.
pub(super) fn arguments(args: Option<&RawValue>) -> Cow<'_, str> {
    Cow::Borrowed(args.map(RawValue::get).filter(|args| args.starts_with('{')).unwrap_or("{}"))
}

/// The probabilities of the text's tokens.
pub(super) fn logprobs(result: Option<wire::Logprobs<'_>>) -> Vec<TokenLogprob<'_>> {
    let Some(result) = result else { return Vec::new() };
    let pair = |token: &wire::ChosenToken<'_>| token.token.zip(token.log_probability).is_some();
    let mut tops = result.top_candidates.into_iter().flatten();
    let mut tokens = Vec::new();
    for chosen in result.chosen_candidates.into_iter().flatten() {
        let top = tops.next().and_then(|top| top.candidates).unwrap_or_default();
        let (Some(token), Some(logprob)) = (chosen.token, chosen.log_probability) else { continue };
        let top = top.iter().filter(|token| pair(token));
        let top = top.filter_map(|token| token.token.zip(token.log_probability)).collect();
        tokens.push(TokenLogprob { token, logprob, top });
    }
    tokens
}

/// What the text rests on: quotes and finds.
fn citations<'a>(
    parts: &[PartKind<'a>],
    quotes: Option<&wire::CitationMetadata<'a>>,
    grounding: Option<&'a RawValue>,
) -> Vec<Citation<'a>> {
    if quotes.is_none() && grounding.is_none() {
        return Vec::new();
    }
    let said = parts
        .iter()
        .filter_map(|part| if let PartKind::Text(text) = part { Some(text.decode()) } else { None });
    let said: String = said.collect();
    let mut all: Vec<_> = quoted(quotes).collect();
    all.extend(grounded(grounding));
    all.into_iter()
        .map(|(citation, place)| Citation { span: span(&said, place, citation.cited), ..citation })
        .collect()
}

/// Where a piece begins and ends, in bytes.
pub(super) type Place = (Option<usize>, Option<usize>);

/// Sources that were quoted, with the place of the quote in the text.
pub(super) fn quoted<'a, 'm>(
    quotes: Option<&'m wire::CitationMetadata<'a>>,
) -> impl Iterator<Item = (Citation<'a>, Place)> + 'm {
    quotes.into_iter().filter_map(|quotes| quotes.citations.as_ref()).flatten().filter_map(|quote| {
        let origin = Origin::Url(quote.uri.filter(|uri| !uri.is_empty())?);
        let citation = Citation { span: None, cited: None, title: quote.title, origin };
        Some((citation, (index(quote.start_index), index(quote.end_index))))
    })
}

/// Finds on which pieces of the text stand, with the places of the pieces.
pub(super) fn grounded(raw: Option<&RawValue>) -> Vec<(Citation<'_>, Place)> {
    let Some(raw) = raw else { return Vec::new() };
    let Ok(grounding) = serde_json::from_str::<wire::Grounding<'_>>(raw.get()) else { return Vec::new() };
    let chunks = grounding.grounding_chunks.unwrap_or_default();
    let mut all = Vec::new();
    for support in grounding.grounding_supports.into_iter().flatten() {
        let Some(segment) = support.segment else { continue };
        for at in support.grounding_chunk_indices.unwrap_or_default() {
            let chunk = usize::try_from(at).ok().and_then(|at| chunks.get(at));
            let source = chunk.and_then(|chunk| chunk.web.or(chunk.retrieved_context).or(chunk.maps));
            let Some(url) = source.and_then(|source| source.uri) else { continue };
            let title = source.and_then(|source| source.title);
            let citation = Citation { span: None, cited: segment.text, title, origin: Origin::Url(url) };
            all.push((citation, (index(segment.start_index), index(segment.end_index))));
        }
    }
    all
}

fn index(number: Option<Number<'_>>) -> Option<usize> {
    number.and_then(Number::as_u64).and_then(|number| usize::try_from(number).ok())
}

/// A place in characters. The words tell it best, for Gemini counts from the start of a part.
fn span(said: &str, (from, to): Place, cited: Option<Literal<'_>>) -> Option<(u64, u64)> {
    let from = from.unwrap_or_default();
    let words = cited.map(Literal::decode).filter(|words| !words.is_empty());
    let (from, to) = match &words {
        Some(words) if said.get(from..).is_some_and(|rest| rest.starts_with(&**words)) => {
            (from, from + words.len())
        }
        Some(words) => said.find(&**words).map(|from| (from, from + words.len()))?,
        None => (from, to?),
    };
    let chars = |text: &str| text.chars().count() as u64;
    let start = chars(said.get(..from)?);
    Some((start, start + chars(said.get(from..to)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_characters_where_gemini_counts_bytes() {
        let cited = Some(Literal::from_escaped("über"));
        assert_eq!(span("für über", (Some(5), Some(10)), cited), Some((4, 8)));
        assert_eq!(span("für über", (Some(99), None), cited), Some((4, 8)));
        assert_eq!(span("für über", (None, Some(4)), None), Some((0, 3)));
        assert_eq!(span("für", (None, Some(2)), None), None);
        assert_eq!(span("für", (None, None), Some(Literal::from_escaped("nie"))), None);
    }

    #[test]
    fn a_signature_belongs_to_the_thoughts_before_it_or_to_nobody() {
        let signed = |json: &'static str| {
            let parts = parts(serde_json::from_str(json).unwrap());
            parts
                .iter()
                .map(|part| match part {
                    PartKind::Thinking { text, signature } => {
                        format!("{}/{}", text.escaped(), signature.unwrap_or_default().escaped())
                    }
                    PartKind::Text(text) => text.escaped().to_owned(),
                    PartKind::ToolCall { name, .. } => name.escaped().to_owned(),
                    _ => String::new(),
                })
                .collect::<Vec<_>>()
        };
        let thought =
            r#"{"parts":[{"text":"hm","thought":true},{"text":"a"},{"text":"","thoughtSignature":"s"}]}"#;
        assert_eq!(signed(thought), ["hm/s", "a"]);
        let silent = r#"{"parts":[{"text":"a"},{"text":"","thoughtSignature":"s"}]}"#;
        assert_eq!(signed(silent), ["/s", "a"]);
        let calls = r#"{"parts":[{"text":"hm","thought":true},{"functionCall":{"name":"f"},"thoughtSignature":"s"},
            {"functionCall":{"name":"g"}},{"functionCall":{"name":"h"},"thoughtSignature":"t"}]}"#;
        assert_eq!(signed(calls), ["hm/s", "f", "g", "/t", "h"]);
    }
}
