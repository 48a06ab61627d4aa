//! How matchers, filters and places read to people, in `explain`, `/config` and golden files. No secrets.
use std::{fmt, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{
    Address, AddressHost, Cost, CostKind, Filter, ForwardedHost, HeaderEdit, HeaderMatch, HostRewrite,
    Matcher, ModelMatch, PathMatch, PathRewrite, QueryMatch, Redirect, Retry, RetryScope, TextMatch,
    Timeouts, Upstream, UrlRewrite,
};

/// A pattern as its author wrote it, without the anchors that compile put around it.
pub(crate) fn unanchored(pattern: &str) -> &str {
    pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern)
}

/// `1500ms`, `90s`, or `none` for no limit.
pub(crate) fn limit(duration: Option<Duration>) -> String {
    match duration {
        None => "none".to_owned(),
        Some(duration) if duration.subsec_millis() == 0 => format!("{}s", duration.as_secs()),
        Some(duration) => format!("{}ms", duration.as_millis()),
    }
}

fn pairs(f: &mut fmt::Formatter<'_>, verb: &str, headers: &[(HeaderName, HeaderValue)]) -> fmt::Result {
    for (name, value) in headers {
        match value.is_sensitive() {
            true => write!(f, " {verb} {name}: (secret)")?,
            false => write!(f, " {verb} {name}: {}", String::from_utf8_lossy(value.as_bytes()))?,
        }
    }
    Ok(())
}

// === impl Matcher ===

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path {}", self.path)?;
        if let Some(method) = &self.method {
            write!(f, ", method {method}")?;
        }
        for header in &self.headers {
            write!(f, ", header {header}")?;
        }
        for query in &self.query {
            write!(f, ", query {query}")?;
        }
        match &self.model {
            Some(model) => write!(f, ", model {model}"),
            None => Ok(()),
        }
    }
}

// === impl PathMatch ===

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "= {path}"),
            Self::Prefix(path) => write!(f, "{path}/*"),
            Self::Regex(pattern) => write!(f, "~ {}", unanchored(pattern.as_str())),
        }
    }
}

// === impl TextMatch ===

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "= {text}"),
            Self::Regex(pattern) => write!(f, "~ {}", unanchored(pattern.as_str())),
        }
    }
}

// === impl HeaderMatch ===

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.value)
    }
}

// === impl QueryMatch ===

impl fmt::Display for QueryMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.value)
    }
}

// === impl ModelMatch ===

impl fmt::Display for ModelMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(model) => write!(f, "= {model}"),
            Self::Regex(pattern) => write!(f, "~ {}", unanchored(pattern.as_str())),
        }
    }
}

// === impl HeaderEdit ===

impl fmt::Display for HeaderEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.remove {
            write!(f, " remove {name}")?;
        }
        pairs(f, "set", &self.set)?;
        pairs(f, "add", &self.add)
    }
}

// === impl Filter ===

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestHeaders(edit) => write!(f, "request headers:{edit}"),
            Self::DefaultHeader(name, value) => {
                write!(f, "request headers, where missing:")?;
                pairs(f, "set", &[(name.clone(), value.clone())])
            }
            Self::ResponseHeaders(edit) => write!(f, "response headers:{edit}"),
            Self::Rewrite(rewrite) => write!(f, "rewrite:{rewrite}"),
            Self::Mirror(mirror) => {
                match &mirror.backend {
                    Ok(backend) => write!(f, "mirror: {}", backend.id)?,
                    Err(problem) => write!(f, "mirror: broken: {problem}")?,
                }
                write!(f, " ({} of a million)", mirror.per_million)
            }
        }
    }
}

// === impl Redirect ===

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if let Some(scheme) = &self.scheme {
            write!(f, " scheme {scheme}")?;
        }
        if let Some(hostname) = &self.hostname {
            write!(f, " host {hostname}")?;
        }
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        match &self.path {
            Some(path) => write!(f, " path {path}"),
            None => Ok(()),
        }
    }
}

// === impl UrlRewrite ===

impl fmt::Display for UrlRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(HostRewrite::To(name)) => write!(f, " host {}", String::from_utf8_lossy(name.as_bytes()))?,
            Some(HostRewrite::FromHeader(name)) => write!(f, " host from header {name}")?,
            Some(HostRewrite::Backend) => write!(f, " host of the backend")?,
            None => {}
        }
        if let (Some(_), ForwardedHost::Leave) = (&self.host, self.forwarded) {
            write!(f, " without x-forwarded-host")?;
        }
        match &self.path {
            Some(path) => write!(f, " path {path}"),
            None => Ok(()),
        }
    }
}

// === impl PathRewrite ===

impl fmt::Display for PathRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(path) => write!(f, "{path}"),
            Self::Prefix { matched, with } => write!(f, "{matched}/* -> {with}"),
            Self::Regex { pattern, with } => write!(f, "~ {pattern} -> {with}"),
        }
    }
}

// === impl Timeouts ===

impl fmt::Display for Timeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}, attempt {}", limit(self.request), limit(self.attempt))?;
        match self.stream_idle {
            Some(idle) => write!(f, ", stream idle {}", limit(Some(idle))),
            None => Ok(()),
        }
    }
}

// === impl Retry ===

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempts == 1 {
            return f.write_str("one attempt");
        }
        write!(f, "up to {} attempts, on connection failure", self.attempts)?;
        for (i, status) in self.statuses.iter().enumerate() {
            write!(f, "{}{status}", if i == 0 { " and " } else { ", " })?;
        }
        if self.scope == RetryScope::OtherBackends && !self.statuses.is_empty() {
            f.write_str(" at another backend")?;
        }
        write!(f, ", pause {} or more", limit(Some(self.backoff)))
    }
}

// === impl Cost ===

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.key)?;
        f.write_str(match &self.kind {
            CostKind::Input => "input tokens",
            CostKind::CachedInput => "cached input tokens",
            CostKind::CacheCreationInput => "cache creation input tokens",
            CostKind::Output => "output tokens",
            CostKind::Total => "total tokens",
            CostKind::Reasoning => "reasoning tokens",
            CostKind::Cel(program) => program.source(),
        })
    }
}

// === impl Address ===

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            AddressHost::Name(name) => write!(f, "{name}:{}", self.port),
            AddressHost::Ip(ip) if ip.is_ipv6() => write!(f, "[{ip}]:{}", self.port),
            AddressHost::Ip(ip) => write!(f, "{ip}:{}", self.port),
        }
    }
}

// === impl Upstream ===

impl fmt::Display for Upstream {
    /// `https://api.openai.com:443 (and 2 more)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match self.addresses.split_first() {
            None => f.write_str("no endpoints"),
            Some((first, [])) => write!(f, "{scheme}://{first}"),
            Some((first, rest)) => write!(f, "{scheme}://{first} (and {} more)", rest.len()),
        }
    }
}
