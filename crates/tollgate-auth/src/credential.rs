use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use tollgate_types::Secret;

const API_KEY: HeaderName = HeaderName::from_static("api-key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a provider wants to see of us (BackendSecurityPolicy). Applied last, over whatever the client sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    name: HeaderName,
    /// Marked sensitive: its `Debug` hides it, and HPACK does not index it.
    value: HeaderValue,
}

/// A key that no HTTP header can carry: empty, or with control characters. Does not repeat the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    /// Nothing but white space
    #[error("the key is empty")]
    Empty,
    /// Line breaks inside, or other control characters
    #[error("the key has characters that no header can carry")]
    Characters,
}

// === impl Credential ===

impl Credential {
    /// `authorization: Bearer …` (`APIKey`); white space around the key is dropped.
    ///
    /// # Errors
    /// [`InvalidCredential`]
    pub fn api_key(key: &Secret) -> Result<Self, InvalidCredential> {
        Self::new(AUTHORIZATION, b"Bearer ", key)
    }

    /// `api-key: …` (`AzureAPIKey`)
    ///
    /// # Errors
    /// [`InvalidCredential`]
    pub fn azure_api_key(key: &Secret) -> Result<Self, InvalidCredential> {
        Self::new(API_KEY, b"", key)
    }

    /// `x-api-key: …` (`AnthropicAPIKey`)
    ///
    /// # Errors
    /// [`InvalidCredential`]
    pub fn anthropic_api_key(key: &Secret) -> Result<Self, InvalidCredential> {
        Self::new(X_API_KEY, b"", key)
    }

    fn new(name: HeaderName, scheme: &[u8], key: &Secret) -> Result<Self, InvalidCredential> {
        let key = key.expose().trim_ascii();
        if key.is_empty() {
            return Err(InvalidCredential::Empty);
        }
        let mut value = HeaderValue::from_bytes(&[scheme, key].concat())
            .map_err(|_: InvalidHeaderValue| InvalidCredential::Characters)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    /// Replaces whatever credentials the headers carry: those of the client are for us, not for the provider.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in [AUTHORIZATION, API_KEY, X_API_KEY] {
            headers.remove(name);
        }
        headers.insert(&self.name, self.value.clone());
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}: ..)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_credentials_never_reach_the_provider() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer of-the-client"));
        headers.insert(API_KEY, HeaderValue::from_static("of-the-client"));
        Credential::anthropic_api_key(&Secret::new(" sk-1\n")).unwrap().apply(&mut headers);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[X_API_KEY], "sk-1");
    }

    #[test]
    fn a_key_is_not_printed_and_a_broken_one_is_refused_without_repeating_it() {
        let credential = Credential::api_key(&Secret::new("sk-secret")).unwrap();
        assert!(!format!("{credential:?}").contains("sk-secret"));
        assert_eq!(Credential::api_key(&Secret::new("sk\nsecret")), Err(InvalidCredential::Characters));
        assert_eq!(Credential::api_key(&Secret::new(" ")), Err(InvalidCredential::Empty));
    }
}
