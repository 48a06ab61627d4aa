use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tollgate_types::Secret;

use super::{common::BackendObjectRef, policy::MergeType};
use crate::formats;

/// `gateway.envoyproxy.io` `EnvoyProxy`: how the proxies of a Gateway run and what they report. A field that is a
/// [`Value`] concerns Envoy or its pods, or is not served; it is known by name and not read any further.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxy {
    /// How a Gateway's EnvoyProxy is merged onto that of its GatewayClass; it takes its place unless given.
    pub merge_type: Option<MergeType>,
    /// Where proxies run.
    pub provider: Option<EnvoyProxyProvider>,
    /// What the proxies say of themselves.
    pub logging: Option<EnvoyProxyLogging>,
    /// What is reported of requests.
    pub telemetry: Option<EnvoyProxyTelemetry>,
    /// Envoy's own configuration.
    pub bootstrap: Option<Value>,
    /// Worker threads; one for each core unless given.
    pub concurrency: Option<u32>,
    /// Whether requests go to endpoints or to Services.
    pub routing_type: Option<Value>,
    /// Arguments of Envoy's command line.
    #[serde(default)]
    pub extra_args: Vec<String>,
    /// Whether all Gateways of a class share their proxies.
    pub merge_gateways: Option<bool>,
    /// Whether rules share the connections to a backend.
    pub merge_backends: Option<Value>,
    /// How long connections may go on after the end was asked for.
    pub shutdown: Option<EnvoyProxyShutdown>,
    /// The order of filters.
    #[serde(default)]
    pub filter_order: Vec<Value>,
    /// TLS towards backends that say nothing of it.
    #[serde(rename = "backendTLS")]
    pub backend_tls: Option<Value>,
    /// IP versions on which is listened.
    pub ip_family: Option<IpFamily>,
    /// Whether routes are tried in the order in which they are written.
    pub preserve_route_order: Option<bool>,
    /// Settings of Lua.
    pub lua: Option<Value>,
    /// How Lua is checked, as versions before had it.
    pub lua_validation: Option<Value>,
    /// Modules that Envoy may load.
    #[serde(default)]
    pub dynamic_modules: Vec<Value>,
    /// Databases of places.
    #[serde(rename = "geoIP")]
    pub geo_ip: Option<Value>,
}

/// What the proxies say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyLogging {
    /// From which level on, by component. Their names are free: the resource's schema cannot enumerate keys.
    #[serde(default)]
    pub level: BTreeMap<String, EnvoyProxyLogLevel>,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvoyProxyLogLevel {
    /// Everything
    Trace,
    /// What helps to find a fault
    Debug,
    /// What happens
    Info,
    /// What may be wrong
    Warn,
    /// What is wrong
    Error,
}

/// How long connections may go on after the end was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyShutdown {
    /// At most this long; 60 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub drain_timeout: Option<Duration>,
    /// New connections are taken for so long; 10 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub min_drain_duration: Option<Duration>,
    /// So long after the end was asked for, health checks begin to fail; at once unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub health_check_failure_delay: Option<Duration>,
}

/// IP versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum IpFamily {
    /// IPv4 alone
    IPv4,
    /// IPv6 alone
    IPv6,
    /// Both
    DualStack,
}

/// Where proxies run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyProvider {
    /// Which of them.
    #[serde(rename = "type")]
    pub provider_type: EnvoyProxyProviderType,
    /// As pods.
    pub kubernetes: Option<EnvoyProxyKubernetes>,
    /// As processes.
    pub host: Option<Value>,
}

/// Where proxies run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EnvoyProxyProviderType {
    /// As pods
    Kubernetes,
    /// As processes of this machine
    Host,
}

