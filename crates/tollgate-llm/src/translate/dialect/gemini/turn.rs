use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, gemini as wire};

use super::read::{At, Media, Piece, Read, field};
use crate::{
    Untranslatable,
    translate::{
        json::place,
        turn::{
            Format, HostedTool, Logprobs, Message, Part, PartKind, Role, Source, Thinking, Tool, ToolChoice,
            Turn,
        },
    },
};

/// Where Google keeps files that nobody else can open.
const OWN_FILES: [&str; 2] = ["gs://", "https://generativelanguage.googleapis.com/"];

/// What the request asks for.
pub(crate) fn turn<'r>(read: &'r Read<'_>) -> Result<Turn<'r>, Untranslatable> {
    let request = &read.request;
    if request.cached_content.is_some() {
        return field("cachedContent", "is known to Google alone, which stored it");
    }
    let choice = request.tool_config.as_ref().and_then(|config| config.function_calling_config.as_ref());
    let allowed = choice.and_then(|choice| choice.allowed_function_names.as_ref());
    let allowed = allowed.map(|names| names.0.as_slice()).unwrap_or_default();
    let mut turn = Turn {
        messages: messages(read)?,
        tools: tools(read, allowed),
        hosted: hosted(request),
        choice: choice.map(|choice| tool_choice(choice, allowed)).transpose()?,
        ..Turn::default()
    };
    turn.vendor.safety_settings = request.safety_settings;
    if let Some(config) = &request.generation_config {
        configure(config, read.format.as_deref(), &mut turn)?;
    }
    Ok(turn)
}

fn messages<'r>(read: &'r Read<'_>) -> Result<Vec<Message<'r>>, Untranslatable> {
    let mut messages = Vec::with_capacity(read.contents.len() + 1);
    if let Some(system) = &read.request.system_instruction {
        let parts = system.parts.iter().flat_map(|parts| &parts.0).filter_map(|part| part.text).enumerate();
        let parts = parts.map(|(at, text)| Part::plain(at, PartKind::Text(text))).collect();
        messages.push(Message { role: Role::System, at: None, parts });
    }
    for (at, (role, pieces)) in read.contents.iter().enumerate() {
        let mut parts = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.iter().enumerate() {
            let place = || place("contents", at, &format!(".parts[{index}]"));
            parts.push(Part::plain(index, kind(piece, place)?));
        }
        messages.push(Message { role: *role, at: Some(at), parts });
    }
    Ok(messages)
}

fn kind<'r>(piece: &'r Piece<'_>, place: impl Fn() -> String) -> Result<PartKind<'r>, Untranslatable> {
    Ok(match piece {
        Piece::Text(text) => PartKind::Text(*text),
        Piece::Thinking { text, signature } => PartKind::Thinking {
            text: Literal::from_escaped(text),
            signature: signature.as_deref().map(Literal::from_escaped),
        },
        Piece::Redacted(data) => PartKind::RedactedThinking(Literal::from_escaped(data)),
        Piece::Call { id, name, input } => {
            PartKind::ToolCall { id: Literal::from_escaped(id), name: *name, input: Cow::Borrowed(input) }
        }
        Piece::Result { id, outcome, text, media: shown } => {
            let mut parts = vec![Part::plain(0, PartKind::Text(Literal::from_escaped(text)))];
            for (at, one) in shown.iter().enumerate() {
                parts.push(Part::plain(at + 1, media(*one, &place)?));
            }
            PartKind::ToolResult { id: Literal::from_escaped(id), outcome: *outcome, parts }
        }
        Piece::Media(one) => media(*one, place)?,
    })
}

fn media(media: Media<'_>, place: impl Fn() -> String) -> Result<PartKind<'_>, Untranslatable> {
    let source = match media.at {
        At::Base64(data) => Source::Base64 { media_type: media.media_type, data },
        At::Url(url) if OWN_FILES.iter().any(|own| url.escaped().starts_with(own)) => {
            return field(place(), "the file is stored at Google, where this backend cannot read it");
        }
        At::Url(url) => Source::Url(url),
    };
    Ok(match media.media_type.escaped().split('/').next() {
        Some("image") => PartKind::Image { source, detail: None },
        Some("audio") => PartKind::Audio(source),
        Some("video") => PartKind::Video(source),
        _ => PartKind::Document { source, title: None },
    })
}

/// The functions; where some alone are allowed, these.
fn tools<'r>(read: &'r Read<'_>, allowed: &[Literal<'_>]) -> Vec<Tool<'r>> {
    let tools = read.request.tools.iter().flat_map(|tools| &tools.0);
    let functions = tools.flat_map(|tool| tool.function_declarations.iter().flat_map(|list| &list.0));
    let is_allowed =
        |name: Literal<'_>| allowed.is_empty() || allowed.iter().any(|one| one.escaped() == name.escaped());
    functions
        .zip(&read.schemas)
        .filter(|(function, _)| is_allowed(function.name))
        .map(|(function, schema)| Tool {
            name: function.name,
            description: function.description,
            schema: schema.as_deref(),
            strict: None,
            cache: None,
        })
        .collect()
}

