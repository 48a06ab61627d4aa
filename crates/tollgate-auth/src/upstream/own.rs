use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{AwsKeys, Unsigned};

/// Lets a client bring its own credential (`credentialOverride`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    source: Source,
    /// A client without one is served with ours.
    fallback: bool,
}

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A key or a token in a header.
    Header(HeaderName),
    /// Access key id, secret access key, session token, each in a header.
    Headers(Box<[HeaderName; 3]>),
    /// In what was found out about the request.
    Metadata { namespace: Arc<str>, key: Arc<str>, shape: OwnShape },
}

/// What is looked for in metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnShape {
    /// Text: a key or a token.
    Text,
    /// An object with `accessKeyId`, `secretAccessKey` and, for a session, `sessionToken`.
    AwsKeys,
}

/// A request, as far as a client may bring its own credential with it.
pub trait Brings {
    /// What the client sent.
    fn headers(&self) -> &HeaderMap;
    /// What was found out about it, under Envoy's names.
    fn metadata(&self, namespace: &str, key: &str) -> Option<Cow<'_, Value>>;
}

/// Nothing was found out.
impl Brings for HeaderMap {
    fn headers(&self) -> &HeaderMap {
        self
    }

    fn metadata(&self, _: &str, _: &str) -> Option<Cow<'_, Value>> {
        None
    }
}

/// What a client brought.
#[derive(Debug)]
pub(super) enum Brought {
    /// Without white space around it.
    Key(Vec<u8>),
    Aws(AwsKeys),
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Header(name) => f.write_str(name.as_str()),
            Source::Headers(names) => f.write_str(&names.each_ref().map(HeaderName::as_str).join(" ")),
            Source::Metadata { namespace, key, .. } => write!(f, "metadata {namespace} {key}"),
        }
    }
}

// === impl Own ===

impl Own {
    /// A key or token in this header.
    #[must_use]
    pub fn header(name: HeaderName, fallback: bool) -> Self {
        Self { source: Source::Header(name), fallback }
    }

    /// Keys of AWS in the three headers that begin with `prefix`. `None` where that makes no names of headers.
    #[must_use]
    pub fn aws(prefix: &str, fallback: bool) -> Option<Self> {
        let name =
            |rest: &str| HeaderName::from_bytes(format!("{prefix}{rest}").to_ascii_lowercase().as_bytes());
        let headers =
            [name("access-key-id").ok()?, name("secret-access-key").ok()?, name("session-token").ok()?];
        Some(Self { source: Source::Headers(Box::new(headers)), fallback })
    }

    /// In metadata of the request.
    #[must_use]
    pub fn metadata(namespace: &str, key: &str, (shape, fallback): (OwnShape, bool)) -> Self {
        Self { source: Source::Metadata { namespace: namespace.into(), key: key.into(), shape }, fallback }
    }

    pub(super) const fn falls_back(&self) -> bool {
        self.fallback
    }

    /// The headers that are for us: no provider gets them.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        match &self.source {
            Source::Header(name) => std::slice::from_ref(name).iter(),
            Source::Headers(names) => names.iter(),
            Source::Metadata { .. } => [].iter(),
        }
    }

    /// What the client brought; `None` where it brought nothing and ours is to be used.
    pub(super) fn brought(&self, client: &impl Brings) -> Result<Option<Brought>, Unsigned> {
        let brought = match &self.source {
            Source::Header(name) => value(client.headers(), name).map(|value| Brought::Key(value.to_vec())),
            Source::Headers(names) => keys(names.each_ref().map(|name| value(client.headers(), name)))?,
            Source::Metadata { namespace, key, shape } => match (client.metadata(namespace, key), shape) {
                (None, _) => None,
                (Some(found), OwnShape::Text) => text(Some(&*found)).map(|key| Brought::Key(key.to_vec())),
                (Some(found), OwnShape::AwsKeys) => {
                    let names = ["accessKeyId", "secretAccessKey", "sessionToken"];
                    keys(names.map(|name| text(found.get(name))))?
                }
            },
        };
        if brought.is_none() && !self.fallback { Err(Unsigned::Missing) } else { Ok(brought) }
    }
}

/// Half a credential is a mistake, and ours would hide it.
fn keys(parts: [Option<&[u8]>; 3]) -> Result<Option<Brought>, Unsigned> {
    match parts {
        [None, None, None] => Ok(None),
        [Some(id), Some(secret), session] => {
            Ok(Some(Brought::Aws(AwsKeys::new(id, secret, session).ok_or(Unsigned::Partial)?)))
        }
        _ => Err(Unsigned::Partial),
    }
}

fn text(value: Option<&Value>) -> Option<&[u8]> {
    let text = value?.as_str()?.trim().as_bytes();
    (!text.is_empty()).then_some(text)
}

fn value<'a>(client: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let value = client.get(name).map(HeaderValue::as_bytes)?.trim_ascii();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Metadata of one namespace.
    struct Found(Value, HeaderMap);

    impl Brings for Found {
        fn headers(&self) -> &HeaderMap {
            &self.1
        }

        fn metadata(&self, namespace: &str, key: &str) -> Option<Cow<'_, Value>> {
            self.0.get(key).filter(|_| namespace == "apps").map(Cow::Borrowed)
        }
    }

    fn brought(key: &str, shape: OwnShape, fallback: bool) -> Result<Option<Brought>, Unsigned> {
        let keys = json!({ "accessKeyId": "AKID", "secretAccessKey": "s", "sessionToken": "" });
        let found =
            json!({ "key": " sk ", "empty": " ", "keys": keys, "half": { "accessKeyId": "AKID" }, "n": 1 });
        let own = Own::metadata("apps", key, (shape, fallback));
        assert_eq!(own.names().count(), 0);
        own.brought(&Found(found, HeaderMap::new()))
    }

    #[test]
    fn metadata_hold_text_or_keys() {
        assert!(matches!(brought("key", OwnShape::Text, true), Ok(Some(Brought::Key(key))) if key == b"sk"));
        let keys = brought("keys", OwnShape::AwsKeys, true);
        assert!(matches!(keys, Ok(Some(Brought::Aws(keys))) if keys.session_token.is_none()));
        for none in ["empty", "keys", "n", "nothing"] {
            assert!(matches!(brought(none, OwnShape::Text, true), Ok(None)), "{none}");
            assert!(matches!(brought(none, OwnShape::Text, false), Err(Unsigned::Missing)), "{none}");
        }
        assert!(matches!(brought("half", OwnShape::AwsKeys, true), Err(Unsigned::Partial)));
        assert!(matches!(brought("key", OwnShape::AwsKeys, true), Ok(None)));
    }
}
