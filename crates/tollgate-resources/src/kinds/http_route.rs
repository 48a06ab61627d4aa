use std::time::Duration;

use serde::Deserialize;

use super::common::{BackendObjectRef, HeaderMatch, HttpHeader, LocalObjectRef, MatchType, ParentRef};
use crate::formats;

/// `gateway.networking.k8s.io` `HTTPRoute`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Gateways it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// Hosts it serves; those of the listener unless given.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules; one that matches everything unless given.
    #[serde(default = "one_rule")]
    pub rules: Vec<HttpRouteRule>,
    /// Attaches to default Gateways too.
    pub use_default_gateways: Option<String>,
}

/// A rule of an HTTPRoute.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// For policies and people.
    pub name: Option<String>,
    /// One of these has to match; everything matches unless given.
    #[serde(default = "one_match")]
    pub matches: Vec<HttpRouteMatch>,
    /// What is done with a request and its reply.
    #[serde(default)]
    pub filters: Vec<HttpRouteRuleFilter>,
    /// Where requests go, by weight.
    #[serde(default)]
    pub backend_refs: Vec<HttpBackendRef>,
    /// Deadlines.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// Retries.
    pub retry: Option<HttpRouteRetry>,
    /// Stickiness (experimental in Gateway API).
    pub session_persistence: Option<serde_json::Value>,
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// On the path; everything below `/` unless given.
    #[serde(default)]
    pub path: PathMatch,
    /// On headers.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
    /// On query parameters.
    #[serde(default)]
    pub query_params: Vec<QueryParamMatch>,
    /// On the method.
    pub method: Option<HttpMethod>,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// How.
    #[serde(rename = "type", default)]
    pub match_type: PathMatchType,
    /// Path, prefix or pattern; `/` unless given.
    #[serde(default = "root_path")]
    pub value: String,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum PathMatchType {
    /// Byte for byte.
    Exact,
    /// Element by element from the start.
    #[default]
    PathPrefix,
    /// A regular expression that has to match the whole path.
    RegularExpression,
}

/// A query parameter that a request has to carry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryParamMatch {
    /// How the value is compared.
    #[serde(rename = "type", default)]
    pub match_type: MatchType,
    /// Name, case-sensitive.
    pub name: String,
    /// Value or pattern.
    pub value: String,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words of HTTP (RFC 9110, 9.1)")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

/// What is done with a request or its reply. The member that `filter_type` names is there: validation saw to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRuleFilter {
    /// Which.
    #[serde(rename = "type")]
    pub filter_type: HttpRouteFilterType,
    /// Changes to the request's headers.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Changes to the reply's headers.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A copy of the request to somewhere else.
    pub request_mirror: Option<RequestMirror>,
    /// An answer with a redirect.
    pub request_redirect: Option<RequestRedirect>,
    /// Changes to the request's host and path.
    pub url_rewrite: Option<UrlRewrite>,
    /// Cross-origin rules.
    pub cors: Option<Cors>,
    /// External authorization (experimental in Gateway API).
    pub external_auth: Option<serde_json::Value>,
    /// An implementation's own filter, for example an HTTPRouteFilter.
    pub extension_ref: Option<LocalObjectRef>,
}

/// Kinds of filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum HttpRouteFilterType {
    /// `requestHeaderModifier`
    RequestHeaderModifier,
    /// `responseHeaderModifier`
    ResponseHeaderModifier,
    /// `requestMirror`
    RequestMirror,
    /// `requestRedirect`
    RequestRedirect,
    /// `urlRewrite`
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    /// `cors`
    #[serde(rename = "CORS")]
    Cors,
    /// `externalAuth`
    ExternalAuth,
    /// `extensionRef`
    ExtensionRef,
}

/// Changes to headers, in this order: set, add, remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderModifier {
    /// Overwrites or adds.
    #[serde(default)]
    pub set: Vec<HttpHeader>,
    /// Adds another value.
    #[serde(default)]
    pub add: Vec<HttpHeader>,
    /// Removes.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A copy of the request to somewhere else, whose reply is thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// Where.
    pub backend_ref: BackendObjectRef,
    /// How many of a hundred requests; all unless given.
    pub percent: Option<u32>,
    /// Which share of the requests.
    pub fraction: Option<Fraction>,
}

