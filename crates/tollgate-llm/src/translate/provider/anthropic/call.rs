use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number};

use super::content;
use crate::{
    Delivery, Untranslatable,
    translate::{
        ANTHROPIC_VERSION, Job, json,
        provider::Call,
        turn::{Format, Parallel, Thinking, Tool, ToolChoice, Turn},
    },
};

/// What is asked for where the client sets no bound: Anthropic requires one, and every model of theirs takes this.
/// Where thinking is enabled, its budget comes on top.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Characters that `metadata.user_id` takes (Anthropic API reference).
const USER_ID_LIMIT: u64 = 256;

/// Models before `output_config.effort`, as parts of their names.
const WITHOUT_EFFORT: [&str; 10] = [
    "claude-2",
    "claude-instant",
    "claude-3",
    "sonnet-4-0",
    "sonnet-4-2025",
    "sonnet-4-5",
    "opus-4-0",
    "opus-4-2025",
    "opus-4-1",
    "haiku-4-5",
];

/// How an API without a JSON mode is asked for JSON.
pub(crate) const JSON_INSTRUCTION: Literal<'static> =
    Literal::from_escaped("Respond with one valid JSON object and nothing else: no prose, no code fence.");

/// Whose servers take the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// Anthropic's own: the model stands in the body, the version of the API in a header.
    Anthropic,
    /// A cloud's: the model stands in the path, the version of the API in the body.
    Cloud {
        version: &'a str,
        /// Whether a stream is asked for in the body too.
        stream: StreamField,
    },
}

/// Whether a body says that it wants a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamField {
    Written,
    Omitted,
}

/// Encodes a request to `POST /v1/messages`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    Ok(Call { path: path(job), headers: vec![ANTHROPIC_VERSION], body: body(job, turn, Host::Anthropic)? })
}

fn path(job: &Job<'_>) -> String {
    let prefix = job.target.prefix.trim_matches('/');
    if prefix.is_empty() { "/messages".to_owned() } else { format!("/{prefix}/messages") }
}

/// Encodes a request to `POST /v1/messages/count_tokens`.
pub(crate) fn count_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let (path, headers) = (path(job) + "/count_tokens", vec![ANTHROPIC_VERSION]);
    Ok(Call { path, headers, body: count_body(job.model.as_str(), turn, None)? })
}

/// What is counted: the prompt and the tools, and nothing about the answer.
pub(crate) fn count_body(
    model: &str,
    turn: &Turn<'_>,
    version: Option<&str>,
) -> Result<Vec<u8>, Untranslatable> {
    turn.refuse_hosted("Anthropic")?;
    let mut out = Vec::with_capacity(1024);
    let buffer = &mut out;
    buffer.push(b'{');
    if let Some(version) = version {
        json::text_field(buffer, "anthropic_version", version);
    }
    json::text_field(buffer, "model", model);
    content::system(turn, None, buffer)?;
    content::messages(turn, buffer)?;
    tools(turn, buffer);
    buffer.push(b'}');
    Ok(out)
}

/// The body alone.
pub(crate) fn body(job: &Job<'_>, turn: &Turn<'_>, host: Host<'_>) -> Result<Vec<u8>, Untranslatable> {
    refuse(turn)?;
    let mut out = Vec::with_capacity(1024);
    let buffer = &mut out;
    buffer.push(b'{');
    match host {
        Host::Anthropic => json::text_field(buffer, "model", job.model.as_str()),
        Host::Cloud { version, .. } => json::text_field(buffer, "anthropic_version", version),
    }
    json::key(buffer, "max_tokens");
    max_tokens(turn, buffer);
    let instruction = matches!(turn.format, Some(Format::JsonObject)).then_some(JSON_INSTRUCTION);
    content::system(turn, instruction, buffer)?;
    content::messages(turn, buffer)?;
    tools(turn, buffer);
    let effort = effort(job.model.as_str(), turn.effort)?;
    thinking(turn.thinking, effort, buffer);
    output_config(turn.format, effort, buffer);
    json::number_fields(
        buffer,
        &[("temperature", turn.temperature), ("top_p", turn.top_p), ("top_k", turn.top_k)],
    );
    json::literals_field(buffer, "stop_sequences", &turn.stop);
    if let Some(user) = turn.user.filter(|user| !user.is_empty() && user.chars() <= USER_ID_LIMIT) {
        json::key(buffer, "metadata");
        buffer.push(b'{');
        json::literal_field(buffer, "user_id", user);
        buffer.push(b'}');
    }
    let writes_stream = !matches!(host, Host::Cloud { stream: StreamField::Omitted, .. });
    if job.delivery == Delivery::Streamed && writes_stream {
        json::raw_field(buffer, "stream", "true");
    }
    buffer.push(b'}');
    Ok(out)
}

/// What the API cannot do and the client would notice.
fn refuse(turn: &Turn<'_>) -> Result<(), Untranslatable> {
    let refused =
        |field: &str, reason: String| Err(Untranslatable::Field { field: field.to_owned(), reason });
    turn.refuse_hosted("Anthropic")?;
    if turn.logprobs.is_some() {
        return refused("logprobs", "Anthropic reports no token probabilities".to_owned());
    }
    if let Some(answers) = turn.answers.filter(|answers| answers.as_f64() != Some(1.0)) {
        return refused("n", format!("{answers} is not supported by Anthropic, which gives one answer"));
    }
    if let Some(temperature) = turn.temperature
        && !temperature.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value))
    {
        let reason = format!("{temperature} is not supported by Anthropic (must be between 0.0 and 1.0)");
        return refused("temperature", reason);
    }
    if turn.stop.iter().any(|stop| stop.is_blank()) {
        return refused("stop", "a sequence of white space alone is not supported by Anthropic".to_owned());
    }
    Ok(())
}

