use serde::Deserialize;

use super::common::HttpHeader;
use crate::quantity;

/// How the client's address is found: one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientIpDetection {
    /// From `x-forwarded-for`.
    pub x_forwarded_for: Option<XForwardedFor>,
    /// From another header.
    pub custom_header: Option<ClientIpHeader>,
    /// It is whoever opened the connection.
    #[serde(rename = "directSourceIP")]
    pub direct_source_ip: Option<Switch>,
}

/// Something that is on where it is given; it has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Switch {}

/// The client's address from `x-forwarded-for`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct XForwardedFor {
    /// It is that many entries from the right.
    pub num_trusted_hops: Option<u32>,
    /// It is the rightmost entry that is in none of these networks.
    #[serde(rename = "trustedCIDRs", default)]
    pub trusted_cidrs: Vec<String>,
    /// Whether the peer's address is not appended.
    #[serde(rename = "disableXForwardedForAppend", default)]
    pub disable_append: bool,
}

/// The client's address from a header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientIpHeader {
    /// The header.
    pub name: String,
    /// Whether a request without an address there gets a 403.
    #[serde(default)]
    pub fail_closed: bool,
}

/// How paths are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathSettings {
    /// `%2F` and `%5C`.
    #[serde(default)]
    pub escaped_slashes_action: EscapedSlashesAction,
    /// Whether `//` stays.
    #[serde(default)]
    pub disable_merge_slashes: bool,
}

/// What becomes of escaped slashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum EscapedSlashesAction {
    /// They stay.
    KeepUnchanged,
    /// 400.
    RejectRequest,
    /// They become slashes.
    UnescapeAndForward,
    /// A redirect (307) to the path with slashes.
    #[default]
    UnescapeAndRedirect,
}

/// How headers are read and written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSettings {
    /// Whether `x-envoy-` headers are written.
    #[serde(default)]
    pub enable_envoy_headers: bool,
    /// Whether `x-ratelimit-` headers are not written.
    #[serde(default)]
    pub disable_rate_limit_headers: bool,
    /// `x-forwarded-client-cert`.
    pub x_forwarded_client_cert: Option<XForwardedClientCert>,
    /// Names with an underscore.
    #[serde(default)]
    pub with_underscores_action: UnderscoresAction,
    /// Whether the client's `x-request-id` is kept; deprecated in favour of `requestID`.
    #[serde(rename = "preserveXRequestID")]
    pub preserve_x_request_id: Option<bool>,
    /// `x-request-id`; `Generate` unless given.
    #[serde(rename = "requestID")]
    pub request_id: Option<RequestIdAction>,
    /// Changes to requests before the route is looked for.
    pub early_request_headers: Option<HeaderFilter>,
    /// Changes to replies after everything else.
    pub late_response_headers: Option<HeaderFilter>,
    /// The host.
    pub host: Option<HostSettings>,
    /// Bytes of a request's head, 60 KiB unless given.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub max_request_header_limit: Option<u64>,
}

/// `x-forwarded-client-cert`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct XForwardedClientCert {
    /// What becomes of it.
    #[serde(default)]
    pub mode: ForwardedCertMode,
    /// What is told of the client's certificate beside its hash.
    #[serde(default)]
    pub cert_details_to_add: Vec<CertDetail>,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ForwardedCertMode {
    /// It is dropped.
    #[default]
    Sanitize,
    /// It passes where the client showed a certificate.
    ForwardOnly,
    /// As before, and the client's own is appended.
    AppendForward,
    /// It is replaced by the client's own.
    SanitizeSet,
    /// It passes whoever sent it.
    AlwaysForwardOnly,
}

/// What is told of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum CertDetail {
    /// Its subject.
    Subject,
    /// All of it.
    Cert,
    /// All of its chain.
    Chain,
    /// Its DNS names.
    #[serde(rename = "DNS")]
    Dns,
    /// Its URI.
    #[serde(rename = "URI")]
    Uri,
}

/// What becomes of names with an underscore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum UnderscoresAction {
    /// They stay.
    Allow,
    /// 400.
    #[default]
    RejectRequest,
    /// Those headers are dropped.
    DropHeader,
}

/// Where a request's id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RequestIdAction {
    /// The client's, or else ours.
    PreserveOrGenerate,
    /// The client's, or none.
    Preserve,
    /// Ours.
    Generate,
    /// It is neither read nor written.
    Disable,
}

/// Changes to headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderFilter {
    /// Headers that are overwritten or added.
    #[serde(default)]
    pub set: Vec<HttpHeader>,
    /// Headers that are added beside those of that name.
    #[serde(default)]
    pub add: Vec<HttpHeader>,
    /// Headers that are added where there is none of that name.
    #[serde(default)]
    pub add_if_absent: Vec<HttpHeader>,
    /// Headers that are removed.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Headers that are removed where a pattern fits their name.
    #[serde(default)]
    pub remove_on_match: Vec<StringMatch>,
}

/// A text, or a pattern of texts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StringMatch {
    /// How it is compared.
    #[serde(rename = "type", default)]
    pub match_type: StringMatchType,
    /// With what.
    pub value: String,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum StringMatchType {
    /// Byte for byte.
    #[default]
    Exact,
    /// By their beginning.
    Prefix,
    /// By their end.
    Suffix,
    /// A regular expression for the whole.
    RegularExpression,
}

/// How a request's host is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostSettings {
    /// Whether `a.example.` means `a.example`.
    #[serde(default)]
    pub strip_trailing_host_dot: bool,
}
