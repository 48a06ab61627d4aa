use tollgate_wire::Literal;

use super::{family::Family, parts};
use crate::{
    Untranslatable,
    translate::{
        json,
        turn::{Message, Outcome, Part, PartKind, Role, Turn},
    },
};

/// The dummy signature that Google's documentation gives for calls that another model made, in base64:
/// `skip_thought_signature_validator`.
const UNSIGNED: Literal<'static> = Literal::from_escaped("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=");

/// A call of the conversation: its id and its tool.
type Call<'a> = (Literal<'a>, Literal<'a>);

/// Instructions from anywhere in the list, as `systemInstruction`.
pub(super) fn system(turn: &Turn<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let begin = out.len();
    json::key(out, "systemInstruction");
    out.extend_from_slice(br#"{"parts":["#);
    let start = out.len();
    for message in turn.messages.iter().filter(|message| message.role == Role::System) {
        for part in &message.parts {
            let (PartKind::Text(text) | PartKind::Refusal(text)) = part.kind else {
                return Err(parts::refused(message, part, "instructions are text alone with Gemini"));
            };
            if !text.is_blank() {
                parts::text(text, out);
                out.push(b'}');
            }
        }
    }
    if out.len() == start {
        out.truncate(begin);
    } else {
        out.extend_from_slice(b"]}");
    }
    Ok(())
}

/// `contents`: neighbours of one role become one content, so that all results of parallel calls stand together,
/// as Gemini requires.
pub(super) fn contents(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    json::key(out, "contents");
    out.push(b'[');
    let spoken: Vec<_> = turn.messages.iter().filter(|message| message.role != Role::System).collect();
    let mut calls: Vec<Call<'_>> = Vec::new();
    for group in spoken.chunk_by(|one, next| one.role == next.role) {
        let is_model = group.first().is_some_and(|message| message.role == Role::Assistant);
        let begin = out.len();
        json::comma(out);
        out.extend_from_slice(if is_model {
            br#"{"role":"model","parts":["#
        } else {
            br#"{"role":"user","parts":["#
        });
        let start = out.len();
        if is_model {
            model(group, family, out)?;
            calls.extend(called(group));
        } else {
            results(group, &calls, out)?;
            said(group, family, out)?;
        }
        if out.len() == start {
            out.truncate(begin);
        } else {
            out.extend_from_slice(b"]}");
        }
    }
    out.push(b']');
    Ok(())
}

fn each<'m, 'a>(
    group: &'m [&'m Message<'a>],
) -> impl DoubleEndedIterator<Item = (&'m Message<'a>, &'m Part<'a>)> {
    group.iter().flat_map(|message| message.parts.iter().map(move |part| (*message, part)))
}

fn called<'m, 'a>(group: &'m [&'m Message<'a>]) -> impl Iterator<Item = Call<'a>> + 'm {
    each(group).filter_map(|(_, part)| match part.kind {
        PartKind::ToolCall { id, name, .. } => Some((id, name)),
        _ => None,
    })
}

/// What the model said. A signature goes back where Gemini gave it: at the call that follows, or else at the text.
fn model(group: &[&Message<'_>], family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let mut left = called(group).count();
    let mut signature: Option<Literal<'_>> = None;
    // The first call of each step is signed.
    let mut unsigned = family.is_third().then_some(UNSIGNED);
    for (message, part) in each(group) {
        match &part.kind {
            PartKind::Text(value) | PartKind::Refusal(value) if value.is_blank() => {}
            PartKind::Text(value) | PartKind::Refusal(value) => {
                parts::text(*value, out);
                if left == 0 {
                    sign(signature.take(), out);
                }
                out.push(b'}');
            }
            PartKind::Thinking { text, signature: signed } => {
                if !text.is_blank() {
                    parts::text(*text, out);
                    json::raw_field(out, "thought", "true");
                    out.push(b'}');
                }
                signature = signed.filter(|signed| parts::is_base64(*signed)).or(signature);
            }
            PartKind::ToolCall { name, input, .. } => {
                json::comma(out);
                out.extend_from_slice(br#"{"functionCall":{"#);
                json::literal_field(out, "name", *name);
                json::raw_field(out, "args", input);
                out.push(b'}');
                let first = unsigned.take();
                sign(signature.take().or(first), out);
                out.push(b'}');
                left -= 1;
            }
            PartKind::RedactedThinking(_) | PartKind::Citation(_) => {}
            PartKind::Image { .. }
            | PartKind::Document { .. }
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::ToolResult { .. } => parts::media(message, part, family, out)?,
        }
    }
    if let Some(signature) = signature {
        parts::text(Literal::default(), out);
        sign(Some(signature), out);
        out.push(b'}');
    }
    Ok(())
}

fn sign(signature: Option<Literal<'_>>, out: &mut Vec<u8>) {
    if let Some(signature) = signature {
        json::literal_field(out, "thoughtSignature", signature);
    }
}

/// Results of calls, in the order of the calls: Gemini tells them apart by name and place alone.
fn results(group: &[&Message<'_>], calls: &[Call<'_>], out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let mut results = Vec::new();
    for (message, part) in each(group) {
        let PartKind::ToolResult { id, outcome, parts } = &part.kind else { continue };
        let Some(place) = calls.iter().rposition(|(known, _)| known.escaped() == id.escaped()) else {
            let reason = format!("no call before it has the id {:?}", id.decode());
            return Err(parts::refused(message, part, &reason));
        };
        results.push((place, *outcome, parts));
    }
    results.sort_by_key(|(place, ..)| *place);
    for (place, outcome, parts) in results {
        let name = calls.get(place).map(|(_, name)| *name).unwrap_or_default();
        json::comma(out);
        out.extend_from_slice(br#"{"functionResponse":{"#);
        json::literal_field(out, "name", name);
        out.extend_from_slice(match outcome {
            Outcome::Success => br#","response":{"output":""#.as_slice(),
            Outcome::Error => br#","response":{"error":""#.as_slice(),
        });
        for part in parts {
            if let PartKind::Text(text) | PartKind::Refusal(text) = part.kind {
                out.extend_from_slice(text.escaped().as_bytes());
            }
        }
        out.extend_from_slice(br#""}}}"#);
    }
    Ok(())
}

/// What the user says and shows; what results show stands here too.
fn said(group: &[&Message<'_>], family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    for (message, part) in each(group) {
        match &part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) => {
                if !text.is_blank() {
                    parts::text(*text, out);
                    out.push(b'}');
                }
            }
            PartKind::ToolResult { parts, .. } => {
                let shown = parts
                    .iter()
                    .filter(|part| !matches!(part.kind, PartKind::Text(_) | PartKind::Refusal(_)));
                for part in shown {
                    parts::media(message, part, family, out)?;
                }
            }
            PartKind::ToolCall { .. } => {
                return Err(parts::refused(message, part, "a user's message calls no tools"));
            }
            PartKind::Thinking { .. } | PartKind::RedactedThinking(_) | PartKind::Citation(_) => {}
            PartKind::Image { .. } | PartKind::Document { .. } | PartKind::Audio(_) | PartKind::Video(_) => {
                parts::media(message, part, family, out)?;
            }
        }
    }
    Ok(())
}
