use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{
    backend_settings::{
        BackendConnection, BackendProxyProtocol, BackendTimeouts, CircuitBreaker, DnsSettings, Http2Settings,
        PolicyRetry, TcpKeepalive,
    },
    envoy_gateway::DirectResponseBody,
    health_check::HealthCheck,
    http_route::HeaderModifier,
    load_balancer::LoadBalancer,
    policy::{MergeType, PolicyTarget, PolicyTargets, TargetSelector},
    rate_limit::RateLimit,
};
use crate::{formats, merge::Written, quantity};

/// `gateway.envoyproxy.io` `BackendTrafficPolicy`: how requests go to backends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTrafficPolicy {
    /// What it is attached to; deprecated in favour of the list.
    pub target_ref: Option<PolicyTarget>,
    /// What it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTarget>,
    /// What it is attached to, by label.
    #[serde(default)]
    pub target_selectors: Vec<TargetSelector>,
    /// How it is merged onto the policy of the next wider level.
    pub merge_type: Option<MergeType>,
    /// All of it, as it was written.
    #[serde(skip)]
    pub written: Written,
    /// How often callers may call.
    pub rate_limit: Option<RateLimit>,
    /// Which backend is next.
    pub load_balancer: Option<LoadBalancer>,
    /// What is tried again.
    pub retry: Option<PolicyRetry>,
    /// Whether connections begin with their caller's address.
    pub proxy_protocol: Option<BackendProxyProtocol>,
    /// Probes of silent connections.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Which backends are well.
    pub health_check: Option<HealthCheck>,
    /// How much at once.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// How long.
    pub timeout: Option<BackendTimeouts>,
    /// Connections and buffers.
    pub connection: Option<BackendConnection>,
    /// How names are looked up.
    pub dns: Option<DnsSettings>,
    /// Settings of HTTP/2.
    pub http2: Option<Http2Settings>,
    /// How fast bodies go.
    pub bandwidth_limit: Option<BandwidthLimit>,
    /// Faults made on purpose.
    pub fault_injection: Option<FaultInjection>,
    /// What is turned away because of failures.
    pub admission_control: Option<AdmissionControl>,
    /// Whether backends get the caller's HTTP version.
    pub use_client_protocol: Option<bool>,
    /// Deprecated: the name of `compressor` before it.
    #[serde(default)]
    pub compression: Vec<Compressor>,
    /// How replies are compressed.
    #[serde(default)]
    pub compressor: Vec<Compressor>,
    /// What replies are replaced with.
    #[serde(default)]
    pub response_override: Vec<ResponseOverride>,
    /// Upgrades that are let through; `websocket` unless given. Others get a 403.
    #[serde(default)]
    pub http_upgrade: Vec<HttpUpgrade>,
    /// Requests that are read before they are passed on.
    pub request_buffer: Option<RequestBuffer>,
    /// Spans and metrics. Not read any further, since it is not served.
    pub telemetry: Option<Value>,
    /// Whether Services are reached by their own address.
    pub routing_type: Option<RoutingType>,
}

/// How fast bodies go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BandwidthLimit {
    /// Those of requests.
    pub request: Option<RequestBandwidth>,
    /// Those of replies.
    pub response: Option<ResponseBandwidth>,
}

/// How fast bodies of requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestBandwidth {
    /// All together.
    pub limit: Bandwidth,
}

/// How fast bodies of replies go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseBandwidth {
    /// All together.
    pub limit: Bandwidth,
    /// Trailers that tell how long replies were held back. Not read any further, since it is not served.
    pub response_trailers: Option<Value>,
}

/// So many bytes in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bandwidth {
    /// Bytes.
    #[serde(deserialize_with = "quantity::some_bytes")]
    pub value: u64,
    /// In this time.
    pub unit: BandwidthUnit,
}

/// A time in which bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BandwidthUnit {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3 600 s.
    Hour,
}

/// Requests that are turned away because too many before them failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionControl {
    /// How far back is looked, 30 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub sampling_window: Option<Duration>,
    /// The share of successes with which nobody is turned away, in per cent; 95 unless given.
    pub min_success_rate: Option<u32>,
    /// How eagerly requests are turned away, 1 unless given.
    pub rejection_aggression: Option<u32>,
    /// Requests a second below which nobody is turned away.
    pub min_request_rate: Option<u32>,
    /// The share of requests that is turned away at most, in per cent; 80 unless given.
    pub max_rejection_percent: Option<u32>,
    /// What a success is.
    pub success_criteria: Option<SuccessCriteria>,
}

/// What a success is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuccessCriteria {
    /// Of HTTP; what is below 500 unless given.
    pub http: Option<HttpSuccess>,
    /// Of gRPC. Not read any further, since it is not served.
    pub grpc: Option<Value>,
}

/// What a success of HTTP is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpSuccess {
    /// These statuses.
    #[serde(default)]
    pub status_codes: Vec<u16>,
}

