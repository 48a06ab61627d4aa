use std::time::Duration;

use serde::Deserialize;

use super::http_route::Fraction;
use crate::{formats, quantity};

/// How much at once, for each route rule and by each gateway for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Connections.
    #[serde(default = "parallel")]
    pub max_connections: u32,
    /// Requests that wait for a connection.
    #[serde(default = "parallel")]
    pub max_pending_requests: u32,
    /// Requests on their way, streams for all of their length.
    #[serde(default = "parallel")]
    pub max_parallel_requests: u32,
    /// Requests that are tried again; `retry_budget` takes its place.
    #[serde(default = "parallel")]
    pub max_parallel_retries: u32,
    /// Requests after which a connection is closed; without end unless given.
    pub max_requests_per_connection: Option<u32>,
    /// Limits of each endpoint.
    pub per_endpoint: Option<PerEndpoint>,
    /// Requests that are tried again, as a share of those on their way.
    pub retry_budget: Option<RetryBudget>,
}

/// Limits of each endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerEndpoint {
    /// Connections.
    #[serde(default = "parallel")]
    pub max_connections: u32,
}

/// Requests that are tried again, as a share of those on their way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryBudget {
    /// The share.
    pub percent: Fraction,
    /// So many are always allowed.
    #[serde(default = "min_retries")]
    pub min_retry_concurrency: u32,
}

/// What is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRetry {
    /// Attempts beyond the first.
    #[serde(default = "retries")]
    pub num_retries: u32,
    /// Attempts after which backends of the next priority are asked.
    pub num_attempts_per_priority: Option<u32>,
    /// After what.
    pub retry_on: Option<RetryOn>,
    /// Each attempt.
    pub per_retry: Option<PerRetry>,
}

/// After what a request is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryOn {
    /// These take the place of connect-failure, refused-stream, unavailable, cancelled and
    /// retriable-status-codes (503).
    #[serde(default)]
    pub triggers: Vec<RetryTrigger>,
    /// Statuses; they count with `retriable-status-codes` only.
    #[serde(default)]
    pub http_status_codes: Vec<u16>,
}

/// A reason to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryTrigger {
    /// A status of 500 or more, or none.
    #[serde(rename = "5xx")]
    ServerError,
    /// 502, 503 or 504.
    GatewayError,
    /// A connection that broke before any reply.
    Reset,
    /// A connection that broke before the request was sent.
    ResetBeforeRequest,
    /// No connection.
    ConnectFailure,
    /// 409.
    #[serde(rename = "retriable-4xx")]
    Retriable4xx,
    /// The backend refused the HTTP/2 stream.
    RefusedStream,
    /// One of `httpStatusCodes`.
    RetriableStatusCodes,
    /// gRPC status 1.
    Cancelled,
    /// gRPC status 4.
    DeadlineExceeded,
    /// gRPC status 13.
    Internal,
    /// gRPC status 8.
    ResourceExhausted,
    /// gRPC status 14.
    Unavailable,
}

/// Settings of each attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerRetry {
    /// How long it may take, the first one too; without end unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub timeout: Option<Duration>,
    /// How long to wait before it.
    pub back_off: Option<BackOff>,
}

/// How long to wait between attempts; the wait doubles each time, and a random part of it is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackOff {
    /// The first wait, 25 ms unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub base_interval: Option<Duration>,
    /// The longest, ten times the first unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub max_interval: Option<Duration>,
}

/// How long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTimeouts {
    /// Of connections.
    pub tcp: Option<BackendTcpTimeout>,
    /// Of requests.
    pub http: Option<BackendHttpTimeouts>,
}

/// How long connections may take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTcpTimeout {
    /// To connect, TLS and all; 10 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub connect_timeout: Option<Duration>,
}

