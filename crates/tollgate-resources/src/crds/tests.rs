//! The corpus held against our own definitions, without a cluster: a small reading of structural schemas, and the
//! CEL rules by an interpreter.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

use cel::{Context, Program, Value as Cel, extractors::This};
use regex::Regex;
use serde_json::{Value as Json, json};

use super::crds;
use crate::{formats::parse_timestamp, parse, registry::AI_GATEWAY};

fn objects(text: &str) -> Vec<Json> {
    let nodes = parse::documents(text).into_iter().map(|chunk| parse::document(&chunk).ok().flatten());
    nodes.flatten().map(|node| node.to_json()).collect()
}

fn corpus(folder: &str) -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the corpus is part of the crate") {
        let path = entry.expect("the folder can be listed").path();
        let text = fs::read_to_string(&path).expect("the corpus is UTF-8");
        let ours = |object: &Json| {
            object["apiVersion"].as_str().is_some_and(|version| {
                version == format!("{AI_GATEWAY}/v1beta1") || version == format!("{AI_GATEWAY}/v1alpha1")
            })
        };
        let name = path.file_name().expect("files have names").to_string_lossy().into_owned();
        found.extend(objects(&text).into_iter().filter(ours).map(|object| (name.clone(), object)));
    }
    found
}

static DEFINITIONS: LazyLock<Vec<Json>> =
    LazyLock::new(|| crds().iter().map(|(_, text)| objects(text).remove(0)).collect());

/// `None` where its kind does not have the version.
fn schema_of(object: &Json) -> Option<&'static Json> {
    let version = object["apiVersion"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
    for crd in &*DEFINITIONS {
        if crd["spec"]["names"]["kind"] == object["kind"] {
            let versions = crd["spec"]["versions"].as_array().expect("a CRD has versions");
            let found = versions.iter().find(|one| one["name"] == version)?;
            return Some(&found["schema"]["openAPIV3Schema"]);
        }
    }
    panic!("no CRD for {object}");
}

fn fill_in(schema: &Json, value: &mut Json) {
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object_mut()) {
        for (name, property) in properties {
            if let (Some(default), false) = (property.get("default"), fields.contains_key(name)) {
                fields.insert(name.clone(), default.clone());
            }
            if let Some(field) = fields.get_mut(name) {
                fill_in(property, field);
            }
        }
    }
    for item in value.as_array_mut().into_iter().flatten() {
        fill_in(&schema["items"], item);
    }
}

fn faults(schema: &Json, value: &Json, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |broken: bool, text: &str| {
        if broken {
            found.push(format!("{path}: {text}"));
        }
    };
    let typed = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some(other) => panic!("unknown type {other}"),
        None => true,
    };
    if !typed {
        return vec![format!("{path}: wrong type")];
    }
    let text = value.as_str().unwrap_or_default();
    let length = text
        .chars()
        .count()
        .max(value.as_array().map_or(0, Vec::len))
        .max(value.as_object().map_or(0, serde_json::Map::len));
    let number = |key: &str| schema[key].as_i64();
    for low in ["minLength", "minItems", "minProperties"] {
        fault(number(low).is_some_and(|low| i64::try_from(length).is_ok_and(|length| length < low)), low);
    }
    for high in ["maxLength", "maxItems", "maxProperties"] {
        fault(number(high).is_some_and(|high| i64::try_from(length).is_ok_and(|length| length > high)), high);
    }
    if let Some(value) = value.as_i64() {
        fault(number("minimum").is_some_and(|low| value < low), "minimum");
        let high = number("maximum").or_else(|| (schema["format"] == "int32").then_some(i32::MAX.into()));
        fault(high.is_some_and(|high| value > high), "maximum");
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        fault(!Regex::new(pattern).expect("patterns are valid").is_match(text), "pattern");
    }
    fault(schema["format"] == "date-time" && parse_timestamp(text).is_err(), "date-time");
    fault(schema["enum"].as_array().is_some_and(|words| !words.contains(value)), "enum");
    for required in schema["required"].as_array().into_iter().flatten() {
        fault(value.get(required.as_str().unwrap_or_default()).is_none(), &format!("required {required}"));
    }
    if schema["x-kubernetes-list-type"] == "map" || schema["x-kubernetes-list-type"] == "set" {
        let key = schema["x-kubernetes-list-map-keys"][0].as_str();
        let mut seen = HashSet::new();
        let items = value.as_array().into_iter().flatten();
        fault(
            items.map(|item| key.map_or(item, |key| &item[key]).to_string()).any(|key| !seen.insert(key)),
            "unique",
        );
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let rule = rule["rule"].as_str().expect("rules are strings");
        fault(!holds(rule, value), rule);
    }
    let inside = inner_faults(schema, value, path);
    found.extend(inside);
    found
}

