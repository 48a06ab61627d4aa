//! An issuer of tokens, and requests that carry them.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeys, KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use tollgate_auth::{
    Access, Arrival, Caller, Denial, Identity, Jwt, KeyOrigin, KeyRing, KeySet, KeySourceId, Keys, Leniency,
    Provider, TokenCache, UnixSeconds,
};
use tollgate_types::ObjectRef;

/// The time of all tests.
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

pub(crate) const ISSUER: &str = "https://issuer.example";

enum Pair {
    Rsa(Box<RsaKeys>),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
    Secret(Vec<u8>),
}

/// A key with which tokens are signed.
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    pub(crate) alg: &'static str,
    pair: Pair,
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    /// A new key for this algorithm.
    pub(crate) fn new(alg: &'static str, kid: &'static str) -> Self {
        let pair = match alg {
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), "P-256"),
            "ES384" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(), "P-384"),
            "ES512" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(), "P-521"),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            "HS256" | "HS384" | "HS512" => Pair::Secret(b"a secret of at least thirty-two bytes".to_vec()),
            _ => Pair::Rsa(Box::new(RsaKeys::generate(KeySize::Rsa2048).unwrap())),
        };
        Self { kid, alg, pair }
    }

    /// Its public half (of a secret: all of it) as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": b64(parts.n), "e": b64(parts.e)})
            }
            Pair::Ec(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key())}),
            Pair::Secret(secret) => json!({"kty": "oct", "k": b64(secret)}),
        };
        if !self.kid.is_empty() {
            jwk["kid"] = self.kid.into();
        }
        jwk
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({"alg": self.alg, "kid": self.kid}), &claims.to_string())
    }

    /// Whatever the header and the payload say.
    pub(crate) fn sign_with(&self, header: &Value, payload: &str) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(payload));
        let signature = self.signature(message.as_bytes());
        format!("{message}.{}", b64(signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match self.alg {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    other => panic!("{other}"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Secret(secret) => {
                let algorithm = match self.alg {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec()
            }
        }
    }
}

pub(crate) fn jwks(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

pub(crate) fn local(signers: &[&Signer]) -> Keys {
    Keys::Local(Arc::new(KeySet::parse(jwks(signers).as_bytes(), KeyOrigin::Local).unwrap()))
}

/// Claims that are good for an hour.
pub(crate) fn good() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "exp": NOW.0 + 3600})
}

pub(crate) fn provider(keys: Keys) -> Provider {
    Provider {
        name: "issuer".into(),
        issuer: Some(ISSUER.into()),
        audiences: Vec::new(),
        keys,
        places: Provider::usual_places(),
        claims_to_headers: Vec::new(),
        recompute_route: false,
    }
}

pub(crate) fn access() -> Access {
    Access::new(ObjectRef::new("SecurityPolicy", "infra", "callers"))
}

pub(crate) fn by_token(providers: Vec<Provider>) -> Access {
    Access { jwt: Some(Jwt { providers, leniency: Leniency::Required }), ..access() }
}

/// Key sets by their source.
#[derive(Default)]
pub(crate) struct Ring(pub(crate) HashMap<KeySourceId, Arc<KeySet>>);

impl KeyRing for Ring {
    fn keys(&self, source: &KeySourceId) -> Option<Arc<KeySet>> {
        self.0.get(source).cloned()
    }
}

/// A request in the making.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) ip: IpAddr,
}

impl Asked {
    pub(crate) fn get(target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let ip = [192, 0, 2, 1].into();
        Self { method: Method::GET, path: path.to_owned(), query, headers: HeaderMap::new(), ip }
    }

    pub(crate) fn bearer(token: &str) -> Self {
        Self::get("/v1/models").with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            method: &self.method,
            secure: true,
            host: "gw.example",
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            client_ip: self.ip,
            arrival: Arrival {
                peer: (self.ip, 5000).into(),
                port: 443,
                version: http::Version::HTTP_2,
                server_name: Some("gw.example"),
                certificate: None,
                id: "id-1",
                unix_ms: NOW.0 * 1000,
                vetted: None,
            },
        }
    }

    /// Asks with no fetched keys and an empty cache.
    pub(crate) fn ask(&self, access: &Access) -> Result<Identity, Denial> {
        access.authenticate(&self.caller(), &Ring::default(), &mut TokenCache::default(), NOW)
    }

    /// The headers that a backend gets.
    pub(crate) fn forwarded(&self, identity: &Identity) -> HeaderMap {
        let mut headers = self.headers.clone();
        identity.apply(&mut headers);
        headers
    }
}
