use serde_json::value::RawValue;
use tollgate_wire::{Literal, OneOrMany, openai as wire};

use crate::{
    Untranslatable,
    translate::{
        dialect::openai_parts,
        json::{parsed, place, tells_an_error},
        turn::{
            Format, HostedTool, Logprobs, Message, Outcome, Parallel, Part, PartKind, Role, Source, Thinking,
            Tool, ToolChoice, Turn, Vendor,
        },
    },
};

/// Reads a chat completions request.
pub(crate) fn request(body: &[u8]) -> Result<Turn<'_>, Untranslatable> {
    let request: wire::Request<'_> = parsed(body).map_err(Untranslatable::Shape)?;
    refuse_what_no_backend_has(&request)?;
    let (tools, hosted) = tools(&request)?;
    let messages = request.messages.into_iter().enumerate().map(|(at, one)| message(at, one));
    let logprobs = (request.logprobs == Some(true)).then_some(Logprobs { top: request.top_logprobs });
    Ok(Turn {
        messages: messages.collect::<Result<_, _>>()?,
        tools,
        hosted,
        choice: request.tool_choice.map(tool_choice).transpose()?,
        parallel: request.parallel_tool_calls.map(|many| if many { Parallel::Many } else { Parallel::One }),
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: None,
        answers: request.n,
        stop: match request.stop {
            None => Vec::new(),
            Some(OneOrMany::One(stop)) => vec![stop],
            Some(OneOrMany::Many(stops)) => stops,
        },
        seed: request.seed,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        logprobs,
        format: request.response_format.map_or(Ok(None), |format| response_format(&format))?,
        thinking: request.thinking.map(|option| thinking(&option)).transpose()?,
        effort: request.reasoning_effort,
        verbosity: request.verbosity,
        service_tier: request.service_tier,
        user: request.safety_identifier.or(request.user),
        vendor: Vendor {
            safety_settings: request.safety_settings,
            generation_config: request.generation_config,
            guided_choice: request.guided_choice,
            guided_regex: request.guided_regex,
            guided_json: request.guided_json,
        },
    })
}

fn refuse_what_no_backend_has(request: &wire::Request<'_>) -> Result<(), Untranslatable> {
    if request.functions.is_some() {
        return field("functions", "is deprecated and not translated; use tools");
    }
    match request.modalities.iter().flatten().find(|one| one.escaped() != "text") {
        Some(other) => field("modalities", format!("the backend does not answer in {:?}", other.decode())),
        None => Ok(()),
    }
}

fn message(at: usize, message: wire::Message<'_>) -> Result<Message<'_>, Untranslatable> {
    if message.function_call.is_some() {
        return field(
            place("messages", at, ".function_call"),
            "is deprecated and not translated; use tool_calls",
        );
    }
    let role = match message.role.escaped() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => return assistant(at, message),
        "tool" => return tool_message(at, message),
        _ => {
            return field(
                place("messages", at, ".role"),
                format!(
                    "{:?} is not one of system, developer, user, assistant and tool",
                    message.role.decode()
                ),
            );
        }
    };
    let mut parts = parts(at, message.content)?;
    if let Some(last) = parts.last_mut() {
        last.cache = last.cache.or(message.cache_control);
    }
    Ok(Message { role, at: Some(at), parts })
}

