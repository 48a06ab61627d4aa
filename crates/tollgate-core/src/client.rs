//! What the listener's client policy does to a request's head, before anything else reads it.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header, uri::Authority};
use tollgate_snapshot::{ClientAddress, ClientSettings, Http10, Snapshot, Underscores};

use crate::{
    Record, Refusal, RequestHead, headers,
    path::{self, EscapedSlash},
};

mod address;
mod certificate;

pub(crate) use self::address::address;

/// Why the listener takes no such head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// The header that has to name the client's address does not.
    #[error("header {0} does not name the client's address")]
    NoAddress(HeaderName),
    /// A header's name has an underscore.
    #[error("header names with an underscore are not allowed")]
    Underscore,
    /// The path has an escaped slash.
    #[error("escaped slashes are not allowed in paths")]
    EscapedSlash,
    /// The path has an escaped slash, and is to be asked for with a plain one: path and query.
    #[error("ask for the path with plain slashes")]
    PlainSlashes(String),
    /// HTTP/1.0 or older.
    #[error("http/1.1 or newer is needed")]
    Http10,
}

/// What holds for this request.
pub(crate) fn settings<'a>(snapshot: &'a Snapshot, head: &RequestHead) -> &'a Arc<ClientSettings> {
    match snapshot.port(head.port) {
        Some(port) => port.client(head.server_name.as_deref()),
        None => ClientSettings::none(),
    }
}

/// Makes the head what it is meant to be, as far as it may be taken at all.
pub(crate) fn apply(settings: &ClientSettings, head: &mut RequestHead) -> Option<HeadFault> {
    let rules = &settings.heads;
    let mut fault = old_version(&rules.http10, head).or(underscores(rules.underscores, &mut head.headers));
    if rules.strip_trailing_dot {
        strip_trailing_dot(head);
    }
    let slash = path::unescape_slashes(&mut head.uri, rules.escaped_slashes);
    fault = fault.or(slash.map(|slash| match slash {
        EscapedSlash::Elsewhere(target) if !is_grpc(&head.headers) => HeadFault::PlainSlashes(target),
        EscapedSlash::Elsewhere(_) | EscapedSlash::Refused => HeadFault::EscapedSlash,
    }));
    path::normalize(&mut head.uri, rules.merge_slashes);
    certificate::forward(rules.certificate, head.certificate.as_deref(), &mut head.headers);
    if !rules.early.is_empty() {
        rules.early.apply(&mut head.headers);
    }
    fault
}

/// A broken policy lets nothing in; else what is wrong with the head.
pub(crate) fn refusal(settings: &ClientSettings, fault: Option<HeadFault>) -> Option<Refusal> {
    match &settings.problem {
        Some(problem) => Some(Refusal::Broken(Arc::clone(problem))),
        None => fault.map(Refusal::BadHead),
    }
}

/// Tells a backend where the request came from.
pub(crate) fn tell_upstream(record: &Record, headers: &mut HeaderMap) {
    let (head, client) = (&record.head, &record.client);
    if client.heads.append_forwarded_for
        && let Ok(peer) = HeaderValue::try_from(head.peer.ip().to_canonical().to_string())
    {
        headers.append(headers::FORWARDED_FOR, peer);
    }
    let said = headers.get(headers::FORWARDED_PROTO).map(HeaderValue::as_bytes);
    let known = said == Some(b"https") || said == Some(b"http");
    // A trusted proxy knows what the client spoke; everybody else may say anything.
    if !known || !is_trusted(&client.address, head.peer.ip()) {
        let scheme = HeaderValue::from_static(if head.secure { "https" } else { "http" });
        headers.insert(headers::FORWARDED_PROTO, scheme);
    }
}

fn is_trusted(rule: &ClientAddress, peer: IpAddr) -> bool {
    match rule {
        ClientAddress::Peer | ClientAddress::Header { .. } => false,
        ClientAddress::TrustedHops(hops) => *hops > 0,
        ClientAddress::TrustedRanges(ranges) => ranges.iter().any(|range| range.contains(peer)),
    }
}

fn old_version(rule: &Http10, head: &mut RequestHead) -> Option<HeadFault> {
    if head.version > Version::HTTP_10 {
        return None;
    }
    match rule {
        Http10::Accept => None,
        Http10::Refuse => Some(HeadFault::Http10),
        Http10::DefaultHost(host) => {
            if head.uri.host().is_none() {
                head.headers.entry(header::HOST).or_insert_with(|| host.clone());
            }
            None
        }
    }
}

fn underscores(rule: Underscores, headers: &mut HeaderMap) -> Option<HeadFault> {
    if rule == Underscores::Allow {
        return None;
    }
    let named: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    match rule {
        Underscores::Reject if !named.is_empty() => return Some(HeadFault::Underscore),
        Underscores::Allow | Underscores::Reject => {}
        Underscores::Drop => named.iter().for_each(|name| drop(headers.remove(name))),
    }
    None
}

fn strip_trailing_dot(head: &mut RequestHead) {
    let named = head.headers.get(header::HOST).and_then(|host| without_dot(host.to_str().ok()?));
    if let Some(host) = named.and_then(|host| HeaderValue::try_from(host).ok()) {
        head.headers.insert(header::HOST, host);
    }
    let Some(authority) = head.uri.authority().and_then(|authority| without_dot(authority.as_str())) else {
        return;
    };
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    parts.authority = Authority::try_from(authority).ok().or(parts.authority);
    head.uri = Uri::from_parts(parts).unwrap_or_default();
}

/// `a.example.` and `a.example.:80` without the dot; `None` where there is none.
fn without_dot(host: &str) -> Option<String> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let name = name.strip_suffix('.').filter(|name| !name.is_empty())?;
    Some(port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

// === impl HeadFault ===

impl HeadFault {
    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoAddress(_) => StatusCode::FORBIDDEN,
            Self::Underscore | Self::EscapedSlash => StatusCode::BAD_REQUEST,
            Self::PlainSlashes(_) => StatusCode::TEMPORARY_REDIRECT,
            Self::Http10 => StatusCode::UPGRADE_REQUIRED,
        }
    }

    /// `error.type` of the JSON reply.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoAddress(_) => "Forbidden",
            Self::Underscore | Self::EscapedSlash => "BadRequest",
            Self::PlainSlashes(_) => "Redirect",
            Self::Http10 => "UpgradeRequired",
        }
    }

    /// What the answer tells the client to do.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NoAddress(_) | Self::Underscore | Self::EscapedSlash => None,
            Self::PlainSlashes(target) => Some((header::LOCATION, HeaderValue::try_from(target).ok()?)),
            Self::Http10 => Some((header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))),
        }
    }
}

#[cfg(test)]
mod tests;
