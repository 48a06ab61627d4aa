//! Heads of requests and replies: from Envoy's words to ours, and what has to change for what is wanted.

use std::{net::SocketAddr, str::FromStr as _};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version,
    header::{CONTENT_LENGTH, HOST},
};
use tollgate_core::RequestHead;

use crate::proto::base::{self, AppendAction, BoolValue, HeaderMutation, HeaderValueOption};

pub(crate) const MODEL: &str = "x-ai-eg-model";
pub(crate) const ORIGINAL_PATH: &str = "x-ai-eg-original-path";
pub(crate) const ENVOY_ORIGINAL_PATH: &str = "x-envoy-original-path";
pub(crate) const PICKED: &str = "x-gateway-destination-endpoint";

/// A head with its pseudo headers apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) scheme: String,
    pub(crate) status: String,
    pub(crate) headers: HeaderMap,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) port: u16,
    pub(crate) peer: SocketAddr,
    pub(crate) version: Version,
}

// === impl Seen ===

impl Seen {
    /// What came is let go of: values are copied, all into one place, since what is cut out of messages keeps the
    /// buffer that they were read into, and a head lives as long as its request.
    pub(crate) fn of(map: Option<base::HeaderMap>) -> Self {
        let mut this = Self::default();
        let lines = map.map(|map| map.headers).unwrap_or_default();
        let mut values = BytesMut::with_capacity(lines.iter().map(|line| line.bytes().len()).sum());
        for line in lines {
            values.extend_from_slice(line.bytes());
            let value = values.split().freeze();
            let text = || String::from_utf8_lossy(&value).into_owned();
            let base::HeaderValue { key, .. } = line;
            match key.as_str() {
                ":method" => this.method = text(),
                ":path" => this.path = text(),
                ":authority" => this.authority = text(),
                ":scheme" => this.scheme = text(),
                ":status" => this.status = text(),
                _ => {
                    // Envoy has checked both.
                    if let (Ok(name), Ok(value)) =
                        (HeaderName::from_str(&key), HeaderValue::from_maybe_shared(value))
                    {
                        this.headers.append(name, value);
                    }
                }
            }
        }
        this
    }

    /// The host that is asked for: lower case, without port.
    pub(crate) fn host(&self) -> String {
        let name = match self.authority.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => name,
            _ => &self.authority,
        };
        name.to_ascii_lowercase()
    }

    /// The head as the stages take it; `None` where it is none.
    pub(crate) fn request(&self, entry: Entry) -> Option<RequestHead> {
        let mut headers = self.headers.clone();
        headers.insert(HOST, HeaderValue::from_str(&self.authority).ok()?);
        Some(RequestHead {
            method: Method::from_str(&self.method).ok()?,
            uri: Uri::from_str(&self.path).ok()?,
            version: entry.version,
            headers,
            port: entry.port,
            server_name: None,
            // What decides about listeners is Envoy's to decide.
            secure: false,
            certificate: None,
            peer: entry.peer,
        })
    }
}

/// Changes to a head, as they are found out.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    set: Vec<HeaderValueOption>,
    remove: Vec<String>,
}

// === impl Changes ===

impl Changes {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Bytes>) {
        self.put(name, value.into(), false);
    }

    fn put(&mut self, name: &str, value: Bytes, append: bool) {
        let header = base::HeaderValue { key: name.to_owned(), value: String::new(), raw_value: value };
        self.set.push(HeaderValueOption {
            header: Some(header),
            append: Some(BoolValue { value: append }),
            append_action: (if append { AppendAction::Append } else { AppendAction::Overwrite }) as i32,
        });
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.remove.push(name.to_owned());
    }

    /// What makes `is` have all values of `name` that `wanted` has; false where nothing has to change.
    fn align(&mut self, name: &HeaderName, is: &HeaderMap, wanted: &HeaderMap) -> bool {
        if is.get_all(name).iter().eq(wanted.get_all(name).iter()) {
            return false;
        }
        self.all(name, wanted);
        true
    }

    /// All values of `name`, in place of those that are there.
    pub(crate) fn all(&mut self, name: &HeaderName, wanted: &HeaderMap) {
        for (i, value) in wanted.get_all(name).iter().enumerate() {
            self.put(name.as_str(), Bytes::copy_from_slice(value.as_bytes()), i > 0);
        }
    }

    /// What makes a reply's head the wanted one. The length of the body is another matter.
    pub(crate) fn of_reply(is: &HeaderMap, wanted: &HeaderMap) -> Self {
        let mut this = Self::default();
        for name in wanted.keys().filter(|name| **name != CONTENT_LENGTH) {
            this.align(name, is, wanted);
        }
        for name in is.keys().filter(|name| !wanted.contains_key(*name)) {
            this.remove(name.as_str());
        }
        this
    }

    /// What makes a request's head the wanted one. `ours` says which names may be taken away: what the client sent,
    /// and what earlier attempts added; what other filters have put there stays. Gives the names that were changed.
    pub(crate) fn of_request(
        is: &HeaderMap,
        wanted: &HeaderMap,
        ours: impl Fn(&HeaderName) -> bool,
    ) -> (Self, Vec<String>) {
        let mut this = Self::default();
        let mut changed = Vec::new();
        for name in wanted.keys().filter(|name| !is_framing(name)) {
            if this.align(name, is, wanted) {
                changed.push(name.as_str().to_owned());
            }
        }
        for name in is.keys().filter(|name| !is_framing(name) && !wanted.contains_key(*name)) {
            if is_internal(name.as_str()) || (ours(name) && !stays(name.as_str())) {
                this.remove(name.as_str());
                changed.push(name.as_str().to_owned());
            }
        }
        (this, changed)
    }

    pub(crate) fn into_mutation(self) -> Option<HeaderMutation> {
        let Self { set, remove } = self;
        (!set.is_empty() || !remove.is_empty())
            .then_some(HeaderMutation { set_headers: set, remove_headers: remove })
    }
}

