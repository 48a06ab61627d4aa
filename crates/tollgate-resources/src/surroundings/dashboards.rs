//! Grafana's dashboards in ConfigMaps.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use tollgate_types::{Diagnostics, Severity};

use super::at;
use crate::{raw::Raw, tree::Node};

pub(super) fn check(object: &Raw, notes: &mut Diagnostics) {
    if !object.is("", "ConfigMap") {
        return;
    }
    for entry in object.node.get("data").and_then(Node::entries).unwrap_or_default() {
        let json = entry.key.ends_with(".json").then(|| entry.value.text()).flatten();
        let Some(dashboard) = json.and_then(|text| serde_json::from_str::<Json>(text).ok()) else { continue };
        let field = format!("data[{:?}]", entry.key);
        if dashboard.get("dashboard").is_some_and(|inner| inner.get("panels").is_some()) {
            let message = format!("{} wraps its dashboard in another object: it is not loaded", entry.key);
            let help = "write what stands under \"dashboard\" alone; the wrapping is for Grafana's HTTP API";
            notes.push(at(object, Severity::Warning, ("wrapped-dashboard", &field, ""), (message, help)));
        }
        let mut names = BTreeSet::new();
        metrics(&dashboard, &mut names);
        if !names.is_empty() {
            let names: Vec<_> = names.into_iter().collect();
            let message = format!("nothing exports {}", names.join(", "));
            let help = "the metrics of models begin with gen_ai_, such as gen_ai_client_token_usage_sum and \
                        gen_ai_server_request_duration_bucket";
            notes.push(at(object, Severity::Warning, ("unknown-metric", &field, ""), (message, help)));
        }
    }
}

/// Names in expressions that look like those of models and are not.
fn metrics(json: &Json, names: &mut BTreeSet<String>) {
    match json {
        Json::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Json::String(text) if key == "expr" => {
                        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                        names.extend(words.filter(|word| word.starts_with("ai_")).map(str::to_owned));
                    }
                    value => metrics(value, names),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| metrics(item, names)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
