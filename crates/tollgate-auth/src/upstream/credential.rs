use std::{fmt, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use tollgate_types::Secret;

use super::{
    AwsKeys, Brings, Own, Scope, Signable, Token, TokenId, TokenRing,
    aws::{SECURITY_TOKEN, SIGNED_HEADERS, region_of},
    own::Brought,
};
use crate::UnixSeconds;

const API_KEY: HeaderName = HeaderName::from_static("api-key");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Headers that carry credentials, or that only who signs may set.
fn is_credential(name: &str) -> bool {
    let named = |known: &HeaderName| known.as_str() == name;
    [AUTHORIZATION, API_KEY, X_API_KEY, X_GOOG_API_KEY].iter().chain(&SIGNED_HEADERS).any(named)
}

/// What a provider wants to see of us (BackendSecurityPolicy). Applied last, over whatever the client sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    shape: Shape,
    /// Ours; `None` where every client has to bring its own.
    proof: Option<Proof>,
    own: Option<Own>,
}

/// How it is shown.
#[derive(Clone, PartialEq, Eq)]
enum Shape {
    /// In a header, after this word.
    Header(HeaderName, &'static str),
    /// By a signature.
    Aws { region: Arc<str> },
    /// In `authorization`, and the path says whose project it is: `/v1/projects/P/locations/R/`.
    Google { prefix: Arc<str> },
}

/// What is shown.
#[derive(Clone, PartialEq, Eq)]
enum Proof {
    /// This, the word before it included. Marked sensitive: its `Debug` hides it, and HPACK does not index it.
    Value(HeaderValue),
    /// A signature with these.
    Keys(AwsKeys),
    /// What was fetched under this name.
    Fetched(TokenId),
}

/// A request on its way out, complete but for its credential.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// The method.
    pub method: &'a Method,
    /// What the provider is called, as it is sent in `host`.
    pub host: &'a str,
    /// Path and query.
    pub path: &'a mut String,
    /// All headers but `host` and `content-length`.
    pub headers: &'a mut HeaderMap,
    /// All of the body.
    pub body: &'a [u8],
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

/// Why a request has no credential. Nothing of a credential is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The client has to bring its own, and did not
    #[error("missing upstream credential")]
    Missing,
    /// The client brought half of one
    #[error("incomplete upstream credential: an access key id and a secret access key belong together")]
    Partial,
    /// None was fetched yet, or the last one has ended
    #[error("no upstream credential: none could be fetched for {0}")]
    NotFetched(TokenId),
    /// It cannot stand in a header
    #[error("the upstream credential cannot be used")]
    Unusable,
}

// === impl Credential ===

impl Credential {
    /// `authorization: Bearer …` (`APIKey`); white space around the key is dropped.
    ///
    /// # Errors
    /// [`InvalidCredential`]
    pub fn api_key(key: &Secret) -> Result<Self, InvalidCredential> {
        Self::key(Shape::Header(AUTHORIZATION, "Bearer "), key)
    }

    /// `api-key: …` (`AzureAPIKey`)
    ///
    /// # Errors
    /// [`InvalidCredential`]
    pub fn azure_api_key(key: &Secret) -> Result<Self, InvalidCredential> {
        Self::key(Shape::Header(API_KEY, ""), key)
    }

    /// `x-api-key: …` (`AnthropicAPIKey`)
    ///
    /// # Errors
    /// [`InvalidCredential`]
    pub fn anthropic_api_key(key: &Secret) -> Result<Self, InvalidCredential> {
        Self::key(Shape::Header(X_API_KEY, ""), key)
    }

    /// `authorization: Bearer …` with a token that is fetched (`AzureCredentials`)
    #[must_use]
    pub const fn bearer(token: TokenId) -> Self {
        Self { shape: Shape::Header(AUTHORIZATION, "Bearer "), proof: Some(Proof::Fetched(token)), own: None }
    }

