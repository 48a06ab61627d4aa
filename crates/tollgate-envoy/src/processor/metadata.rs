//! Dynamic metadata: what rate limits and access logs of Envoy read.

use std::time::Instant;
use tollgate_core::Exchange;
use tollgate_llm::Delivery;

use super::carry::{self, CHANGED, HEAD};
use crate::proto::value::{Struct, Value};

/// The namespace that users' rate limits and access logs name.
const SHOWN: &str = "io.envoy.ai_gateway";

/// What the router level leaves for the upstream level.
pub(crate) fn of_request(head: String) -> Struct {
    Struct::of([(carry::NAMESPACE, Value::from(Struct::of([(HEAD, Value::from(head))])))])
}

/// What is known of an attempt before it is sent. `length` is that of the body.
pub(crate) fn of_attempt(backend: Option<&str>, length: Option<usize>, changed: &str) -> Struct {
    let mut shown = Struct::of([("backend_name", Value::from(backend.unwrap_or_default()))]);
    if let Some(length) = length {
        shown.fields.insert("content_length".to_owned(), Value::from(length as f64));
    }
    let ours = Struct::of([(CHANGED, Value::from(changed))]);
    Struct::of([(SHOWN, Value::from(shown)), (carry::NAMESPACE, Value::from(ours))])
}

/// What is known of a reply up to now: who gives it, what it costs, how fast it comes. Numbers are those of the whole
/// request, so that later ones replace earlier ones.
pub(crate) fn of_reply(exchange: &Exchange, now: Instant) -> Struct {
    let record = exchange.record();
    let mut shown = Struct::default();
    let mut put = |key: &str, value: Value| drop(shown.fields.insert(key.to_owned(), value));
    if let Some(model) = &record.model_sent {
        put("model_name_override", Value::from(model.as_str()));
    }
    if let Some(backend) = record.backend() {
        put("ai_service_backend_name", Value::from(backend.id.as_str()));
    }
    if let Some(rule) = &record.rule {
        put("route_name", Value::from(rule.route.as_str()));
    }
    if let Some(model) = exchange.model_served() {
        put("response_model", Value::from(model));
    }
    for (key, cost) in exchange.costs() {
        put(&key, Value::from(cost as f64));
    }
    if record.delivery == Some(Delivery::Streamed)
        && let Some(first) = record.first_byte
    {
        let millis = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
        put("token_latency_ttft", Value::from(millis(record.began.instant, first)));
        let tokens = exchange.usage().output.map_or(0, |tokens| tokens.0).saturating_sub(1).max(1);
        put("token_latency_itl", Value::from(millis(first, now) / tokens as f64));
    }
    Struct::of([(SHOWN, Value::from(shown))])
}