/// The objects of proxies that are pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyKubernetes {
    /// A Deployment of them.
    pub envoy_deployment: Option<EnvoyDeployment>,
    /// One on each node.
    pub envoy_daemon_set: Option<EnvoyDaemonSet>,
    /// The Service in front.
    pub envoy_service: Option<Value>,
    /// How many, by load.
    pub envoy_hpa: Option<Value>,
    /// How many have to stay.
    #[serde(rename = "envoyPDB")]
    pub envoy_pdb: Option<Value>,
    /// Who they are.
    pub envoy_service_account: Option<Value>,
    /// Whether pods listen on the Gateway's own ports.
    pub use_listener_port_as_container_port: Option<bool>,
}

/// A Deployment of proxies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyDeployment {
    /// How many.
    pub replicas: Option<u32>,
    /// How they are replaced.
    pub strategy: Option<Value>,
    /// The pods.
    pub pod: Option<EnvoyPod>,
    /// Envoy's container.
    pub container: Option<Value>,
    /// Containers before it.
    #[serde(default)]
    pub init_containers: Vec<Value>,
    /// Changes to the Deployment.
    pub patch: Option<Value>,
    /// Its name.
    pub name: Option<String>,
}

/// Proxies on each node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyDaemonSet {
    /// How they are replaced.
    pub strategy: Option<Value>,
    /// The pods.
    pub pod: Option<EnvoyPod>,
    /// Envoy's container.
    pub container: Option<Value>,
    /// Containers before it.
    #[serde(default)]
    pub init_containers: Vec<Value>,
    /// Changes to the DaemonSet.
    pub patch: Option<Value>,
    /// Its name.
    pub name: Option<String>,
}

/// Pods of proxies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyPod {
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Rights.
    pub security_context: Option<Value>,
    /// Where they may run.
    pub affinity: Option<Value>,
    /// Nodes they put up with.
    #[serde(default)]
    pub tolerations: Vec<Value>,
    /// Nodes they need.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Volumes.
    #[serde(default)]
    pub volumes: Vec<Value>,
    /// Secrets for images.
    #[serde(default)]
    pub image_pull_secrets: Vec<Value>,
    /// Who goes first.
    pub priority_class_name: Option<String>,
    /// How they are spread.
    #[serde(default)]
    pub topology_spread_constraints: Vec<Value>,
}

/// What is reported of requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyTelemetry {
    /// Lines.
    pub access_log: Option<AccessLog>,
    /// Spans.
    pub tracing: Option<Value>,
    /// Counts.
    pub metrics: Option<EnvoyProxyMetrics>,
    /// The id of each request.
    #[serde(rename = "requestID")]
    pub request_id: Option<Value>,
}

/// What is counted, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyMetrics {
    /// Counts for Prometheus to fetch.
    pub prometheus: Option<EnvoyProxyPrometheus>,
    /// Whom counts are sent.
    #[serde(default)]
    pub sinks: Vec<MetricSink>,
    /// Which of Envoy's counts.
    #[serde(default)]
    pub matches: Vec<Value>,
    /// Counts by host.
    pub enable_virtual_host_stats: Option<bool>,
    /// Counts by endpoint.
    pub enable_per_endpoint_stats: Option<bool>,
    /// Sizes.
    pub enable_request_response_sizes_stats: Option<bool>,
    /// Counts of gRPC.
    #[serde(rename = "enableGRPCStats")]
    pub enable_grpc_stats: Option<bool>,
    /// How Envoy calls a backend in its counts.
    pub cluster_stat_name: Option<String>,
}

/// Counts for Prometheus to fetch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyProxyPrometheus {
    /// Whether there are none.
    #[serde(default)]
    pub disable: bool,
    /// How they are compressed.
    pub compression: Option<Value>,
}

/// Whom counts are sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSink {
    /// Which of them.
    #[serde(rename = "type")]
    pub sink_type: MetricSinkType,
    /// A collector.
    pub open_telemetry: Option<OpenTelemetryMetricSink>,
}

/// Whom counts are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum MetricSinkType {
    /// A collector
    OpenTelemetry,
}

