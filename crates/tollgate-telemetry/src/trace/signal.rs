use std::fmt::Debug;

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{InstrumentationScope, KeyValue},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Metric, ResourceMetrics, ScopeMetrics},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

use super::{attribute::text, console};

/// A kind of thing that collectors take.
pub(crate) trait Signal: Debug + Send + 'static {
    /// One of them.
    type Item: Message + Debug + Send;
    /// For people.
    const NAME: &'static str;
    /// The method of the collector's gRPC service.
    const METHOD: &'static str;

    /// A batch, encoded.
    fn message(items: Vec<Self::Item>, resource: &[(String, String)]) -> Vec<u8>;

    /// One of them as a line for people.
    fn shown(item: &Self::Item) -> String;
}

/// Spans of requests
#[derive(Debug)]
pub(crate) struct Spans;

/// Lines of access logs
#[derive(Debug)]
pub(crate) struct Logs;

/// Counts
#[derive(Debug)]
pub(crate) struct Metrics;

// === impl Spans ===

impl Signal for Spans {
    type Item = Span;
    const NAME: &'static str = "spans";
    const METHOD: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    fn message(spans: Vec<Span>, resource: &[(String, String)]) -> Vec<u8> {
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self::resource(resource)),
                scope_spans: vec![ScopeSpans { scope: Some(scope()), spans, ..Default::default() }],
                ..Default::default()
            }],
        };
        request.encode_to_vec()
    }

    fn shown(span: &Span) -> String {
        console::line(span)
    }
}

// === impl Logs ===

impl Signal for Logs {
    type Item = LogRecord;
    const NAME: &'static str = "lines of the access log";
    const METHOD: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

    fn message(log_records: Vec<LogRecord>, resource: &[(String, String)]) -> Vec<u8> {
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self::resource(resource)),
                scope_logs: vec![ScopeLogs { scope: Some(scope()), log_records, ..Default::default() }],
                ..Default::default()
            }],
        };
        request.encode_to_vec()
    }

    fn shown(_: &LogRecord) -> String {
        String::new()
    }
}

// === impl Metrics ===

impl Signal for Metrics {
    type Item = Metric;
    const NAME: &'static str = "metrics";
    const METHOD: &'static str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

    fn message(metrics: Vec<Metric>, resource: &[(String, String)]) -> Vec<u8> {
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self::resource(resource)),
                scope_metrics: vec![ScopeMetrics { scope: Some(scope()), metrics, ..Default::default() }],
                ..Default::default()
            }],
        };
        request.encode_to_vec()
    }

    fn shown(metric: &Metric) -> String {
        console::metric_line(metric)
    }
}

fn resource(attributes: &[(String, String)]) -> Resource {
    let attributes: Vec<KeyValue> = attributes.iter().map(|(name, value)| text(name, value)).collect();
    Resource { attributes, ..Default::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "envoyproxy/ai-gateway".to_owned(), ..Default::default() }
}
