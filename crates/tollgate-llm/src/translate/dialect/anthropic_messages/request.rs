use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, OneOrMany, anthropic as wire};

use crate::{
    Untranslatable,
    translate::{
        json::{parsed, place, reason},
        turn::{
            Format, HostedTool, Message, Outcome, Parallel, Part, PartKind, Role, Source, Thinking, Tool,
            ToolChoice, Turn,
        },
    },
};

/// Blocks of the provider's own tools, and their results: no other backend has run them.
const PROVIDER_BLOCKS: [&str; 10] = [
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
];

/// Reads a messages request.
pub(crate) fn request(body: &[u8]) -> Result<Turn<'_>, Untranslatable> {
    let request: wire::Request<'_> = parsed(body).map_err(Untranslatable::Shape)?;
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    if let Some(system) = request.system {
        messages.push(Message { role: Role::System, at: None, parts: parts(system, "system")? });
    }
    for (at, one) in request.messages.into_iter().enumerate() {
        messages.push(message(at, one)?);
    }
    if request.mcp_servers.is_some_and(|servers| servers.get() != "[]") {
        return field("mcp_servers", "Anthropic alone calls these servers, this backend cannot");
    }
    let (tools, hosted) = tools(request.tools.unwrap_or_default())?;
    let config = request.output_config.unwrap_or(wire::OutputConfig { format: None, effort: None });
    let parallel = request.tool_choice.as_ref().and_then(|choice| choice.disable_parallel_tool_use);
    Ok(Turn {
        messages,
        tools,
        hosted,
        choice: request.tool_choice.map(tool_choice).transpose()?,
        parallel: parallel.map(|one| if one { Parallel::One } else { Parallel::Many }),
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        stop: request.stop_sequences.unwrap_or_default(),
        format: config.format.or(request.output_format).map(format).transpose()?,
        thinking: request.thinking.map(thinking).transpose()?,
        effort: config.effort,
        user: request.metadata.and_then(|metadata| metadata.user_id),
        service_tier: request.service_tier,
        ..Turn::default()
    })
}

fn message(at: usize, message: wire::Message<'_>) -> Result<Message<'_>, Untranslatable> {
    let role = match message.role.escaped() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            return field(
                place("messages", at, ".role"),
                format!("{other:?} is not one of user, assistant and system"),
            );
        }
    };
    let parts = parts(message.content, &place("messages", at, ".content"))?;
    Ok(Message { role, at: Some(at), parts })
}

fn parts<'a>(content: OneOrMany<'a, wire::Block<'a>>, list: &str) -> Result<Vec<Part<'a>>, Untranslatable> {
    match content {
        OneOrMany::One(text) => Ok(vec![Part::plain(0, PartKind::Text(text))]),
        OneOrMany::Many(blocks) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for (at, block) in blocks.into_iter().enumerate() {
                add(&mut parts, at, &block, list)?;
            }
            Ok(parts)
        }
    }
}

/// A nested list of blocks, or a string.
fn nested<'a>(raw: Option<&'a RawValue>, list: &str) -> Result<Vec<Part<'a>>, Untranslatable> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    match serde_json::from_str::<OneOrMany<'a, wire::Block<'a>>>(raw.get()) {
        Ok(content) => parts(content, list),
        Err(error) => field(list, reason(&error)),
    }
}

fn add<'a>(
    parts: &mut Vec<Part<'a>>,
    at: usize,
    block: &wire::Block<'a>,
    list: &str,
) -> Result<(), Untranslatable> {
    let cache = block.cache_control;
    let kind = match block.kind.escaped() {
        "text" => block.text.map(PartKind::Text),
        "thinking" => block.thinking.map(|text| PartKind::Thinking { text, signature: block.signature }),
        "redacted_thinking" => block.data.map(PartKind::RedactedThinking),
        "tool_use" => match (block.id, block.name) {
            (Some(id), Some(name)) => {
                Some(PartKind::ToolCall { id, name, input: input(block, || place(list, at, ".input"))? })
            }
            _ => None,
        },
        "tool_result" => match block.tool_use_id {
            Some(id) => Some(PartKind::ToolResult {
                id,
                outcome: if block.is_error == Some(true) { Outcome::Error } else { Outcome::Success },
                parts: nested(block.content, &place(list, at, ".content"))?,
            }),
            None => None,
        },
        "image" => match source(block, || place(list, at, ".source"))? {
            Read::Source(source) => Some(PartKind::Image { source, detail: None }),
            Read::Text(_) | Read::Content(_) => None,
        },
        "document" => match source(block, || place(list, at, ".source"))? {
            Read::Source(source) => Some(PartKind::Document { source, title: block.title }),
            Read::Text(text) => Some(PartKind::Text(text)),
            Read::Content(content) => {
                parts.extend(nested(Some(content), &place(list, at, ".source.content"))?);
                return Ok(());
            }
        },
        "search_result" => {
            parts.extend(nested(block.content, &place(list, at, ".content"))?);
            return Ok(());
        }
        known if PROVIDER_BLOCKS.contains(&known) => return Ok(()),
        other => {
            return field(place(list, at, ".type"), format!("{other:?} is not translated for this backend"));
        }
    };
    let Some(kind) = kind else {
        return field(place(list, at, ""), format!("a block of type {} lacks a field", block.kind.escaped()));
    };
    parts.push(Part { at, cache, kind });
    Ok(())
}