/// A collector that takes counts over OTLP (gRPC).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTelemetryMetricSink {
    /// The collector; deprecated in favour of the list.
    pub backend_ref: Option<BackendObjectRef>,
    /// The collector.
    #[serde(default)]
    pub backend_refs: Vec<BackendObjectRef>,
    /// How it is asked. Not read any further, since it is not heeded.
    pub backend_settings: Option<Value>,
    /// Its host, where there are no references; deprecated.
    pub host: Option<String>,
    /// Its port there; 4317 unless given.
    pub port: Option<u16>,
    /// Counters tell what has come since the last time.
    #[serde(default)]
    pub report_counters_as_deltas: bool,
    /// Histograms tell what has come since the last time.
    #[serde(default)]
    pub report_histograms_as_deltas: bool,
    /// Sent with every batch.
    #[serde(default)]
    pub headers: Vec<SinkHeader>,
    /// Attributes of the resource that the counts are about.
    #[serde(default)]
    pub resource_attributes: BTreeMap<String, String>,
}

/// What is logged of requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// Whether nothing is.
    #[serde(default)]
    pub disable: bool,
    /// Logs beside each other.
    #[serde(default)]
    pub settings: Vec<AccessLogSetting>,
}

/// One log.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogSetting {
    /// How a line looks.
    pub format: Option<AccessLogFormat>,
    /// CEL expressions, one of which has to be true; every request is logged without any.
    #[serde(default)]
    pub matches: Vec<String>,
    /// Where lines go; to standard output unless given.
    #[serde(default)]
    pub sinks: Vec<AccessLogSink>,
    /// Which requests it is about.
    #[serde(rename = "type")]
    pub log_type: Option<AccessLogType>,
}

/// Which requests a log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AccessLogType {
    /// What no route took
    Listener,
    /// What a route took
    Route,
    /// Attempts
    Upstream,
}

/// How a line looks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogFormat {
    /// Which of them; JSON unless given.
    #[serde(rename = "type")]
    pub format_type: Option<AccessLogFormatType>,
    /// A line with command operators.
    pub text: Option<String>,
    /// Members of an object with command operators.
    #[serde(default)]
    pub json: BTreeMap<String, String>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AccessLogFormatType {
    /// Text
    Text,
    /// A JSON object
    #[serde(rename = "JSON")]
    Json,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogSink {
    /// Which of them.
    #[serde(rename = "type")]
    pub sink_type: AccessLogSinkType,
    /// Into a file.
    pub file: Option<AccessLogFile>,
    /// To a log service of Envoy's own protocol.
    pub als: Option<Value>,
    /// To a collector.
    pub open_telemetry: Option<OpenTelemetrySink>,
}

/// A collector that takes lines over OTLP (gRPC).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTelemetrySink {
    /// The collector; deprecated in favour of the list.
    pub backend_ref: Option<BackendObjectRef>,
    /// The collector.
    #[serde(default)]
    pub backend_refs: Vec<BackendObjectRef>,
    /// How it is asked. Not read any further, since it is not heeded.
    pub backend_settings: Option<Value>,
    /// Its host, where there are no references; deprecated.
    pub host: Option<String>,
    /// Its port there; 4317 unless given.
    pub port: Option<u16>,
    /// What the resource is called; deprecated in favour of the next.
    #[serde(default)]
    pub resources: BTreeMap<String, String>,
    /// Attributes of the resource that the lines are about.
    #[serde(default)]
    pub resource_attributes: BTreeMap<String, String>,
    /// Sent with every batch.
    #[serde(default)]
    pub headers: Vec<SinkHeader>,
}

/// A header that is sent to a collector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkHeader {
    /// Its name.
    pub name: String,
    /// Its value, which may be a credential.
    #[serde(deserialize_with = "formats::plain_secret")]
    pub value: Secret,
}

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AccessLogSinkType {
    /// Into a file
    File,
    /// To a log service of Envoy's own protocol
    #[serde(rename = "ALS")]
    Als,
    /// To a collector
    OpenTelemetry,
}

/// Into a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogFile {
    /// Its path; `/dev/stdout` is standard output.
    pub path: String,
}
