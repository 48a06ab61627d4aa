use serde_json::value::RawValue;
use tollgate_wire::{Literal, Members};

use super::{
    family::{Family, Size},
    schema,
};
use crate::{
    Untranslatable,
    translate::{
        json,
        turn::{Format, Thinking, Turn},
    },
};

/// Budgets in tokens that stand for efforts with models that know none (Google's own choice, OpenAI compatibility).
const LOW_BUDGET: u64 = 1024;
const MEDIUM_BUDGET: u64 = 8192;
const HIGH_BUDGET: u64 = 24_576;

/// `generationConfig`, where there is something in it.
pub(super) fn config(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let begin = out.len();
    json::key(out, "generationConfig");
    out.push(b'{');
    let start = out.len();
    json::number_fields(
        out,
        &[
            ("temperature", turn.temperature),
            ("topP", turn.top_p),
            ("topK", turn.top_k),
            ("candidateCount", turn.answers),
            ("maxOutputTokens", turn.max_tokens),
            ("presencePenalty", turn.presence_penalty),
            ("frequencyPenalty", turn.frequency_penalty),
            ("seed", turn.seed),
            ("logprobs", turn.logprobs.and_then(|logprobs| logprobs.top)),
        ],
    );
    if turn.logprobs.is_some() {
        json::raw_field(out, "responseLogprobs", "true");
    }
    json::literals_field(out, "stopSequences", &turn.stop);
    format(turn, family, out)?;
    thinking(turn, family, out)?;
    media_resolution(turn, family, out);
    if out.len() == start {
        out.truncate(begin);
    } else {
        out.push(b'}');
    }
    Ok(())
}

/// What the answer's text has to look like. vLLM's words for it exclude each other and OpenAI's.
fn format(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let vendor = &turn.vendor;
    let asked = [
        ("response_format", turn.format.is_some()),
        ("guided_choice", vendor.guided_choice.is_some()),
        ("guided_regex", vendor.guided_regex.is_some()),
        ("guided_json", vendor.guided_json.is_some()),
    ];
    let mut asked = asked.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name);
    if let (Some(first), Some(second)) = (asked.next(), asked.next()) {
        return field(second, format!("cannot be combined with {first}"));
    }
    if let Some(choice) = vendor.guided_choice {
        json::text_field(out, "responseMimeType", "text/x.enum");
        json::raw_field(out, "responseSchema", &format!(r#"{{"type":"STRING","enum":{}}}"#, choice.get()));
    }
    if let Some(pattern) = vendor.guided_regex {
        if !pattern.get().starts_with('"') {
            return field("guided_regex", "must be a string");
        }
        // The answer is a JSON string, which the reader of the reply takes out of its quotes.
        json::text_field(out, "responseMimeType", "application/json");
        json::raw_field(
            out,
            "responseSchema",
            &format!(r#"{{"type":"STRING","pattern":{}}}"#, pattern.get()),
        );
    }
    let (name, schema) = match (turn.format, vendor.guided_json) {
        (Some(Format::JsonObject), _) => {
            json::text_field(out, "responseMimeType", "application/json");
            return Ok(());
        }
        (Some(Format::JsonSchema(schema)), _) => ("response_format", schema),
        (None, Some(schema)) => ("guided_json", schema),
        (None, None) => return Ok(()),
    };
    json::text_field(out, "responseMimeType", "application/json");
    json_schema(name, schema, family, out)
}

fn json_schema(
    name: &str,
    schema: &RawValue,
    family: Family,
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    if family.is_recent() {
        json::raw_field(out, "responseJsonSchema", schema.get());
        return Ok(());
    }
    json::key(out, "responseSchema");
    schema::write(schema, out).or_else(|reason| field(name, format!("the schema {reason}")))
}

/// `thinkingConfig`; models before 2.5 know no such thing.
fn thinking(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    if !family.is_recent() {
        return Ok(());
    }
    let begin = out.len();
    json::key(out, "thinkingConfig");
    out.push(b'{');
    let start = out.len();
    let shown = |out: &mut Vec<u8>, display: Option<Literal<'_>>| {
        let omitted = display.is_some_and(|display| display.escaped() == "omitted");
        json::raw_field(out, "includeThoughts", if omitted { "false" } else { "true" });
    };
    match turn.thinking {
        Some(Thinking::Enabled { budget, display }) => {
            shown(out, display);
            json::raw_field(out, "thinkingBudget", budget.as_str());
        }
        Some(Thinking::Adaptive { display }) => {
            shown(out, display);
            effort(turn.effort, family, out)?;
        }
        Some(Thinking::Disabled) => least(family, out),
        None => effort(turn.effort, family, out)?,
    }
    if out.len() == start {
        out.truncate(begin);
    } else {
        out.push(b'}');
    }
    Ok(())
}

/// As little thinking as the model can do; Pro models think as they like.
fn least(family: Family, out: &mut Vec<u8>) {
    match (family.size, family.is_third()) {
        (Size::Pro, _) => {}
        (Size::Flash, true) => json::text_field(out, "thinkingLevel", "MINIMAL"),
        (Size::Flash, false) => json::raw_field(out, "thinkingBudget", "0"),
    }
}

fn effort(effort: Option<Literal<'_>>, family: Family, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    let Some(effort) = effort else { return Ok(()) };
    let (level, budget) = match (effort.escaped(), family.size) {
        ("none", Size::Pro) => {
            return field("reasoning_effort", "Gemini's Pro models always think: \"none\" is not for them");
        }
        ("none", Size::Flash) => {
            least(family, out);
            return Ok(());
        }
        ("minimal", Size::Flash) => ("MINIMAL", LOW_BUDGET),
        ("minimal" | "low", _) => ("LOW", LOW_BUDGET),
        ("medium", _) if family.has_medium() => ("MEDIUM", MEDIUM_BUDGET),
        ("medium", _) => ("HIGH", MEDIUM_BUDGET),
        ("high" | "xhigh" | "max", _) => ("HIGH", HIGH_BUDGET),
        (other, _) => {
            let reason = format!("{other:?} is not one of none, minimal, low, medium, high, xhigh and max");
            return field("reasoning_effort", reason);
        }
    };
    if family.is_third() {
        json::text_field(out, "thinkingLevel", level);
    } else {
        json::number_field(out, "thinkingBudget", budget);
    }
    Ok(())
}

/// The client's own word for Gemini.
fn media_resolution(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) {
    let Some(config) = turn.vendor.generation_config.filter(|_| family.is_third()) else { return };
    let members = serde_json::from_str::<Members<'_>>(config.get()).unwrap_or_default();
    if let Some(level) = members.get("media_resolution").or_else(|| members.get("mediaResolution")) {
        json::raw_field(out, "mediaResolution", level.get());
    }
}

fn field<T>(field: &str, reason: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.to_owned(), reason: reason.into() })
}