fn inner_faults(schema: &Json, value: &Json, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(property) => found.extend(faults(property, field, &format!("{path}.{name}"))),
            None if schema["properties"].is_object() && name != "metadata" => {
                found.push(format!("{path}.{name}: pruned"))
            }
            None => {}
        }
    }
    for item in value.as_array().into_iter().flatten() {
        found.extend(faults(&schema["items"], item, &format!("{path}[]")));
    }
    found
}

fn holds(rule: &str, value: &Json) -> bool {
    let program = Program::compile(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut context = Context::default();
    context.add_variable("self", value).expect("JSON is a CEL value");
    let lower = |This(text): This<Arc<String>>| text.to_ascii_lowercase();
    context.add_function("lowerAscii", lower).expect("the name is free");
    match program.execute(&context) {
        Ok(Cel::Bool(holds)) => holds,
        other => panic!("{rule}: {other:?}"),
    }
}

fn judged(object: &Json) -> Vec<String> {
    let Some(schema) = schema_of(object) else { return vec!["no such version".to_owned()] };
    let mut object = object.clone();
    fill_in(schema, &mut object);
    faults(schema, &object, "")
}

#[test]
fn the_definitions_accept_every_valid_object() {
    for (name, object) in corpus("valid") {
        assert_eq!(judged(&object), [""; 0], "{name}");
    }
}

#[test]
fn the_definitions_refuse_every_invalid_object() {
    let cases = corpus("invalid");
    assert!(cases.len() > 40, "the corpus shrank to {}", cases.len());
    for (name, object) in cases {
        assert!(!judged(&object).is_empty(), "{name} is accepted");
    }
}

#[test]
fn the_schemas_are_structural() {
    const WORDS: [&str; 20] = [
        "type",
        "description",
        "default",
        "properties",
        "required",
        "items",
        "enum",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
        "x-kubernetes-list-type",
    ];
    fn walk(schema: &Json, path: &str) {
        let fields = schema.as_object().unwrap_or_else(|| panic!("{path}: {schema}"));
        for word in fields.keys() {
            assert!(WORDS.contains(&word.as_str()) || word == "x-kubernetes-list-map-keys", "{path}: {word}");
        }
        let preserved = schema["x-kubernetes-preserve-unknown-fields"] == json!(true);
        assert!(schema["type"].is_string() || preserved, "{path} has no type");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"));
        }
        if schema["type"] == "array" {
            walk(&schema["items"], &format!("{path}[]"));
        }
    }
    for crd in &*DEFINITIONS {
        for version in crd["spec"]["versions"].as_array().expect("a CRD has versions") {
            walk(&version["schema"]["openAPIV3Schema"], "");
        }
    }
}

#[test]
fn what_is_written_as_yaml_reads_back_the_same() {
    let value = json!({"a": ["", "yes", "1", "x: y", {"b": {}, "c": []}, [1, 2]], "- d": "e\nf", "g": null, "h": "# i"});
    assert_eq!(objects(&super::yaml::write(&value)), [value]);
}