/// A share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fraction {
    /// So many …
    pub numerator: u32,
    /// … of so many; 100 unless given.
    #[serde(default = "hundred")]
    pub denominator: u32,
}

/// An answer with a redirect; what is not given stays as in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http` or `https`.
    pub scheme: Option<RedirectScheme>,
    /// Host.
    pub hostname: Option<String>,
    /// Path.
    pub path: Option<PathModifier>,
    /// Port.
    pub port: Option<u16>,
    /// 302 unless given.
    pub status_code: Option<u16>,
}

/// The scheme of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedirectScheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// Changes to the request's host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlRewrite {
    /// New host.
    pub hostname: Option<String>,
    /// New path.
    pub path: Option<PathModifier>,
}

/// A new path. The member that `modifier_type` names is there: validation saw to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathModifier {
    /// Which.
    #[serde(rename = "type")]
    pub modifier_type: PathModifierType,
    /// In place of the whole path.
    pub replace_full_path: Option<String>,
    /// In place of the matched prefix.
    pub replace_prefix_match: Option<String>,
}

/// Kinds of path change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PathModifierType {
    /// `replaceFullPath`
    ReplaceFullPath,
    /// `replacePrefixMatch`
    ReplacePrefixMatch,
}

/// Cross-origin rules (Fetch standard, CORS protocol).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Origins, `*` for any.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// With cookies and credentials.
    pub allow_credentials: Option<bool>,
    /// Methods, `*` for any.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Request headers, `*` for any.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Reply headers that scripts may read.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// Seconds for which a preflight answer may be kept.
    #[serde(default = "five")]
    pub max_age: u32,
}

/// Where requests go, and with which share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpBackendRef {
    /// API group; empty is core.
    #[serde(default)]
    pub group: String,
    /// Kind, `Service` unless given.
    #[serde(default = "service_kind")]
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; the route's own unless given.
    pub namespace: Option<String>,
    /// Port; a core Service needs one.
    pub port: Option<u16>,
    /// Share among its siblings; 0 gets nothing.
    #[serde(default = "one")]
    pub weight: u32,
    /// What is done with requests that go here.
    #[serde(default)]
    pub filters: Vec<HttpRouteRuleFilter>,
}

/// Deadlines; zero means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "HttpRouteTimeouts")]
pub struct HttpRouteTimeouts {
    /// For the whole request, retries included.
    #[serde(default, deserialize_with = "formats::duration")]
    #[schemars(with = "Option<String>")]
    pub request: Option<Duration>,
    /// For one attempt.
    #[serde(default, deserialize_with = "formats::duration")]
    #[schemars(with = "Option<String>")]
    pub backend_request: Option<Duration>,
}

/// Retries (experimental in Gateway API).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRetry {
    /// Status codes after which to try again.
    #[serde(default)]
    pub codes: Vec<u16>,
    /// Retries beside the first attempt.
    pub attempts: Option<u32>,
    /// The shortest wait between attempts.
    #[serde(default, deserialize_with = "formats::duration")]
    pub backoff: Option<Duration>,
}

fn one_rule() -> Vec<HttpRouteRule> {
    vec![HttpRouteRule {
        name: None,
        matches: one_match(),
        filters: Vec::new(),
        backend_refs: Vec::new(),
        timeouts: None,
        retry: None,
        session_persistence: None,
    }]
}

fn one_match() -> Vec<HttpRouteMatch> {
    vec![HttpRouteMatch::default()]
}

fn root_path() -> String {
    "/".to_owned()
}

fn service_kind() -> String {
    "Service".to_owned()
}

fn one() -> u32 {
    1
}

fn five() -> u32 {
    5
}

fn hundred() -> u32 {
    100
}

// === impl PathMatch ===

impl Default for PathMatch {
    fn default() -> Self {
        Self { match_type: PathMatchType::PathPrefix, value: root_path() }
    }
}

// === impl HttpBackendRef ===

impl HttpBackendRef {
    /// The reference without weight and filters.
    #[must_use]
    pub fn object(&self) -> BackendObjectRef {
        let Self { group, kind, name, namespace, port, weight: _, filters: _ } = self.clone();
        BackendObjectRef { group, kind, name, namespace, port }
    }
}
