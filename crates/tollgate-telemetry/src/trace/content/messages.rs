use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_types::Endpoint;

/// What one side said, its text alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: String,
    pub(super) text: String,
}

/// Members of a call that are its content and no parameters.
const CONTENT: [&str; 7] = ["messages", "tools", "prompt", "input", "instructions", "system", "documents"];

/// The parameters of a call: what is left of it without its content.
pub(super) fn invocation(document: &Value) -> String {
    let members = document.as_object().into_iter().flatten();
    let left: serde_json::Map<_, _> = members
        .filter(|(name, _)| !CONTENT.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(left).to_string()
}

/// The messages of a call, instructions first.
pub(super) fn requested(document: &Value, endpoint: Endpoint) -> Vec<Message> {
    let mut all = Vec::new();
    let mut add = |role: &str, content: &Value| {
        let text = said(content);
        if !content.is_null() {
            all.push(Message { role: role.to_owned(), text });
        }
    };
    let list = match endpoint {
        Endpoint::Completions => return texts("user", &document["prompt"]),
        Endpoint::Embeddings | Endpoint::Moderations | Endpoint::Speech => {
            return texts("user", &document["input"]);
        }
        Endpoint::ImageGenerations | Endpoint::ImageEdits => return texts("user", &document["prompt"]),
        Endpoint::Tokenize if document["prompt"].is_string() => return texts("user", &document["prompt"]),
        Endpoint::CohereEmbed => return texts("user", &document["texts"]),
        Endpoint::Rerank => return texts("user", &document["query"]),
        Endpoint::Responses | Endpoint::InputTokens => {
            add("system", &document["instructions"]);
            match &document["input"] {
                Value::String(_) => {
                    add("user", &document["input"]);
                    &Value::Null
                }
                list => list,
            }
        }
        Endpoint::Messages | Endpoint::CountTokens => {
            add("system", &document["system"]);
            &document["messages"]
        }
        _ => &document["messages"],
    };
    for message in list.as_array().into_iter().flatten() {
        add(message["role"].as_str().unwrap_or("user"), &message["content"]);
    }
    all
}

/// One message for a text, several for a list of them; tokens by number are nobody's text.
fn texts(role: &str, value: &Value) -> Vec<Message> {
    let message = |text: &str| Message { role: role.to_owned(), text: text.to_owned() };
    match value {
        Value::String(text) => vec![message(text)],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(message).collect(),
        _ => Vec::new(),
    }
}

/// The text of a message's content, a string or parts of which some are text.
fn said(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// The messages of a reply, whole or streamed; of a stream that was cut or broke off, as far as it goes.
pub(super) fn replied(bytes: &[u8], endpoint: Endpoint) -> Vec<Message> {
    let mut choices = BTreeMap::<u64, String>::new();
    if let Ok(document) = serde_json::from_slice(bytes) {
        whole(&document, &mut choices);
    } else {
        let lines = bytes.split(|byte| *byte == b'\n');
        for data in lines.filter_map(|line| line.strip_prefix(b"data:")) {
            if let Ok(event) = serde_json::from_slice(data) {
                streamed(&event, endpoint, &mut choices);
            }
        }
    }
    choices.into_values().map(|text| Message { role: "assistant".to_owned(), text }).collect()
}

fn whole(document: &Value, choices: &mut BTreeMap<u64, String>) {
    let list = |name: &str| document[name].as_array().into_iter().flatten();
    for (number, choice) in (0..).zip(list("choices")) {
        let text = choice["text"].as_str().map_or_else(|| said(&choice["message"]["content"]), str::to_owned);
        choices.insert(choice["index"].as_u64().unwrap_or(number), text);
    }
    // Anthropic's reply is one message of several blocks; that of `responses` has an item for each.
    if document["content"].is_array() {
        choices.insert(0, said(&document["content"]));
    }
    for (number, item) in (0..).zip(list("output").filter(|item| item["type"] == "message")) {
        choices.insert(number, said(&item["content"]));
    }
}

fn streamed(event: &Value, endpoint: Endpoint, choices: &mut BTreeMap<u64, String>) {
    let mut add = |index: &Value, text: &Value| {
        if let Some(text) = text.as_str() {
            choices.entry(index.as_u64().unwrap_or_default()).or_default().push_str(text);
        }
    };
    match endpoint {
        Endpoint::Messages => add(&Value::Null, &event["delta"]["text"]),
        Endpoint::Responses if event["type"] == "response.output_text.delta" => {
            add(&event["output_index"], &event["delta"]);
        }
        Endpoint::ChatCompletions | Endpoint::Completions => {
            for choice in event["choices"].as_array().into_iter().flatten() {
                let text =
                    if choice["text"].is_string() { &choice["text"] } else { &choice["delta"]["content"] };
                add(&choice["index"], text);
            }
        }
        _ => {}
    }
}
