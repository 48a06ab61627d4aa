//! What Google refuses, as far as clients get it wrong: unknown names, empty contents, calls without their results.

use serde_json::{Map, Value};

use super::{Refused, chat::listed};

const REQUEST: [&str; 9] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
    "model",
];
const CONFIG: [&str; 19] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseLogprobs",
    "logprobs",
    "thinkingConfig",
    "responseModalities",
    "speechConfig",
    "mediaResolution",
    "imageConfig",
];
const COUNT: [&str; 7] = [
    "contents",
    "systemInstruction",
    "tools",
    "generationConfig",
    "model",
    "instances",
    "generateContentRequest",
];
/// The Schema object of `parameters` and `responseSchema`.
const SCHEMA: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

/// The body of `generateContent`, where it is sound.
pub(crate) fn request(body: &[u8], model: &str) -> Result<Value, Refused> {
    let body = document(body)?;
    known(&body, &REQUEST)?;
    known(&body["generationConfig"], &CONFIG)?;
    schema(&body["generationConfig"]["responseSchema"])?;
    for tool in listed(&body["tools"]) {
        for function in listed(&tool["functionDeclarations"]) {
            schema(&function["parameters"])?;
        }
    }
    contents(&body, model)?;
    Ok(body)
}

/// The body of `countTokens`, where it is sound. The Gemini API takes instructions inside of a whole request only.
pub(crate) fn count(body: &[u8], is_vertex: bool) -> Result<Value, Refused> {
    let body = document(body)?;
    known(&body, &COUNT)?;
    if is_vertex {
        return Ok(body);
    }
    match body.get("generateContentRequest") {
        Some(whole) => Ok(whole.clone()),
        None if body.get("systemInstruction").is_some() => Err(unknown("systemInstruction")),
        None => Ok(body),
    }
}

pub(crate) fn document(body: &[u8]) -> Result<Value, Refused> {
    match serde_json::from_slice(body) {
        Ok(body @ Value::Object(_)) => Ok(camel(body)),
        Ok(_) | Err(_) => Err((400, "Invalid JSON payload received. Unexpected token.".into())),
    }
}

/// Google takes its names in snake case too, and its SDKs send them so here and there. What clients name
/// themselves stays.
fn camel(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(field).collect::<Map<_, _>>().into(),
        Value::Array(items) => items.into_iter().map(camel).collect(),
        other => other,
    }
}

fn field((name, value): (String, Value)) -> (String, Value) {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    let name = words.fold(first, |mut name, word| {
        let mut chars = word.chars();
        name.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        name + chars.as_str()
    });
    let value = match (name.as_str(), value) {
        ("args" | "response" | "parametersJsonSchema" | "responseJsonSchema" | "labels", own) => own,
        ("properties", Value::Object(own)) => {
            own.into_iter().map(|(name, value)| (name, camel(value))).collect::<Map<_, _>>().into()
        }
        (_, value) => camel(value),
    };
    (name, value)
}

fn known(object: &Value, names: &[&str]) -> Result<(), Refused> {
    let fields = object.as_object().into_iter().flatten();
    match fields.map(|(name, _)| name).find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(unknown(name)),
        None => Ok(()),
    }
}

fn unknown(name: &str) -> Refused {
    (400, format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."))
}

fn schema(value: &Value) -> Result<(), Refused> {
    known(value, &SCHEMA)?;
    for inner in value["properties"].as_object().into_iter().flatten() {
        schema(inner.1)?;
    }
    for inner in listed(&value["anyOf"]).iter().chain(value.get("items")) {
        schema(inner)?;
    }
    Ok(())
}

fn contents(body: &Value, model: &str) -> Result<(), Refused> {
    let contents = listed(&body["contents"]);
    if contents.is_empty() {
        return Err((400, "* GenerateContentRequest.contents: contents is not specified".into()));
    }
    let mut called = 0;
    for content in contents {
        let parts = listed(&content["parts"]);
        if parts.is_empty() {
            return Err((
                400,
                "Unable to submit request because it must include at least one parts field".into(),
            ));
        }
        if !matches!(content["role"].as_str(), None | Some("user" | "model" | "function")) {
            return Err((400, "Please use a valid role: user, model.".into()));
        }
        let count = |name: &str| parts.iter().filter(|part| part.get(name).is_some()).count();
        if called != count("functionResponse") {
            let text = "Please ensure that the number of function response parts is equal to the number of \
                        function call parts of the function call turn.";
            return Err((400, text.into()));
        }
        called = count("functionCall");
        let first = parts.iter().find(|part| part.get("functionCall").is_some());
        if model.contains("gemini-3") && first.is_some_and(|part| !part["thoughtSignature"].is_string()) {
            return Err((400, "Function call is missing a thought_signature in functionCall parts.".into()));
        }
    }
    Ok(())
}
