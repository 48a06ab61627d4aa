#![expect(clippy::disallowed_types, reason = "held for one signature, never over an await")]

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64},
};
use serde_json::{Value, json};

use super::Rejected;

/// Bytes of a key's digest that name it.
const ID: usize = 9;

/// The keys of an issuer, the one that signs first.
#[derive(Debug)]
pub(super) struct Keys(Mutex<VecDeque<Key>>);

/// Prints its id only.
struct Key {
    id: String,
    pair: KeyPair,
}

// === impl Keys ===

impl Keys {
    pub(super) fn new(pem: Option<&str>) -> io::Result<Self> {
        let key = pem.map_or_else(Key::generate, Key::read)?;
        Ok(Self(Mutex::new(VecDeque::from([key]))))
    }

    /// Signs what `message` makes of the key's id: message, a dot, and the signature.
    pub(super) fn sign(&self, message: impl FnOnce(&str) -> String) -> io::Result<String> {
        let keys = self.lock();
        let key = keys.front().ok_or_else(|| io::Error::other("there is no key"))?;
        let message = message(&key.id);
        let mut signature = vec![0; key.pair.public_modulus_len()];
        key.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| io::Error::other("the key cannot sign"))?;
        Ok(format!("{message}.{}", BASE64.encode(signature)))
    }

    pub(super) fn verify(&self, id: &str, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        let keys = self.lock();
        let key = keys.iter().find(|key| key.id == id).ok_or(Rejected::UnknownKey)?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref())
            .verify(message, signature)
            .map_err(|_| Rejected::Forged)
    }

    pub(super) fn public(&self) -> Vec<Value> {
        self.lock().iter().map(Key::public).collect()
    }

    pub(super) fn rotate(&self, keep: usize) -> io::Result<String> {
        // Made before the lock is taken: this takes a while.
        let key = Key::generate()?;
        let id = key.id.clone();
        let mut keys = self.lock();
        keys.truncate(keep);
        keys.push_front(key);
        Ok(id)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Key ===

impl Key {
    fn generate() -> io::Result<Self> {
        let pair =
            KeyPair::generate(KeySize::Rsa2048).map_err(|_| io::Error::other("cannot make an RSA key"))?;
        Ok(Self::new(pair))
    }

    fn read(pem: &str) -> io::Result<Self> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let block = |label: &str| {
            let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
            let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
            let body: String = body.split_ascii_whitespace().collect();
            STANDARD.decode(body).ok()
        };
        let pair = if let Some(der) = block("PRIVATE KEY") {
            KeyPair::from_pkcs8(&der)
        } else if let Some(der) = block("RSA PRIVATE KEY") {
            KeyPair::from_der(&der)
        } else {
            return Err(invalid("no PEM block PRIVATE KEY or RSA PRIVATE KEY"));
        };
        pair.map(Self::new).map_err(|_| invalid("not an RSA key of 2048 bits or more"))
    }

    fn new(pair: KeyPair) -> Self {
        let digest = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let id = digest.as_ref().get(..ID).unwrap_or_default();
        Self { id: BASE64.encode(id), pair }
    }

    fn public(&self) -> Value {
        let key = self.pair.public_key();
        let number = |bytes: &[u8]| BASE64.encode(bytes);
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": number(key.modulus().big_endian_without_leading_zero()),
            "e": number(key.exponent().big_endian_without_leading_zero()),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
