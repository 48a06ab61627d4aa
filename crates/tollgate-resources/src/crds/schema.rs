use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};

use super::rules;

/// The structural schema of a kind's `spec` in one version.
pub(crate) fn of<T: JsonSchema>(version: &str) -> Json {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    normalize(&mut schema, version);
    schema
}

/// Turns what schemars writes into what Kubernetes takes: no `$schema`, no `title`, no null types, no `anyOf` or
/// `oneOf`, and a type everywhere or else unknown fields preserved.
fn normalize(schema: &mut Json, version: &str) {
    if !schema.is_object() {
        *schema = json!({ "x-kubernetes-preserve-unknown-fields": true });
    }
    flatten_union(schema);
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("$schema");
    let title =
        fields.remove("title").and_then(|title| title.as_str().map(str::to_owned)).unwrap_or_default();
    if let Some(Json::Array(types)) = fields.get("type") {
        let real = types.iter().find(|name| *name != "null").cloned();
        fields.insert("type".to_owned(), real.unwrap_or(Json::Null));
    }
    if fields.get("default").is_some_and(|value| value.is_null() || value == &json!([])) {
        fields.remove("default");
    }
    if fields.get("type") == Some(&json!("integer")) {
        // Kubernetes knows no unsigned formats; the bounds say it.
        let wide = fields.get("format").and_then(Json::as_str).is_some_and(|format| format.ends_with("64"));
        fields.insert("format".to_owned(), json!(if wide { "int64" } else { "int32" }));
    }
    if let Some(Json::Object(properties)) = fields.get_mut("properties") {
        properties.retain(|name, _| !rules::is_absent(&title, name, version));
        for (name, property) in properties.iter_mut() {
            normalize(property, version);
            overlay(property, rules::of_field(&title, name));
        }
    }
    if let Some(items) = fields.get_mut("items") {
        normalize(items, version);
    }
    let typed = fields.contains_key("type");
    if !typed && !fields.contains_key("x-kubernetes-preserve-unknown-fields") {
        fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
    }
    overlay(schema, rules::of_object(&title, version));
}

/// `anyOf: [x, null]` becomes `x`; a `oneOf` of constants becomes an `enum`.
fn flatten_union(schema: &mut Json) {
    let Some(fields) = schema.as_object_mut() else { return };
    for key in ["anyOf", "oneOf"] {
        let Some(Json::Array(variants)) = fields.remove(key) else { continue };
        let variants: Vec<Json> = variants.into_iter().filter(|variant| variant["type"] != "null").collect();
        let constants: Vec<Json> = variants.iter().flat_map(constants).collect();
        let inner = if constants.is_empty() {
            variants.into_iter().next().unwrap_or_default()
        } else {
            json!({ "type": "string", "enum": constants })
        };
        let Json::Object(inner) = inner else { continue };
        for (name, value) in inner {
            fields.entry(name).or_insert(value);
        }
    }
    // What was nested may be a union itself.
    if fields.contains_key("anyOf") || fields.contains_key("oneOf") {
        flatten_union(schema);
    }
}

fn constants(variant: &Json) -> Vec<Json> {
    match (variant.get("const"), variant.get("enum")) {
        (Some(value), _) => vec![value.clone()],
        (None, Some(Json::Array(values))) => values.clone(),
        (None, _) => Vec::new(),
    }
}

/// Lays one schema over another: objects merge, null removes, everything else is replaced.
fn overlay(schema: &mut Json, over: Json) {
    match (schema, over) {
        (Json::Object(fields), Json::Object(over)) => {
            for (name, value) in over {
                if value.is_null() {
                    fields.remove(&name);
                    continue;
                }
                overlay(fields.entry(name).or_insert_with(|| Json::Object(Map::new())), value);
            }
        }
        // A type's own validations and those of the field that has it.
        (Json::Array(known), Json::Array(more)) if known.iter().all(|rule| rule.get("rule").is_some()) => {
            known.extend(more)
        }
        (schema, over) => *schema = over,
    }
}
