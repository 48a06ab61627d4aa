//! The smallest document that fits a JSON Schema.

use serde_json::{Map, Value, json};

/// Deeper than this a schema is answered with null: recursive schemas end.
const MAX_DEPTH: usize = 16;

/// A document that fits `schema`, as far as the keywords that providers support go.
pub(crate) fn example(schema: &Value) -> Value {
    let value = fit(schema, schema, 0);
    if schema.is_null() { json!({}) } else { value }
}

fn fit(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        return fit(target, root, depth + 1);
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema[name].get(0)) {
        return fit(first, root, depth + 1);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0).and_then(Value::as_str));
    match kind {
        Some("object") => object(schema, root, depth),
        None if schema["properties"].is_object() => object(schema, root, depth),
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or(1).min(64);
            (0..count).map(|_| fit(&schema["items"], root, depth + 1)).collect()
        }
        Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(7)),
        Some("number") => json!(schema["minimum"].as_f64().unwrap_or(7.5)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some(_) | None => json!(string(schema)),
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(properties) = schema["properties"].as_object() else { return json!({}) };
    properties
        .iter()
        .map(|(name, property)| (name.clone(), fit(property, root, depth + 1)))
        .collect::<Map<_, _>>()
        .into()
}

fn string(schema: &Value) -> String {
    match schema["format"].as_str() {
        Some("date") => "2025-01-31".into(),
        Some("date-time") => "2025-01-31T12:00:00Z".into(),
        Some("time") => "12:00:00Z".into(),
        Some("email") => "someone@example.com".into(),
        Some("uri") => "https://example.com/".into(),
        Some("uuid") => "00000000-0000-4000-8000-000000000000".into(),
        _ => {
            let least = schema["minLength"].as_u64().unwrap_or(0).min(4096);
            let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
            let mut text = String::from("fox");
            while (text.len() as u64) < least {
                text.push('x');
            }
            text.truncate(usize::try_from(most).unwrap_or(usize::MAX).min(text.len()));
            text
        }
    }
}
