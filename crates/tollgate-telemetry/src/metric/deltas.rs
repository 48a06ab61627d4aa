use std::collections::HashMap;

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint, metric::Data,
    number_data_point::Value,
};
use prost::Message;

/// Turns counts since the start into counts since the last time.
#[derive(Debug)]
pub(crate) struct Deltas {
    pub(crate) counters: bool,
    pub(crate) histograms: bool,
    last: HashMap<Key, Point>,
}

/// A series: its metric and its attributes, encoded.
type Key = (String, Vec<u8>);

/// Where a series stood the last time.
#[derive(Clone, Debug)]
enum Point {
    Number(NumberDataPoint),
    Histogram(HistogramDataPoint),
}

// === impl Deltas ===

impl Deltas {
    pub(crate) fn new(counters: bool, histograms: bool) -> Self {
        Self { counters, histograms, last: HashMap::new() }
    }

    /// Series that are gone are forgotten; one that comes back begins anew.
    pub(crate) fn apply(&mut self, metrics: &mut [Metric]) {
        let mut now = HashMap::new();
        let delta = AggregationTemporality::Delta.into();
        for Metric { name, data, .. } in metrics {
            match data {
                Some(Data::Sum(sum)) if self.counters && sum.is_monotonic => {
                    sum.aggregation_temporality = delta;
                    sum.data_points.iter_mut().for_each(|point| self.number(name, point, &mut now));
                }
                Some(Data::Histogram(histogram)) if self.histograms => {
                    histogram.aggregation_temporality = delta;
                    histogram.data_points.iter_mut().for_each(|point| self.histogram(name, point, &mut now));
                }
                _ => {}
            }
        }
        self.last = now;
    }

    fn number(&self, name: &str, point: &mut NumberDataPoint, now: &mut HashMap<Key, Point>) {
        let key = (
            name.to_owned(),
            encoded(&NumberDataPoint { attributes: point.attributes.clone(), ..NumberDataPoint::default() }),
        );
        let whole = point.clone();
        if let Some(Point::Number(last)) = self.last.get(&key) {
            point.start_time_unix_nano = last.time_unix_nano;
            point.value = match (point.value, last.value) {
                (Some(Value::AsInt(now)), Some(Value::AsInt(last))) if now >= last => {
                    Some(Value::AsInt(now - last))
                }
                (Some(Value::AsDouble(now)), Some(Value::AsDouble(last))) if now >= last => {
                    Some(Value::AsDouble(now - last))
                }
                (value, _) => value,
            };
        }
        now.insert(key, Point::Number(whole));
    }

    fn histogram(&self, name: &str, point: &mut HistogramDataPoint, now: &mut HashMap<Key, Point>) {
        let key = (
            name.to_owned(),
            encoded(&HistogramDataPoint {
                attributes: point.attributes.clone(),
                ..HistogramDataPoint::default()
            }),
        );
        let whole = point.clone();
        if let Some(Point::Histogram(last)) = self.last.get(&key)
            && point.count >= last.count
        {
            point.start_time_unix_nano = last.time_unix_nano;
            point.count -= last.count;
            point.sum = point.sum.zip(last.sum).map(|(now, last)| now - last);
            for (now, last) in point.bucket_counts.iter_mut().zip(&last.bucket_counts) {
                *now = now.saturating_sub(*last);
            }
        }
        now.insert(key, Point::Histogram(whole));
    }
}

fn encoded(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}
