use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::LOCATION};
use tollgate_snapshot::Redirect;

use crate::{LocalReply, Record};

/// A `location` made of what the redirect sets and what the client sent (Gateway API `HTTPRequestRedirectFilter`).
pub(crate) fn reply(redirect: &Redirect, record: &Record) -> LocalReply {
    let own_scheme = if record.head.secure { "https" } else { "http" };
    let scheme = redirect.scheme.as_deref().unwrap_or(own_scheme);
    let host = redirect.hostname.as_deref().unwrap_or(&record.host);
    // Without a port the scheme decides where it was set, and the listener where it was not.
    let port = redirect.port.unwrap_or(match redirect.scheme.as_deref() {
        Some("http") => 80,
        Some("https") => 443,
        _ => record.head.port,
    });
    let path = match &redirect.path {
        Some(rewrite) => rewrite.apply(record.head.uri.path()),
        None => record.head.uri.path().to_owned(),
    };
    let mut location = format!("{scheme}://{host}");
    if !matches!((scheme, port), ("http", 80) | ("https", 443)) {
        location.push_str(&format!(":{port}"));
    }
    location.push_str(&path);
    if let Some(query) = record.head.uri.query() {
        location.push('?');
        location.push_str(query);
    }
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    LocalReply { status: redirect.status, headers, body: Bytes::new() }
}