/// Google's own tools, by the names that chat completions know.
fn hosted<'r>(request: &wire::Request<'r>) -> Vec<HostedTool<'r>> {
    let mut all = Vec::new();
    for (at, tool) in request.tools.iter().flat_map(|tools| &tools.0).enumerate() {
        for (name, kind, options) in [
            (".googleSearch", "google_search", tool.google_search),
            (".googleSearchRetrieval", "google_search_retrieval", tool.google_search_retrieval),
            (".enterpriseWebSearch", "enterprise_search", tool.enterprise_web_search),
            (".googleMaps", "google_maps", tool.google_maps),
            (".codeExecution", "code_execution", tool.code_execution),
            (".urlContext", "url_context", tool.url_context),
            (".retrieval", "retrieval", tool.retrieval),
            (".fileSearch", "file_search", tool.file_search),
            (".computerUse", "computer_use", tool.computer_use),
        ] {
            if options.is_some() {
                let kind = Literal::from_escaped(kind);
                all.push(HostedTool { field: place("tools", at, name), kind, options });
            }
        }
    }
    all
}

fn tool_choice<'r>(
    config: &wire::CallingConfig<'r>,
    allowed: &[Literal<'r>],
) -> Result<ToolChoice<'r>, Untranslatable> {
    match (config.mode.map(Literal::escaped), allowed) {
        (None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED"), _) => Ok(ToolChoice::Auto),
        (Some("NONE"), _) => Ok(ToolChoice::None),
        (Some("ANY"), [only]) => Ok(ToolChoice::Named(*only)),
        (Some("ANY"), _) => Ok(ToolChoice::Any),
        (Some(other), _) => {
            let reason = format!("{other:?} is not one of AUTO, ANY, NONE and VALIDATED");
            field("toolConfig.functionCallingConfig.mode", &reason)
        }
    }
}

fn configure<'r>(
    config: &'r wire::GenerationConfig<'_>,
    schema: Option<&'r RawValue>,
    turn: &mut Turn<'r>,
) -> Result<(), Untranslatable> {
    if config.response_modalities.iter().flat_map(|list| &list.0).any(|one| one.escaped() != "TEXT") {
        return field("generationConfig.responseModalities", "this backend answers in text alone");
    }
    turn.temperature = config.temperature;
    turn.top_p = config.top_p;
    turn.top_k = config.top_k;
    turn.answers = config.candidate_count;
    turn.max_tokens = config.max_output_tokens;
    turn.stop = config.stop_sequences.as_ref().map(|list| list.0.clone()).unwrap_or_default();
    turn.seed = config.seed;
    turn.presence_penalty = config.presence_penalty;
    turn.frequency_penalty = config.frequency_penalty;
    turn.logprobs = (config.response_logprobs == Some(true)).then_some(Logprobs { top: config.logprobs });
    turn.format = match (config.response_mime_type.map(Literal::escaped), schema) {
        (None | Some("" | "text/plain"), _) => None,
        (Some("application/json"), Some(schema)) => Some(Format::JsonSchema(schema)),
        (Some("application/json"), None) => Some(Format::JsonObject),
        (Some(other), _) => {
            let reason = format!("{other:?} is not translated; use text/plain or application/json");
            return field("generationConfig.responseMimeType", &reason);
        }
    };
    if let Some(thinking) = &config.thinking_config {
        think(thinking, turn);
    }
    Ok(())
}

/// Budgets are kept, levels are efforts in small letters.
fn think<'r>(config: &wire::ThinkingConfig<'r>, turn: &mut Turn<'r>) {
    turn.thinking = config.thinking_budget.map(|budget| match budget.as_u64() {
        Some(0) => Thinking::Disabled,
        Some(_) => Thinking::Enabled { budget, display: None },
        None => Thinking::Adaptive { display: None },
    });
    turn.effort = config.thinking_level.and_then(|level| match level.escaped() {
        "MINIMAL" => Some(Literal::from_escaped("minimal")),
        "LOW" => Some(Literal::from_escaped("low")),
        "MEDIUM" => Some(Literal::from_escaped("medium")),
        "HIGH" => Some(Literal::from_escaped("high")),
        "XHIGH" => Some(Literal::from_escaped("xhigh")),
        _ => None,
    });
}
