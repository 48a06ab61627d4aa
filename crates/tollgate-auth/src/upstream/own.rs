use http::{HeaderMap, HeaderName, HeaderValue};

use super::{AwsKeys, Unsigned};

/// Lets a client bring its own credential in headers of its request (`credentialOverride`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    headers: Headers,
    /// A client without one is served with ours.
    fallback: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Headers {
    /// A key or a token.
    One(HeaderName),
    /// Access key id, secret access key, session token.
    Aws(Box<[HeaderName; 3]>),
}

/// What a client brought.
#[derive(Debug)]
pub(super) enum Brought {
    /// Without white space around it.
    Key(Vec<u8>),
    Aws(AwsKeys),
}

// === impl Own ===

impl Own {
    /// A key or token in this header.
    #[must_use]
    pub fn header(name: HeaderName, fallback: bool) -> Self {
        Self { headers: Headers::One(name), fallback }
    }

    /// Keys of AWS in the three headers that begin with `prefix`. `None` where that makes no names of headers.
    #[must_use]
    pub fn aws(prefix: &str, fallback: bool) -> Option<Self> {
        let name =
            |rest: &str| HeaderName::from_bytes(format!("{prefix}{rest}").to_ascii_lowercase().as_bytes());
        let headers =
            [name("access-key-id").ok()?, name("secret-access-key").ok()?, name("session-token").ok()?];
        Some(Self { headers: Headers::Aws(Box::new(headers)), fallback })
    }

    pub(super) const fn falls_back(&self) -> bool {
        self.fallback
    }

    /// The headers that are for us: no provider gets them.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        match &self.headers {
            Headers::One(name) => std::slice::from_ref(name).iter(),
            Headers::Aws(names) => names.iter(),
        }
    }

    /// What the client brought; `None` where it brought nothing and ours is to be used.
    pub(super) fn brought(&self, client: &HeaderMap) -> Result<Option<Brought>, Unsigned> {
        let brought = match &self.headers {
            Headers::One(name) => value(client, name).map(|value| Brought::Key(value.to_vec())),
            Headers::Aws(names) => {
                let [id, secret, session] = &**names;
                match (value(client, id), value(client, secret), value(client, session)) {
                    (None, None, None) => None,
                    (Some(id), Some(secret), session) => {
                        Some(Brought::Aws(AwsKeys::new(id, secret, session).ok_or(Unsigned::Partial)?))
                    }
                    // Half a credential is a mistake, and ours would hide it.
                    _ => return Err(Unsigned::Partial),
                }
            }
        };
        if brought.is_none() && !self.fallback { Err(Unsigned::Missing) } else { Ok(brought) }
    }
}

fn value<'a>(client: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let value = client.get(name).map(HeaderValue::as_bytes)?.trim_ascii();
    (!value.is_empty()).then_some(value)
}
