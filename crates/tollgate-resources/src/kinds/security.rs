use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    common::{BackendObjectRef, LocalObjectRef, SecretRef},
    policy::{MergeType, PolicyTarget, PolicyTargets, TargetSelector},
};
use crate::{formats, merge::Written};

/// `gateway.envoyproxy.io` `SecurityPolicy`: who may call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityPolicy {
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
    /// Keys.
    pub api_key_auth: Option<ApiKeyAuth>,
    /// Pages of other origins.
    pub cors: Option<PolicyCors>,
    /// Names and passwords.
    pub basic_auth: Option<BasicAuth>,
    /// Tokens.
    pub jwt: Option<JwtAuth>,
    /// A service that is asked.
    pub ext_auth: Option<ExtAuth>,
    /// Who may do what.
    pub authorization: Option<Authorization>,
    /// The login of OpenID Connect. Not read any further, since it is not served.
    pub oidc: Option<Value>,
    /// Protection of cookies against other origins. Not read any further, since it is not served.
    pub csrf: Option<Value>,
}

/// Keys that callers show.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyAuth {
    /// Secrets in which each entry is a client and its key.
    pub credential_refs: Vec<SecretRef>,
    /// Where requests carry the key, tried in this order.
    pub extract_from: Vec<ExtractFrom>,
    /// The header that tells backends which client it is.
    #[serde(rename = "forwardClientIDHeader")]
    pub forward_client_id_header: Option<String>,
    /// Whether the key is taken out of the request.
    #[serde(default)]
    pub sanitize: bool,
}

/// Where a key is looked for: one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractFrom {
    /// Headers by name.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Query parameters by name.
    #[serde(default)]
    pub params: Vec<String>,
    /// Cookies by name.
    #[serde(default)]
    pub cookies: Vec<String>,
}

/// Names and passwords (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// A Secret with the key `.htpasswd`.
    pub users: SecretRef,
    /// The header that tells backends which user it is.
    pub forward_username_header: Option<String>,
}

/// Pages of other origins that may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyCors {
    /// `*`, `scheme://host[:port]`, or one with a wildcard label.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Methods.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Request headers.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Reply headers that pages may see.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// How long a preflight may be remembered.
    #[serde(default, deserialize_with = "formats::duration")]
    pub max_age: Option<Duration>,
    /// Whether pages may send cookies and the like.
    pub allow_credentials: Option<bool>,
}

/// Tokens (RFC 7519).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtAuth {
    /// A request without any token passes; one with a bad one does not.
    #[serde(default)]
    pub optional: bool,
    /// Every request passes.
    #[serde(default)]
    pub fail_open: bool,
    /// Whose tokens; one of them will do.
    pub providers: Vec<JwtProvider>,
}

/// Somebody whose tokens are believed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtProvider {
    /// Its name in this policy.
    pub name: String,
    /// What `iss` has to be.
    #[serde(default)]
    pub issuer: String,
    /// `aud` has to have one of these.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Keys that are fetched.
    #[serde(rename = "remoteJWKS")]
    pub remote_jwks: Option<RemoteJwks>,
    /// Keys that are written down.
    #[serde(rename = "localJWKS")]
    pub local_jwks: Option<LocalJwks>,
    /// Claims that backends get as headers.
    #[serde(default)]
    pub claim_to_headers: Vec<ClaimToHeader>,
    /// Whether the route is chosen anew once the headers are set.
    pub recompute_route: Option<bool>,
    /// Where tokens stand; `Authorization: Bearer` and the parameter `access_token` unless given.
    pub extract_from: Option<JwtExtractor>,
}

/// Keys that are fetched.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteJwks {
    /// Where.
    pub uri: String,
    /// Who is asked; the host of the URI unless given.
    #[serde(default)]
    pub backend_refs: Vec<BackendObjectRef>,
    /// The singular, which the API refuses.
    pub backend_ref: Option<BackendObjectRef>,
    /// How they are asked: retries, timeouts and so on.
    pub backend_settings: Option<Value>,
    /// How long a set is good, 300 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub cache_duration: Option<Duration>,
    /// How soon a failed fetch is tried again, 1 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub failed_refetch_duration: Option<Duration>,
}

/// Keys that are written down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalJwks {
    /// Where.
    #[serde(rename = "type", default)]
    pub source: JwksSource,
    /// The set itself.
    pub inline: Option<String>,
    /// A ConfigMap of this namespace: its key `jwks`, else its first.
    pub value_ref: Option<LocalObjectRef>,
}

/// Where a key set is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum JwksSource {
    /// Here.
    #[default]
    Inline,
    /// In another object.
    ValueRef,
}

/// A claim that backends get as a header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimToHeader {
    /// The header.
    pub header: String,
    /// The claim; dots lead into objects.
    pub claim: String,
}

/// Where tokens stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtExtractor {
    /// Headers.
    #[serde(default)]
    pub headers: Vec<JwtHeader>,
    /// Cookies by name.
    #[serde(default)]
    pub cookies: Vec<String>,
    /// Query parameters by name.
    #[serde(default)]
    pub params: Vec<String>,
}

/// A header with a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtHeader {
    /// Its name.
    pub name: String,
    /// What comes before the token, such as `Bearer `.
    pub value_prefix: Option<String>,
}

