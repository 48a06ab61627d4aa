//! Gemini requests in the words that the simulator's model understands.

use serde_json::{Map, Value, json};

/// The same request as a chat.
pub(crate) fn of(body: &Value, stream: bool) -> Vec<u8> {
    let mut chat = Map::new();
    chat.insert("messages".into(), messages(body));
    chat.insert("stream".into(), stream.into());
    let config = &body["generationConfig"];
    let thinking = &config["thinkingConfig"];
    for (name, value) in [
        ("max_tokens", &config["maxOutputTokens"]),
        ("stop", &config["stopSequences"]),
        ("n", &config["candidateCount"]),
        ("logprobs", &config["responseLogprobs"]),
        ("top_logprobs", &config["logprobs"]),
    ] {
        if !value.is_null() {
            chat.insert(name.into(), value.clone());
        }
    }
    if config["responseMimeType"] == "application/json" {
        let schema = ["responseJsonSchema", "responseSchema"].into_iter().find_map(|name| config.get(name));
        let format = match schema {
            Some(schema) => json!({"type": "json_schema", "json_schema": {"schema": lower(schema.clone())}}),
            None => json!({"type": "json_object"}),
        };
        chat.insert("response_format".into(), format);
    }
    let budget = thinking["thinkingBudget"].as_i64();
    let level = thinking["thinkingLevel"].is_string();
    if budget != Some(0) && (budget.is_some() || level || thinking["includeThoughts"] == true) {
        chat.insert("reasoning_effort".into(), "medium".into());
    }
    tools(body, &mut chat);
    Value::Object(chat).to_string().into_bytes()
}

/// A list, or its only element.
pub(crate) fn listed(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

fn messages(body: &Value) -> Value {
    let texts = |content: &Value| -> Vec<Value> {
        let parts = listed(&content["parts"]).iter();
        parts.filter_map(|part| Some(json!({"type": "text", "text": part["text"].as_str()?}))).collect()
    };
    let system =
        body.get("systemInstruction").map(|content| json!({"role": "system", "content": texts(content)}));
    let turns = listed(&body["contents"]).iter().map(|content| {
        let answers = listed(&content["parts"]).iter().any(|part| part.get("functionResponse").is_some());
        let role = match content["role"].as_str() {
            Some("model") => "assistant",
            _ if answers => "tool",
            _ => "user",
        };
        json!({"role": role, "content": texts(content)})
    });
    system.into_iter().chain(turns).collect()
}

fn tools(body: &Value, chat: &mut Map<String, Value>) {
    let tools = listed(&body["tools"]);
    let functions = tools.iter().flat_map(|tool| listed(&tool["functionDeclarations"]));
    let functions = functions.map(|function| {
        let schema = ["parametersJsonSchema", "parameters"].into_iter().find_map(|name| function.get(name));
        json!({"name": function["name"], "parameters": lower(schema.cloned().unwrap_or_default())})
    });
    chat.insert("tools".into(), functions.collect());
    let calling = &body["toolConfig"]["functionCallingConfig"];
    let named = listed(&calling["allowedFunctionNames"]).first();
    let choice = match (calling["mode"].as_str(), named) {
        (Some("ANY"), Some(name)) => json!({"function": {"name": name}}),
        (Some("ANY"), None) => "required".into(),
        (Some("NONE"), _) => "none".into(),
        _ => "auto".into(),
    };
    chat.insert("tool_choice".into(), choice);
}

/// Types are in capitals at Google.
fn lower(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                *value = match value.take() {
                    Value::String(kind) if name == "type" => kind.to_lowercase().into(),
                    other => lower(other),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = lower(item.take())),
        _ => {}
    }
    schema
}
