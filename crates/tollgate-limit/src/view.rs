use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, HeaderName, Method};

/// What limits may look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path without query.
    pub path: &'a str,
    /// Query without `?`, where there is one.
    pub query: Option<&'a str>,
    /// Headers, with `x-ai-eg-model` and those made from claims already set.
    pub headers: &'a HeaderMap,
    /// The client's address; rules on addresses apply to nobody where it is unknown.
    pub client: Option<IpAddr>,
}

// === impl View ===

impl<'a> View<'a> {
    /// A header's value; a repeated header is one value joined by commas, as Envoy sees it, so that
    /// sending a header twice does not hide its first value.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first.as_bytes())) };
        let mut joined = first.as_bytes().to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        Some(Cow::Owned(joined))
    }
}
