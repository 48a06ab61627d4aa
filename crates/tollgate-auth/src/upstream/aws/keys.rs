use std::{fmt, sync::Arc};

use tollgate_types::Secret;

/// An access key, for ever or for a session.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// Names the key; goes over the wire as it is.
    pub access_key_id: Arc<str>,
    /// Signs, and never leaves the process.
    pub secret_access_key: Secret,
    /// Goes along with keys that end.
    pub session_token: Option<Secret>,
}

// === impl AwsKeys ===

impl AwsKeys {
    /// Keys as somebody wrote them: white space around each is dropped, and an empty session token is none.
    /// `None` where the id or the secret is missing, or cannot stand in a header.
    #[must_use]
    pub fn new(id: &[u8], secret: &[u8], session: Option<&[u8]>) -> Option<Self> {
        let (id, secret) = (id.trim_ascii(), secret.trim_ascii());
        let session = session.map(<[u8]>::trim_ascii).filter(|token| !token.is_empty());
        let id = std::str::from_utf8(id).ok().filter(|id| !id.is_empty() && is_plain(id.as_bytes()))?;
        let sound = !secret.is_empty() && session.is_none_or(is_plain);
        sound.then(|| Self {
            access_key_id: id.into(),
            secret_access_key: Secret::new(secret),
            session_token: session.map(Secret::new),
        })
    }
}

/// Letters, digits and signs that a header can carry and that end nothing in it.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',')
}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = if self.session_token.is_some() { ", session" } else { "" };
        write!(f, "AwsKeys(..{session})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_trimmed_and_never_printed() {
        let keys = AwsKeys::new(b" AKID\n", b"secret\r\n", Some(b" ")).unwrap();
        assert_eq!((&*keys.access_key_id, keys.secret_access_key.expose()), ("AKID", &b"secret"[..]));
        assert_eq!(format!("{keys:?}"), "AwsKeys(..)");
        assert_eq!(AwsKeys::new(b"AKID", b" ", None), None);
        assert_eq!(AwsKeys::new(b"AK ID", b"secret", None), None);
        assert_eq!(AwsKeys::new(b"AKID", b"secret", Some(b"a\nb")), None);
    }
}
