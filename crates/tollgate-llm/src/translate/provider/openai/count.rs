//! How many tokens a prompt has: OpenAI counts the input of a response; servers that copy its chat API have vLLM's
//! tokenizer, if any. Sources: OpenAI API reference, `responses/input_tokens`; vLLM, tokenizer API.

use serde::Deserialize;
use tollgate_types::ApiSchema;
use tollgate_wire::Literal;

use super::{call, error, family::Family, messages};
use crate::{
    Fault, Untranslatable,
    translate::{
        Job,
        event::ProviderError,
        json::{self, parsed},
        provider::Call,
        turn::{Message, Part, PartKind, Role, Source, Tool, Turn},
    },
};

/// Encodes a request to `POST …/responses/input_tokens`, or to `POST /tokenize` for models that are not OpenAI's.
pub(crate) fn count_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    turn.refuse_hosted("OpenAI's API for counts")?;
    let (path, body) = match (job.target.schema, Family::of(job.model.as_str())) {
        (ApiSchema::AzureOpenAi, _) => (azure_path(job), input(job, turn)?),
        (_, Family::Plain | Family::Reasoning) => (path(job), input(job, turn)?),
        (_, Family::Compatible) => ("/tokenize".to_owned(), conversation(job, turn)?),
    };
    Ok(Call { path, headers: Vec::new(), body })
}

fn path(job: &Job<'_>) -> String {
    match job.target.prefix.trim_matches('/') {
        "" => "/responses/input_tokens".to_owned(),
        prefix => format!("/{prefix}/responses/input_tokens"),
    }
}

fn azure_path(job: &Job<'_>) -> String {
    call::with_version("/openai/responses/input_tokens".to_owned(), job)
}

/// As chat completions have it: messages and tools.
fn conversation(job: &Job<'_>, turn: &Turn<'_>) -> Result<Vec<u8>, Untranslatable> {
    let mut out = vec![b'{'];
    json::text_field(&mut out, "model", job.model.as_str());
    messages::messages(turn, Family::Compatible, &mut out)?;
    if !turn.tools.is_empty() {
        json::key(&mut out, "tools");
        out.push(b'[');
        turn.tools.iter().for_each(|tool| call::tool(tool, &mut out));
        out.push(b']');
    }
    out.push(b'}');
    Ok(out)
}

/// As responses have it: items and tools.
fn input(job: &Job<'_>, turn: &Turn<'_>) -> Result<Vec<u8>, Untranslatable> {
    let mut out = vec![b'{'];
    json::text_field(&mut out, "model", job.model.as_str());
    json::key(&mut out, "input");
    out.push(b'[');
    for message in &turn.messages {
        match message.role {
            Role::System => text_item("system", message, &mut out),
            Role::Assistant => assistant(message, &mut out),
            Role::User => user(message, &mut out)?,
        }
    }
    out.push(b']');
    if !turn.tools.is_empty() {
        json::key(&mut out, "tools");
        out.push(b'[');
        turn.tools.iter().for_each(|one| tool(one, &mut out));
        out.push(b']');
    }
    out.push(b'}');
    Ok(out)
}

/// A message as one string; nothing where it has no text.
fn text_item(role: &str, message: &Message<'_>, out: &mut Vec<u8>) {
    let mut texts = messages::texts(&message.parts).peekable();
    if texts.peek().is_none() {
        return;
    }
    json::comma(out);
    out.push(b'{');
    json::text_field(out, "role", role);
    json::key(out, "content");
    out.push(b'"');
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.extend_from_slice(br"\n\n");
        }
        out.extend_from_slice(text.escaped().as_bytes());
    }
    out.extend_from_slice(b"\"}");
}

