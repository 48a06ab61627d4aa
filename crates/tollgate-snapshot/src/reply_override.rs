use std::ops::RangeInclusive;

use http::{HeaderMap, HeaderName, StatusCode};

use crate::{HeaderEdit, Redirect, TextMatch};

/// `responseOverride[]`: what the client gets in place of some replies. The first that matches wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplyOverride {
    /// `match.statusCodes`: any of these; empty matches all.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// `match.responseHeaders`: all of these.
    pub headers: Vec<ReplyHeader>,
    /// Whose replies.
    pub source: ReplySource,
    /// What the client gets.
    pub with: OverrideWith,
}

/// `match.responseHeaders[]`; of a repeated header any value may match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplyHeader {
    /// Which.
    pub name: HeaderName,
    /// What; `None` is any value.
    pub value: Option<TextMatch>,
    /// True where it has to be missing, or to have no such value.
    pub invert: bool,
}

/// `source`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReplySource {
    /// Anybody's
    #[default]
    All,
    /// The gateway's own
    Local,
    /// A backend's
    Backend,
}

/// What takes the place of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OverrideWith {
    /// `response`: its headers have the `contentType` among them
    Response {
        /// `statusCode`; `None` keeps the reply's.
        status: Option<StatusCode>,
        /// What the new reply's headers are made of.
        headers: HeaderEdit,
        /// `body`; as it is, without command operators.
        body: bytes::Bytes,
    },
    /// `redirect`
    Redirect(Redirect),
}

// === impl ReplyOverride ===

impl ReplyOverride {
    /// True for a reply like this, of this source: [`ReplySource::Local`] or [`ReplySource::Backend`].
    #[must_use]
    pub fn matches(&self, source: ReplySource, status: StatusCode, headers: &HeaderMap) -> bool {
        (self.source == ReplySource::All || self.source == source)
            && (self.statuses.is_empty()
                || self.statuses.iter().any(|range| range.contains(&status.as_u16())))
            && self.headers.iter().all(|header| header.matches(headers))
    }
}

// === impl ReplyHeader ===

impl ReplyHeader {
    fn matches(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter();
        let found = match &self.value {
            None => values.next().is_some(),
            Some(wanted) => values.any(|value| value.to_str().is_ok_and(|value| wanted.matches(value))),
        };
        found != self.invert
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_inverted_header_has_to_be_missing_or_to_be_another() {
        let header = |value: Option<&str>, invert| ReplyHeader {
            name: HeaderName::from_static("x-a"),
            value: value.map(|value| TextMatch::Exact(value.into())),
            invert,
        };
        let none = HeaderMap::new();
        let yes = HeaderMap::from_iter([(HeaderName::from_static("x-a"), HeaderValue::from_static("yes"))]);
        assert!(header(None, false).matches(&yes) && !header(None, false).matches(&none));
        assert!(header(Some("no"), true).matches(&yes) && header(Some("no"), true).matches(&none));
        assert!(!header(Some("yes"), true).matches(&yes));
    }

    #[test]
    fn statuses_are_alternatives_and_headers_conditions() {
        let header = |name| ReplyHeader {
            name: HeaderName::from_static(name),
            value: Some(TextMatch::Exact("yes".into())),
            invert: false,
        };
        let rule = ReplyOverride {
            statuses: vec![404..=404, 500..=599],
            headers: vec![header("x-a"), header("x-b")],
            source: ReplySource::Backend,
            with: OverrideWith::Response {
                status: None,
                headers: HeaderEdit::default(),
                body: bytes::Bytes::new(),
            },
        };
        let yes = HeaderValue::from_static("yes");
        let one = HeaderMap::from_iter([(HeaderName::from_static("x-a"), yes.clone())]);
        let mut both = one.clone();
        both.insert("x-b", yes);
        let of = |source, status: u16, headers| {
            rule.matches(source, StatusCode::from_u16(status).expect("a status"), headers)
        };
        assert!(of(ReplySource::Backend, 503, &both) && of(ReplySource::Backend, 404, &both));
        assert!(!of(ReplySource::Backend, 403, &both) && !of(ReplySource::Backend, 503, &one));
        assert!(!of(ReplySource::Local, 503, &both));
    }
}