    /// Signed for Bedrock with these keys (`AWSCredentials`). The region of a host that names its own wins.
    #[must_use]
    pub fn aws(region: &str, keys: AwsKeys) -> Self {
        Self { shape: Shape::Aws { region: region.into() }, proof: Some(Proof::Keys(keys)), own: None }
    }

    /// Signed for Bedrock with keys that are fetched.
    #[must_use]
    pub fn aws_fetched(region: &str, keys: TokenId) -> Self {
        Self { shape: Shape::Aws { region: region.into() }, proof: Some(Proof::Fetched(keys)), own: None }
    }

    /// `authorization: Bearer …` with a token that is fetched, for this project and region (`GCPCredentials`)
    #[must_use]
    pub fn google(project: &str, region: &str, token: TokenId) -> Self {
        let prefix = format!("/v1/projects/{project}/locations/{region}/").into();
        Self { shape: Shape::Google { prefix }, proof: Some(Proof::Fetched(token)), own: None }
    }

    /// The same, but a client may bring its own, or has to: then ours is forgotten.
    #[must_use]
    pub fn or_own(self, own: Own) -> Self {
        let proof = self.proof.filter(|_| own.falls_back());
        Self { shape: self.shape, proof, own: Some(own) }
    }

    fn key(shape: Shape, key: &Secret) -> Result<Self, InvalidCredential> {
        let key = key.expose().trim_ascii();
        if key.is_empty() {
            return Err(InvalidCredential::Empty);
        }
        let value = shape.value(key).ok_or(InvalidCredential::Characters)?;
        Ok(Self { shape, proof: Some(Proof::Value(value)), own: None })
    }

    /// True where all of the request goes into it, the name of the host included.
    #[must_use]
    pub const fn signs(&self) -> bool {
        matches!(self.shape, Shape::Aws { .. })
    }

    /// The token that this request cannot do without and that is not there. `client` is what the client sent.
    #[must_use]
    pub fn lacks(
        &self,
        client: &impl Brings,
        (ring, now): (&impl TokenRing, UnixSeconds),
    ) -> Option<&TokenId> {
        let token = self.token().filter(|token| ring.token(token, now).is_none())?;
        // Half a credential is no reason to wait: it is refused in any case.
        let own = self.own.as_ref().is_some_and(|own| !matches!(own.brought(client), Ok(None)));
        (!own).then_some(token)
    }