/// Headers of the connection, which are Envoy's.
fn is_framing(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host"
            | "content-length"
            | "transfer-encoding"
            | "connection"
            | "upgrade"
            | "te"
            | "keep-alive"
            | "trailer"
    )
}

/// What Envoy and we say to each other, and nobody else; but what access logs and endpoint pickers read remains.
fn is_internal(name: &str) -> bool {
    (name.starts_with("x-ai-eg-") || name.starts_with("x-envoy-")) && !stays(name)
}

/// Headers that are read after the request was made: by access logs, and by a retry.
fn stays(name: &str) -> bool {
    [MODEL, ORIGINAL_PATH, ENVOY_ORIGINAL_PATH, PICKED].contains(&name)
}

/// What is wanted of a map, in Envoy's words.
pub(crate) fn to_proto(headers: &HeaderMap, wanted: impl Fn(&HeaderName) -> bool) -> base::HeaderMap {
    let line = |(name, value): (&HeaderName, &HeaderValue)| base::HeaderValue {
        key: name.as_str().to_owned(),
        value: String::new(),
        raw_value: Bytes::copy_from_slice(value.as_bytes()),
    };
    base::HeaderMap { headers: headers.iter().filter(|(name, _)| wanted(name)).map(line).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    fn shown(changes: Changes) -> Vec<String> {
        let HeaderMutation { set_headers, remove_headers } = changes.into_mutation().unwrap_or_default();
        let set = set_headers.into_iter().map(|one| {
            let header = one.header.unwrap();
            let sign = if one.append.unwrap().value { "+" } else { "=" };
            format!("{}{sign}{}", header.key, String::from_utf8_lossy(&header.raw_value))
        });
        set.chain(remove_headers.into_iter().map(|name| format!("-{name}"))).collect()
    }

    #[test]
    fn what_the_client_sent_goes_and_what_other_filters_added_stays() {
        let is = headers(&[
            ("authorization", "Bearer client"),
            ("x-team", "a"),
            ("x-lua", "1"),
            ("x-ai-eg-model", "m"),
            ("x-envoy-expected-rq-timeout-ms", "1"),
            ("content-length", "3"),
        ]);
        let client = headers(&[("authorization", "Bearer client"), ("x-team", "a"), ("cookie", "c")]);
        let wanted = headers(&[("x-api-key", "k"), ("x-team", "a")]);
        let (changes, changed) = Changes::of_request(&is, &wanted, |name| client.contains_key(name));
        assert_eq!(shown(changes), ["x-api-key=k", "-authorization", "-x-envoy-expected-rq-timeout-ms"]);
        assert_eq!(changed, ["x-api-key", "authorization", "x-envoy-expected-rq-timeout-ms"]);
    }

    #[test]
    fn a_reply_keeps_its_length_out_of_its_changes() {
        let is = headers(&[("content-length", "3"), ("server", "a"), ("x-old", "1")]);
        let wanted =
            headers(&[("content-length", "9"), ("server", "a"), ("set-cookie", "a"), ("set-cookie", "b")]);
        assert_eq!(shown(Changes::of_reply(&is, &wanted)), ["set-cookie=a", "set-cookie+b", "-x-old"]);
        assert!(Changes::of_reply(&is, &is).into_mutation().is_none());
    }
}