fn input<'a>(block: &wire::Block<'a>, place: impl Fn() -> String) -> Result<Cow<'a, str>, Untranslatable> {
    match block.input.map(RawValue::get) {
        None => Ok(Cow::Borrowed("{}")),
        Some(object) if object.starts_with('{') => Ok(Cow::Borrowed(object)),
        Some(_) => field(place(), "must be an object"),
    }
}

/// What `source` says.
enum Read<'a> {
    Source(Source<'a>),
    /// A document that is text anyway.
    Text(Literal<'a>),
    /// A document that is blocks.
    Content(&'a RawValue),
}

fn source<'a>(block: &wire::Block<'a>, place: impl Fn() -> String) -> Result<Read<'a>, Untranslatable> {
    let Some(raw) = block.source else { return field(place(), "is required") };
    let source: wire::Source<'a> = match serde_json::from_str(raw.get()) {
        Ok(source) => source,
        Err(error) => return field(place(), reason(&error)),
    };
    match (source.kind.escaped(), source.media_type, source.data, source.url) {
        ("base64", Some(media_type), Some(data), _) => Ok(Read::Source(Source::Base64 { media_type, data })),
        ("text", _, Some(data), _) => Ok(Read::Text(data)),
        ("url", _, _, Some(url)) => Ok(Read::Source(Source::Url(url))),
        ("content", ..) => match source.content {
            Some(content) => Ok(Read::Content(content)),
            None => field(place(), "needs content"),
        },
        ("file", ..) => field(place(), "a file is known to the provider that stored it only"),
        ("base64" | "text" | "url", ..) => field(place(), "lacks a field"),
        (other, ..) => field(place(), format!("type {other:?} is not translated for this backend")),
    }
}

/// The client's own tools, and those that the provider runs or defines.
type Tools<'a> = (Vec<Tool<'a>>, Vec<HostedTool<'a>>);

fn tools(list: Vec<wire::Tool<'_>>) -> Result<Tools<'_>, Untranslatable> {
    let (mut custom, mut hosted) = (Vec::with_capacity(list.len()), Vec::new());
    for (at, tool) in list.into_iter().enumerate() {
        if let Some(kind) = tool.kind.filter(|kind| kind.escaped() != "custom") {
            hosted.push(HostedTool { field: place("tools", at, ".type"), kind, options: None });
            continue;
        }
        let Some(name) = tool.name else { return field(place("tools", at, ".name"), "is required") };
        custom.push(Tool {
            name,
            description: tool.description,
            schema: tool.input_schema,
            strict: tool.strict,
            cache: tool.cache_control,
        });
    }
    Ok((custom, hosted))
}

fn tool_choice(choice: wire::ToolChoice<'_>) -> Result<ToolChoice<'_>, Untranslatable> {
    match (choice.kind.escaped(), choice.name) {
        ("auto", _) => Ok(ToolChoice::Auto),
        ("any", _) => Ok(ToolChoice::Any),
        ("none", _) => Ok(ToolChoice::None),
        ("tool", Some(name)) => Ok(ToolChoice::Named(name)),
        ("tool", None) => field("tool_choice.name", "is required where type is tool"),
        (other, _) => field("tool_choice.type", format!("{other:?} is not one of auto, any, tool and none")),
    }
}

fn format(format: wire::OutputFormat<'_>) -> Result<Format<'_>, Untranslatable> {
    match (format.kind.escaped(), format.schema) {
        ("json_schema", Some(schema)) => Ok(Format::JsonSchema(schema)),
        ("json_schema", None) => field("output_config.format.schema", "is required"),
        (other, _) => field("output_config.format.type", format!("{other:?} is not json_schema")),
    }
}

fn thinking(config: wire::ThinkingConfig<'_>) -> Result<Thinking<'_>, Untranslatable> {
    match (config.kind.escaped(), config.budget_tokens) {
        ("enabled", Some(budget)) => Ok(Thinking::Enabled { budget, display: config.display }),
        ("enabled", None) => field("thinking.budget_tokens", "is required where thinking is enabled"),
        ("adaptive", _) => Ok(Thinking::Adaptive { display: config.display }),
        ("disabled", _) => Ok(Thinking::Disabled),
        (other, _) => {
            field("thinking.type", format!("{other:?} is not one of enabled, disabled and adaptive"))
        }
    }
}

fn field<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.into(), reason: reason.into() })
}
