use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use regex::Regex;

use crate::{Backend, Problem};

/// One filter of a rule. Filters are data; applying them is a `match` in the core.
#[derive(Clone, Debug)]
pub enum Filter {
    /// `RequestHeaderModifier`, and header mutation of `HTTPRouteFilter`
    RequestHeaders(HeaderEdit),
    /// A header that the request gets unless the client sent it (`credentialInjection` without `overwrite`)
    DefaultHeader(HeaderName, HeaderValue),
    /// `ResponseHeaderModifier`
    ResponseHeaders(HeaderEdit),
    /// `URLRewrite`
    Rewrite(UrlRewrite),
    /// `RequestMirror`
    Mirror(Mirror),
}

/// Header changes: set replaces, add appends, remove deletes; remove comes first, then set, then add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeaderEdit {
    /// Replaced or inserted.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Appended.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Deleted.
    pub remove: Vec<HeaderName>,
}

/// A redirect (Gateway API `HTTPRequestRedirectFilter`). What is `None` stays as the client had it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// `http` or `https`
    pub scheme: Option<Box<str>>,
    /// Host without port
    pub hostname: Option<Box<str>>,
    /// The path
    pub path: Option<PathRewrite>,
    /// The port; without one it follows the scheme, or else the listener
    pub port: Option<u16>,
    /// 301, 302, 303, 307 or 308
    pub status: StatusCode,
}

/// Changes to where a request goes.
#[derive(Clone, Debug)]
pub struct UrlRewrite {
    /// The `host` header
    pub host: Option<HostRewrite>,
    /// The path
    pub path: Option<PathRewrite>,
    /// `x-forwarded-host`, where the host changes
    pub forwarded: ForwardedHost,
}

/// What becomes of `x-forwarded-host` where the host changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHost {
    /// The host that the client asked for is appended
    Append,
    /// It stays as it is
    Leave,
}

/// What becomes of the `host` header.
#[derive(Clone, Debug)]
pub enum HostRewrite {
    /// This name
    To(HeaderValue),
    /// The value of another header
    FromHeader(HeaderName),
    /// The name of the endpoint that is asked
    Backend,
}

/// What becomes of the path; the query stays.
#[derive(Clone, Debug)]
pub enum PathRewrite {
    /// All of it
    Full(Box<str>),
    /// The prefix that matched
    Prefix {
        /// What matched, without a slash at its end.
        matched: Box<str>,
        /// What takes its place.
        with: Box<str>,
    },
    /// Every match of a pattern; `\1` in the substitution is its first group
    Regex {
        /// What to look for.
        pattern: Regex,
        /// What takes its place, in the `regex` crate's `$1` notation.
        with: Box<str>,
    },
}

/// A copy of the request that nobody waits for.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Where the copy goes.
    pub backend: Result<Arc<Backend>, Arc<Problem>>,
    /// How many requests of a million are copied.
    pub per_million: u32,
}

/// A fixed reply.
#[derive(Clone, Debug)]
pub struct DirectResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, `content-type` included.
    pub headers: HeaderEdit,
    /// Its body.
    pub body: Bytes,
}

// === impl HeaderEdit ===

impl HeaderEdit {
    /// True where there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Changes the headers.
    pub fn apply(&self, headers: &mut http::HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

// === impl PathRewrite ===

impl PartialEq for PathRewrite {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl Eq for PathRewrite {}

impl std::hash::Hash for PathRewrite {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.words().hash(state);
    }
}

impl PathRewrite {
    /// What it is made of, for comparing: a pattern is what it was written as.
    fn words(&self) -> (u8, &str, &str) {
        match self {
            Self::Full(with) => (0, "", with),
            Self::Prefix { matched, with } => (1, matched, with),
            Self::Regex { pattern, with } => (2, pattern.as_str(), with),
        }
    }

    /// The new path for `path`, which has no query.
    #[must_use]
    pub fn apply(&self, path: &str) -> String {
        match self {
            Self::Full(with) => with.to_string(),
            Self::Prefix { matched, with } => {
                let rest = path.strip_prefix(&**matched).unwrap_or(path);
                let joined = format!("{}/{}", with.trim_end_matches('/'), rest.trim_start_matches('/'));
                // `/foo` with `/foo` → `/bar` gives `/bar`, and → `/` gives `/` (Gateway API, ReplacePrefixMatch).
                match rest.is_empty() && joined.len() > 1 {
                    true => joined[..joined.len() - 1].to_owned(),
                    false => joined,
                }
            }
            Self::Regex { pattern, with } => pattern.replace_all(path, &**with).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_replacement_follows_the_table_of_the_gateway_api() {
        let cases = [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "/", "/bar"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/a", "", "/b", "/b/a"),
        ];
        for (path, matched, with, want) in cases {
            let rewrite = PathRewrite::Prefix { matched: matched.into(), with: with.into() };
            assert_eq!(rewrite.apply(path), want, "{path}: {matched} -> {with}");
        }
    }
}