/// A service that is asked about each request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuth {
    /// By gRPC (`envoy.service.auth.v3.Authorization`).
    pub grpc: Option<ExtAuthService>,
    /// By HTTP.
    pub http: Option<HttpExtAuth>,
    /// Headers that it gets.
    pub headers_to_ext_auth: Option<Vec<String>>,
    /// The body that it gets.
    pub body_to_ext_auth: Option<BodyToExtAuth>,
    /// How long it may take, 10 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub timeout: Option<Duration>,
    /// Whether requests pass where it does not answer.
    #[serde(default)]
    pub fail_open: bool,
    /// The status where it does not answer, 403 unless given.
    pub status_on_error: Option<u16>,
    /// Whether the route is chosen anew afterwards.
    #[serde(default)]
    pub recompute_route: bool,
    /// Whether a gRPC service gets the route's name and so on.
    #[serde(default)]
    pub include_route_metadata: bool,
    /// Facts that a gRPC service gets.
    #[serde(default)]
    pub context_extensions: Vec<ContextExtension>,
}

/// Who is asked by gRPC.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthService {
    /// The service; deprecated in favour of the list.
    pub backend_ref: Option<BackendObjectRef>,
    /// The service.
    #[serde(default)]
    pub backend_refs: Vec<BackendObjectRef>,
    /// How it is asked: retries, timeouts and so on.
    pub backend_settings: Option<Value>,
}

/// Who is asked by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpExtAuth {
    /// The service; deprecated in favour of the list.
    pub backend_ref: Option<BackendObjectRef>,
    /// The service.
    #[serde(default)]
    pub backend_refs: Vec<BackendObjectRef>,
    /// How it is asked: retries, timeouts and so on.
    pub backend_settings: Option<Value>,
    /// What comes before the request's own path.
    pub path: Option<String>,
    /// A path instead of the request's own.
    pub path_override: Option<String>,
    /// Headers of its answer that the backend gets.
    #[serde(default)]
    pub headers_to_backend: Vec<String>,
}

/// How much of the body is sent along.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BodyToExtAuth {
    /// At most this many bytes; a longer body is answered with 413.
    pub max_request_bytes: u32,
}

/// A fact for a gRPC service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextExtension {
    /// Its name.
    pub name: String,
    /// `Value` or `ValueRef`.
    #[serde(rename = "type")]
    pub source: Option<String>,
    /// The value.
    pub value: Option<String>,
    /// A key of a ConfigMap or Secret.
    pub value_ref: Option<ContextValueRef>,
}

/// A key of a ConfigMap or Secret of this namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextValueRef {
    /// API group; empty is core.
    #[serde(default)]
    pub group: String,
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The key.
    pub key: String,
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// The first that matches decides.
    #[serde(default)]
    pub rules: Vec<AuthorizationRule>,
    /// Where none matches; `Deny` unless given.
    pub default_action: Option<AuthorizationAction>,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AuthorizationAction {
    /// The request passes.
    Allow,
    /// It gets a 403.
    Deny,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationRule {
    /// Its name.
    pub name: Option<String>,
    /// What follows.
    pub action: AuthorizationAction,
    /// What is called.
    pub operation: Option<AuthorizationOperation>,
    /// Who calls.
    pub principal: Option<AuthorizationPrincipal>,
    /// An expression over the request.
    pub cel: Option<String>,
}

/// What is called: all parts have to hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationOperation {
    /// Any of these methods.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The path.
    pub path: Option<PolicyPathMatch>,
}

/// A path, or with `invert` every other one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "PolicyPathMatch")]
pub struct PolicyPathMatch {
    /// How it is compared.
    #[serde(rename = "type", default)]
    pub match_type: PolicyPathMatchType,
    /// With what.
    pub value: String,
    /// Holds for all others.
    #[serde(default)]
    pub invert: bool,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum PolicyPathMatchType {
    /// Byte for byte.
    Exact,
    /// By elements.
    #[default]
    PathPrefix,
    /// A regular expression for the whole of it.
    RegularExpression,
}

/// Who calls: all kinds that are given have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPrincipal {
    /// Any of these networks.
    #[serde(rename = "clientCIDRs", default)]
    pub client_cidrs: Vec<String>,
    /// A token.
    pub jwt: Option<JwtPrincipal>,
    /// All of these headers.
    #[serde(default)]
    pub headers: Vec<HeaderPrincipal>,
    /// Places on earth. Not read any further, since they are not served.
    #[serde(rename = "clientIPGeoLocations")]
    pub client_ip_geo_locations: Option<Value>,
}

/// What a token has to say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtPrincipal {
    /// Whose token.
    pub provider: String,
    /// All of these claims.
    #[serde(default)]
    pub claims: Vec<JwtClaim>,
    /// All of these scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A claim and its values, any of which will do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtClaim {
    /// The claim; dots lead into objects.
    pub name: String,
    /// Its type.
    #[serde(default)]
    pub value_type: JwtClaimType,
    /// Its values.
    pub values: Vec<String>,
}

/// The type of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum JwtClaimType {
    /// A text.
    #[default]
    String,
    /// A list of texts.
    StringArray,
}

/// A header and its values, any of which will do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderPrincipal {
    /// The header.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

// === impl SecurityPolicy ===

impl SecurityPolicy {
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
