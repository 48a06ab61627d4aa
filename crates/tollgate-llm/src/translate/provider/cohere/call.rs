use tollgate_wire::Literal;

use super::{messages, path};
use crate::{
    Delivery, Untranslatable,
    translate::{
        Job, json,
        provider::Call,
        turn::{Format, Thinking, Tool, ToolChoice, Turn},
    },
};

/// Encodes a request to `POST /v2/chat`.
pub(crate) fn call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    refuse(turn)?;
    let mut out = Vec::with_capacity(1024);
    let body = &mut out;
    body.push(b'{');
    json::text_field(body, "model", job.model.as_str());
    messages::messages(turn, body)?;
    json::number_fields(
        body,
        &[
            ("max_tokens", turn.max_tokens),
            ("temperature", turn.temperature),
            ("p", turn.top_p),
            ("k", turn.top_k),
            ("seed", turn.seed),
            ("presence_penalty", turn.presence_penalty),
            ("frequency_penalty", turn.frequency_penalty),
        ],
    );
    json::literals_field(body, "stop_sequences", &turn.stop);
    tools(turn, body);
    response_format(turn.format, body);
    thinking(turn, body);
    if job.delivery == Delivery::Streamed {
        json::raw_field(body, "stream", "true");
    }
    body.push(b'}');
    Ok(Call { path: path(job.target, "chat"), headers: Vec::new(), body: out })
}

/// What the API cannot do and the client would notice.
fn refuse(turn: &Turn<'_>) -> Result<(), Untranslatable> {
    let refused =
        |field: &str, reason: String| Err(Untranslatable::Field { field: field.to_owned(), reason });
    turn.refuse_hosted("Cohere")?;
    if turn.logprobs.is_some() {
        return refused("logprobs", "Cohere reports probabilities of stretches, not of tokens".to_owned());
    }
    if let Some(answers) = turn.answers.filter(|answers| answers.as_f64() != Some(1.0)) {
        return refused("n", format!("{answers} is not supported by Cohere, which gives one answer"));
    }
    Ok(())
}

/// Cohere cannot force one tool by name, so it is offered no other.
fn tools(turn: &Turn<'_>, out: &mut Vec<u8>) {
    let is_offered = |tool: &&Tool<'_>| match turn.choice {
        Some(ToolChoice::Named(name)) => tool.name == name,
        Some(ToolChoice::Auto | ToolChoice::Any | ToolChoice::None) | None => true,
    };
    if turn.tools.is_empty() {
        return;
    }
    json::key(out, "tools");
    out.push(b'[');
    turn.tools.iter().filter(is_offered).for_each(|one| tool(one, out));
    out.push(b']');
    match turn.choice {
        Some(ToolChoice::Any | ToolChoice::Named(_)) => json::text_field(out, "tool_choice", "REQUIRED"),
        Some(ToolChoice::None) => json::text_field(out, "tool_choice", "NONE"),
        Some(ToolChoice::Auto) | None => {}
    }
    if turn.tools.iter().any(|tool| tool.strict == Some(true)) {
        json::raw_field(out, "strict_tools", "true");
    }
}

fn tool(tool: &Tool<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"type":"function","function":{"#);
    json::literal_field(out, "name", tool.name);
    if let Some(description) = tool.description {
        json::literal_field(out, "description", description);
    }
    let schema = tool.schema.map_or(r#"{"type":"object","properties":{}}"#, |schema| schema.get());
    json::raw_field(out, "parameters", schema);
    out.extend_from_slice(b"}}");
}

fn response_format(format: Option<Format<'_>>, out: &mut Vec<u8>) {
    let schema = match format {
        None => return,
        Some(Format::JsonObject) => None,
        Some(Format::JsonSchema(schema)) => Some(schema),
    };
    json::key(out, "response_format");
    out.extend_from_slice(br#"{"type":"json_object""#);
    if let Some(schema) = schema {
        json::raw_field(out, "json_schema", schema.get());
    }
    out.push(b'}');
}

/// Reasoning models think unless they are told not to; there are no levels of effort.
fn thinking(turn: &Turn<'_>, out: &mut Vec<u8>) {
    let is_off = turn.effort.map(Literal::escaped) == Some("none");
    match turn.thinking {
        Some(Thinking::Enabled { budget, .. }) => {
            json::key(out, "thinking");
            out.extend_from_slice(br#"{"type":"enabled""#);
            json::raw_field(out, "token_budget", budget.as_str());
            out.push(b'}');
        }
        Some(Thinking::Adaptive { .. }) => json::raw_field(out, "thinking", r#"{"type":"enabled"}"#),
        Some(Thinking::Disabled) => json::raw_field(out, "thinking", r#"{"type":"disabled"}"#),
        None if is_off => json::raw_field(out, "thinking", r#"{"type":"disabled"}"#),
        None => {}
    }
}
