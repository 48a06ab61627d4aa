use std::fmt::Write as _;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::AwsKeys;
use crate::UnixSeconds;

pub(crate) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Headers that only who signs may set.
pub(crate) const SIGNED_HEADERS: [HeaderName; 3] = [SECURITY_TOKEN, DATE, CONTENT_SHA256];

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Everything but what RFC 3986 (2.3) calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A request as it goes out, which a signature holds for.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// The method.
    pub method: &'a str,
    /// The `Host` header or the authority, as it is sent.
    pub host: &'a str,
    /// Path and query, as they are sent: escaped already.
    pub target: &'a str,
    /// Further headers to sign, in the order in which they are sent. Names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// All of the body.
    pub body: &'a [u8],
}

/// For what a signature is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `us-east-1`
    pub region: &'a str,
    /// `bedrock`
    pub service: &'a str,
}

/// The headers of a signed request.
#[derive(Clone, Debug)]
pub struct Signed {
    /// `authorization`; sensitive.
    pub authorization: HeaderValue,
    /// `x-amz-date`
    pub date: HeaderValue,
    /// `x-amz-security-token`, for keys of a session; sensitive.
    pub token: Option<HeaderValue>,
}

// === impl Signable ===

impl Signable<'_> {
    /// Signs with AWS Signature Version 4, as every service but S3 wants it: the path, escaped already, is escaped
    /// once more in what is signed. `None` where the keys or the scope cannot stand in a header, or the time is
    /// beyond the year 9999.
    #[must_use]
    pub fn sign(&self, keys: &AwsKeys, scope: Scope<'_>, now: UnixSeconds) -> Option<Signed> {
        let time = stamp(now)?;
        let day = time.get(..8)?;
        let session = match &keys.session_token {
            Some(token) => Some(std::str::from_utf8(token.expose()).ok()?),
            None => None,
        };
        let (canonical, names) = self.canonical(&time, session);
        let Scope { region, service } = scope;
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes())));
        let mut key = [b"AWS4", keys.secret_access_key.expose()].concat();
        for part in [day, region, service, "aws4_request", text.as_str()] {
            key = mac(&key, part.as_bytes()).as_ref().to_vec();
        }
        let id = &keys.access_key_id;
        let signature = hex(key);
        let authorization =
            format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        Some(Signed {
            authorization: sensitive(&authorization)?,
            date: HeaderValue::from_str(&time).ok()?,
            token: match session {
                Some(token) => Some(sensitive(token)?),
                None => None,
            },
        })
    }

    /// The request in the one form that both sides can make of it, and the names of the headers in it.
    fn canonical(&self, time: &str, session: Option<&str>) -> (String, String) {
        let Self { method, host, target, headers, body } = *self;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut all = vec![("host", host), ("x-amz-date", time)];
        all.extend(session.map(|token| ("x-amz-security-token", token)));
        all.extend(headers);
        // Stable, so that values of one name stay in their order.
        all.sort_by_key(|(name, _)| *name);
        let (mut lines, mut names) = (String::new(), String::new());
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            let name = same.first().map(|(name, _)| *name).unwrap_or_default();
            let values: Vec<String> = same.iter().map(|(_, value)| collapsed(value)).collect();
            lines.push_str(&format!("{name}:{}\n", values.join(",")));
            names.push_str(if names.is_empty() { "" } else { ";" });
            names.push_str(name);
        }
        let (path, query, body) = (canonical_path(path), canonical_query(query), hex(digest(&SHA256, body)));
        (format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body}"), names)
    }
}

/// `20150830T123600Z`
fn stamp(now: UnixSeconds) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(now.0).ok()?).ok()?;
    let text = time.strftime("%Y%m%dT%H%M%SZ").to_string();
    (text.len() == 16).then_some(text)
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn mac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Without white space at its ends, and with single spaces inside.
fn collapsed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without dot segments and empty segments, each byte escaped that is not unreserved.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let open = !kept.is_empty() && ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let path = format!("/{}{}", kept.join("/"), if open { "/" } else { "" });
    percent_encode(path.as_bytes(), RESERVED_IN_PATH).to_string()
}

/// Names and values escaped anew, and sorted.
fn canonical_query(query: &str) -> String {
    let escaped = |text: &str| {
        let plain: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
        percent_encode(&plain, RESERVED).to_string()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (escaped(name), escaped(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests;
