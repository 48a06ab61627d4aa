use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::{Literal, OneOrMany, responses as wire};

use super::{Echo, REDACTED};
use crate::{
    Untranslatable,
    translate::{
        dialect::openai_parts,
        json::{place, reason, tells_an_error},
        turn::{
            Format, HostedTool, Logprobs, Message, Outcome, Parallel, Part, PartKind, Role, Tool, ToolChoice,
            Turn,
        },
    },
};

/// Items of the provider's own tools, and their results: no other backend has run them.
const PROVIDER_ITEMS: [&str; 8] = [
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
];

/// Reads a responses request, and what its answer repeats of it.
pub(crate) fn request(body: &[u8]) -> Result<(Turn<'_>, Echo), Untranslatable> {
    let request = read(body)?;
    let echo = Echo::of(&request);
    Ok((turn(request)?, echo))
}

/// The same for a call that only counts: the two fields that hold the prompt, and the tools.
pub(crate) fn instructions_and_input(body: &[u8]) -> Result<Turn<'_>, Untranslatable> {
    turn(read(body)?)
}

fn read(body: &[u8]) -> Result<wire::Request<'_>, Untranslatable> {
    let request: wire::Request<'_> = serde_json::from_slice(body).map_err(shape)?;
    refuse_what_is_kept(&request)?;
    Ok(request)
}

/// A member that the answer repeats as it is.
fn member<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<Option<T>, Untranslatable> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(shape)).transpose()
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn shape(error: serde_json::Error) -> Untranslatable {
    Untranslatable::Shape(reason(&error))
}

fn turn(request: wire::Request<'_>) -> Result<Turn<'_>, Untranslatable> {
    let (tools, hosted) = tools(member(request.tools)?.unwrap_or_default())?;
    let wants_logprobs =
        request.include.iter().flatten().any(|one| one.escaped() == "message.output_text.logprobs");
    let text: wire::Text<'_> = member(request.text)?.unwrap_or_default();
    let reasoning: Option<wire::Reasoning<'_>> = member(request.reasoning)?;
    let parallel = |many: bool| if many { Parallel::Many } else { Parallel::One };
    Ok(Turn {
        messages: messages(request.instructions, request.input)?,
        tools,
        hosted,
        choice: request.tool_choice.map(tool_choice).transpose()?,
        parallel: request.parallel_tool_calls.map(parallel),
        max_tokens: request.max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        logprobs: wants_logprobs.then_some(Logprobs { top: request.top_logprobs }),
        format: text.format.map_or(Ok(None), |format| text_format(&format))?,
        effort: reasoning.and_then(|reasoning| reasoning.effort),
        verbosity: text.verbosity,
        service_tier: request.service_tier,
        user: request.safety_identifier.or(request.user),
        ..Turn::default()
    })
}

/// What OpenAI keeps for its clients, and no other backend does.
fn refuse_what_is_kept(request: &wire::Request<'_>) -> Result<(), Untranslatable> {
    let kept = "lives at OpenAI, and this backend is another; send the whole conversation in input";
    let is_there = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "null");
    if request.previous_response_id.is_some() {
        return field("previous_response_id", kept);
    }
    if is_there(request.conversation) {
        return field("conversation", kept);
    }
    if is_there(request.prompt) {
        return field("prompt", "lives at OpenAI, and this backend is another; send its text");
    }
    if request.background == Some(true) {
        return field("background", "this backend answers at once or not at all");
    }
    Ok(())
}

fn messages<'a>(
    instructions: Option<Literal<'a>>,
    input: Option<OneOrMany<'a, wire::Item<'a>>>,
) -> Result<Vec<Message<'a>>, Untranslatable> {
    let mut messages = Vec::new();
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        let parts = vec![Part::plain(0, PartKind::Text(text))];
        messages.push(Message { role: Role::System, at: None, parts });
    }
    match input {
        None => return field("input", "is required"),
        Some(OneOrMany::One(text)) => {
            let parts = vec![Part::plain(0, PartKind::Text(text))];
            messages.push(Message { role: Role::User, at: Some(0), parts });
        }
        Some(OneOrMany::Many(items)) => {
            for (at, one) in items.into_iter().enumerate() {
                item(at, one, &mut messages)?;
            }
        }
    }
    Ok(messages)
}

