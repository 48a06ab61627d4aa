use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    common::{LocalObjectRef, MatchType, SecretRef},
    http_route::HeaderModifier,
};

/// `gateway.envoyproxy.io` `Backend`: hosts outside the cluster, or beside the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Where its addresses come from.
    #[serde(rename = "type", default)]
    pub backend_type: BackendType,
    /// Its hosts, all alike.
    #[serde(default)]
    pub endpoints: Vec<BackendEndpoint>,
    /// What it speaks beside HTTP/1.1.
    #[serde(default)]
    pub app_protocols: Vec<BackendAppProtocol>,
    /// Used only when the others are in trouble.
    #[serde(default)]
    pub fallback: bool,
    /// TLS towards it; plain text unless given here or by a BackendTLSPolicy.
    pub tls: Option<BackendTls>,
}

/// Where a Backend's addresses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum BackendType {
    /// Its endpoints.
    #[default]
    Endpoints,
    /// The request's own host.
    DynamicResolver,
}

/// One host of a Backend: exactly one of `fqdn`, `ip`, `unix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendEndpoint {
    /// By name.
    pub fqdn: Option<FqdnEndpoint>,
    /// By address.
    pub ip: Option<IpEndpoint>,
    /// By socket.
    pub unix: Option<UnixEndpoint>,
    /// The name for SNI, health checks and host rewrites.
    pub hostname: Option<String>,
    /// Locality.
    pub zone: Option<String>,
}

/// A host by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FqdnEndpoint {
    /// The name.
    pub hostname: String,
    /// The port.
    pub port: u16,
}

/// A host by address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpEndpoint {
    /// IPv4 or IPv6.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// A Unix domain socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnixEndpoint {
    /// Its path.
    pub path: String,
}

/// What a Backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum BackendAppProtocol {
    /// HTTP/2 without TLS.
    #[serde(rename = "gateway.envoyproxy.io/h2c")]
    H2c,
    /// WebSocket.
    #[serde(rename = "gateway.envoyproxy.io/ws")]
    Ws,
    /// WebSocket over TLS.
    #[serde(rename = "gateway.envoyproxy.io/wss")]
    Wss,
}

/// TLS towards a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTls {
    /// Authorities: ConfigMap, Secret or ClusterTrustBundle, key `ca.crt`.
    #[serde(default)]
    pub ca_certificate_refs: Vec<LocalObjectRef>,
    /// The system's authorities.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<WellKnownCaCertificates>,
    /// Takes any certificate.
    #[serde(default)]
    pub insecure_skip_verify: bool,
    /// The name asked for.
    pub sni: Option<String>,
    /// The name asked for is the endpoint's own.
    #[serde(default, rename = "autoSNIFromEndpointHostname")]
    pub auto_sni_from_endpoint_hostname: bool,
    /// The certificate to show.
    pub client_certificate_ref: Option<SecretRef>,
    /// Oldest version, 1.2 unless given.
    pub min_version: Option<TlsVersion>,
    /// Newest version, 1.3 unless given.
    pub max_version: Option<TlsVersion>,
    /// Cipher suites.
    #[serde(default)]
    pub ciphers: Vec<String>,
    /// Curves.
    #[serde(default)]
    pub ecdh_curves: Vec<String>,
    /// Signature algorithms.
    #[serde(default)]
    pub signature_algorithms: Vec<String>,
    /// Application protocols to offer.
    #[serde(default)]
    pub alpn_protocols: Vec<String>,
}

/// Authorities that need no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum WellKnownCaCertificates {
    /// Those of the system.
    System,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// The default.
    Auto,
    /// 1.0
    #[serde(rename = "1.0")]
    V1_0,
    /// 1.1
    #[serde(rename = "1.1")]
    V1_1,
    /// 1.2
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3
    #[serde(rename = "1.3")]
    V1_3,
}

/// `gateway.networking.k8s.io` `BackendTLSPolicy`: how to speak TLS to Services and Backends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsPolicy {
    /// To what it applies.
    pub target_refs: Vec<PolicyTargetRef>,
    /// What the certificate has to be.
    pub validation: BackendTlsValidation,
    /// An implementation's own settings.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// To what a policy applies, in its own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTargetRef {
    /// API group; empty is core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// A part of it, for example a Service's port by name.
    pub section_name: Option<String>,
}