fn assistant(at: usize, message: wire::Message<'_>) -> Result<Message<'_>, Untranslatable> {
    let content = parts(at, message.content)?;
    let is_thinking =
        |part: &Part<'_>| matches!(part.kind, PartKind::Thinking { .. } | PartKind::RedactedThinking(_));
    let mut all = Vec::with_capacity(content.len() + 1);
    if !content.iter().any(is_thinking) {
        let blocks = message.thinking_blocks.iter().flatten();
        all.extend(blocks.filter_map(thinking_block).map(|kind| Part::plain(0, kind)));
    }
    all.extend(content);
    if let Some(refusal) = message.refusal {
        all.push(Part::plain(all.len(), PartKind::Refusal(refusal)));
    }
    if let Some(last) = all.last_mut() {
        last.cache = last.cache.or(message.cache_control);
    }
    for (index, call) in message.tool_calls.into_iter().flatten().enumerate() {
        let place = || place("messages", at, &format!(".tool_calls[{index}]"));
        let (Some(id), Some(function)) = (call.id, call.function) else {
            return field(place(), "needs an id and a function");
        };
        let kind = PartKind::ToolCall {
            id,
            name: function.name,
            input: openai_parts::object(function.arguments)
                .ok_or(())
                .or_else(|()| field(place() + ".function.arguments", "must be a JSON object in a string"))?,
        };
        all.push(Part { at: index, cache: call.cache_control, kind });
    }
    Ok(Message { role: Role::Assistant, at: Some(at), parts: all })
}

fn tool_message(at: usize, message: wire::Message<'_>) -> Result<Message<'_>, Untranslatable> {
    let Some(id) = message.tool_call_id else {
        return field(place("messages", at, ".tool_call_id"), "is required in a tool message");
    };
    let outcome = match &message.content {
        Some(OneOrMany::One(text)) if tells_an_error(*text) => Outcome::Error,
        Some(_) | None => Outcome::Success,
    };
    let mut parts = parts(at, message.content)?;
    let inner = parts.iter_mut().rev().find_map(|part| part.cache.take());
    let kind = PartKind::ToolResult { id, outcome, parts };
    let part = Part { at: 0, cache: message.cache_control.or(inner), kind };
    Ok(Message { role: Role::User, at: Some(at), parts: vec![part] })
}

fn parts<'a>(
    at: usize,
    content: Option<OneOrMany<'a, wire::Part<'a>>>,
) -> Result<Vec<Part<'a>>, Untranslatable> {
    match content {
        None => Ok(Vec::new()),
        Some(OneOrMany::One(text)) => Ok(vec![Part::plain(0, PartKind::Text(text))]),
        Some(OneOrMany::Many(parts)) => {
            let mut all = Vec::with_capacity(parts.len());
            for (index, one) in parts.into_iter().enumerate() {
                let cache = one.cache_control;
                all.push(Part { at: index, cache, kind: part(at, index, &one)? });
            }
            Ok(all)
        }
    }
}

fn part<'a>(at: usize, index: usize, part: &wire::Part<'a>) -> Result<PartKind<'a>, Untranslatable> {
    let place = |rest: &str| place("messages", at, &format!(".content[{index}]{rest}"));
    let kind = match part.kind.escaped() {
        "text" => part.text.map(PartKind::Text),
        "refusal" => part.refusal.map(PartKind::Refusal),
        "image_url" => match &part.image_url {
            Some(image) => Some(openai_parts::attachment(
                openai_parts::source(image.url, || place(".image_url.url"))?,
                image.detail,
            )),
            None => None,
        },
        "file" => match &part.file {
            Some(file) => Some(document(file, || place(".file"))?),
            None => None,
        },
        "input_audio" => part.input_audio.as_ref().map(openai_parts::sound),
        "audio_url" => match &part.audio_url {
            Some(audio) => {
                Some(PartKind::Audio(openai_parts::source(audio.url, || place(".audio_url.url"))?))
            }
            None => None,
        },
        "video_url" => match &part.video_url {
            Some(video) => {
                Some(PartKind::Video(openai_parts::source(video.url, || place(".video_url.url"))?))
            }
            None => None,
        },
        "thinking" => {
            part.text.or(part.thinking).map(|text| PartKind::Thinking { text, signature: part.signature })
        }
        "redacted_thinking" => part.data.or(part.redacted_content).map(PartKind::RedactedThinking),
        other => return field(place(".type"), format!("{other:?} is not translated for this backend")),
    };
    kind.ok_or(())
        .or_else(|()| field(place(""), format!("a part of type {} needs its field", part.kind.escaped())))
}