    /// The token that is fetched for it, where one is.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenId> {
        match &self.proof {
            Some(Proof::Fetched(token)) => Some(token),
            Some(Proof::Value(_) | Proof::Keys(_)) | None => None,
        }
    }

    /// How a client may bring its own, where it may.
    #[must_use]
    pub const fn own(&self) -> Option<&Own> {
        self.own.as_ref()
    }

    /// Replaces whatever credentials the request carries: those of the client are for us, not for the provider.
    /// `client` is what the client sent, where it may have brought its own.
    ///
    /// # Errors
    /// [`Unsigned`]; the request must not be sent.
    pub fn apply(
        &self,
        call: Outbound<'_>,
        client: &impl Brings,
        (ring, now): (&impl TokenRing, UnixSeconds),
    ) -> Result<(), Unsigned> {
        let Outbound { method, host, path, headers, body } = call;
        // A list that stays empty costs nothing, and comparing names takes less than looking each of ours up.
        let carried: Vec<HeaderName> =
            headers.keys().filter(|name| is_credential(name.as_str())).cloned().collect();
        for name in &carried {
            headers.remove(name);
        }
        let brought = match &self.own {
            Some(own) => own.brought(client)?,
            None => None,
        };
        match &self.shape {
            Shape::Header(name, _) => {
                headers.insert(name, self.value(brought, ring, now)?);
            }
            Shape::Google { prefix } => {
                headers.insert(AUTHORIZATION, self.value(brought, ring, now)?);
                complete(path, prefix);
            }
            Shape::Aws { region } => {
                let region = region_of(host).unwrap_or(region);
                let scope = Scope { region, service: "bedrock" };
                let request = Signable { method: method.as_str(), host, target: path, headers: &[], body };
                let signed = self.with_keys(brought, ring, now, |keys| request.sign(keys, scope, now))?;
                let signed = signed.ok_or(Unsigned::Unusable)?;
                headers.insert(AUTHORIZATION, signed.authorization);
                headers.insert("x-amz-date", signed.date);
                headers.extend(signed.token.map(|token| (SECURITY_TOKEN, token)));
            }
        }
        Ok(())
    }

    /// Puts the project before a path that a translator left without one.
    pub fn complete(&self, path: &mut String) {
        if let Shape::Google { prefix } = &self.shape {
            complete(path, prefix);
        }
    }

    /// What stands in the header.
    fn value(
        &self,
        brought: Option<Brought>,
        ring: &impl TokenRing,
        now: UnixSeconds,
    ) -> Result<HeaderValue, Unsigned> {
        match (brought, &self.proof) {
            (Some(Brought::Key(key)), _) => self.shape.value(self.shape.bare(&key)).ok_or(Unsigned::Unusable),
            (None, Some(Proof::Value(value))) => Ok(value.clone()),
            (None, Some(Proof::Fetched(id))) => match ring.token(id, now).as_deref() {
                Some(Token::Bearer(value)) => Ok(value.clone()),
                Some(Token::Aws(_)) | None => Err(Unsigned::NotFetched(id.clone())),
            },
            (None, None) => Err(Unsigned::Missing),
            (Some(Brought::Aws(_)), _) | (None, Some(Proof::Keys(_))) => Err(Unsigned::Unusable),
        }
    }

    fn with_keys<T>(
        &self,
        brought: Option<Brought>,
        ring: &impl TokenRing,
        now: UnixSeconds,
        sign: impl FnOnce(&AwsKeys) -> T,
    ) -> Result<T, Unsigned> {
        match (brought, &self.proof) {
            (Some(Brought::Aws(keys)), _) => Ok(sign(&keys)),
            (None, Some(Proof::Keys(keys))) => Ok(sign(keys)),
            (None, Some(Proof::Fetched(id))) => match ring.token(id, now).as_deref() {
                Some(Token::Aws(keys)) => Ok(sign(keys)),
                Some(Token::Bearer(_)) | None => Err(Unsigned::NotFetched(id.clone())),
            },
            (None, None) => Err(Unsigned::Missing),
            (Some(Brought::Key(_)), _) | (None, Some(Proof::Value(_))) => Err(Unsigned::Unusable),
        }
    }
}

/// A path that begins with a slash is somebody's own and whole.
fn complete(path: &mut String, prefix: &str) {
    if !path.starts_with('/') {
        path.insert_str(0, prefix);
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(")?;
        match &self.shape {
            Shape::Header(name, _) => write!(f, "{name}")?,
            Shape::Aws { region } => write!(f, "aws {region}")?,
            Shape::Google { prefix } => write!(f, "google {prefix}")?,
        }
        match &self.proof {
            Some(Proof::Value(_) | Proof::Keys(_)) => f.write_str(": ..")?,
            Some(Proof::Fetched(token)) => write!(f, ": {token}")?,
            None => f.write_str(": none")?,
        }
        if let Some(own) = &self.own {
            write!(f, ", or the client's in {own}")?;
        }
        f.write_str(")")
    }
}

// === impl Shape ===

impl Shape {
    const fn word(&self) -> &'static str {
        match self {
            Self::Header(_, word) => word,
            Self::Aws { .. } | Self::Google { .. } => "Bearer ",
        }
    }

    /// What a client brought, without the word that we put before it.
    fn bare<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        let word = self.word().as_bytes();
        match key.split_at_checked(word.len()) {
            Some((before, rest)) if before.eq_ignore_ascii_case(word) => rest.trim_ascii_start(),
            _ => key,
        }
    }

    fn value(&self, key: &[u8]) -> Option<HeaderValue> {
        let value: Result<HeaderValue, InvalidHeaderValue> =
            HeaderValue::from_bytes(&[self.word().as_bytes(), key].concat());
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests;
