use std::time::Duration;

use serde::Deserialize;

use crate::formats;

/// Which backends are well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// They are asked.
    pub active: Option<ActiveHealthCheck>,
    /// They are watched.
    pub passive: Option<PassiveHealthCheck>,
    /// With fewer per cent of them well all are used, 50 unless given; 0: never.
    pub panic_threshold: Option<u32>,
}

/// Backends are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveHealthCheck {
    /// How long an answer may take.
    #[serde(default = "one_second", deserialize_with = "formats::some_duration")]
    pub timeout: Duration,
    /// How often.
    #[serde(default = "three_seconds", deserialize_with = "formats::some_duration")]
    pub interval: Duration,
    /// The first one comes at a random moment within this time.
    #[serde(default, deserialize_with = "formats::duration")]
    pub initial_jitter: Option<Duration>,
    /// Failures in a row after which one is not well.
    #[serde(default = "three")]
    pub unhealthy_threshold: u32,
    /// Successes in a row after which it is again.
    #[serde(default = "one")]
    pub healthy_threshold: u32,
    /// How they are asked.
    #[serde(rename = "type")]
    pub check_type: HealthCheckType,
    /// Over HTTP.
    pub http: Option<HttpHealthCheck>,
    /// Over TCP.
    pub tcp: Option<TcpHealthCheck>,
    /// Over gRPC.
    pub grpc: Option<GrpcHealthCheck>,
    /// Where they are asked.
    pub overrides: Option<HealthCheckOverrides>,
}

/// How a backend is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthCheckType {
    /// Over HTTP.
    Http,
    /// Over TCP.
    Tcp,
    /// Over gRPC.
    Grpc,
}

/// A request that a backend has to answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpHealthCheck {
    /// Its host: the endpoint's or else the route's unless given.
    pub hostname: Option<String>,
    /// Its path.
    pub path: String,
    /// Its method, `GET` unless given.
    pub method: Option<String>,
    /// Its body, with POST and PUT.
    pub request_body: Option<HealthCheckPayload>,
    /// Statuses of one that is well, 200 unless given.
    #[serde(default)]
    pub expected_statuses: Vec<u16>,
    /// Statuses that count as failures only once there are enough of them.
    #[serde(default)]
    pub retriable_statuses: Vec<u16>,
    /// What the answer has to contain.
    pub expected_response: Option<HealthCheckPayload>,
}

/// Bytes that a backend gets and has to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpHealthCheck {
    /// What it gets; nothing: to connect is enough.
    pub send: Option<HealthCheckPayload>,
    /// What it has to send.
    pub receive: Option<HealthCheckPayload>,
}

/// The health service of gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcHealthCheck {
    /// Which service is asked about.
    pub service: Option<String>,
}

/// A text or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckPayload {
    /// Which of the two.
    #[serde(rename = "type")]
    pub payload_type: PayloadType,
    /// As it is.
    pub text: Option<String>,
    /// In base64.
    pub binary: Option<String>,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PayloadType {
    /// A text.
    Text,
    /// Bytes.
    Binary,
}

/// Where a backend is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckOverrides {
    /// Another port.
    pub port: Option<u16>,
}

/// Backends that fail get no requests for a while. Each gateway watches for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassiveHealthCheck {
    /// Whether failures to connect are counted apart from bad replies.
    #[serde(default)]
    pub split_external_local_origin_errors: bool,
    /// How often it is looked who may come back.
    #[serde(default = "three_seconds", deserialize_with = "formats::some_duration")]
    pub interval: Duration,
    /// Failures to connect in a row, where they are counted apart.
    #[serde(default = "five")]
    pub consecutive_local_origin_failures: u32,
    /// 502, 503 and 504 in a row; not looked at unless given.
    pub consecutive_gateway_errors: Option<u32>,
    /// Statuses of 500 and more in a row.
    #[serde(rename = "consecutive5XxErrors", default = "five")]
    pub consecutive_5xx_errors: u32,
    /// For how long, times how often it has happened.
    #[serde(default = "half_a_minute", deserialize_with = "formats::some_duration")]
    pub base_ejection_time: Duration,
    /// At most this share at once, in per cent.
    #[serde(default = "ten")]
    pub max_ejection_percent: u32,
    /// A share of failures, in per cent; not looked at unless given.
    pub failure_percentage_threshold: Option<u32>,
    /// At least one may be out, whatever the share.
    #[serde(default)]
    pub always_eject_one_endpoint: bool,
}

const fn one_second() -> Duration {
    Duration::from_secs(1)
}

const fn three_seconds() -> Duration {
    Duration::from_secs(3)
}

const fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

const fn one() -> u32 {
    1
}

const fn three() -> u32 {
    3
}

const fn five() -> u32 {
    5
}

const fn ten() -> u32 {
    10
}
