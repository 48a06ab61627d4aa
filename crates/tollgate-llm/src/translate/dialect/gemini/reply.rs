use tollgate_types::{Tokens, Usage};
use tollgate_wire::Literal;

use super::seal;
use crate::translate::{
    event::{Answer, Choice, Drawn, Finish, Names, ReplyHead, TokenLogprob},
    json,
    turn::{Citation, Origin, PartKind, Source},
};

/// A whole reply.
pub(super) fn whole(answer: &Answer<'_>, names: Names<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"candidates":["#);
    let mut calls = 0;
    for (index, choice) in answer.choices.iter().enumerate() {
        candidate(index, choice, |at| answer.head.call_id(calls + at, names.now), out);
        calls += choice.parts.iter().filter(|part| matches!(part, PartKind::ToolCall { .. })).count();
    }
    out.push(b']');
    if !answer.usage.is_empty() {
        json::key(out, "usageMetadata");
        usage(&answer.usage, out);
    }
    head(&answer.head, names, out);
    out.push(b'}');
}

/// `,"modelVersion":…,"responseId":…`
pub(super) fn head(head: &ReplyHead<'_>, names: Names<'_>, out: &mut Vec<u8>) {
    match head.model.filter(|model| !model.is_empty()) {
        Some(model) => json::literal_field(out, "modelVersion", model),
        None => json::text_field(out, "modelVersion", names.model),
    }
    match head.id.filter(|id| !id.is_empty()) {
        Some(id) => json::literal_field(out, "responseId", id),
        None => json::text_field(out, "responseId", &format!("resp_{:x}", names.now)),
    }
}

fn candidate(index: usize, choice: &Choice<'_>, call_id: impl Fn(usize) -> String, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"content":{"parts":["#);
    let mut calls = 0;
    for part in &choice.parts {
        match part {
            PartKind::Text(value) | PartKind::Refusal(value) => text(*value, out),
            PartKind::Thinking { text, signature } => {
                let signature = signature.filter(|signature| !signature.is_empty());
                thought(*text, signature.map(|one| seal::signature(&one.decode())), out);
            }
            PartKind::RedactedThinking(data) => {
                thought(Literal::default(), Some(seal::redacted(&data.decode())), out);
            }
            PartKind::ToolCall { id, name, input } => {
                let made = call_id(calls);
                let id = if id.is_empty() { Literal::from_escaped(&made) } else { *id };
                call(id, *name, input, out);
                calls += 1;
            }
            PartKind::Image { source: Source::Base64 { media_type, data }, .. } => {
                image(Drawn { media_type: *media_type, data: *data }, out);
            }
            PartKind::Image { source: Source::Url(_), .. }
            | PartKind::Document { .. }
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::ToolResult { .. }
            | PartKind::Citation(_) => {}
        }
    }
    out.extend_from_slice(br#"],"role":"model"}"#);
    let refused = choice.parts.iter().any(|part| matches!(part, PartKind::Refusal(_)));
    let finish = if refused { Finish::Refusal } else { choice.finish };
    json::text_field(out, "finishReason", finish_reason(&finish));
    citations(&choice.parts, out);
    logprobs(&choice.logprobs, out);
    json::number_field(out, "index", index as u64);
    out.push(b'}');
}

/// `{"text":…}`
pub(super) fn text(text: Literal<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "text", text);
    out.push(b'}');
}

/// `{"text":…,"thought":true}`, signed where there is a sealed signature.
pub(super) fn thought(text: Literal<'_>, sealed: Option<String>, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "text", text);
    json::raw_field(out, "thought", "true");
    if let Some(sealed) = sealed {
        json::text_field(out, "thoughtSignature", &sealed);
    }
    out.push(b'}');
}

/// `{"inlineData":{…}}`
pub(super) fn image(Drawn { media_type, data }: Drawn<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"inlineData":{"#);
    json::literal_field(out, "mimeType", media_type);
    json::literal_field(out, "data", data);
    out.extend_from_slice(b"}}");
}

/// `{"functionCall":{…}}`
pub(super) fn call(id: Literal<'_>, name: Literal<'_>, args: &str, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"functionCall":{"#);
    json::literal_field(out, "id", id);
    json::literal_field(out, "name", name);
    json::raw_field(out, "args", args);
    out.extend_from_slice(b"}}");
}

/// `finishReason`
pub(super) const fn finish_reason(finish: &Finish<'_>) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
    }
}

/// `,"citationMetadata":…` with the pages that are cited.
fn citations(parts: &[PartKind<'_>], out: &mut Vec<u8>) {
    let cited =
        || parts.iter().filter_map(|part| if let PartKind::Citation(one) = part { Some(one) } else { None });
    if !cited().any(|one| matches!(one.origin, Origin::Url(_))) {
        return;
    }
    json::key(out, "citationMetadata");
    out.extend_from_slice(br#"{"citations":["#);
    cited().for_each(|one| citation(one, out));
    out.extend_from_slice(b"]}");
}

/// One element of it; Gemini counts places in bytes, so only the page is told.
pub(super) fn citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
    let Origin::Url(url) = citation.origin else { return };
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "uri", url);
    if let Some(title) = citation.title {
        json::literal_field(out, "title", title);
    }
    out.push(b'}');
}

/// `,"logprobsResult":…`, where there are some.
pub(super) fn logprobs(tokens: &[TokenLogprob<'_>], out: &mut Vec<u8>) {
    if tokens.is_empty() {
        return;
    }
    let token = |text: Literal<'_>, logprob: tollgate_wire::Number<'_>, out: &mut Vec<u8>| {
        json::comma(out);
        out.push(b'{');
        json::literal_field(out, "token", text);
        json::raw_field(out, "logProbability", logprob.as_str());
        out.push(b'}');
    };
    json::key(out, "logprobsResult");
    out.extend_from_slice(br#"{"chosenCandidates":["#);
    tokens.iter().for_each(|one| token(one.token, one.logprob, out));
    out.extend_from_slice(br#"],"topCandidates":["#);
    for one in tokens {
        json::comma(out);
        out.extend_from_slice(br#"{"candidates":["#);
        one.top.iter().for_each(|(text, logprob)| token(*text, *logprob, out));
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
}

/// `usageMetadata`: thoughts stand beside the answer.
pub(super) fn usage(usage: &Usage, out: &mut Vec<u8>) {
    let count = |tokens: Option<Tokens>| tokens.unwrap_or_default();
    let said = count(usage.output).saturating_sub(count(usage.reasoning));
    out.push(b'{');
    json::number_field(out, "promptTokenCount", count(usage.input).0);
    json::number_field(out, "candidatesTokenCount", said.0);
    json::number_field(out, "totalTokenCount", usage.total_or_sum().0);
    if let Some(cached) = usage.cached_input {
        json::number_field(out, "cachedContentTokenCount", cached.0);
    }
    if let Some(thoughts) = usage.reasoning {
        json::number_field(out, "thoughtsTokenCount", thoughts.0);
    }
    out.push(b'}');
}
