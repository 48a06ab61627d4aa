use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::formats;

/// Which backend is next.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// How it is picked.
    #[serde(rename = "type")]
    pub balancer_type: LoadBalancerType,
    /// By what requests stay with one backend.
    pub consistent_hash: Option<ConsistentHash>,
    /// Load that backends report. Not read any further, since it is not served.
    pub backend_utilization: Option<Value>,
    /// A module of Envoy. Not read any further, since it is not served.
    pub dynamic_module: Option<Value>,
    /// New backends get less at first.
    pub slow_start: Option<SlowStart>,
    /// Backends nearby get more.
    pub zone_aware: Option<ZoneAware>,
    /// Requests may name their backend.
    pub endpoint_override: Option<EndpointOverride>,
}

/// How a backend is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum LoadBalancerType {
    /// The same one for the same caller.
    ConsistentHash,
    /// Of two, the one with fewer requests.
    LeastRequest,
    /// Any.
    Random,
    /// In turn.
    RoundRobin,
    /// By the load that they report.
    BackendUtilization,
    /// A module of Envoy.
    DynamicModule,
}

/// New backends get less at first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowStart {
    /// For how long.
    #[serde(deserialize_with = "formats::some_duration")]
    pub window: Duration,
}

/// By what requests stay with one backend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsistentHash {
    /// What is looked at.
    #[serde(rename = "type")]
    pub hash_type: ConsistentHashType,
    /// Deprecated: one header.
    pub header: Option<HashName>,
    /// Headers.
    #[serde(default)]
    pub headers: Vec<HashName>,
    /// A cookie.
    pub cookie: Option<HashCookie>,
    /// Query parameters.
    #[serde(default)]
    pub query_params: Vec<HashName>,
    /// Slots of the table, a prime number.
    #[serde(default = "table_size")]
    pub table_size: u32,
}

/// What a hash is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ConsistentHashType {
    /// The caller's address.
    #[serde(rename = "SourceIP")]
    SourceIp,
    /// One header.
    Header,
    /// Headers.
    Headers,
    /// A cookie.
    Cookie,
    /// Query parameters.
    QueryParams,
}

/// A header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashName {
    /// Its name.
    pub name: String,
}

/// A cookie, which the gateway makes where it is missing and `ttl` is given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashCookie {
    /// Its name.
    pub name: String,
    /// How long a new one lives.
    #[serde(default, deserialize_with = "formats::duration")]
    pub ttl: Option<Duration>,
    /// Further attributes of a new one.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Backends nearby get more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAware {
    /// Those of the gateway's own zone.
    pub prefer_local: Option<PreferLocal>,
    /// A weight for each zone.
    #[serde(default)]
    pub weighted_zones: Vec<WeightedZone>,
}

/// Backends of the gateway's own zone come first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreferLocal {
    /// With fewer backends zones do not count.
    #[serde(default = "min_endpoints")]
    pub min_endpoints_threshold: u64,
    /// For this share of the requests.
    #[serde(default = "all")]
    pub percentage_enabled: u32,
    /// All requests stay in the zone.
    pub force: Option<ForceLocalZone>,
}

/// All requests stay in the zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForceLocalZone {
    /// As long as it has this many backends.
    #[serde(default = "one")]
    pub min_endpoints_in_zone_threshold: u32,
}

/// A weight for a zone, 1 for zones that are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightedZone {
    /// Its name.
    pub zone: String,
    /// Its share of all weights.
    pub weight: u32,
}

/// Requests may name their backend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOverride {
    /// Where, in this order.
    pub extract_from: Vec<OverrideSource>,
}

/// Where a request names its backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverrideSource {
    /// A header with one `address:port` or several.
    pub header: Option<String>,
}

const fn table_size() -> u32 {
    65_537
}

const fn min_endpoints() -> u64 {
    6
}

const fn all() -> u32 {
    100
}

const fn one() -> u32 {
    1
}