/// How long requests may take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendHttpTimeouts {
    /// How long a connection is kept without requests, 1 h unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub connection_idle_timeout: Option<Duration>,
    /// How long a connection is kept, without end unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub max_connection_duration: Option<Duration>,
    /// From the end of the request to the end of the reply; zero is without end. A route's own wins.
    #[serde(default, deserialize_with = "formats::duration")]
    pub request_timeout: Option<Duration>,
    /// From the request to the end of its stream; zero and unset are without end.
    #[serde(default, deserialize_with = "formats::duration")]
    pub max_stream_duration: Option<Duration>,
    /// How long a stream may be silent; zero is without end. Unset: what the listener has.
    #[serde(default, deserialize_with = "formats::duration")]
    pub stream_idle_timeout: Option<Duration>,
}

/// Which protocol tells a peer whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendProxyProtocol {
    /// Its version.
    pub version: ProxyProtocolVersion,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ProxyProtocolVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// Probes of silent connections; the system's own settings unless given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpKeepalive {
    /// Lost probes after which a connection is dead.
    pub probes: Option<u32>,
    /// Silence before the first.
    #[serde(default, deserialize_with = "formats::duration")]
    pub idle_time: Option<Duration>,
    /// Time between two.
    #[serde(default, deserialize_with = "formats::duration")]
    pub interval: Option<Duration>,
}

/// Connections and buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendConnection {
    /// Bytes that may wait on a connection, 32 768 unless given.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub buffer_limit: Option<u64>,
    /// Bytes of the system's own buffers.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub socket_buffer_limit: Option<u64>,
    /// Connections that are made before they are needed.
    pub preconnect: Option<Preconnect>,
}

/// Connections that are made before they are needed, in per cent of those that are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconnect {
    /// To an endpoint that is in use, 100 to 300.
    pub per_endpoint_percent: Option<u32>,
    /// To the endpoint that is next, at least 100.
    pub predictive_percent: Option<u32>,
}

/// How names are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsSettings {
    /// How often, 30 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub dns_refresh_rate: Option<Duration>,
    /// Whether the answer's own time counts instead; true unless given.
    pub respect_dns_ttl: Option<bool>,
    /// Which addresses.
    pub lookup_family: Option<LookupFamily>,
}

/// Which addresses a name is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum LookupFamily {
    /// IPv4 only.
    IPv4,
    /// IPv6 only.
    IPv6,
    /// IPv4, or else IPv6.
    IPv4Preferred,
    /// IPv6, or else IPv4.
    IPv6Preferred,
    /// Both.
    IPv4AndIPv6,
}

/// Settings of HTTP/2, towards callers and backends alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http2Settings {
    /// Bytes, 65 536 unless given.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub initial_stream_window_size: Option<u64>,
    /// Bytes, 1 048 576 unless given.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub initial_connection_window_size: Option<u64>,
    /// 100 unless given.
    pub max_concurrent_streams: Option<u32>,
    /// What a message that breaks the protocol ends.
    #[serde(default)]
    pub on_invalid_message: InvalidMessageAction,
    /// Pings.
    pub connection_keepalive: Option<Http2Keepalive>,
}

/// What a message that breaks the protocol ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum InvalidMessageAction {
    /// The connection.
    #[default]
    TerminateConnection,
    /// The stream.
    TerminateStream,
}

/// Pings of HTTP/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http2Keepalive {
    /// How often.
    #[serde(default, deserialize_with = "formats::duration")]
    pub interval: Option<Duration>,
    /// How long the answer may take; less than `interval`.
    #[serde(default, deserialize_with = "formats::duration")]
    pub timeout: Option<Duration>,
    /// A random part of the interval, in per cent; 15 unless given.
    pub interval_jitter: Option<u32>,
    /// Silence after which a ping goes before a new request.
    #[serde(default, deserialize_with = "formats::duration")]
    pub idle_interval: Option<Duration>,
}

const fn parallel() -> u32 {
    1024
}

const fn min_retries() -> u32 {
    3
}

const fn retries() -> u32 {
    2
}

// === impl CircuitBreaker ===

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            max_connections: parallel(),
            max_pending_requests: parallel(),
            max_parallel_requests: parallel(),
            max_parallel_retries: parallel(),
            max_requests_per_connection: None,
            per_endpoint: None,
            retry_budget: None,
        }
    }
}