fn document<'a>(file: &wire::File<'a>, place: impl Fn() -> String) -> Result<PartKind<'a>, Untranslatable> {
    let Some(data) = file.file_data else {
        return field(
            place(),
            "needs file_data; a file_id is known to the provider that stored the file only",
        );
    };
    match openai_parts::attachment(openai_parts::source(data, &place)?, None) {
        PartKind::Document { source, .. } => Ok(PartKind::Document { source, title: file.filename }),
        image @ PartKind::Image { source: Source::Base64 { .. }, .. } => Ok(image),
        _ => field(place(), "file_data must be a data: address"),
    }
}

fn thinking_block<'a>(block: &wire::ThinkingBlock<'a>) -> Option<PartKind<'a>> {
    match block.kind.escaped() {
        "thinking" => {
            Some(PartKind::Thinking { text: block.thinking.unwrap_or_default(), signature: block.signature })
        }
        "redacted_thinking" => block.data.map(PartKind::RedactedThinking),
        _ => None,
    }
}

/// Functions, and tools that a provider runs.
type Tools<'a> = (Vec<Tool<'a>>, Vec<HostedTool<'a>>);

fn tools<'a>(request: &wire::Request<'a>) -> Result<Tools<'a>, Untranslatable> {
    let (mut functions, mut hosted) = (Vec::new(), Vec::new());
    for (at, tool) in request.tools.iter().flatten().enumerate() {
        match (&tool.function, tool.kind.escaped()) {
            (Some(function), "function") => functions.push(Tool {
                name: function.name,
                description: function.description,
                schema: function.parameters,
                strict: function.strict,
                cache: function.cache_control.or(tool.cache_control),
            }),
            (None, "function") => return field(place("tools", at, ".function"), "is required"),
            _ => hosted.push(HostedTool {
                field: place("tools", at, ".type"),
                kind: tool.kind,
                options: tool.google_search,
            }),
        }
    }
    if let Some(options) = request.web_search_options {
        hosted.push(HostedTool {
            field: "web_search_options".to_owned(),
            kind: Literal::from_escaped("web_search_options"),
            options: Some(options),
        });
    }
    Ok((functions, hosted))
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, Untranslatable> {
    match raw.get() {
        r#""auto""# => return Ok(ToolChoice::Auto),
        r#""required""# | r#""any""# => return Ok(ToolChoice::Any),
        r#""none""# => return Ok(ToolChoice::None),
        _ => {}
    }
    match serde_json::from_str::<wire::NamedTool<'_>>(raw.get()) {
        Ok(wire::NamedTool { kind, function: Some(function) }) if kind.escaped() == "function" => {
            Ok(ToolChoice::Named(function.name))
        }
        Ok(_) | Err(_) => field("tool_choice", "must be auto, required, none or name a function"),
    }
}

fn response_format<'a>(format: &wire::ResponseFormat<'a>) -> Result<Option<Format<'a>>, Untranslatable> {
    match format.kind.escaped() {
        "text" => Ok(None),
        "json_object" => Ok(Some(Format::JsonObject)),
        "json_schema" => match format.json_schema.as_ref().and_then(|named| named.schema) {
            Some(schema) => Ok(Some(Format::JsonSchema(schema))),
            None => field("response_format.json_schema.schema", "is required"),
        },
        other => field("response_format.type", format!("{other:?} is not translated for this backend")),
    }
}

fn thinking<'a>(option: &wire::ThinkingOption<'a>) -> Result<Thinking<'a>, Untranslatable> {
    match (option.kind.escaped(), option.budget_tokens) {
        ("enabled", Some(budget)) => Ok(Thinking::Enabled { budget, display: option.display }),
        ("enabled", None) => field("thinking.budget_tokens", "is required where thinking is enabled"),
        ("adaptive", _) => Ok(Thinking::Adaptive { display: option.display }),
        ("disabled", _) => Ok(Thinking::Disabled),
        (other, _) => {
            field("thinking.type", format!("{other:?} is not one of enabled, disabled and adaptive"))
        }
    }
}

fn field<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.into(), reason: reason.into() })
}
