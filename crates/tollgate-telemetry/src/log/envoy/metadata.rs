use serde_json::{Map, Value as Json};
use tollgate_core::Settled;
use tollgate_llm::Delivery;
use tollgate_snapshot::{MetadataPath, Namespace};

use super::value::{Value, ms};
use crate::attributes::HeaderAttribute;

/// Keys that Envoy AI Gateway sets beside the costs of the route.
const KEYS: [&str; 8] = [
    "model_name_override",
    "ai_service_backend_name",
    "backend_name",
    "route_name",
    "response_model",
    "token_latency_ttft",
    "token_latency_itl",
    "content_length",
];

pub(super) fn value<'a>(
    path: &MetadataPath,
    settled: &'a Settled,
    attributes: &[HeaderAttribute],
) -> Value<'a> {
    match (path.namespace, path.keys.as_slice()) {
        (namespace, []) => {
            let all = all(namespace, settled, attributes);
            if all.is_empty() { Value::Missing } else { Value::Json(Json::Object(all)) }
        }
        (Namespace::AiGateway, [key]) => ai_gateway(key, settled, attributes),
        (Namespace::AiGateway, _) => Value::Missing,
        (Namespace::Jwt, [provider, keys @ ..]) => claim(settled, provider, keys),
        (Namespace::ExtAuth, [key, keys @ ..]) => {
            below(settled.record.vetted().and_then(|said| said.get(&**key)), keys)
        }
    }
}

fn ai_gateway<'a>(key: &str, settled: &'a Settled, attributes: &[HeaderAttribute]) -> Value<'a> {
    let record = &settled.record;
    if let Some((_, cost)) = settled.costs.iter().find(|(name, _)| **name == *key) {
        return Value::Number(*cost);
    }
    if let Some(attribute) = attributes.iter().find(|attribute| attribute.name == key) {
        return record.head.headers.get(&attribute.header).map_or(Value::Missing, Value::header);
    }
    let backend = || Value::optional(record.backend().map(|backend| backend.id.as_str()));
    match key {
        "model_name_override" => Value::optional(record.model_sent.as_ref().map(|model| model.as_str())),
        "ai_service_backend_name" | "backend_name" => backend(),
        "route_name" => Value::optional(record.rule.as_ref().map(|rule| rule.route.as_str())),
        "response_model" => Value::optional(record.model_served.as_deref()),
        "token_latency_ttft" => first_token(settled),
        "token_latency_itl" => per_token(settled),
        "content_length" => Value::Number(record.bytes_in),
        _ => Value::Missing,
    }
}

/// Milliseconds to the first token of a stream.
fn first_token(settled: &Settled) -> Value<'static> {
    let record = &settled.record;
    match record.first_byte.filter(|_| record.delivery == Some(Delivery::Streamed)) {
        Some(first) => Value::Number(ms(first.saturating_duration_since(record.began.instant))),
        None => Value::Missing,
    }
}

/// Milliseconds between two tokens of a stream.
fn per_token(settled: &Settled) -> Value<'static> {
    let record = &settled.record;
    let first = record.first_byte.filter(|_| record.delivery == Some(Delivery::Streamed));
    let gaps = record.usage.output.and_then(|tokens| tokens.0.checked_sub(1)).filter(|gaps| *gaps > 0);
    match (first, gaps) {
        (Some(first), Some(gaps)) => Value::Number(ms(settled.ended.saturating_duration_since(first)) / gaps),
        _ => Value::Missing,
    }
}

fn claim<'a>(settled: &'a Settled, provider: &str, keys: &[Box<str>]) -> Value<'a> {
    let mut all = settled.record.claims_by_provider();
    let Some((_, claims)) = all.find(|(name, _)| *name == provider) else { return Value::Missing };
    let Some((first, rest)) = keys.split_first() else {
        return Value::Json(Json::Object(claims.members().clone()));
    };
    below(claims.get(first), rest)
}

fn below<'a>(value: Option<&'a Json>, keys: &[Box<str>]) -> Value<'a> {
    let found = keys.iter().try_fold(value, |value, key| Some(value?.as_object()?.get(&**key)));
    match found.flatten() {
        Some(Json::Null) | None => Value::Missing,
        Some(value) => Value::Claim(value),
    }
}

/// Everything in a namespace.
pub(super) fn all(
    namespace: Namespace,
    settled: &Settled,
    attributes: &[HeaderAttribute],
) -> Map<String, Json> {
    match namespace {
        Namespace::AiGateway => {}
        Namespace::Jwt => {
            let providers = settled.record.claims_by_provider();
            return providers
                .map(|(name, claims)| (name.to_owned(), claims.members().clone().into()))
                .collect();
        }
        Namespace::ExtAuth => return settled.record.vetted().cloned().unwrap_or_default(),
    }
    let costs = settled.costs.iter().map(|(key, _)| &**key);
    let names = attributes.iter().map(|attribute| attribute.name.as_str());
    let json = |key: &str| match ai_gateway(key, settled, attributes) {
        Value::Number(count) => Some(Json::from(count)),
        Value::Text(text) => Some(Json::from(String::from_utf8_lossy(&text).into_owned())),
        _ => None,
    };
    costs.chain(KEYS).chain(names).filter_map(|key| Some((key.to_owned(), json(key)?))).collect()
}
