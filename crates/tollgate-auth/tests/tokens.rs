//! Tokens: which are believed, which are not, and what is said about it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use support::*;
use tollgate_auth::{
    ClaimToHeader, Denial, Jwt, KeyOrigin, KeySet, KeySourceId, Keys, Leniency, Place, Provider, TokenCache,
    TokenFault, UnixSeconds,
};

fn fault(outcome: Result<tollgate_auth::Identity, Denial>) -> TokenFault {
    match outcome {
        Err(Denial::Token(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn remote(source: &str) -> Keys {
    Keys::Remote(KeySourceId(source.into()))
}

#[test]
fn every_algorithm_verifies_its_own_signatures_and_no_others() {
    let names = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256",
        "HS384", "HS512",
    ];
    for alg in names {
        let signer = Signer::new(alg, "k");
        let access = by_token(vec![provider(local(&[&signer]))]);
        let identity = Asked::bearer(&signer.sign(&good())).ask(&access).unwrap();
        assert_eq!(identity.claims_of("issuer").unwrap().subject(), Some("alice"), "{alg}");
        for other in names.iter().filter(|other| **other != alg) {
            // The same key and the same bytes under another name.
            let token = signer.sign_with(&json!({"alg": other, "kid": "k"}), &good().to_string());
            let fault = fault(Asked::bearer(&token).ask(&access));
            assert!(matches!(fault, TokenFault::UnknownKey(_) | TokenFault::Signature), "{alg} {other}");
        }
    }
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let signer = Signer::new("RS256", "k");
    let access = by_token(vec![provider(local(&[&signer]))]);
    let message = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"k"}"#), b64(good().to_string()));
    let key = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        signer.jwk()["n"].as_str().unwrap().as_bytes(),
    );
    let token = format!("{message}.{}", b64(aws_lc_rs::hmac::sign(&key, message.as_bytes())));
    assert_eq!(fault(Asked::bearer(&token).ask(&access)), TokenFault::UnknownKey(None));
}

#[test]
fn a_secret_that_was_fetched_is_none() {
    let signer = Signer::new("HS256", "k");
    let text = jwks(&[&signer]);
    assert!(KeySet::parse(text.as_bytes(), KeyOrigin::Local).is_ok());
    assert!(KeySet::parse(text.as_bytes(), KeyOrigin::Remote).is_err());
}

#[test]
fn what_is_no_token_is_told_what_it_lacks() {
    let signer = Signer::new("ES256", "k");
    let access = by_token(vec![provider(local(&[&signer]))]);
    let sign = |header, payload: &str| signer.sign_with(&header, payload);
    let fine = good().to_string();
    let usual = || json!({"alg": "ES256", "kid": "k"});
    let none = b64(r#"{"alg":"none"}"#);
    let cases = [
        ("text", "abc".to_owned(), TokenFault::Form),
        ("two parts", "YQ.YQ".to_owned(), TokenFault::Form),
        ("five parts", "YQ.YQ.YQ.YQ.YQ".to_owned(), TokenFault::Form),
        ("padding", format!("{}=.{}.YQ", b64("{}"), b64("{}")), TokenFault::Form),
        ("no text", "a\u{fffd}.b.c".to_owned(), TokenFault::Form),
        ("1 MiB", "a".repeat(1 << 20), TokenFault::TooLarge),
        ("none", format!("{none}.{}.", b64(&fine)), TokenFault::Algorithm),
        ("None", sign(json!({"alg": "None", "kid": "k"}), &fine), TokenFault::Algorithm),
        ("no alg", sign(json!({"kid": "k"}), &fine), TokenFault::Header),
        ("critical", sign(json!({"alg": "ES256", "crit": ["b64"], "b64": false}), &fine), TokenFault::Header),
        ("kid", sign(json!({"alg": "ES256", "kid": 1}), &fine), TokenFault::Header),
        ("list", sign(usual(), "[]"), TokenFault::Payload),
        (
            "twice",
            sign(usual(), r#"{"iss":"https://issuer.example","sub":"a","sub":"b"}"#),
            TokenFault::Payload,
        ),
        ("deep twice", sign(usual(), r#"{"a":[{"b":1,"b":2}]}"#), TokenFault::Payload),
        ("deep", sign(usual(), &"[".repeat(20_000)), TokenFault::Payload),
        (
            "text time",
            sign(usual(), r#"{"iss":"https://issuer.example","exp":"never"}"#),
            TokenFault::Payload,
        ),
        ("other issuer", sign(usual(), r#"{"iss":"https://evil.example"}"#), TokenFault::Issuer),
        ("no issuer", sign(usual(), "{}"), TokenFault::Issuer),
        ("unknown kid", sign(json!({"alg": "ES256", "kid": "x"}), &fine), TokenFault::UnknownKey(None)),
        (
            "own key",
            {
                let own = Signer::new("ES256", "k");
                own.sign_with(&json!({"alg": "ES256", "kid": "k", "jwk": own.jwk()}), &fine)
            },
            TokenFault::Signature,
        ),
        ("other key", Signer::new("ES256", "k").sign(&good()), TokenFault::Signature),
    ];
    for (name, token, wanted) in cases {
        assert_eq!(fault(Asked::bearer(&token).ask(&access)), wanted, "{name}");
    }
    assert_eq!(fault(Asked::get("/").ask(&access)), TokenFault::Missing);
    assert_eq!(fault(Asked::get("/").with("authorization", "Basic YTpi").ask(&access)), TokenFault::Missing);
}

#[test]
fn a_token_counts_from_its_beginning_to_its_end_give_or_take_a_minute() {
    let signer = Signer::new("EdDSA", "");
    let access = by_token(vec![provider(local(&[&signer]))]);
    let token = signer.sign(&json!({"iss": ISSUER, "nbf": 1000, "exp": 2000.5}));
    let asked = Asked::bearer(&token);
    let mut cache = TokenCache::default();
    let mut at = |seconds| {
        access.authenticate(&asked.caller(), &Ring::default(), &mut cache, UnixSeconds(seconds)).map(|_| ())
    };
    // Also when the clock jumps, and whether the token is known or not.
    for _ in 0..2 {
        assert_eq!(at(939), Err(Denial::Token(TokenFault::NotYetValid)));
        assert_eq!(at(940), Ok(()));
        assert_eq!(at(2060), Ok(()));
        assert_eq!(at(2061), Err(Denial::Token(TokenFault::Expired)));
        assert_eq!(at(0), Err(Denial::Token(TokenFault::NotYetValid)));
        assert_eq!(at(u64::MAX), Err(Denial::Token(TokenFault::Expired)));
    }
    let long_ago = signer.sign(&json!({"iss": ISSUER, "exp": -5}));
    assert_eq!(fault(Asked::bearer(&long_ago).ask(&access)), TokenFault::Expired);
    let for_ever = signer.sign(&json!({"iss": ISSUER, "exp": 1e300, "nbf": -1e300}));
    assert!(Asked::bearer(&for_ever).ask(&access).is_ok());
}

#[test]
fn a_token_for_somebody_else_is_forbidden() {
    let signer = Signer::new("ES256", "k");
    let ours = Provider { audiences: vec!["us".into(), "we".into()], ..provider(local(&[&signer])) };
    let access = by_token(vec![ours]);
    for (audience, passes) in [
        (json!("us"), true),
        (json!(["them", "we"]), true),
        (json!("them"), false),
        (json!([]), false),
        (json!(null), false),
        (json!({"us": 1}), false),
    ] {
        let mut claims = good();
        claims["aud"] = audience.clone();
        let outcome = Asked::bearer(&signer.sign(&claims)).ask(&access);
        assert_eq!(outcome.is_ok(), passes, "{audience}");
        if let Err(denial) = outcome {
            assert_eq!(denial.status(), StatusCode::FORBIDDEN);
            assert_eq!(denial.to_string(), "Audiences in Jwt are not allowed");
        }
    }
}

#[test]
fn a_challenge_names_the_url_and_what_is_wrong() {
    let signer = Signer::new("ES256", "k");
    let access = by_token(vec![provider(local(&[&signer]))]);
    let none = Asked::get("/v1/\"models?key=1");
    let denial = none.ask(&access).unwrap_err();
    assert_eq!((denial.status(), denial.kind()), (StatusCode::UNAUTHORIZED, "Unauthorized"));
    assert_eq!(
        denial.www_authenticate(&none.caller()).unwrap(),
        r#"Bearer realm="https://gw.example/v1/models""#
    );
    let bad = Asked::bearer("x.y.z");
    let challenge = bad.ask(&access).unwrap_err().www_authenticate(&bad.caller()).unwrap();
    assert_eq!(challenge, r#"Bearer realm="https://gw.example/v1/models", error="invalid_token""#);
    let long = Asked::get(&format!("/{}", "a".repeat(4000)));
    let challenge = denial.www_authenticate(&long.caller()).unwrap();
    assert_eq!(challenge.len(), 256 + "Bearer realm=\"\"".len());
}

#[test]
fn one_of_several_providers_will_do_and_the_nearest_says_why_none_did() {
    let (first, second) = (Signer::new("ES256", "k"), Signer::new("ES256", "k"));
    let other = "https://other.example";
    let one = provider(local(&[&first]));
    let two = Provider { name: "other".into(), issuer: Some(other.into()), ..provider(local(&[&second])) };
    let access = by_token(vec![one, two]);
    let identity = Asked::bearer(&second.sign(&json!({"iss": other}))).ask(&access).unwrap();
    assert!(identity.claims_of("other").is_some() && identity.claims_of("issuer").is_none());
    let expired = second.sign(&json!({"iss": other, "exp": 1}));
    assert_eq!(fault(Asked::bearer(&expired).ask(&access)), TokenFault::Expired);
    let foreign = first.sign(&json!({"iss": "https://third.example"}));
    assert_eq!(fault(Asked::bearer(&foreign).ask(&access)), TokenFault::Issuer);
}

#[test]
fn optional_wants_a_good_token_or_none_and_fail_open_wants_nothing() {
    let signer = Signer::new("ES256", "k");
    let mut access = by_token(vec![provider(local(&[&signer]))]);
    let (none, bad) = (Asked::get("/"), Asked::bearer("x.y.z"));
    for (leniency, without, with_bad) in [
        (Leniency::Required, false, false),
        (Leniency::Optional, true, false),
        (Leniency::FailOpen, true, true),
    ] {
        let providers = access.jwt.take().unwrap().providers;
        access.jwt = Some(Jwt { providers, leniency });
        assert_eq!(none.ask(&access).is_ok(), without, "{leniency:?}");
        assert_eq!(bad.ask(&access).is_ok(), with_bad, "{leniency:?}");
        assert!(Asked::bearer(&signer.sign(&good())).ask(&access).unwrap().claims_of("issuer").is_some());
    }
    let binary = Asked::get("/").with("authorization", "Bearer \u{e9}");
    access.jwt.as_mut().unwrap().leniency = Leniency::Optional;
    assert_eq!(fault(binary.ask(&access)), TokenFault::Form, "bytes that are no text are a bad token");
}

#[test]
fn a_token_may_stand_wherever_the_provider_says_and_every_one_must_be_good() {
    let signer = Signer::new("ES256", "k");
    let token = signer.sign(&good());
    let places = vec![
        Place::Header { name: "x-token".parse().unwrap(), prefix: "Token ".into() },
        Place::Cookie("session".into()),
        Place::Param("t".into()),
    ];
    let access = by_token(vec![Provider { places, ..provider(local(&[&signer])) }]);
    assert!(Asked::get("/").with("x-token", &format!("token {token}")).ask(&access).is_ok());
    assert!(Asked::get("/").with("cookie", &format!("a=b; session={token}; c=d")).ask(&access).is_ok());
    assert!(Asked::get(&format!("/?a=b&t={}", token.replace('.', "%2E"))).ask(&access).is_ok());
    assert_eq!(fault(Asked::bearer(&token).ask(&access)), TokenFault::Missing);
    let both = Asked::get("/?t=bad").with("x-token", &format!("Token {token}"));
    assert_eq!(fault(both.ask(&access)), TokenFault::Form);
    let twice = Asked::get(&format!("/?t={token}")).with("x-token", &format!("Token {token}"));
    assert!(twice.ask(&access).is_ok());
    let mut many = Asked::get("/");
    for number in 0..9 {
        let mut claims = good();
        claims["n"] = number.into();
        many = many.with("x-token", &format!("Token {}", signer.sign(&claims)));
    }
    assert_eq!(fault(many.ask(&access)), TokenFault::TooMany);
}

#[test]
fn backends_are_told_claims_and_never_what_the_client_says_they_are() {
    let signer = Signer::new("ES256", "k");
    let edits =
        ["sub", "org.tenant.id", "https://x.example/plan", "age", "admin", "list", "bad", "gone", "fr"];
    let claims_to_headers = edits
        .iter()
        .enumerate()
        .map(|(at, claim)| ClaimToHeader {
            header: format!("x-{at}").parse().unwrap(),
            claim: (*claim).into(),
        })
        .collect();
    let told = Provider { claims_to_headers, recompute_route: true, ..provider(local(&[&signer])) };
    let mut access = by_token(vec![told]);
    let mut claims = good();
    claims["org"] = json!({"tenant": {"id": "t1"}});
    claims["https://x.example/plan"] = "gold".into();
    claims["age"] = 7.into();
    claims["admin"] = true.into();
    claims["list"] = json!(["a"]);
    claims["bad"] = "a\r\nx-admin: yes".into();
    claims["fr"] = "Ève".into();
    let mut asked = Asked::bearer(&signer.sign(&claims));
    for at in 0..edits.len() {
        asked = asked.with(&format!("x-{at}"), "forged").with(&format!("x-{at}"), "twice");
    }
    let identity = asked.ask(&access).unwrap();
    let headers = asked.forwarded(&identity);
    let wanted =
        [Some("alice"), Some("t1"), Some("gold"), Some("7"), Some("true"), None, None, None, Some("Ève")];
    for (at, wanted) in wanted.into_iter().enumerate() {
        let values: Vec<&[u8]> =
            headers.get_all(format!("x-{at}")).iter().map(|value| value.as_bytes()).collect();
        assert_eq!(values, wanted.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), "{}", edits[at]);
    }
    assert!(identity.recompute_route);
    assert!(headers.contains_key("authorization"), "the token goes on");
    access.jwt.as_mut().unwrap().leniency = Leniency::FailOpen;
    let nobody = Asked::bearer("bad").with("x-0", "forged");
    assert!(!nobody.forwarded(&nobody.ask(&access).unwrap()).contains_key("x-0"));
}

#[test]
fn keys_that_are_missing_or_not_known_name_what_to_fetch() {
    let (old, new) = (Signer::new("ES256", "old"), Signer::new("ES256", "new"));
    let access = by_token(vec![provider(remote("jwks"))]);
    let source = KeySourceId("jwks".into());
    let asked = Asked::bearer(&new.sign(&good()));
    let mut ring = Ring::default();
    let mut cache = TokenCache::default();
    let mut ask = |ring: &Ring| access.authenticate(&asked.caller(), ring, &mut cache, NOW).map(|_| ());
    let denial = ask(&ring).unwrap_err();
    assert_eq!(denial, Denial::Token(TokenFault::KeysMissing(source.clone())));
    assert_eq!(denial.refresh(), Some(&source));
    let set =
        |signers: &[&Signer]| Arc::new(KeySet::parse(jwks(signers).as_bytes(), KeyOrigin::Remote).unwrap());
    ring.0.insert(source.clone(), set(&[&old]));
    assert_eq!(ask(&ring).unwrap_err().refresh(), Some(&source));
    ring.0.insert(source.clone(), set(&[&old, &new]));
    assert_eq!(ask(&ring), Ok(()));
    // The key was taken back: what was remembered about its signatures is worth nothing.
    ring.0.insert(source.clone(), set(&[&old]));
    assert_eq!(ask(&ring).unwrap_err(), Denial::Token(TokenFault::UnknownKey(Some(source))));
}

#[test]
fn a_nameless_key_that_does_not_fit_may_have_been_replaced() {
    let (old, new) = (Signer::new("RS256", ""), Signer::new("RS256", ""));
    let access = by_token(vec![provider(remote("jwks"))]);
    let source = KeySourceId("jwks".into());
    let set = KeySet::parse(jwks(&[&old]).as_bytes(), KeyOrigin::Remote).unwrap();
    let ring = Ring([(source.clone(), Arc::new(set))].into());
    let asked = Asked::bearer(&new.sign_with(&json!({"alg": "RS256"}), &good().to_string()));
    let denial = access.authenticate(&asked.caller(), &ring, &mut TokenCache::default(), NOW).unwrap_err();
    assert_eq!(denial.refresh(), Some(&source));
}

#[test]
fn garbage_is_no_key_set_and_keys_for_other_purposes_are_left_out() {
    let signer = Signer::new("RS256", "k");
    for garbage in ["", "<html>", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA"}]}"#] {
        assert!(KeySet::parse(garbage.as_bytes(), KeyOrigin::Remote).is_err(), "{garbage}");
    }
    for (name, value) in [("use", json!("enc")), ("key_ops", json!(["encrypt"])), ("alg", json!("ES256"))] {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        let text = json!({"keys": [jwk, signer.jwk(), 7]}).to_string();
        assert_eq!(KeySet::parse(text.as_bytes(), KeyOrigin::Remote).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn the_cache_holds_what_it_may_and_keeps_what_is_used() {
    let signer = Signer::new("EdDSA", "k");
    let access = by_token(vec![provider(local(&[&signer]))]);
    let mut cache = TokenCache::new(8, 1 << 20);
    for number in 0..100 {
        let mut claims = good();
        claims["n"] = number.into();
        let asked = Asked::bearer(&signer.sign(&claims));
        access.authenticate(&asked.caller(), &Ring::default(), &mut cache, NOW).unwrap();
        assert!(cache.len() <= 8);
    }
    let mut small = TokenCache::new(8, 10);
    let asked = Asked::bearer(&signer.sign(&good()));
    access.authenticate(&asked.caller(), &Ring::default(), &mut small, NOW).unwrap();
    assert!(small.is_empty(), "a token larger than the room is not kept");
}

#[test]
fn nothing_secret_is_printed() {
    let signer = Signer::new("HS256", "k");
    let access = by_token(vec![provider(local(&[&signer]))]);
    let asked = Asked::bearer(&signer.sign(&good()));
    let identity = asked.ask(&access).unwrap();
    let printed = format!("{access:?} {identity:?} {:?}", asked.caller());
    for secret in ["alice", "a secret", "eyJ", "Bearer ey"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
