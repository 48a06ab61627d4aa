use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::Caller;

/// Credentials that one request may carry.
pub(crate) const MAX_CREDENTIALS: usize = 8;

/// Where a request carries a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header; its value begins with the prefix, in whatever case, or is not meant.
    Header {
        /// Which.
        name: HeaderName,
        /// For example `Bearer `; may be empty.
        prefix: Box<str>,
    },
    /// A cookie of this name.
    Cookie(Box<str>),
    /// A query parameter of this name.
    Param(Box<str>),
}

pub(crate) type Found<'a> = SmallVec<[Cow<'a, str>; 2]>;

// === impl Place ===

impl Place {
    /// Everything of some length that stands here. Bytes that are no text become U+FFFD: a credential that is broken
    /// is still one, and not the same as none. At most one more than is allowed, which is enough to tell.
    pub(crate) fn find<'a>(&self, caller: &Caller<'a>) -> Found<'a> {
        let mut found = Found::new();
        match self {
            Self::Header { name, prefix } => {
                let values = caller.headers.get_all(name).iter();
                found.extend(values.filter_map(|value| after(value, prefix)).take(MAX_CREDENTIALS + 1));
            }
            Self::Cookie(name) => {
                let pairs = caller.headers.get_all(COOKIE).iter().flat_map(cookies);
                let values = pairs.filter(|(key, _)| key == &**name).map(|(_, value)| value);
                found.extend(values.take(MAX_CREDENTIALS + 1));
            }
            Self::Param(name) => {
                let pairs = caller.query.into_iter().flat_map(|query| query.split('&')).map(pair);
                let values = pairs.filter(|(key, _)| *key == **name).map(|(_, value)| value);
                found.extend(values.take(MAX_CREDENTIALS + 1));
            }
        }
        found.retain(|value| !value.is_empty());
        found
    }
}

/// What follows the prefix, where the value has it.
fn after<'a>(value: &'a HeaderValue, prefix: &str) -> Option<Cow<'a, str>> {
    let (head, rest) = value.as_bytes().split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix.as_bytes()).then(|| String::from_utf8_lossy(rest.trim_ascii()))
}

fn cookies(header: &HeaderValue) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    header.as_bytes().split(|byte| *byte == b';').filter_map(|pair| {
        let middle = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(middle)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        Some((String::from_utf8_lossy(name.trim_ascii()), String::from_utf8_lossy(value)))
    })
}

fn pair(text: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(name), decoded(value))
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('%') { percent_decode_str(text).decode_utf8_lossy() } else { Cow::Borrowed(text) }
}

/// The query without the parameters of these names; `None` where nothing is left of it.
pub(crate) fn without_params(query: &str, names: &[Box<str>]) -> Option<String> {
    let kept = query.split('&').filter(|part| {
        let (name, _) = pair(part);
        !names.iter().any(|gone| **gone == *name)
    });
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() { None } else { Some(kept.join("&")) }
}

/// Takes the cookies of these names out of the headers; the others stay as they are.
pub(crate) fn remove_cookies(headers: &mut HeaderMap, names: &[Box<str>]) {
    let kept: Vec<HeaderValue> =
        headers.get_all(COOKIE).iter().filter_map(|value| trim(value, names)).collect();
    headers.remove(COOKIE);
    for value in kept {
        headers.append(COOKIE, value);
    }
}

fn trim(header: &HeaderValue, names: &[Box<str>]) -> Option<HeaderValue> {
    let is_gone = |part: &&[u8]| {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        names.iter().any(|gone| gone.as_bytes() == name)
    };
    let parts = header.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let kept: Vec<&[u8]> = parts.filter(|part| !part.is_empty() && !is_gone(part)).collect();
    // Parts of a valid value make a valid value.
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok() }
}
