//! Prompts and replies in spans, where an operator asked for them.
use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde_json::{Value, json};
use tollgate_core::{Capture, Kept, Record};
use tollgate_types::Endpoint;
use tollgate_wire::encoding::{Decoder, Encoding};

use super::{
    attribute::text,
    variables::{InvalidVariable, Lookup, invalid},
    vocabulary::Vocabulary,
};

mod messages;

use self::messages::{Message, invocation, replied, requested};

/// Bytes of a prompt or reply that are kept unless said otherwise.
const LIMIT: usize = 64 * 1024;
/// And at most: OTLP collectors refuse messages of more than 4 MiB.
const MOST: usize = 512 * 1024;
const CAPTURE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
const ATTRIBUTE_LIMITS: [&str; 2] =
    ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
const REDACTED: &str = "__REDACTED__";

/// What is left out of what was captured: the `OPENINFERENCE_HIDE_…` switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    input: Shown,
    output: Shown,
    /// True to leave the parameters of the call out.
    parameters: bool,
}

/// How much of one side is shown. A switch that hides a part hides the raw value, too, since that holds the part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// All
    #[default]
    Whole,
    /// Messages, with a placeholder for their text and for the raw value
    Roles,
    /// The placeholder alone
    Nothing,
}

/// What an operator wants to be kept.
///
/// # Errors
/// [`InvalidVariable`] naming the variable.
pub(super) fn capture(set: Lookup<'_>, vocabulary: Vocabulary) -> Result<Option<Capture>, InvalidVariable> {
    let all = truth(set, CAPTURE)? == Some(true);
    let open = vocabulary == Vocabulary::OpenInference;
    // Whoever says that inputs are not to be hidden wants them.
    let side = |variable| Ok(all || (open && truth(set, variable)? == Some(false)));
    let (input, output) = (side("OPENINFERENCE_HIDE_INPUTS")?, side("OPENINFERENCE_HIDE_OUTPUTS")?);
    let limit = ATTRIBUTE_LIMITS.iter().find_map(|name| set(name)?.trim().parse().ok()).unwrap_or(LIMIT);
    Ok((input || output).then_some(Capture { input, output, limit: limit.min(MOST) }))
}

fn truth(set: Lookup<'_>, variable: &'static str) -> Result<Option<bool>, InvalidVariable> {
    match set(variable).map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => Err(invalid(variable, format!("{other:?} is neither true nor false"))),
    }
}

// === impl Hidden ===

impl Hidden {
    pub(super) fn from_env(set: Lookup<'_>) -> Result<Self, InvalidVariable> {
        let any = |names: &[&'static str]| {
            names.iter().try_fold(false, |on, name| Ok(on | (truth(set, name)? == Some(true))))
        };
        let side = |all: &[&'static str], text: &[&'static str]| -> Result<_, InvalidVariable> {
            Ok(match (any(all)?, any(text)?) {
                (true, _) => Shown::Nothing,
                (false, true) => Shown::Roles,
                (false, false) => Shown::Whole,
            })
        };
        Ok(Self {
            input: side(
                &["OPENINFERENCE_HIDE_INPUTS", "OPENINFERENCE_HIDE_INPUT_MESSAGES"],
                &[
                    "OPENINFERENCE_HIDE_INPUT_TEXT",
                    "OPENINFERENCE_HIDE_INPUT_IMAGES",
                    "OPENINFERENCE_HIDE_PROMPTS",
                    "OPENINFERENCE_HIDE_EMBEDDINGS_TEXT",
                ],
            )?,
            output: side(
                &["OPENINFERENCE_HIDE_OUTPUTS", "OPENINFERENCE_HIDE_OUTPUT_MESSAGES"],
                &[
                    "OPENINFERENCE_HIDE_OUTPUT_TEXT",
                    "OPENINFERENCE_HIDE_CHOICES",
                    "OPENINFERENCE_HIDE_EMBEDDINGS_VECTORS",
                ],
            )?,
            parameters: any(&["OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS"])?,
        })
    }
}

/// What was captured of a request, as attributes; nothing where nothing was.
pub(super) fn attributes(record: &Record, vocabulary: Vocabulary, hidden: Hidden) -> Vec<KeyValue> {
    let (Some(content), Some(endpoint)) = (&record.content, record.endpoint) else { return Vec::new() };
    let mut all = Vec::new();
    let cut = [&content.input, &content.output].into_iter().flatten().any(|kept| kept.cut);
    if cut {
        all.push(text("tollgate.content.cut", "true"));
    }
    if let Some(kept) = &content.input {
        input(kept, endpoint, (vocabulary, hidden), &mut all);
    }
    // A provider's error may quote the prompt.
    let quotes = !record.status.is_some_and(|status| status.is_success());
    let told = !quotes || (content.input.is_some() && hidden.input == Shown::Whole);
    if let Some(kept) = content.output.as_ref().filter(|kept| told && !kept.bytes.is_empty()) {
        let plain = plain(&kept.bytes, content.encoding);
        output(&plain, endpoint, (vocabulary, hidden.output), &mut all);
    }
    all
}