fn max_tokens(turn: &Turn<'_>, out: &mut Vec<u8>) {
    match (turn.max_tokens, turn.thinking) {
        (Some(bound), _) => json::raw(out, bound.as_str()),
        (None, Some(Thinking::Enabled { budget, .. })) => {
            json::number(out, budget.as_u64().unwrap_or_default().saturating_add(DEFAULT_MAX_TOKENS));
        }
        (None, Some(Thinking::Adaptive { .. } | Thinking::Disabled) | None) => {
            json::number(out, DEFAULT_MAX_TOKENS);
        }
    }
}

fn tools(turn: &Turn<'_>, out: &mut Vec<u8>) {
    if turn.tools.is_empty() {
        return;
    }
    json::key(out, "tools");
    out.push(b'[');
    turn.tools.iter().for_each(|one| tool(one, out));
    out.push(b']');
    if turn.choice.is_none() && turn.parallel != Some(Parallel::One) {
        return;
    }
    json::key(out, "tool_choice");
    out.push(b'{');
    let choice = turn.choice.unwrap_or(ToolChoice::Auto);
    let kind = match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::Any => "any",
        ToolChoice::None => "none",
        ToolChoice::Named(_) => "tool",
    };
    json::text_field(out, "type", kind);
    if let ToolChoice::Named(name) = choice {
        json::literal_field(out, "name", name);
    }
    if turn.parallel == Some(Parallel::One) && choice != ToolChoice::None {
        json::raw_field(out, "disable_parallel_tool_use", "true");
    }
    out.push(b'}');
}

fn tool(tool: &Tool<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "name", tool.name);
    if let Some(description) = tool.description.filter(|text| !text.is_empty()) {
        json::literal_field(out, "description", description);
    }
    json::key(out, "input_schema");
    input_schema(tool.schema, out);
    if tool.strict == Some(true) {
        json::raw_field(out, "strict", "true");
    }
    content::cache(tool.cache, out);
    out.push(b'}');
}

/// Anthropic requires an object schema; OpenAI takes none at all, or one without a type.
pub(crate) fn input_schema(schema: Option<&RawValue>, out: &mut Vec<u8>) {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    let Some(schema) = schema.map(RawValue::get) else {
        return json::raw(out, r#"{"type":"object","properties":{}}"#);
    };
    match serde_json::from_str::<Typed<'_>>(schema) {
        Ok(Typed { kind: None }) => {
            out.extend_from_slice(br#"{"type":"object""#);
            let fields = schema.strip_prefix('{').unwrap_or_default().trim_start();
            if fields.starts_with('}') {
                json::raw_field(out, "properties", "{}");
            } else {
                out.push(b',');
            }
            json::raw(out, fields);
        }
        Ok(Typed { kind: Some(_) }) | Err(_) => json::raw(out, schema),
    }
}

/// The effort in Anthropic's words; `None` where the client asked for none or the model knows none.
pub(crate) fn effort<'a>(
    model: &str,
    effort: Option<Literal<'a>>,
) -> Result<Option<&'a str>, Untranslatable> {
    let Some(effort) = effort else { return Ok(None) };
    let level = match effort.escaped() {
        "minimal" => "low",
        level @ ("none" | "low" | "medium" | "high" | "xhigh" | "max") => level,
        other => {
            return Err(Untranslatable::Field {
                field: "reasoning_effort".to_owned(),
                reason: format!("{other:?} is not one of none, minimal, low, medium, high, xhigh and max"),
            });
        }
    };
    let model = model.to_ascii_lowercase();
    Ok((!WITHOUT_EFFORT.iter().any(|old| model.contains(old))).then_some(level))
}

/// `thinking`, where the client or the effort says anything of it.
pub(crate) fn thinking(thinking: Option<Thinking<'_>>, effort: Option<&str>, out: &mut Vec<u8>) {
    let (kind, budget, display): (_, Option<Number<'_>>, _) = match thinking {
        Some(Thinking::Enabled { budget, display }) => ("enabled", Some(budget), display),
        Some(Thinking::Adaptive { display }) => ("adaptive", None, display),
        Some(Thinking::Disabled) => ("disabled", None, None),
        None if effort == Some("none") => ("disabled", None, None),
        None => return,
    };
    json::key(out, "thinking");
    out.push(b'{');
    json::text_field(out, "type", kind);
    if let Some(budget) = budget {
        json::raw_field(out, "budget_tokens", budget.as_str());
    }
    if let Some(display) = display {
        json::literal_field(out, "display", display);
    }
    out.push(b'}');
}

fn output_config(format: Option<Format<'_>>, effort: Option<&str>, out: &mut Vec<u8>) {
    let schema = match format {
        Some(Format::JsonSchema(schema)) => Some(schema.get()),
        Some(Format::JsonObject) | None => None,
    };
    let effort = effort.filter(|level| *level != "none");
    if schema.is_none() && effort.is_none() {
        return;
    }
    json::key(out, "output_config");
    out.push(b'{');
    if let Some(schema) = schema {
        json::key(out, "format");
        out.push(b'{');
        json::text_field(out, "type", "json_schema");
        json::raw_field(out, "schema", schema);
        out.push(b'}');
    }
    if let Some(effort) = effort {
        json::text_field(out, "effort", effort);
    }
    out.push(b'}');
}