/// What a backend's certificate has to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsValidation {
    /// Authorities: ConfigMap, Secret or ClusterTrustBundle, key `ca.crt`.
    #[serde(default)]
    pub ca_certificate_refs: Vec<LocalObjectRef>,
    /// The system's authorities.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<WellKnownCaCertificates>,
    /// SNI, and the name on the certificate unless alternatives are given.
    pub hostname: String,
    /// Names that the certificate may bear instead.
    #[serde(default)]
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// A name on a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectAltName {
    /// Which.
    #[serde(rename = "type")]
    pub name_type: SubjectAltNameType,
    /// A host name.
    pub hostname: Option<String>,
    /// A URI.
    pub uri: Option<String>,
}

/// Kinds of name on a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SubjectAltNameType {
    /// `hostname`
    Hostname,
    /// `uri`
    #[serde(rename = "URI")]
    Uri,
}

/// `gateway.envoyproxy.io` `HTTPRouteFilter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteFilter {
    /// Changes to the request's host and path.
    pub url_rewrite: Option<FilterUrlRewrite>,
    /// An answer without a backend.
    pub direct_response: Option<DirectResponse>,
    /// A credential for the backend.
    pub credential_injection: Option<CredentialInjection>,
    /// Further conditions on the request, one of which has to hold.
    #[serde(default)]
    pub matches: Vec<FilterMatch>,
}

/// Changes to the request's host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterUrlRewrite {
    /// New host.
    pub hostname: Option<HostnameModifier>,
    /// New path.
    pub path: Option<FilterPathModifier>,
    /// Keeps the old host in `x-forwarded-host`.
    #[serde(default = "yes")]
    pub append_x_forwarded_host: bool,
}

/// A new host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostnameModifier {
    /// Where it comes from.
    #[serde(rename = "type")]
    pub modifier_type: HostnameModifierType,
    /// The header, for `Header`.
    pub header: Option<String>,
    /// The pattern, for `PathRegex`.
    pub path_regex: Option<ReplaceRegex>,
}

/// Where a new host comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum HostnameModifierType {
    /// A request header.
    Header,
    /// The endpoint's DNS name.
    Backend,
    /// A pattern over the path.
    PathRegex,
}

/// A new path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterPathModifier {
    /// Which.
    #[serde(rename = "type")]
    pub modifier_type: FilterPathModifierType,
    /// The pattern.
    pub replace_regex_match: Option<ReplaceRegex>,
}

/// Kinds of path change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum FilterPathModifierType {
    /// `replaceRegexMatch`
    ReplaceRegexMatch,
}

/// A pattern and what takes the place of its matches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceRegex {
    /// RE2 syntax.
    pub pattern: String,
    /// `\1` … are the pattern's groups.
    pub substitution: String,
}

/// An answer without a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectResponse {
    /// 200 unless given.
    pub status_code: Option<u16>,
    /// `content-type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Option<DirectResponseBody>,
    /// Headers to set and add.
    pub header: Option<HeaderModifier>,
}

/// The body of a direct answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectResponseBody {
    /// Where it stands.
    #[serde(rename = "type", default)]
    pub body_type: ValueSource,
    /// Here.
    pub inline: Option<String>,
    /// In a ConfigMap, key `response.body`.
    pub value_ref: Option<LocalObjectRef>,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ValueSource {
    /// Here.
    #[default]
    Inline,
    /// In another object.
    ValueRef,
}

/// A credential for the backend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialInjection {
    /// `Authorization` unless given.
    pub header: Option<String>,
    /// Replaces what the client sent.
    #[serde(default)]
    pub overwrite: bool,
    /// Where it stands.
    pub credential: InjectedCredential,
}

/// Where an injected credential stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InjectedCredential {
    /// In a Secret, key `credential`.
    pub value_ref: SecretRef,
}

/// Further conditions on a request, all of which have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterMatch {
    /// On cookies.
    #[serde(default)]
    pub cookies: Vec<CookieMatch>,
}

/// A cookie that a request has to carry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CookieMatch {
    /// How the value is compared.
    #[serde(rename = "type", default)]
    pub match_type: MatchType,
    /// Name.
    pub name: String,
    /// Value or pattern.
    pub value: String,
}

fn yes() -> bool {
    true
}
