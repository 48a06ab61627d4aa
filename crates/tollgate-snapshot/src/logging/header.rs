use http::{
    HeaderName,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE},
};

use super::error::FormatError;

/// `X?Y`: the first of these that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedHeaders {
    /// X
    pub first: LoggedHeader,
    /// Y
    pub second: Option<LoggedHeader>,
}

/// A header in a log. Some are no headers of HTTP, and some are known to the gateway better than to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedHeader {
    /// `:METHOD`
    Method,
    /// `:PATH`: path and query as the backend got them, or the client's where none did
    Path,
    /// `X-ENVOY-ORIGINAL-PATH`: the client's path and query, where the backend got others
    OriginalPath,
    /// `:AUTHORITY`
    Authority,
    /// `:SCHEME`
    Scheme,
    /// `X-REQUEST-ID`
    RequestId,
    /// `X-ENVOY-UPSTREAM-SERVICE-TIME`: until the head of the reply was there, in milliseconds
    ServiceTime,
    /// Any other
    Named(HeaderName),
    /// One that holds credentials: `***` where it is there
    Hidden(HeaderName),
}

/// Where a header is looked for.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Request,
    Response,
}

// === impl LoggedHeaders ===

impl LoggedHeaders {
    pub(super) fn parse(operator: &'static str, side: Side, text: &str) -> Result<Self, FormatError> {
        let wrong =
            || FormatError::Argument { operator, said: text.to_owned(), wanted: "HEADER or HEADER?OTHER" };
        let parse = |name: &str| LoggedHeader::parse(side, name).ok_or_else(wrong);
        match text.split_once('?') {
            Some((first, second)) => Ok(Self { first: parse(first)?, second: Some(parse(second)?) }),
            None => Ok(Self { first: parse(text)?, second: None }),
        }
    }

    /// In the order in which they are looked for.
    pub fn iter(&self) -> impl Iterator<Item = &LoggedHeader> {
        std::iter::once(&self.first).chain(&self.second)
    }

    pub(super) fn named(&self) -> impl Iterator<Item = &HeaderName> {
        self.iter().filter_map(|header| match header {
            LoggedHeader::Named(name) | LoggedHeader::Hidden(name) => Some(name),
            _ => None,
        })
    }

    pub(super) fn hidden(&self) -> impl Iterator<Item = &HeaderName> {
        self.iter().filter_map(|header| match header {
            LoggedHeader::Hidden(name) => Some(name),
            _ => None,
        })
    }
}

// === impl LoggedHeader ===

impl LoggedHeader {
    fn parse(side: Side, name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Some(match (side, lower.as_str()) {
            (Side::Request, ":method") => Self::Method,
            (Side::Request, ":path") => Self::Path,
            (Side::Request, "x-envoy-original-path") => Self::OriginalPath,
            (Side::Request, ":authority" | "host") => Self::Authority,
            (Side::Request, ":scheme") => Self::Scheme,
            (Side::Request, "x-request-id") => Self::RequestId,
            (Side::Response, "x-envoy-upstream-service-time") => Self::ServiceTime,
            (_, lower) => {
                let name = HeaderName::from_bytes(lower.as_bytes()).ok()?;
                if is_credential(&name) { Self::Hidden(name) } else { Self::Named(name) }
            }
        })
    }
}

/// Headers in which callers and providers send what nobody else may see.
#[must_use]
pub fn is_credential(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE].contains(name)
        || ["x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token"].contains(&name.as_str())
        // What clients bring for providers (`credentialOverride`), under its usual names and AWS's.
        || name.as_str().starts_with("x-aigw-")
        || ["-access-key-id", "-secret-access-key", "-session-token"]
            .iter()
            .any(|end| name.as_str().ends_with(end))
}
