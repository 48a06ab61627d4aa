use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{credentials::AiTargetRef, rate_limit::RateLimitSelector};

/// `aigateway.envoyproxy.io` `QuotaPolicy`: how much callers may use of a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "QuotaPolicy")]
pub struct QuotaPolicy {
    /// AIServiceBackends of its own namespace.
    #[serde(default)]
    pub target_refs: Vec<AiTargetRef>,
    /// All models together.
    pub service_quota: Option<ServiceQuota>,
    /// Models, each by itself.
    #[serde(default)]
    pub per_model_quotas: Vec<PerModelQuota>,
}

/// How much of all models together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "ServiceQuota")]
pub struct ServiceQuota {
    /// What a request counts, in CEL; all of its tokens unless given.
    pub cost_expression: Option<String>,
    /// How much.
    pub quota: QuotaValue,
}

/// How much of one model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "PerModelQuota")]
pub struct PerModelQuota {
    /// The model as the backend knows it (`modelNameOverride`).
    pub model_name: String,
    /// How much.
    pub quota: ModelQuota,
}

/// How much of a model, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "ModelQuota")]
pub struct ModelQuota {
    /// What a request counts, in CEL; all of its tokens unless given.
    pub cost_expression: Option<String>,
    /// How buckets go together.
    #[serde(default)]
    pub mode: QuotaMode,
    /// For requests that no rule matches.
    pub default_bucket: Option<QuotaValue>,
    /// For requests that match.
    #[serde(default)]
    pub bucket_rules: Vec<QuotaRule>,
}

/// How buckets go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum QuotaMode {
    /// Every bucket that matches counts; spent when all of them are.
    #[default]
    Shared,
    /// Only the first rule that matches counts, and the default bucket where none does.
    Exclusive,
}

/// A quota and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "QuotaRule")]
pub struct QuotaRule {
    /// All of them have to match.
    #[serde(default)]
    pub client_selectors: Vec<RateLimitSelector>,
    /// How much.
    pub quota: QuotaValue,
    /// It counts and never refuses.
    #[serde(default)]
    pub shadow_mode: bool,
}

/// How much in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "QuotaValue")]
pub struct QuotaValue {
    /// Tokens, or what else is counted.
    pub limit: u64,
    /// In how long.
    pub duration: QuotaDuration,
}

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum QuotaDuration {
    /// A second.
    #[serde(rename = "1s")]
    Second,
    /// A minute.
    #[serde(rename = "1m")]
    Minute,
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
    /// A day.
    #[serde(rename = "1d")]
    Day,
}

// === impl QuotaDuration ===

impl QuotaDuration {
    /// Its length.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }
}
