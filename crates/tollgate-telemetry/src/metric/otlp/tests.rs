use opentelemetry_proto::tonic::common::v1::any_value;

use super::*;
use crate::{
    metric::{Family, deltas::Deltas, exposition::Exposition},
    testing::{live, request, telemetry},
};

fn chat(telemetry: &crate::Telemetry) {
    let live = live();
    let settled = request(&live).asks("gpt-4o-mini").answered(0, 200).served("gpt-4o-mini-2024", [12, 34]);
    telemetry.observe(&settled.settled());
}

fn counted(telemetry: &crate::Telemetry) -> Vec<Metric> {
    let mut out = Exposition::otlp(1, 2);
    telemetry.totals().write(&mut out, &[]);
    out.single("process_cpu_seconds_total", "Time.", "counter", 0.5);
    out.into_metrics()
}

fn find<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
    let names = || metrics.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>();
    metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{:?}", names()))
}

fn histogram(metric: &Metric) -> &Histogram {
    match &metric.data {
        Some(Data::Histogram(histogram)) => histogram,
        other => panic!("{other:?}"),
    }
}

fn sum(metric: &Metric) -> &Sum {
    match &metric.data {
        Some(Data::Sum(sum)) => sum,
        other => panic!("{other:?}"),
    }
}

fn labels(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
    let text = |one: &KeyValue| match one.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|one| (&*one.key, &*text(one).leak())).collect()
}

#[test]
fn collectors_get_the_names_and_units_of_the_conventions() {
    let telemetry = telemetry();
    chat(&telemetry);
    let metrics = counted(&telemetry);
    let usage = find(&metrics, "gen_ai.client.token.usage");
    assert_eq!(usage.unit, "token");
    let input = &histogram(usage).data_points[0];
    assert_eq!(
        labels(&input.attributes),
        [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.original.model", "gpt-4o-mini"),
            ("gen_ai.request.model", "gpt-4o-mini"),
            ("gen_ai.response.model", "gpt-4o-mini-2024"),
            ("gen_ai.token.type", "input"),
        ]
    );
    assert_eq!((input.count, input.sum), (1, Some(12.0)));
    assert_eq!(input.bucket_counts.len(), input.explicit_bounds.len() + 1);
    assert_eq!((input.start_time_unix_nano, input.time_unix_nano), (1, 2));
    let took = &histogram(find(&metrics, "gen_ai.server.request.duration")).data_points[0];
    assert_eq!(took.sum, Some(0.12));
    let requests = sum(find(&metrics, Family::Requests.spec().name));
    assert!(requests.is_monotonic);
    assert_eq!(
        labels(&requests.data_points[0].attributes),
        [("listener", "default/gw/http"), ("code", "200")]
    );
    assert_eq!(requests.data_points[0].value, Some(Value::AsInt(1)));
    // A family without series has no points, and is left out.
    assert!(metrics.iter().all(|metric| metric.name != Family::Cost.spec().name || points(metric) > 0));
}

#[test]
fn deltas_tell_what_has_come_since_the_last_time() {
    let (telemetry, mut deltas) = (telemetry(), Deltas::new(true, true));
    let mut next = || {
        chat(&telemetry);
        let mut metrics = counted(&telemetry);
        deltas.apply(&mut metrics);
        let requests = sum(find(&metrics, Family::Requests.spec().name)).clone();
        let usage = histogram(find(&metrics, "gen_ai.client.token.usage")).clone();
        (requests, usage)
    };
    let (first, _) = next();
    assert_eq!(first.aggregation_temporality, i32::from(AggregationTemporality::Delta));
    assert_eq!(
        (first.data_points[0].value, first.data_points[0].start_time_unix_nano),
        (Some(Value::AsInt(1)), 1)
    );
    let (second, usage) = next();
    assert_eq!(
        (second.data_points[0].value, second.data_points[0].start_time_unix_nano),
        (Some(Value::AsInt(1)), 2)
    );
    let point = &usage.data_points[0];
    assert_eq!((point.count, point.sum, point.bucket_counts.iter().sum()), (1, Some(12.0), 1_u64));
}

#[test]
fn a_large_family_goes_on_in_another_metric_of_its_name() {
    let mut out = Exposition::otlp(1, 2);
    out.family("many", "Many.", "counter");
    for i in 0..POINTS + 1 {
        out.sample("many", &[("i", &i.to_string())], i);
    }
    let metrics = out.into_metrics();
    assert_eq!(metrics.iter().map(points).collect::<Vec<_>>(), [POINTS, 1]);
    assert!(metrics.iter().all(|metric| metric.name == "many" && sum(metric).is_monotonic));
}