fn item<'a>(at: usize, item: wire::Item<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), Untranslatable> {
    let (role, parts) = match item.kind.map_or("message", Literal::escaped) {
        "message" => message(at, item)?,
        "reasoning" => (Role::Assistant, thinking(&item).into_iter().collect()),
        "function_call" => (Role::Assistant, vec![call(at, item)?]),
        "function_call_output" => (Role::User, vec![call_output(at, item)?]),
        known if PROVIDER_ITEMS.contains(&known) => return Ok(()),
        "item_reference" => {
            return field(
                place("input", at, ".type"),
                "an item that OpenAI keeps cannot be sent to this backend; send the item itself",
            );
        }
        other => {
            return field(
                place("input", at, ".type"),
                format!("{other:?} is not translated for this backend"),
            );
        }
    };
    // Reasoning, text and calls of one answer are items apart; to other backends they are one message.
    match messages.last_mut() {
        Some(last) if role == Role::Assistant && last.role == role => {
            last.parts.extend(parts.into_iter().map(|part| Part::plain(part.at, part.kind)));
        }
        _ => messages.push(Message { role, at: Some(at), parts }),
    }
    Ok(())
}

fn message<'a>(at: usize, item: wire::Item<'a>) -> Result<(Role, Vec<Part<'a>>), Untranslatable> {
    let role = match item.role.unwrap_or_default().escaped() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        other => {
            return field(
                place("input", at, ".role"),
                format!("{other:?} is not one of user, assistant, system and developer"),
            );
        }
    };
    Ok((role, parts(&place("input", at, ".content"), item.content)?))
}

/// Reasoning that the gateway wrote goes back signed; a summary alone is nothing that a provider takes back.
fn thinking<'a>(item: &wire::Item<'a>) -> Option<Part<'a>> {
    let sealed = item.encrypted_content?;
    if let Some(data) = sealed.escaped().strip_prefix(REDACTED) {
        return Some(Part::plain(0, PartKind::RedactedThinking(Literal::from_escaped(data))));
    }
    let text = item.summary.iter().flatten().find_map(|part| part.text);
    let kind = PartKind::Thinking { text: text.unwrap_or_default(), signature: Some(sealed) };
    Some(Part::plain(0, kind))
}

fn call<'a>(at: usize, item: wire::Item<'a>) -> Result<Part<'a>, Untranslatable> {
    let Some((id, name)) = item.call_id.zip(item.name) else {
        return field(place("input", at, ""), "a function_call needs call_id and name");
    };
    let Some(input) = openai_parts::object(item.arguments) else {
        return field(place("input", at, ".arguments"), "must be a JSON object in a string");
    };
    Ok(Part::plain(0, PartKind::ToolCall { id, name, input }))
}

fn call_output<'a>(at: usize, item: wire::Item<'a>) -> Result<Part<'a>, Untranslatable> {
    let Some(id) = item.call_id else {
        return field(place("input", at, ".call_id"), "is required in a function_call_output");
    };
    let outcome = match &item.output {
        Some(OneOrMany::One(text)) if tells_an_error(*text) => Outcome::Error,
        Some(_) | None => Outcome::Success,
    };
    let parts = parts(&place("input", at, ".output"), item.output)?;
    Ok(Part::plain(0, PartKind::ToolResult { id, outcome, parts }))
}

fn parts<'a>(
    list: &str,
    content: Option<OneOrMany<'a, wire::Part<'a>>>,
) -> Result<Vec<Part<'a>>, Untranslatable> {
    match content {
        None => Ok(Vec::new()),
        Some(OneOrMany::One(text)) => Ok(vec![Part::plain(0, PartKind::Text(text))]),
        Some(OneOrMany::Many(parts)) => {
            let parts = parts.into_iter().enumerate();
            parts.map(|(at, one)| Ok(Part::plain(at, part(list, at, &one)?))).collect()
        }
    }
}