/// Reasoning is left out: OpenAI counts its own alone, which it knows by id.
fn assistant(message: &Message<'_>, out: &mut Vec<u8>) {
    text_item("assistant", message, out);
    for part in &message.parts {
        let PartKind::ToolCall { id, name, input } = &part.kind else { continue };
        json::comma(out);
        out.extend_from_slice(br#"{"type":"function_call""#);
        json::literal_field(out, "call_id", *id);
        json::literal_field(out, "name", *name);
        json::text_field(out, "arguments", input);
        out.push(b'}');
    }
}

fn user(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    for part in &message.parts {
        let PartKind::ToolResult { id, parts, .. } = &part.kind else { continue };
        json::comma(out);
        out.extend_from_slice(br#"{"type":"function_call_output""#);
        json::literal_field(out, "call_id", *id);
        json::key(out, "output");
        out.push(b'"');
        messages::texts(parts).for_each(|text| out.extend_from_slice(text.escaped().as_bytes()));
        out.extend_from_slice(b"\"}");
    }
    let is_said = |part: &&Part<'_>| !matches!(part.kind, PartKind::ToolResult { .. });
    if !message.parts.iter().any(|part| is_said(&part)) {
        return Ok(());
    }
    json::comma(out);
    out.extend_from_slice(br#"{"role":"user","content":["#);
    for part in message.parts.iter().filter(is_said) {
        content(message, part, out)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn content(message: &Message<'_>, part: &Part<'_>, out: &mut Vec<u8>) -> Result<(), Untranslatable> {
    match &part.kind {
        PartKind::Text(text) | PartKind::Refusal(text) => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"input_text""#);
            json::literal_field(out, "text", *text);
            out.push(b'}');
        }
        PartKind::Image { source, detail } => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"input_image""#);
            quoted_address("image_url", *source, out);
            if let Some(detail) = detail {
                json::literal_field(out, "detail", *detail);
            }
            out.push(b'}');
        }
        PartKind::Document { source, title } => {
            json::comma(out);
            out.extend_from_slice(br#"{"type":"input_file""#);
            match source {
                Source::Url(_) => quoted_address("file_url", *source, out),
                Source::Base64 { .. } => {
                    let name = title.filter(|title| !title.is_empty());
                    let name = name.unwrap_or(Literal::from_escaped("document.pdf"));
                    json::literal_field(out, "filename", name);
                    quoted_address("file_data", *source, out);
                }
            }
            out.push(b'}');
        }
        PartKind::Audio(_) | PartKind::Video(_) => {
            return Err(Untranslatable::Field {
                field: message.place(part.at),
                reason: "OpenAI counts text, images and documents alone".to_owned(),
            });
        }
        // Written before, or nothing that a user says.
        PartKind::ToolCall { .. }
        | PartKind::ToolResult { .. }
        | PartKind::Thinking { .. }
        | PartKind::RedactedThinking(_)
        | PartKind::Citation(_) => {}
    }
    Ok(())
}

fn quoted_address(field: &str, source: Source<'_>, out: &mut Vec<u8>) {
    json::key(out, field);
    out.push(b'"');
    messages::address(source, out);
    out.push(b'"');
}

fn tool(tool: &Tool<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.extend_from_slice(br#"{"type":"function""#);
    json::literal_field(out, "name", tool.name);
    if let Some(description) = tool.description {
        json::literal_field(out, "description", description);
    }
    // Both are required.
    json::raw_field(out, "parameters", tool.schema.map_or("null", |schema| schema.get()));
    json::raw_field(out, "strict", if tool.strict == Some(true) { "true" } else { "false" });
    out.push(b'}');
}

/// Either of the two replies.
#[derive(Deserialize)]
struct Counted {
    #[serde(alias = "count")]
    input_tokens: u64,
}

/// The number in a whole success body.
pub(crate) fn counted(body: &[u8]) -> Result<u64, Fault> {
    let counted: Counted = parsed(body).map_err(Fault::Malformed)?;
    Ok(counted.input_tokens)
}

/// A whole error body.
pub(crate) fn count_error(body: &[u8]) -> Option<ProviderError> {
    error::body(body)
}
