use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number};

use super::{family::Family, messages};
use crate::{
    Delivery, Untranslatable,
    translate::{
        Job, json,
        provider::Call,
        turn::{Format, Parallel, Thinking, Tool, ToolChoice, Turn},
    },
};

/// Characters that `user` takes (OpenAI API reference, `safety_identifier`).
const USER_LIMIT: u64 = 64;

/// Thinking budgets, in tokens, up to which the effort is low and medium.
const LOW_BUDGET: u64 = 4096;
const MEDIUM_BUDGET: u64 = 16_384;

/// Encodes a request to `POST /v1/chat/completions`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let prefix = job.target.prefix.trim_matches('/');
    let path = if prefix.is_empty() {
        "/chat/completions".to_owned()
    } else {
        format!("/{prefix}/chat/completions")
    };
    Ok(Call { path, headers: Vec::new(), body: body(job, turn, Family::of(job.model.as_str()))? })
}

/// The same for a deployment on Azure.
pub(crate) fn azure_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    let path = deployment(job, "chat/completions");
    Ok(Call { path, headers: Vec::new(), body: body(job, turn, Family::of_deployment(job.model.as_str()))? })
}

/// The path of a deployment's operation on Azure.
pub(super) fn deployment(job: &Job<'_>, operation: &str) -> String {
    let mut path = "/openai/deployments/".to_owned();
    escape_segment(job.model.as_str(), &mut path);
    path.push('/');
    path.push_str(operation);
    with_version(path, job)
}

/// The path of an operation on Azure, of the version that is configured.
pub(super) fn with_version(mut path: String, job: &Job<'_>) -> String {
    if let Some(version) = &job.target.version {
        path.push_str("?api-version=");
        escape_segment(version, &mut path);
    }
    path
}

fn body(job: &Job<'_>, turn: &Turn<'_>, family: Family) -> Result<Vec<u8>, Untranslatable> {
    turn.refuse_hosted("OpenAI's chat API")?;
    let mut out = Vec::with_capacity(1024);
    let buffer = &mut out;
    buffer.push(b'{');
    json::text_field(buffer, "model", job.model.as_str());
    messages::messages(turn, family, buffer)?;
    json::number_fields(
        buffer,
        &[
            ("max_completion_tokens", turn.max_tokens),
            ("temperature", turn.temperature),
            ("top_p", turn.top_p),
            ("n", turn.answers),
            ("seed", turn.seed),
            ("presence_penalty", turn.presence_penalty),
            ("frequency_penalty", turn.frequency_penalty),
            ("top_logprobs", turn.logprobs.and_then(|logprobs| logprobs.top)),
        ],
    );
    if turn.logprobs.is_some() {
        json::raw_field(buffer, "logprobs", "true");
    }
    if let Some(verbosity) = turn.verbosity {
        json::literal_field(buffer, "verbosity", verbosity);
    }
    json::literals_field(buffer, "stop", &turn.stop);
    tools(turn, buffer);
    response_format(turn.format, buffer);
    reasoning(turn, family, buffer);
    if let Some(user) = turn.user.filter(|user| !user.is_empty() && user.chars() <= USER_LIMIT) {
        json::literal_field(buffer, "user", user);
    }
    if job.delivery == Delivery::Streamed {
        json::raw_field(buffer, "stream", r#"true,"stream_options":{"include_usage":true}"#);
    }
    buffer.push(b'}');
    Ok(out)
}

fn tools(turn: &Turn<'_>, out: &mut Vec<u8>) {
    if turn.tools.is_empty() {
        return;
    }
    json::key(out, "tools");
    out.push(b'[');
    turn.tools.iter().for_each(|one| tool(one, out));
    out.push(b']');
    match turn.choice {
        None => {}
        Some(ToolChoice::Auto) => json::text_field(out, "tool_choice", "auto"),
        Some(ToolChoice::Any) => json::text_field(out, "tool_choice", "required"),
        Some(ToolChoice::None) => json::text_field(out, "tool_choice", "none"),
        Some(ToolChoice::Named(name)) => {
            json::key(out, "tool_choice");
            out.extend_from_slice(br#"{"type":"function","function":{"#);
            json::literal_field(out, "name", name);
            out.extend_from_slice(b"}}");
        }
    }
    if turn.parallel == Some(Parallel::One) {
        json::raw_field(out, "parallel_tool_calls", "false");
    }
}

pub(super) fn tool(tool: &Tool<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"type":"function","function":{"#);
    json::literal_field(out, "name", tool.name);
    if let Some(description) = tool.description {
        json::literal_field(out, "description", description);
    }
    if let Some(schema) = tool.schema {
        json::raw_field(out, "parameters", schema.get());
    }
    if let Some(strict) = tool.strict {
        json::raw_field(out, "strict", if strict { "true" } else { "false" });
    }
    out.extend_from_slice(b"}}");
}

/// Anthropic always holds an answer to its schema, which OpenAI calls strict. OpenAI is strict with schemas alone
/// that close their objects, as Anthropic's clients have to and Gemini's may.
fn response_format(format: Option<Format<'_>>, out: &mut Vec<u8>) {
    let schema: &RawValue = match format {
        None => return,
        Some(Format::JsonObject) => {
            return json::raw_field(out, "response_format", r#"{"type":"json_object"}"#);
        }
        Some(Format::JsonSchema(schema)) => schema,
    };
    json::key(out, "response_format");
    out.extend_from_slice(br#"{"type":"json_schema","json_schema":{"name":"response""#);
    let is_closed = schema.get().contains(r#""additionalProperties""#);
    json::raw_field(out, "strict", if is_closed { "true" } else { "false" });
    json::raw_field(out, "schema", schema.get());
    out.extend_from_slice(b"}}");
}

fn reasoning(turn: &Turn<'_>, family: Family, out: &mut Vec<u8>) {
    let effort = turn.effort.map(|effort| match effort.escaped() {
        "max" => Literal::from_escaped("xhigh"),
        _ => effort,
    });
    match family {
        Family::Plain => {}
        Family::Reasoning => {
            let by_budget = match turn.thinking {
                Some(Thinking::Enabled { budget, .. }) => Some(Literal::from_escaped(effort_of(budget))),
                Some(Thinking::Adaptive { .. } | Thinking::Disabled) | None => None,
            };
            if let Some(effort) = effort.or(by_budget) {
                json::literal_field(out, "reasoning_effort", effort);
            }
        }
        Family::Compatible => {
            if let Some(effort) = turn.effort {
                json::literal_field(out, "reasoning_effort", effort);
            }
            match turn.thinking {
                None => {}
                Some(Thinking::Enabled { budget, .. }) => {
                    json::key(out, "thinking");
                    out.extend_from_slice(br#"{"type":"enabled""#);
                    json::raw_field(out, "budget_tokens", budget.as_str());
                    out.push(b'}');
                }
                Some(Thinking::Adaptive { .. }) => json::raw_field(out, "thinking", r#"{"type":"adaptive"}"#),
                Some(Thinking::Disabled) => json::raw_field(out, "thinking", r#"{"type":"disabled"}"#),
            }
        }
    }
}

/// The effort that spends about as much as the budget allows.
fn effort_of(budget: Number<'_>) -> &'static str {
    match budget.as_u64() {
        Some(0..LOW_BUDGET) => "low",
        Some(LOW_BUDGET..MEDIUM_BUDGET) => "medium",
        Some(MEDIUM_BUDGET..) | None => "high",
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escape_segment(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}
