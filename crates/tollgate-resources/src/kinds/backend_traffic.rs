use serde::Deserialize;
use serde_json::Value;

use super::{
    policy::{MergeType, PolicyTarget, PolicyTargets, TargetSelector},
    rate_limit::RateLimit,
};
use crate::merge::Written;

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
    pub load_balancer: Option<Value>,
    /// What is tried again.
    pub retry: Option<Value>,
    /// Whether connections begin with their caller's address.
    pub proxy_protocol: Option<Value>,
    /// Probes of silent connections.
    pub tcp_keepalive: Option<Value>,
    /// Which backends are well.
    pub health_check: Option<Value>,
    /// How much at once.
    pub circuit_breaker: Option<Value>,
    /// How long.
    pub timeout: Option<Value>,
    /// Connections and buffers.
    pub connection: Option<Value>,
    /// How names are looked up.
    pub dns: Option<Value>,
    /// Settings of HTTP/2.
    pub http2: Option<Value>,
    /// How fast bodies go.
    pub bandwidth_limit: Option<Value>,
    /// Faults made on purpose.
    pub fault_injection: Option<Value>,
    /// What is turned away because of failures.
    pub admission_control: Option<Value>,
    /// Whether backends get the caller's HTTP version.
    pub use_client_protocol: Option<bool>,
    /// The name of `compressor` before it.
    pub compression: Option<Value>,
    /// How replies are compressed.
    pub compressor: Option<Value>,
    /// What replies are replaced with.
    pub response_override: Option<Value>,
    /// Upgrades that are let through.
    pub http_upgrade: Option<Value>,
    /// Requests that are read before they are passed on.
    pub request_buffer: Option<Value>,
    /// Spans and metrics.
    pub telemetry: Option<Value>,
    /// Whether Services are reached by their own address.
    pub routing_type: Option<Value>,
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
