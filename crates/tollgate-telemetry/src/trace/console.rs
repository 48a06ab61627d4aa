//! Spans for people who have no collector at hand.
use std::fmt::Write as _;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint, metric::Data, number_data_point},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use serde_json::{Map, json};

/// A span as a JSON object with the end of its line.
pub(super) fn line(span: &Span) -> String {
    let status = span.status.as_ref();
    let events = span.events.iter().map(|event| {
        json!({
            "name": event.name,
            "time_unix_nano": event.time_unix_nano,
            "attributes": attributes(&event.attributes),
        })
    });
    let shown = json!({
        "span": span.name,
        "trace_id": hex(&span.trace_id),
        "span_id": hex(&span.span_id),
        "parent_span_id": (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        "kind": SpanKind::try_from(span.kind).map_or("", |kind| short(kind.as_str_name())),
        "start_time_unix_nano": span.start_time_unix_nano,
        "duration_ms": millis(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano)),
        "status": status.and_then(|status| StatusCode::try_from(status.code).ok())
            .map_or("UNSET", |code| short(code.as_str_name())),
        "message": status.map(|status| &*status.message).filter(|message| !message.is_empty()),
        "attributes": attributes(&span.attributes),
        "events": events.collect::<Vec<_>>(),
    });
    format!("{shown}\n")
}

/// A metric as a JSON object with the end of its line.
pub(super) fn metric_line(metric: &Metric) -> String {
    let number = |point: &NumberDataPoint| {
        let value = match point.value {
            Some(number_data_point::Value::AsInt(number)) => json!(number),
            Some(number_data_point::Value::AsDouble(number)) => json!(number),
            None => serde_json::Value::Null,
        };
        json!({"attributes": attributes(&point.attributes), "value": value})
    };
    let points: Vec<_> = match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.iter().map(number).collect(),
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(number).collect(),
        Some(Data::Histogram(histogram)) => {
            let point = |point: &HistogramDataPoint| {
                let HistogramDataPoint { count, sum, bucket_counts, explicit_bounds, .. } = point;
                json!({
                    "attributes": attributes(&point.attributes), "count": count, "sum": sum,
                    "bounds": explicit_bounds, "buckets": bucket_counts,
                })
            };
            histogram.data_points.iter().map(point).collect()
        }
        // We make no others.
        Some(_) | None => Vec::new(),
    };
    format!("{}\n", json!({"metric": metric.name, "unit": metric.unit, "points": points}))
}

/// `SPAN_KIND_CLIENT` and `STATUS_CODE_ERROR` end in the word that matters.
fn short(name: &str) -> &str {
    name.rsplit('_').next().unwrap_or(name)
}

#[expect(clippy::cast_precision_loss, reason = "a duration for people")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn attributes(all: &[KeyValue]) -> Map<String, serde_json::Value> {
    all.iter().map(|KeyValue { key, value, .. }| (key.clone(), show(value.as_ref()))).collect()
}

fn show(value: Option<&AnyValue>) -> serde_json::Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => json!(text),
        Some(Value::IntValue(number)) => json!(number),
        Some(Value::DoubleValue(number)) => json!(number),
        Some(Value::BoolValue(yes)) => json!(yes),
        Some(Value::ArrayValue(list)) => list.values.iter().map(|value| show(Some(value))).collect(),
        // We make no others.
        _ => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Vocabulary,
        testing::{live, request},
        trace::{Hidden, Shape, spans},
    };

    #[test]
    fn a_span_is_one_line_of_json() {
        let live = live();
        let settled = request(&live).asks("gpt-4o-mini").answered(0, 200).served("gpt", [12, 34]).settled();
        let shape = Shape { vocabulary: Vocabulary::GenAi, hidden: Hidden::default() };
        let lines: Vec<_> = spans(&settled, shape, &[]).iter().map(line).collect();
        assert!(lines.iter().all(|line| line.ends_with('\n') && line.matches('\n').count() == 1));
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(first["span"], "chat gpt-4o-mini");
        assert_eq!((&first["kind"], &first["status"]), (&json!("CLIENT"), &json!("OK")));
        assert_eq!(first["trace_id"], "ab".repeat(16));
        assert_eq!(first["duration_ms"], 120.0);
        assert_eq!(first["attributes"]["gen_ai.usage.input_tokens"], 12);
        let second: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!(second["parent_span_id"], first["span_id"]);
    }
}
