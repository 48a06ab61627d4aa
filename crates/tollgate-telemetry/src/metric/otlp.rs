use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
        metric::Data, number_data_point::Value,
    },
};

use super::{exposition::Number, family::Buckets};
use crate::trace::text;

/// Most points of one metric: what is sent is cut between metrics, and collectors refuse messages of more than 4 MiB.
const POINTS: usize = 1000;

/// What the GenAI families are called in OpenTelemetry's conventions, with their units.
const GEN_AI: [(&str, &str, &str); 4] = [
    ("gen_ai_client_token_usage", "gen_ai.client.token.usage", "token"),
    ("gen_ai_server_request_duration_seconds", "gen_ai.server.request.duration", "s"),
    ("gen_ai_server_time_to_first_token_seconds", "gen_ai.server.time_to_first_token", "s"),
    ("gen_ai_server_time_per_output_token_seconds", "gen_ai.server.time_per_output_token", "s"),
];

/// Counts as OTLP has them, all of them since the process began.
#[derive(Debug)]
pub(crate) struct Otlp {
    began: u64,
    now: u64,
    metrics: Vec<Metric>,
}

// === impl Otlp ===

impl Otlp {
    pub(super) const fn new(began: u64, now: u64) -> Self {
        Self { began, now, metrics: Vec::new() }
    }

    /// Families without a point are left out.
    pub(super) fn finish(mut self) -> Vec<Metric> {
        self.metrics.retain(|metric| points(metric) > 0);
        self.metrics
    }

    pub(super) fn family(&mut self, name: &str, help: &str, kind: &str) {
        let known = GEN_AI.iter().find(|(known, ..)| *known == name);
        let (name, unit) = known.map_or((name, ""), |(_, name, unit)| (*name, *unit));
        let temporality = AggregationTemporality::Cumulative.into();
        let data = match kind {
            "histogram" => {
                Data::Histogram(Histogram { data_points: Vec::new(), aggregation_temporality: temporality })
            }
            "counter" => Data::Sum(Sum {
                data_points: Vec::new(),
                aggregation_temporality: temporality,
                is_monotonic: true,
            }),
            _ => Data::Gauge(Gauge { data_points: Vec::new() }),
        };
        self.metrics.push(Metric {
            name: name.to_owned(),
            description: help.to_owned(),
            unit: unit.to_owned(),
            metadata: Vec::new(),
            data: Some(data),
        });
    }

    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: Number) {
        let value = match value {
            Number::Whole(number) => Value::AsInt(i64::try_from(number).unwrap_or(i64::MAX)),
            Number::Real(number) => Value::AsDouble(number),
        };
        let point = NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        };
        match self.current().and_then(|metric| metric.data.as_mut()) {
            Some(Data::Sum(sum)) => sum.data_points.push(point),
            Some(Data::Gauge(gauge)) => gauge.data_points.push(point),
            Some(_) | None => {}
        }
    }

    pub(super) fn histogram(&mut self, buckets: Buckets, labels: &[(&str, &str)], cells: &[u64]) {
        let bucket_counts: Vec<u64> = cells.iter().take(buckets.bounds.len() + 1).copied().collect();
        let point = HistogramDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            count: bucket_counts.iter().sum(),
            sum: Some(buckets.sum(cells)),
            bucket_counts,
            explicit_bounds: buckets.shown().collect(),
            ..HistogramDataPoint::default()
        };
        if let Some(Data::Histogram(histogram)) = self.current().and_then(|metric| metric.data.as_mut()) {
            histogram.data_points.push(point);
        }
    }

    /// The family that was begun last; a full one goes on in another of its name.
    fn current(&mut self) -> Option<&mut Metric> {
        let last = self.metrics.last()?;
        if points(last) >= POINTS {
            let data = match last.data.as_ref()? {
                Data::Sum(sum) => Data::Sum(Sum { data_points: Vec::new(), ..*sum }),
                Data::Histogram(histogram) => {
                    Data::Histogram(Histogram { data_points: Vec::new(), ..*histogram })
                }
                _ => Data::Gauge(Gauge { data_points: Vec::new() }),
            };
            let Metric { name, description, unit, .. } = last;
            let more = Metric {
                name: name.clone(),
                description: description.clone(),
                unit: unit.clone(),
                metadata: Vec::new(),
                data: Some(data),
            };
            self.metrics.push(more);
        }
        self.metrics.last_mut()
    }
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(_) | None => 0,
    }
}

fn attributes(labels: &[(&str, &str)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| text(&attribute(name), value)).collect()
}

/// Labels of the GenAI families are attributes of OpenTelemetry's conventions; others are called as they are.
fn attribute(label: &str) -> String {
    match label.strip_prefix("gen_ai_") {
        Some(rest) => format!("gen_ai.{}", rest.replace('_', ".")),
        None if label == "error_type" => "error.type".to_owned(),
        None => label.to_owned(),
    }
}

#[cfg(test)]
mod tests;
