use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

type Refused = (u16, String);

/// A body of `Converse` as a body of Anthropic's messages, which is what replies are made from.
pub(super) fn converse(body: &Value) -> Result<Value, Refused> {
    let messages = list(&body["messages"]);
    check_roles(messages)?;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    let has_tools = !list(&body["toolConfig"]["tools"]).is_empty();
    let mut turns = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let mut blocks = Vec::new();
        for (index, block) in list(&message["content"]).iter().enumerate() {
            let uses_tools = block.get("toolUse").is_some() || block.get("toolResult").is_some();
            if uses_tools && !has_tools {
                return Err(invalid("toolConfig is required with toolUse and toolResult blocks"));
            }
            blocks.push(content(block).map_err(|reason| {
                invalid(&format!("the block at messages.{at}.content.{index} is wrong: {reason}"))
            })?);
        }
        if blocks.is_empty() {
            return Err(invalid(&format!("the content of messages.{at} is empty")));
        }
        turns.push(json!({"role": message["role"], "content": blocks}));
    }
    put("messages", turns.into());
    put(
        "system",
        list(&body["system"]).iter().filter(|block| block.get("text").is_some()).cloned().collect(),
    );
    let inference = &body["inferenceConfig"];
    put("max_tokens", inference["maxTokens"].clone());
    put("stop_sequences", inference["stopSequences"].clone());
    put("tools", list(&body["toolConfig"]["tools"]).iter().filter_map(tool).collect());
    put("tool_choice", choice(&body["toolConfig"]["toolChoice"]));
    let more = &body["additionalModelRequestFields"];
    put("thinking", more["thinking"].clone());
    put("reasoning_effort", more["reasoning_config"].clone());
    put("output_config", format(&body["outputConfig"]["textFormat"])?);
    Ok(out.into())
}

/// A body of Anthropic's messages as `InvokeModel` takes it.
pub(super) fn anthropic(body: &Value) -> Result<Value, Refused> {
    for key in ["anthropic_version", "max_tokens", "messages"] {
        if body.get(key).is_none() {
            return Err(invalid(&format!("required key [{key}] not found")));
        }
    }
    for key in ["model", "stream"] {
        if body.get(key).is_some() {
            return Err(invalid(&format!("extraneous key [{key}] is not permitted")));
        }
    }
    if body["anthropic_version"] != "bedrock-2023-05-31" {
        return Err(invalid("anthropic_version is not one that is served here"));
    }
    Ok(body.clone())
}

/// The prompt that `CountTokens` is asked about.
pub(super) fn counted(body: &Value) -> Result<Value, Refused> {
    let input = &body["input"];
    if input["converse"].is_object() {
        return converse(&input["converse"]);
    }
    let encoded = input["invokeModel"]["body"].as_str().unwrap_or_default();
    let inner = STANDARD.decode(encoded).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    anthropic(&inner.ok_or_else(|| invalid("input is neither converse nor invokeModel"))?)
}

/// The first speaks the user, and then they take turns.
fn check_roles(messages: &[Value]) -> Result<(), Refused> {
    let role = |message: &Value| message["role"].as_str().map(str::to_owned);
    match messages.first().and_then(role).as_deref() {
        Some("user") => {}
        _ => return Err(invalid("a conversation starts with a message of the user")),
    }
    for pair in messages.windows(2) {
        if let [one, other] = pair
            && role(one) == role(other)
        {
            return Err(invalid("the roles of a conversation alternate"));
        }
    }
    Ok(())
}

fn content(block: &Value) -> Result<Value, &'static str> {
    let Some((kind, value)) =
        block.as_object().filter(|block| block.len() == 1).and_then(|map| map.iter().next())
    else {
        return Err("it has not exactly one member");
    };
    match kind.as_str() {
        "text" => match value.as_str() {
            Some(text) if !text.trim().is_empty() => Ok(json!({"type": "text", "text": text})),
            _ => Err("its text is blank"),
        },
        "toolUse" if value["input"].is_object() && value["toolUseId"].is_string() => Ok(
            json!({"type": "tool_use", "id": value["toolUseId"], "name": value["name"], "input": value["input"]}),
        ),
        "toolResult" if value["toolUseId"].is_string() && value["content"].is_array() => {
            let text: String =
                list(&value["content"]).iter().filter_map(|part| part["text"].as_str()).collect();
            Ok(json!({"type": "tool_result", "tool_use_id": value["toolUseId"], "content": text}))
        }
        "image" | "document" | "video" | "audio" => bytes(value).map(|()| json!({"type": kind})),
        "reasoningContent" if value["reasoningText"]["text"].is_string() => {
            Ok(json!({"type": "thinking", "thinking": value["reasoningText"]["text"]}))
        }
        "reasoningContent" if value["redactedContent"].is_string() => {
            Ok(json!({"type": "redacted_thinking"}))
        }
        "cachePoint" | "searchResult" | "guardContent" | "citationsContent" => Ok(json!({"type": kind})),
        _ => Err("its kind is unknown, or it lacks something"),
    }
}

/// Media have a format and a source; bytes are base64.
fn bytes(media: &Value) -> Result<(), &'static str> {
    if !media["format"].is_string() {
        return Err("it has no format");
    }
    let source = &media["source"];
    match source["bytes"].as_str() {
        Some(encoded) if STANDARD.decode(encoded).is_ok_and(|bytes| !bytes.is_empty()) => Ok(()),
        Some(_) => Err("its bytes are no base64"),
        None if source["s3Location"].is_object()
            || source["text"].is_string()
            || source["content"].is_array() =>
        {
            Ok(())
        }
        None => Err("it has no source"),
    }
}

fn tool(tool: &Value) -> Option<Value> {
    let spec = tool.get("toolSpec")?;
    Some(json!({"name": spec["name"], "input_schema": spec["inputSchema"]["json"]}))
}

fn choice(choice: &Value) -> Value {
    let Some((kind, value)) = choice.as_object().and_then(|map| map.iter().next()) else {
        return Value::Null;
    };
    match &value["name"] {
        Value::Null => json!({"type": kind}),
        name => json!({"type": kind, "name": name}),
    }
}

/// The schema is text there.
fn format(format: &Value) -> Result<Value, Refused> {
    if format.is_null() {
        return Ok(Value::Null);
    }
    let text = format["structure"]["jsonSchema"]["schema"].as_str().unwrap_or_default();
    let schema: Value =
        serde_json::from_str(text).map_err(|_| invalid("outputConfig.textFormat has no JSON schema"))?;
    Ok(json!({"format": {"type": "json_schema", "schema": schema}}))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn invalid(message: &str) -> Refused {
    (400, format!("malformed input request: {message}"))
}