/// The reply without its compression, as far as it goes: the rest may have been cut. Nothing where it cannot be read.
fn plain(bytes: &[u8], encoding: Option<Encoding>) -> Cow<'_, [u8]> {
    let Some(encoding) = encoding else {
        // The end may lie inside a character; other faults mean that this is no text.
        let text = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
        return if text { Cow::Borrowed(bytes) } else { Cow::Borrowed(&[]) };
    };
    let mut plain = Vec::new();
    if let Ok(mut decoder) = Decoder::new(encoding, MOST) {
        // What came before an error is there all the same.
        let _ = decoder.push(bytes, &mut plain);
    }
    Cow::Owned(plain)
}

fn input(
    kept: &Kept,
    endpoint: Endpoint,
    (vocabulary, hidden): (Vocabulary, Hidden),
    all: &mut Vec<KeyValue>,
) {
    // A prompt that was cut is no JSON any more: it has no messages, only its beginning.
    let document: Option<Value> = serde_json::from_slice(&kept.bytes).ok();
    let messages = document.as_ref().map(|document| requested(document, endpoint)).unwrap_or_default();
    match vocabulary {
        Vocabulary::OpenInference => {
            raw("input", &kept.bytes, hidden.input, all);
            numbered("llm.input_messages", &messages, hidden.input, all);
            let parameters = document.as_ref().filter(|_| !hidden.parameters).map(invocation);
            all.extend(parameters.map(|parameters| text("llm.invocation_parameters", &parameters)));
        }
        Vocabulary::GenAi => {
            let (system, others): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|message| message.role == "system");
            let parts: Vec<_> = system.iter().map(|message| part(message, hidden.input)).collect();
            if !parts.is_empty() && hidden.input != Shown::Nothing {
                all.push(text("gen_ai.system_instructions", &Value::from(parts).to_string()));
            }
            listed("gen_ai.input.messages", &others, hidden.input, all);
        }
    }
}

fn output(
    bytes: &[u8],
    endpoint: Endpoint,
    (vocabulary, shown): (Vocabulary, Shown),
    all: &mut Vec<KeyValue>,
) {
    let messages = replied(bytes, endpoint);
    match vocabulary {
        Vocabulary::OpenInference => {
            raw("output", bytes, shown, all);
            numbered("llm.output_messages", &messages, shown, all);
        }
        Vocabulary::GenAi => listed("gen_ai.output.messages", &messages, shown, all),
    }
}

/// The bytes as they went by.
fn raw(side: &str, bytes: &[u8], shown: Shown, all: &mut Vec<KeyValue>) {
    if shown != Shown::Whole {
        return all.push(text(&format!("{side}.value"), REDACTED));
    }
    let kind = if bytes.starts_with(b"{") { "application/json" } else { "text/plain" };
    all.push(text(&format!("{side}.value"), &String::from_utf8_lossy(bytes)));
    all.push(text(&format!("{side}.mime_type"), kind));
}

fn numbered(prefix: &str, messages: &[Message], shown: Shown, all: &mut Vec<KeyValue>) {
    let messages = if shown == Shown::Nothing { &[] } else { messages };
    for (number, Message { role, text: said }) in messages.iter().enumerate() {
        all.push(text(&format!("{prefix}.{number}.message.role"), role));
        let said = if shown == Shown::Whole { said } else { REDACTED };
        if !said.is_empty() {
            all.push(text(&format!("{prefix}.{number}.message.content"), said));
        }
    }
}

fn listed(name: &str, messages: &[Message], shown: Shown, all: &mut Vec<KeyValue>) {
    if messages.is_empty() || shown == Shown::Nothing {
        return;
    }
    let list: Value = messages
        .iter()
        .map(|message| json!({ "role": message.role, "parts": [part(message, shown)] }))
        .collect();
    all.push(text(name, &list.to_string()));
}

fn part(message: &Message, shown: Shown) -> Value {
    let said = if shown == Shown::Whole { &*message.text } else { REDACTED };
    json!({ "type": "text", "content": said })
}

#[cfg(test)]
mod tests;
