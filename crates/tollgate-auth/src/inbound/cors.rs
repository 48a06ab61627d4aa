use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use regex::Regex;

/// Which pages of other origins may call (SecurityPolicy `cors`, or the filter of an HTTPRoute).
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Any of these.
    pub origins: Vec<OriginRule>,
    /// Ready-made `access-control-allow-methods`, or `*`; none: not sent.
    pub methods: Option<HeaderValue>,
    /// Ready-made `access-control-allow-headers`, or `*`; none: not sent.
    pub headers: Option<HeaderValue>,
    /// Ready-made `access-control-expose-headers`, or `*`; none: not sent.
    pub expose: Option<HeaderValue>,
    /// How long a browser may remember a preflight; none: not sent.
    pub max_age: Option<Duration>,
    /// Whether pages may send cookies and the like.
    pub credentials: bool,
}

/// An origin, `scheme://host[:port]`.
#[derive(Clone, Debug)]
pub enum OriginRule {
    /// Every one
    Any,
    /// This one
    Exact(Box<str>),
    /// Those that match in whole; compile makes it of wildcards and anchors it
    Pattern(Regex),
}

// === impl Cors ===

impl Cors {
    /// Headers of the answer (200, no body) to a preflight; without any where the origin may not call. `None`: it is
    /// no preflight.
    #[must_use]
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<HeaderMap> {
        let origin = headers.get(ORIGIN).filter(|_| method == Method::OPTIONS)?;
        let wanted_method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut reply = HeaderMap::new();
        if !self.allows(origin) {
            return Some(reply);
        }
        self.allow(origin, &mut reply);
        let wanted_headers = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        self.list(ACCESS_CONTROL_ALLOW_METHODS, self.methods.as_ref(), Some(wanted_method), &mut reply);
        self.list(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.as_ref(), wanted_headers, &mut reply);
        if let Some(age) = self.max_age {
            reply.insert(ACCESS_CONTROL_MAX_AGE, age.as_secs().into());
        }
        Some(reply)
    }

    /// Puts onto a reply what its browser has to see. `origin` is the request's; without one, or with one that may
    /// not call, nothing changes, and no backend's word about it goes out either.
    pub fn decorate(&self, origin: Option<&HeaderValue>, reply: &mut HeaderMap) {
        let Some(origin) = origin else { return };
        for name in
            [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS]
        {
            reply.remove(name);
        }
        if self.allows(origin) {
            self.allow(origin, reply);
            if let Some(expose) = &self.expose {
                reply.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
            }
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.iter().any(|rule| rule.matches(origin)))
    }

    fn allow(&self, origin: &HeaderValue, reply: &mut HeaderMap) {
        reply.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // The answer is another for another origin, and caches have to know.
        reply.append(VARY, HeaderValue::from_static("origin"));
        if self.credentials {
            reply.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// With credentials browsers take `*` for a name, so they get back what they asked for instead.
    fn list(
        &self,
        name: HeaderName,
        list: Option<&HeaderValue>,
        wanted: Option<&HeaderValue>,
        reply: &mut HeaderMap,
    ) {
        let any = list.is_some_and(|list| list == "*");
        let value = if any && self.credentials { wanted } else { list };
        if let Some(value) = value {
            reply.insert(name, value.clone());
        }
    }
}

// === impl OriginRule ===

impl OriginRule {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(wanted) => wanted.eq_ignore_ascii_case(origin),
            Self::Pattern(wanted) => wanted.is_match(origin),
        }
    }
}