/// Faults made on purpose.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultInjection {
    /// Requests that wait.
    pub delay: Option<FaultDelay>,
    /// Requests that fail.
    pub abort: Option<FaultAbort>,
}

/// Requests that wait.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultDelay {
    /// For how long.
    #[serde(deserialize_with = "formats::some_duration")]
    pub fixed_delay: Duration,
    /// How many, in per cent.
    #[serde(default = "all")]
    pub percentage: f64,
}

/// Requests that fail.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultAbort {
    /// With this status …
    pub http_status: Option<u16>,
    /// … or this one of gRPC.
    pub grpc_status: Option<u16>,
    /// How many, in per cent.
    #[serde(default = "all")]
    pub percentage: f64,
}

/// A way to compress replies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compressor {
    /// Which.
    #[serde(rename = "type")]
    pub compressor_type: CompressorType,
    /// Settings of gzip.
    pub gzip: Option<Value>,
    /// Settings of Brotli.
    pub brotli: Option<Value>,
    /// Settings of Zstandard.
    pub zstd: Option<Value>,
    /// Shorter bodies stay as they are, in bytes; 30 unless given.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub min_content_length: Option<u64>,
}

/// Ways to compress replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum CompressorType {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

/// What a reply is replaced with; the first that matches counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseOverride {
    /// Which replies.
    #[serde(rename = "match")]
    pub matches: ResponseMatch,
    /// Whose replies.
    #[serde(default)]
    pub source: ResponseSource,
    /// Another reply.
    pub response: Option<OverrideResponse>,
    /// A redirect.
    pub redirect: Option<OverrideRedirect>,
}

/// Whose replies are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ResponseSource {
    /// Everybody's.
    #[default]
    All,
    /// The gateway's own.
    Local,
    /// Those of backends.
    Backend,
}

/// Which replies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseMatch {
    /// Any of these statuses.
    #[serde(default)]
    pub status_codes: Vec<StatusCodeMatch>,
    /// All of these headers.
    #[serde(default)]
    pub response_headers: Vec<super::rate_limit::RateLimitHeaderMatch>,
}

/// A status, or several in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCodeMatch {
    /// Which of the two.
    #[serde(rename = "type", default)]
    pub match_type: StatusCodeMatchType,
    /// One.
    pub value: Option<u16>,
    /// Several.
    pub range: Option<StatusCodeRange>,
}

/// How statuses are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum StatusCodeMatchType {
    /// One.
    #[default]
    Value,
    /// Several in a row.
    Range,
}

/// Statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCodeRange {
    /// The first.
    pub start: u16,
    /// The last.
    pub end: u16,
}

/// Another reply; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverrideResponse {
    /// What the body is.
    pub content_type: Option<String>,
    /// The body.
    pub body: Option<DirectResponseBody>,
    /// The status.
    pub status_code: Option<u16>,
    /// Headers.
    pub header: Option<HeaderModifier>,
}

/// A redirect; what is not given stays as in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverrideRedirect {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The host.
    pub hostname: Option<String>,
    /// The path.
    pub path: Option<super::http_route::PathModifier>,
    /// The port.
    pub port: Option<u16>,
    /// 302 unless given, or 301.
    pub status_code: Option<u16>,
}

/// An upgrade that is let through.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpUpgrade {
    /// `websocket`, `CONNECT` …
    #[serde(rename = "type")]
    pub upgrade_type: String,
    /// Settings of `CONNECT`.
    pub connect: Option<HttpConnect>,
}

/// Settings of `CONNECT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpConnect {
    /// Whether the tunnel ends here.
    #[serde(default)]
    pub terminate: bool,
}

/// Requests that are read before they are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestBuffer {
    /// Longer ones get a 413, in bytes.
    #[serde(deserialize_with = "quantity::some_bytes")]
    pub limit: u64,
}

// === impl Bandwidth ===

impl Bandwidth {
    /// Bytes a second.
    #[must_use]
    pub const fn per_second(self) -> u64 {
        let seconds = match self.unit {
            BandwidthUnit::Second => 1,
            BandwidthUnit::Minute => 60,
            BandwidthUnit::Hour => 3600,
        };
        self.value / seconds
    }
}

/// How Services are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RoutingType {
    /// By the addresses behind them.
    #[default]
    Endpoint,
    /// By their own.
    Service,
}

const fn all() -> f64 {
    100.0
}

// === impl BackendTrafficPolicy ===

impl BackendTrafficPolicy {
    /// What it is attached to.
    #[must_use]
    pub fn targets(&self) -> PolicyTargets<'_> {
        PolicyTargets {
            target_ref: self.target_ref.as_ref(),
            target_refs: &self.target_refs,
            target_selectors: &self.target_selectors,
            merge_type: self.merge_type,
        }
    }
}