fn part<'a>(list: &str, at: usize, part: &wire::Part<'a>) -> Result<PartKind<'a>, Untranslatable> {
    let place = |rest: &str| place(list, at, rest);
    let kind = match part.kind.escaped() {
        "input_text" | "output_text" | "text" => part.text.map(PartKind::Text),
        "refusal" => part.refusal.map(PartKind::Refusal),
        "input_image" => match part.image_url {
            Some(url) => Some(openai_parts::attachment(
                openai_parts::source(url, || place(".image_url"))?,
                part.detail,
            )),
            None => return field(place(".image_url"), "is required; a file_id is known to OpenAI alone"),
        },
        "input_file" => Some(file(part, &place)?),
        "input_audio" => part.input_audio.as_ref().map(openai_parts::sound),
        other => return field(place(".type"), format!("{other:?} is not translated for this backend")),
    };
    kind.ok_or(())
        .or_else(|()| field(place(""), format!("a part of type {} needs its field", part.kind.escaped())))
}

fn file<'a>(part: &wire::Part<'a>, place: &impl Fn(&str) -> String) -> Result<PartKind<'a>, Untranslatable> {
    let source = match (part.file_data, part.file_url) {
        (Some(data), _) => openai_parts::source(data, || place(".file_data"))?,
        (None, Some(url)) => openai_parts::source(url, || place(".file_url"))?,
        (None, None) => {
            return field(place(""), "needs file_data or file_url; a file_id is known to OpenAI alone");
        }
    };
    match openai_parts::attachment(source, None) {
        PartKind::Image { source, .. } if part.file_url.is_some() => {
            Ok(PartKind::Document { source, title: part.filename })
        }
        PartKind::Document { source, .. } => Ok(PartKind::Document { source, title: part.filename }),
        other => Ok(other),
    }
}

/// Functions, and tools that a provider runs.
type Tools<'a> = (Vec<Tool<'a>>, Vec<HostedTool<'a>>);

fn tools(list: Vec<wire::Tool<'_>>) -> Result<Tools<'_>, Untranslatable> {
    let (mut functions, mut hosted) = (Vec::with_capacity(list.len()), Vec::new());
    for (at, tool) in list.into_iter().enumerate() {
        if tool.kind.escaped() != "function" {
            hosted.push(HostedTool { field: place("tools", at, ".type"), kind: tool.kind, options: None });
            continue;
        }
        let Some(name) = tool.name else { return field(place("tools", at, ".name"), "is required") };
        functions.push(Tool {
            name,
            description: tool.description,
            schema: tool.parameters,
            strict: tool.strict,
            cache: None,
        });
    }
    Ok((functions, hosted))
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, Untranslatable> {
    match raw.get() {
        r#""auto""# => return Ok(ToolChoice::Auto),
        r#""required""# => return Ok(ToolChoice::Any),
        r#""none""# => return Ok(ToolChoice::None),
        _ => {}
    }
    match serde_json::from_str::<wire::NamedTool<'_>>(raw.get()) {
        Ok(wire::NamedTool { kind, name: Some(name) }) if kind.escaped() == "function" => {
            Ok(ToolChoice::Named(name))
        }
        Ok(_) | Err(_) => field("tool_choice", "must be auto, required, none or name a function"),
    }
}

fn text_format<'a>(format: &wire::TextFormat<'a>) -> Result<Option<Format<'a>>, Untranslatable> {
    match (format.kind.escaped(), format.schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(Format::JsonObject)),
        ("json_schema", Some(schema)) => Ok(Some(Format::JsonSchema(schema))),
        ("json_schema", None) => field("text.format.schema", "is required"),
        (other, _) => field("text.format.type", format!("{other:?} is not text, json_object or json_schema")),
    }
}

fn field<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.into(), reason: reason.into() })
}
