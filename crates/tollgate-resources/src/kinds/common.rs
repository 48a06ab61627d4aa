use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a route attaches to (Gateway API `ParentReference`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "ParentRef")]
pub struct ParentRef {
    /// API group, `gateway.networking.k8s.io` unless given.
    #[serde(default = "gateway_group")]
    pub group: String,
    /// Kind, `Gateway` unless given.
    #[serde(default = "gateway_kind")]
    pub kind: String,
    /// Namespace; the route's own unless given.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// One listener of it.
    pub section_name: Option<String>,
    /// The listeners on one port.
    pub port: Option<u16>,
}

/// A reference to a Secret, or to an object that stands in for one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "SecretRef")]
pub struct SecretRef {
    /// API group; empty is core.
    #[serde(default)]
    pub group: String,
    /// Kind, `Secret` unless given.
    #[serde(default = "secret_kind")]
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; the referrer's own unless given.
    pub namespace: Option<String>,
}

/// What traffic goes to (Gateway API `BackendObjectReference`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "BackendObjectRef")]
pub struct BackendObjectRef {
    /// API group; empty is core.
    #[serde(default)]
    pub group: String,
    /// Kind, `Service` unless given.
    #[serde(default = "service_kind")]
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; the referrer's own unless given.
    pub namespace: Option<String>,
    /// Port; a core Service needs one.
    pub port: Option<u16>,
}

/// A reference to an object of any kind in the referrer's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "LocalObjectRef")]
pub struct LocalObjectRef {
    /// API group; empty is core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// A reference to an object of any kind (Gateway API `ObjectReference`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// API group; empty is core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; the referrer's own unless given.
    pub namespace: Option<String>,
}

/// How text is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum MatchType {
    /// Byte for byte.
    #[default]
    Exact,
    /// A regular expression that has to match the whole text.
    RegularExpression,
}

/// A header that a request has to carry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "HeaderMatch")]
pub struct HeaderMatch {
    /// How the value is compared.
    #[serde(rename = "type", default)]
    pub match_type: MatchType,
    /// Header name, case-insensitive.
    pub name: String,
    /// Value or pattern.
    pub value: String,
}

/// A header with its value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "HttpHeader")]
pub struct HttpHeader {
    /// Header name, case-insensitive.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Changes to a request's headers on the way to an AI backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "HeaderMutation")]
pub struct HeaderMutation {
    /// Headers to overwrite or add.
    #[serde(default)]
    pub set: Vec<HttpHeader>,
    /// Headers to remove.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A top-level field of a JSON body with its new value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "BodyField")]
pub struct BodyField {
    /// Name of the top-level field.
    pub path: String,
    /// The value as JSON text; text that is not JSON is taken for a string.
    pub value: String,
}

/// Changes to a request's JSON body on the way to an AI backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "BodyMutation")]
pub struct BodyMutation {
    /// Fields to overwrite or add.
    #[serde(default)]
    pub set: Vec<BodyField>,
    /// Fields to remove.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// What a request cost, kept under a name for limits and logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "LlmRequestCost")]
pub struct LlmRequestCost {
    /// The name under which the cost is kept.
    pub metadata_key: String,
    /// What is counted.
    #[serde(rename = "type")]
    pub cost_type: LlmRequestCostType,
    /// The expression for type `CEL`.
    pub cel: Option<String>,
}

/// What a cost counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum LlmRequestCostType {
    /// Tokens of the reply.
    OutputToken,
    /// Tokens of the prompt.
    InputToken,
    /// Prompt tokens served from a cache.
    CachedInputToken,
    /// Prompt tokens written to a cache.
    CacheCreationInputToken,
    /// All tokens.
    TotalToken,
    /// Tokens the model spent thinking.
    ReasoningToken,
    /// An expression over the others.
    #[serde(rename = "CEL")]
    Cel,
}

/// Chooses objects by their labels; empty chooses all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that have to have these values.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels, all of which have to hold.
    #[serde(default)]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// What has to hold.
    pub operator: LabelOperator,
    /// Values for `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// What a condition on a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum LabelOperator {
    /// The value is one of those given.
    In,
    /// The value is none of those given, or the label is absent.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

fn gateway_group() -> String {
    "gateway.networking.k8s.io".to_owned()
}

fn gateway_kind() -> String {
    "Gateway".to_owned()
}

fn secret_kind() -> String {
    "Secret".to_owned()
}

fn service_kind() -> String {
    "Service".to_owned()
}

// === impl LabelSelector ===

impl LabelSelector {
    /// True where an object with these labels is chosen.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }
}

// === impl LabelRequirement ===

impl LabelRequirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            LabelOperator::In => value.is_some_and(|value| self.values.contains(value)),
            LabelOperator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}
