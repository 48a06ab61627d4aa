//! Tokens to rehearse against: RS256 JSON Web Tokens (RFC 7519), their public keys (RFC 7517), and one who checks them.

mod keys;
pub(crate) mod route;

use std::io;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use self::keys::Keys;

/// Who signs tokens, for whoever asks: for tests and clusters that are tried out, never for people's data.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    /// Whom [`Issuer::check`] lets in; empty lets everybody in.
    tenants: Vec<String>,
    keys: Keys,
}

/// What a token is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The claim `tenant`.
    pub tenant: String,
    /// The claim `sub`.
    pub subject: String,
    /// The claim `scope`: names with spaces between them.
    pub scope: String,
    /// The claim `aud`; left out when empty.
    pub audience: Option<String>,
    /// Seconds until the token expires; what is below 0 expired so long ago.
    pub expires_in: i64,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// None was sent, or not as a bearer.
    #[error("no bearer token")]
    Missing,
    /// Not three parts of base64 with JSON in them.
    #[error("not a JSON Web Token")]
    Malformed,
    /// Signed otherwise than with RS256 and a current key.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Forged,
    /// Its time has passed, or it does not say when it will.
    #[error("expired")]
    Expired,
    /// Another issuer's.
    #[error("from another issuer")]
    Foreign,
    /// Genuine, but of a tenant that is not let in.
    #[error("the tenant is not let in")]
    Tenant,
}

// === impl Issuer ===

impl Issuer {
    /// An issuer with the private key in `pem` (PKCS #8 or PKCS #1, RSA of 2048 bits or more), or a key made now.
    ///
    /// # Errors
    /// The key cannot be read, or not be made.
    pub fn new(name: &str, tenants: &[String], pem: Option<&str>) -> io::Result<Self> {
        Ok(Self { name: name.to_owned(), tenants: tenants.to_vec(), keys: Keys::new(pem)? })
    }

    /// Signs a token. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn token(&self, grant: &Grant, now: u64) -> io::Result<String> {
        let Grant { tenant, subject, scope, audience, expires_in } = grant;
        let mut claims = json!({
            "iss": self.name,
            "sub": subject,
            "tenant": tenant,
            "scope": scope,
            "iat": now,
            "exp": now.saturating_add_signed(*expires_in),
        });
        if let Some(audience) = audience {
            claims["aud"] = json!(audience);
        }
        self.keys.sign(|kid| {
            let header = json!({"alg": "RS256", "typ": "JWT", "kid": kid});
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
        })
    }

    /// The public keys as a JSON Web Key Set, the one that signs first.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys.public()})
    }

    /// Signs with a new key from now on, and returns its id. `keep` older keys stay in the set, so that tokens they
    /// signed stay good.
    ///
    /// # Errors
    /// A key cannot be made.
    pub fn rotate(&self, keep: usize) -> io::Result<String> {
        self.keys.rotate(keep)
    }

    /// What a token says, once it is verified and its tenant is known here. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Rejected`], saying why.
    pub fn check(&self, token: &str, now: u64) -> Result<Value, Rejected> {
        let (message, signature) = token.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Rejected::Malformed)?;
        let (header, claims) = (document(header)?, document(claims)?);
        if header["alg"] != "RS256" {
            return Err(Rejected::UnknownKey);
        }
        let signature = BASE64.decode(signature).map_err(|_| Rejected::Malformed)?;
        let kid = header["kid"].as_str().ok_or(Rejected::UnknownKey)?;
        self.keys.verify(kid, message.as_bytes(), &signature)?;
        if claims["exp"].as_u64().is_none_or(|exp| exp <= now) {
            return Err(Rejected::Expired);
        }
        if claims["iss"] != *self.name {
            return Err(Rejected::Foreign);
        }
        let known =
            |tenant: &str| self.tenants.is_empty() || self.tenants.iter().any(|known| known == tenant);
        if !claims["tenant"].as_str().is_some_and(known) {
            return Err(Rejected::Tenant);
        }
        Ok(claims)
    }
}

fn document(part: &str) -> Result<Value, Rejected> {
    let bytes = BASE64.decode(part).map_err(|_| Rejected::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Rejected::Malformed)
}

// === impl Grant ===

impl Default for Grant {
    fn default() -> Self {
        Self {
            tenant: "tenant-a".into(),
            subject: "user-1".into(),
            scope: "models:predict".into(),
            audience: None,
            expires_in: 3600,
        }
    }
}

#[cfg(test)]
mod tests;
