use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::security::PolicyPathMatch;

/// How often callers may call. Both parts may be given; the local one is asked first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Deprecated: which of the two is meant.
    #[serde(rename = "type")]
    pub limit_type: Option<RateLimitType>,
    /// Counted for all gateways together.
    pub global: Option<GlobalRateLimit>,
    /// Counted by each gateway for itself.
    pub local: Option<LocalRateLimit>,
}

/// Where requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RateLimitType {
    /// For all gateways together.
    Global,
    /// By each gateway for itself.
    Local,
}

/// Limits that all gateways share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GlobalRateLimit {
    /// Every rule that matches counts; a request passes where none of them is exceeded.
    pub rules: Vec<RateLimitRule>,
}

/// Limits that each gateway keeps for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalRateLimit {
    /// The rule without selectors is for requests that no other rule matches.
    #[serde(default)]
    pub rules: Vec<RateLimitRule>,
}

/// A limit and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitRule {
    /// All of them have to match; none match everything.
    #[serde(default)]
    pub client_selectors: Vec<RateLimitSelector>,
    /// How much.
    pub limit: RateLimitValue,
    /// What is counted; each request as one unless given.
    pub cost: Option<RateLimitCost>,
    /// One counter for everything that the policy targets, not one for each route.
    #[serde(default)]
    pub shared: bool,
    /// It counts and never refuses.
    #[serde(default)]
    pub shadow_mode: bool,
    /// Headers that tell callers what is left; as the listener has it unless given.
    pub x_rate_limit_headers: Option<RateLimitHeaders>,
}

/// Headers that tell callers what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RateLimitHeaders {
    /// None.
    Off,
    /// `x-ratelimit-limit`, `-remaining` and `-reset`.
    DraftVersion03,
}

/// How much in how long.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitValue {
    /// Requests, or what else is counted; 0 refuses all.
    pub requests: u32,
    /// In how long.
    pub unit: RateLimitUnit,
    /// Facts of the request that take the place of both: `requests_per_unit` and `unit`.
    pub from_metadata: Option<MetadataKey>,
}

/// The length of a window. Windows begin at multiples of their length since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum RateLimitUnit {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3 600 s.
    Hour,
    /// 86 400 s.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
}

/// What is counted, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitCost {
    /// When the request comes, 1 unless given; 0 only looks.
    pub request: Option<RateLimitCostSource>,
    /// When the reply is through, nothing unless given. It can only refuse requests that come later.
    pub response: Option<RateLimitCostSource>,
}

/// A number, or where it is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitCostSource {
    /// Which of the two.
    pub from: RateLimitCostFrom,
    /// The number.
    pub number: Option<u64>,
    /// Where it is found; nothing is counted where it is not.
    pub metadata: Option<MetadataKey>,
}

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RateLimitCostFrom {
    /// It is written down.
    Number,
    /// A fact of the request.
    Metadata,
}

/// A fact of a request, such as its number of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataKey {
    /// Whose fact it is: `io.envoy.ai_gateway`.
    pub namespace: String,
    /// Its name.
    pub key: String,
}

/// Whom a rule concerns: everything that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "RateLimitSelector")]
pub struct RateLimitSelector {
    /// All of these headers.
    #[serde(default)]
    pub headers: Vec<RateLimitHeaderMatch>,
    /// Any of these methods.
    #[serde(default)]
    pub methods: Vec<RateLimitMethodMatch>,
    /// The path.
    pub path: Option<PolicyPathMatch>,
    /// The caller's address.
    #[serde(rename = "sourceCIDR")]
    pub source_cidr: Option<SourceCidr>,
    /// All of these query parameters.
    #[serde(default)]
    pub query_params: Vec<RateLimitQueryMatch>,
}

/// How a value is compared, or told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum RateLimitMatchType {
    /// Byte for byte.
    #[default]
    Exact,
    /// A regular expression for the whole of it.
    RegularExpression,
    /// Any value, and a counter for each.
    Distinct,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "RateLimitHeaderMatch")]
pub struct RateLimitHeaderMatch {
    /// How it is compared.
    #[serde(rename = "type", default)]
    pub match_type: RateLimitMatchType,
    /// Its name, in any case.
    pub name: String,
    /// Its value or pattern; none with `Distinct`.
    pub value: Option<String>,
    /// Holds for all other values, and where the header is missing.
    #[serde(default)]
    pub invert: bool,
}

/// A query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "RateLimitQueryMatch")]
pub struct RateLimitQueryMatch {
    /// How it is compared.
    #[serde(rename = "type", default)]
    pub match_type: RateLimitMatchType,
    /// Its name.
    pub name: String,
    /// Its value or pattern; none with `Distinct`.
    pub value: Option<String>,
    /// Holds for all other values.
    #[serde(default)]
    pub invert: bool,
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "RateLimitMethodMatch")]
pub struct RateLimitMethodMatch {
    /// The method.
    pub value: String,
    /// Holds for all others.
    #[serde(default)]
    pub invert: bool,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "SourceCidr")]
pub struct SourceCidr {
    /// Whether its callers are told apart.
    #[serde(rename = "type", default)]
    pub match_type: SourceCidrType,
    /// An address and the length of the network's prefix.
    pub value: String,
    /// Holds for callers outside.
    #[serde(default)]
    pub invert: bool,
}

/// Whether the callers of a network are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum SourceCidrType {
    /// One counter for all.
    #[default]
    Exact,
    /// One for each address.
    Distinct,
}

// === impl RateLimitUnit ===

impl RateLimitUnit {
    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 604_800,
            Self::Month => 2_592_000,
            Self::Year => 31_536_000,
        }
    }
}
