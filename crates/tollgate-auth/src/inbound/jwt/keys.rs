use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::{
    algorithm::{Algorithm, Kind},
    token::Token,
};
use crate::TokenFault;

/// Keys of a set that are kept; further ones are left out.
const MAX_KEYS: usize = 256;

/// Keys that are tried for one token, where it does not say which.
const MAX_TRIES: usize = 16;

/// Names a key set that is fetched; the same over reloads for the same place and settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySourceId(pub Arc<str>);

/// Where a provider's keys are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// In the policy
    Local(Arc<KeySet>),
    /// Fetched by somebody, who has them in a [`KeyRing`]
    Remote(KeySourceId),
}

/// Whoever has the key sets that are fetched.
pub trait KeyRing {
    /// The newest good set; `None` where there never was one.
    fn keys(&self, source: &KeySourceId) -> Option<Arc<KeySet>>;
}

/// Where the text of a key set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The user's own configuration; may have shared secrets (`oct`)
    Local,
    /// Fetched. A secret that can be fetched is none, so `oct` keys are left out.
    Remote,
}

/// A JWKS, read (RFC 7517). Prints no key.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    digest: [u8; 32],
}

/// A text that is no key set of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// Not a JSON object with a list `keys`
    #[error("it is no JWKS: an object with a list of keys is wanted")]
    NotJwks,
    /// Not one key for signatures that we know
    #[error("it has no key that can verify a token")]
    NoKeys,
}

#[derive(Clone)]
struct Key {
    id: Option<Box<str>>,
    /// The only one it is meant for, where it says so.
    algorithm: Option<Algorithm>,
    kind: Kind,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Library(DecodingKey),
    /// An uncompressed point
    P521(Box<[u8]>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// RFC 7518, 6; unknown members are for others.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<Box<str>>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

// === impl KeySourceId ===

impl fmt::Display for KeySourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Keys ===

impl Keys {
    pub(crate) fn source(&self) -> Option<&KeySourceId> {
        match self {
            Self::Local(_) => None,
            Self::Remote(source) => Some(source),
        }
    }

    pub(crate) fn missing(&self) -> TokenFault {
        match self {
            Self::Local(_) => TokenFault::UnknownKey(None),
            Self::Remote(source) => TokenFault::KeysMissing(source.clone()),
        }
    }
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JWKS. Keys that are for something else, or that we do not know, are left out.
    ///
    /// # Errors
    /// [`BadKeySet`]
    pub fn parse(text: &[u8], origin: KeyOrigin) -> Result<Self, BadKeySet> {
        let document: Document = serde_json::from_slice(text).map_err(|_| BadKeySet::NotJwks)?;
        let keys = document.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<Key> = keys.filter_map(|key| key.read(origin)).take(MAX_KEYS).collect();
        if keys.is_empty() {
            return Err(BadKeySet::NoKeys);
        }
        let mut hash = Context::new(&SHA256);
        // The same text may mean other keys elsewhere.
        hash.update(match origin {
            KeyOrigin::Local => b"local",
            KeyOrigin::Remote => b"fetch",
        });
        hash.update(text);
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.finish().as_ref());
        Ok(Self { keys, digest })
    }

    /// How many keys it has; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Tells this set from any other.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether one of the keys signed the token. A key is asked only for what it is made for.
    pub(crate) fn verify(&self, token: &Token<'_>, source: Option<&KeySourceId>) -> Result<(), TokenFault> {
        let mut by_name = false;
        let mut tried = 0_usize;
        for key in self.keys.iter().filter(|key| key.fits(token)).take(MAX_TRIES) {
            if key.verifies(token) {
                return Ok(());
            }
            tried += 1;
            by_name |= key.id.is_some() && token.key_id.is_some();
        }
        // A key that was found by its name is the right one; any other may have been replaced by its issuer.
        if by_name || (tried > 0 && source.is_none()) {
            Err(TokenFault::Signature)
        } else {
            Err(TokenFault::UnknownKey(source.cloned()))
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

// === impl Key ===

impl Key {
    fn fits(&self, token: &Token<'_>) -> bool {
        let named = match (&self.id, &token.key_id) {
            (Some(own), Some(wanted)) => **own == **wanted,
            (None, _) | (_, None) => true,
        };
        named
            && self.kind == token.algorithm.kind()
            && self.algorithm.is_none_or(|algorithm| algorithm == token.algorithm)
    }

    fn verifies(&self, token: &Token<'_>) -> bool {
        let message = token.message.as_bytes();
        match &self.material {
            Material::Library(key) => token
                .algorithm
                .library()
                .is_some_and(|name| crypto::verify(token.signature, message, key, name).unwrap_or(false)),
            Material::P521(point) => URL_SAFE_NO_PAD.decode(token.signature).is_ok_and(|signature| {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(message, &signature).is_ok()
            }),
        }
    }
}

// === impl Jwk ===

impl Jwk {
    fn read(self, origin: KeyOrigin) -> Option<Key> {
        let for_signatures = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let to_verify =
            self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify" || op == "sign"));
        if !for_signatures || !to_verify {
            return None;
        }
        let algorithm = match self.alg.as_deref() {
            None => None,
            // For something that we do not do, such as encryption.
            Some(name) => Some(Algorithm::parse(name)?),
        };
        let (kind, material) = self.material(origin)?;
        if algorithm.is_some_and(|algorithm| algorithm.kind() != kind) {
            return None;
        }
        Some(Key { id: self.kid, algorithm, kind, material })
    }

    fn material(&self, origin: KeyOrigin) -> Option<(Kind, Material)> {
        let (x, y) = (self.x.as_deref(), self.y.as_deref());
        Some(match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let key = DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?).ok()?;
                (Kind::Rsa, Material::Library(key))
            }
            ("EC", Some("P-256")) => (Kind::P256, point(x?, y?)?),
            ("EC", Some("P-384")) => (Kind::P384, point(x?, y?)?),
            ("EC", Some("P-521")) => {
                let (x, y) = (URL_SAFE_NO_PAD.decode(x?).ok()?, URL_SAFE_NO_PAD.decode(y?).ok()?);
                (Kind::P521, Material::P521([&[4], &*x, &*y].concat().into()))
            }
            ("OKP", Some("Ed25519")) => {
                (Kind::Ed25519, Material::Library(DecodingKey::from_ed_components(x?).ok()?))
            }
            ("oct", _) if origin == KeyOrigin::Local => {
                let secret = URL_SAFE_NO_PAD.decode(self.k.as_deref()?).ok().filter(|k| !k.is_empty())?;
                (Kind::Secret, Material::Library(DecodingKey::from_secret(&secret)))
            }
            _ => return None,
        })
    }
}

fn point(x: &str, y: &str) -> Option<Material> {
    DecodingKey::from_ec_components(x, y).ok().map(Material::Library)
}
