use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value as Json;
use tollgate_types::ApiSchema;

use super::{
    common::{BackendObjectRef, BodyMutation, HeaderMatch, HeaderMutation, LlmRequestCost, ParentRef},
    http_route::HttpRouteTimeouts,
};
use crate::formats;

/// `AIGatewayRoute`: models and the backends that serve them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AiGatewayRoute")]
pub struct AiGatewayRoute {
    /// Gateways it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// Hosts it serves; those of the listener unless given.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules.
    pub rules: Vec<AiGatewayRouteRule>,
    /// What each request costs; where two have one key, the last counts.
    #[serde(default)]
    pub llm_request_costs: Vec<LlmRequestCost>,
}

/// A rule of an AIGatewayRoute.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AiGatewayRouteRule")]
pub struct AiGatewayRouteRule {
    /// For policies and people.
    pub name: Option<String>,
    /// Who serves it, by priority and weight.
    #[serde(default)]
    pub backend_refs: Vec<AiBackendRef>,
    /// One of these has to match; everything matches where there is none.
    #[serde(default)]
    pub matches: Vec<AiRouteMatch>,
    /// Deadlines; 60 s for the request unless given.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// The longest silence inside a streamed reply.
    #[serde(default, deserialize_with = "formats::duration")]
    #[schemars(with = "Option<String>")]
    pub stream_idle_timeout: Option<Duration>,
    /// `owned_by` in model listings.
    #[serde(default = "owner")]
    pub models_owned_by: String,
    /// `created` in model listings, in seconds since 1970.
    #[serde(default, deserialize_with = "formats::timestamp")]
    #[schemars(with = "Option<String>")]
    pub models_created_at: Option<i64>,
}

/// A backend of a rule: an AIServiceBackend, or an InferencePool where group and kind say so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AiBackendRef")]
pub struct AiBackendRef {
    /// Name.
    pub name: String,
    /// Namespace; the route's own unless given.
    pub namespace: Option<String>,
    /// `inference.networking.k8s.io` for an InferencePool.
    pub group: Option<String>,
    /// `InferencePool` or nothing.
    pub kind: Option<String>,
    /// The model to ask the backend for in place of the client's.
    pub model_name_override: Option<String>,
    /// Changes to the request's headers, over those of the backend.
    pub header_mutation: Option<HeaderMutation>,
    /// Changes to the request's body, over those of the backend.
    pub body_mutation: Option<BodyMutation>,
    /// Share among those of one priority; 0 gets nothing.
    #[serde(default = "one")]
    pub weight: u32,
    /// 0 is tried first.
    #[serde(default)]
    pub priority: u32,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AiRouteMatch")]
pub struct AiRouteMatch {
    /// On headers; `x-ai-eg-model` is the model.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
}

/// `AIServiceBackend`: an API and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AiServiceBackend")]
pub struct AiServiceBackend {
    /// The API it speaks.
    pub schema: VersionedSchema,
    /// The `gateway.envoyproxy.io` Backend that has its address.
    pub backend_ref: BackendObjectRef,
    /// Changes to every request's headers.
    pub header_mutation: Option<HeaderMutation>,
    /// Changes to every request's body.
    pub body_mutation: Option<BodyMutation>,
}

/// The API a backend speaks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "VersionedSchema")]
pub struct VersionedSchema {
    /// Which.
    #[serde(deserialize_with = "api_schema")]
    #[schemars(with = "String")]
    pub name: ApiSchema,
    /// The version, for those that have one in every call (Azure's `api-version`).
    pub version: Option<String>,
    /// The path prefix of OpenAI and Anthropic APIs, `v1` unless given.
    pub prefix: Option<String>,
}

/// `GatewayConfig`: settings for the Gateways that name it in an annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "GatewayConfig")]
pub struct GatewayConfig {
    /// The external processor's container.
    pub ext_proc: Option<GatewayConfigExtProc>,
    /// Costs of every request on the Gateway; those of a route win.
    #[serde(default, rename = "globalLLMRequestCosts")]
    pub global_llm_request_costs: Vec<LlmRequestCost>,
    /// The proxy through which providers are reached.
    pub forward_proxy: Option<ForwardProxy>,
}

/// The external processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "GatewayConfigExtProc")]
pub struct GatewayConfigExtProc {
    /// Its container.
    pub kubernetes: Option<ExtProcContainer>,
    /// Metadata that is handed to it.
    pub metadata_forwarding_namespaces: Option<Json>,
}

/// A container, as Envoy Gateway has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "ExtProcContainer")]
pub struct ExtProcContainer {
    /// Environment, as in a pod.
    pub env: Option<Json>,
    /// Requests and limits, as in a pod.
    pub resources: Option<Json>,
    /// As in a pod.
    pub security_context: Option<Json>,
    /// Image with an optional tag or digest; not with `imageRepository`.
    pub image: Option<String>,
    /// Image without a tag.
    pub image_repository: Option<String>,
    /// As in a pod.
    pub volume_mounts: Option<Json>,
}

/// The proxy through which providers are reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "ForwardProxy")]
pub struct ForwardProxy {
    /// `host:port`
    pub address: String,
}

fn owner() -> String {
    "Envoy AI Gateway".to_owned()
}

fn one() -> u32 {
    1
}

/// The names of the API schemas, in the order of the documentation.
pub(crate) fn api_schema_names() -> [&'static str; 8] {
    ApiSchema::ALL.map(ApiSchema::as_str)
}

fn api_schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiSchema, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| {
        let hint = crate::finding::nearest(&name, api_schema_names());
        let hint = hint.map(|hint| format!("; did you mean {hint}?")).unwrap_or_default();
        D::Error::custom(format!("expected one of {}, found {name:?}{hint}", api_schema_names().join(", ")))
    })
}
