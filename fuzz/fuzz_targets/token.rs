//! Tokens and key sets of strangers: no token is believed that was not signed, and of one that was, nothing reaches a
//! backend that is no header. The first line is a token's header, the rest its claims.
#![no_main]

use std::{net::Ipv4Addr, sync::Arc};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use tollgate_auth::{
    Access, Arrival, Caller, ClaimToHeader, Identity, Jwt, KeyOrigin, KeyRing, KeySet, KeySourceId, Keys,
    Leniency, Provider, TokenCache, UnixSeconds,
};
use tollgate_types::ObjectRef;

const SECRET: &[u8] = b"nobody guesses these bytes by chance";
const TOLD: HeaderName = HeaderName::from_static("x-told");

struct NoKeys;

impl KeyRing for NoKeys {
    fn keys(&self, _: &KeySourceId) -> Option<Arc<KeySet>> {
        None
    }
}

fn access() -> Access {
    let keys = format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, URL_SAFE_NO_PAD.encode(SECRET));
    let keys = KeySet::parse(keys.as_bytes(), KeyOrigin::Local).expect("our own key");
    let provider = Provider {
        name: "issuer".into(),
        issuer: None,
        audiences: Vec::new(),
        keys: Keys::Local(Arc::new(keys)),
        places: Provider::usual_places(),
        claims_to_headers: vec![ClaimToHeader { header: TOLD, claim: "a.b".into() }],
        recompute_route: false,
    };
    let mut access = Access::new(ObjectRef::new("SecurityPolicy", "", "fuzz"));
    access.jwt = Some(Jwt { providers: vec![provider], leniency: Leniency::Required });
    access
}

fn ask(access: &Access, token: &[u8]) -> Option<(Identity, HeaderMap)> {
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    headers.insert(TOLD, HeaderValue::from_static("forged"));
    let caller = Caller {
        method: &Method::GET,
        secure: true,
        host: "gw.example",
        path: "/",
        query: None,
        headers: &headers,
        client_ip: Ipv4Addr::LOCALHOST.into(),
        arrival: Arrival {
            peer: (Ipv4Addr::LOCALHOST, 1).into(),
            port: 80,
            version: Version::HTTP_11,
            server_name: None,
            certificate: None,
            id: "fuzz",
            unix_ms: 1_800_000_000_000,
            vetted: None,
        },
    };
    let mut cache = TokenCache::default();
    let first = access.authenticate(&caller, &NoKeys, &mut cache, UnixSeconds(1_800_000_000));
    let second = access.authenticate(&caller, &NoKeys, &mut cache, UnixSeconds(1_800_000_000));
    assert_eq!(first.as_ref().err(), second.as_ref().err(), "what is remembered is what is found");
    if let Err(denial) = &first {
        let _ = denial.www_authenticate(&caller);
    }
    let identity = first.ok()?;
    identity.apply(&mut headers);
    Some((identity, headers))
}

fuzz_target!(|bytes: &[u8]| {
    for origin in [KeyOrigin::Local, KeyOrigin::Remote] {
        let _ = KeySet::parse(bytes, origin);
    }
    let access = access();
    assert!(ask(&access, bytes).is_none(), "nobody signed this");
    let middle = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, claims) = bytes.split_at(middle);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    if let Some((identity, headers)) = ask(&access, format!("{message}.{signature}").as_bytes()) {
        let told = identity.claims_of("issuer").and_then(|claims| claims.text("a.b"));
        match headers.get(TOLD) {
            Some(value) => assert_eq!(Some(value.as_bytes()), told.as_deref().map(str::as_bytes)),
            None => assert!(told.is_none_or(|text| text.chars().any(char::is_control))),
        }
    }
});
