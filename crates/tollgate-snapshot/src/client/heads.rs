use http::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;

use crate::HeaderEdit;

/// Rules for request and response heads.
#[derive(Clone, Debug)]
pub struct HeadRules {
    /// `%2F` and `%5C` in paths.
    pub escaped_slashes: EscapedSlashes,
    /// `//` in a path means `/`.
    pub merge_slashes: bool,
    /// Header names with an underscore.
    pub underscores: Underscores,
    /// `x-request-id`.
    pub request_ids: RequestIds,
    /// `host: a.example.` means `a.example`.
    pub strip_trailing_dot: bool,
    /// HTTP/1.0.
    pub http10: Http10,
    /// Bytes of a request head; more is a 431. `None` is the host's own.
    pub max_bytes: Option<u32>,
    /// The peer's address is appended to `x-forwarded-for`.
    pub append_forwarded_for: bool,
    /// `x-forwarded-client-cert`.
    pub certificate: ForwardedCertificate,
    /// Changes to request headers before the route is looked for.
    pub early: ClientHeaderEdit,
    /// Changes to response headers after everything else.
    pub late: ClientHeaderEdit,
    /// `x-envoy-*` headers of our own are sent.
    pub envoy_headers: bool,
    /// `x-ratelimit-*` headers of our own are sent.
    pub rate_limit_headers: bool,
}

/// What becomes of escaped slashes and backslashes in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// They stay: routes and backends see them as they came
    #[default]
    Keep,
    /// 400
    Reject,
    /// They become slashes
    Unescape,
    /// A redirect (307) to the path with slashes; gRPC gets a 400
    Redirect,
}

/// What becomes of header names with an underscore, which some backends cannot tell from a hyphen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They stay
    #[default]
    Allow,
    /// 400
    Reject,
    /// Those headers are dropped
    Drop,
}

/// Where a request's id comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestIds {
    /// The client's, or else ours
    #[default]
    PreserveOrGenerate,
    /// The client's, or none is sent to the backend
    Preserve,
    /// Always ours
    Generate,
    /// Ours for logs; what the client sent is passed on untouched and not read
    Disable,
}

/// Whether HTTP/1.0 is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Http10 {
    /// Yes
    #[default]
    Accept,
    /// Yes; a request without a host is for this one
    DefaultHost(HeaderValue),
    /// 426
    Refuse,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedCertificate {
    /// It is dropped
    #[default]
    Sanitize,
    /// It passes where the client showed a certificate, and is dropped elsewhere
    ForwardOnly,
    /// As `ForwardOnly`, and the client's own certificate is appended
    AppendForward(CertificateDetails),
    /// It is replaced by the client's own certificate
    SanitizeSet(CertificateDetails),
    /// It passes whoever sent it
    AlwaysForward,
}

/// What is told of a certificate beside its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of five, each on its own")]
pub struct CertificateDetails {
    /// Its subject (RFC 2253).
    pub subject: bool,
    /// All of it, PEM.
    pub certificate: bool,
    /// Its chain, PEM.
    pub chain: bool,
    /// Its DNS names.
    pub dns: bool,
    /// Its URI.
    pub uri: bool,
}

/// Header changes of a client policy: removals first, then `set`, `add`, and what is still absent.
#[derive(Clone, Debug, Default)]
pub struct ClientHeaderEdit {
    /// `set`, `add` and `remove`.
    pub edit: HeaderEdit,
    /// Inserted where no header of that name is there.
    pub add_if_absent: Vec<(HeaderName, HeaderValue)>,
    /// Headers whose name matches any of these are deleted.
    pub remove_matching: Vec<NameMatch>,
}

/// A pattern of header names, in lower case.
#[derive(Clone, Debug)]
pub enum NameMatch {
    /// This name
    Exact(Box<str>),
    /// Names that begin so
    Prefix(Box<str>),
    /// Names that end so
    Suffix(Box<str>),
    /// Names that match as a whole; compile puts the anchors around
    Regex(Regex),
}

// === impl HeadRules ===

impl HeadRules {
    /// Where an Envoy Gateway policy that says nothing stands.
    #[must_use]
    pub fn envoy_gateway() -> Self {
        Self {
            escaped_slashes: EscapedSlashes::Redirect,
            underscores: Underscores::Reject,
            request_ids: RequestIds::Generate,
            http10: Http10::Refuse,
            ..Self::default()
        }
    }
}

impl Default for HeadRules {
    fn default() -> Self {
        Self {
            escaped_slashes: EscapedSlashes::default(),
            merge_slashes: true,
            underscores: Underscores::default(),
            request_ids: RequestIds::default(),
            strip_trailing_dot: false,
            http10: Http10::default(),
            max_bytes: None,
            append_forwarded_for: true,
            certificate: ForwardedCertificate::default(),
            early: ClientHeaderEdit::default(),
            late: ClientHeaderEdit::default(),
            envoy_headers: false,
            rate_limit_headers: true,
        }
    }
}

// === impl ClientHeaderEdit ===

impl ClientHeaderEdit {
    /// True where there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edit.is_empty() && self.add_if_absent.is_empty() && self.remove_matching.is_empty()
    }

    /// Changes the headers.
    pub fn apply(&self, headers: &mut HeaderMap) {
        if !self.remove_matching.is_empty() {
            let matching = |name: &&HeaderName| self.remove_matching.iter().any(|m| m.matches(name.as_str()));
            let gone: Vec<HeaderName> = headers.keys().filter(matching).cloned().collect();
            for name in &gone {
                headers.remove(name);
            }
        }
        self.edit.apply(headers);
        for (name, value) in &self.add_if_absent {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
}

// === impl NameMatch ===

impl NameMatch {
    /// True where the name (lower case) is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == &**exact,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
            Self::Suffix(suffix) => name.ends_with(&**suffix),
            Self::Regex(pattern) => pattern.is_match(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_removes_then_sets_then_fills_up() {
        let pair = |name: &'static str, value: &'static str| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let edit = ClientHeaderEdit {
            edit: HeaderEdit {
                set: vec![pair("x-set", "new")],
                add: vec![pair("x-more", "2")],
                remove: vec![HeaderName::from_static("x-gone")],
            },
            add_if_absent: vec![pair("x-more", "3"), pair("x-tenant", "none")],
            remove_matching: vec![NameMatch::Prefix("x-tenant".into()), NameMatch::Suffix("-secret".into())],
        };
        let mut headers: HeaderMap = [
            pair("x-set", "old"),
            pair("x-more", "1"),
            pair("x-gone", "1"),
            pair("x-tenant", "forged"),
            pair("a-secret", "1"),
            pair("x-kept", "1"),
        ]
        .into_iter()
        .collect();
        edit.apply(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap_or(""))).collect();
        left.sort_unstable();
        let want =
            [("x-kept", "1"), ("x-more", "1"), ("x-more", "2"), ("x-set", "new"), ("x-tenant", "none")];
        assert_eq!(left, want);
    }
}
