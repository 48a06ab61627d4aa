use super::*;

const NOW: u64 = 1_800_000_000;

fn issuer() -> Issuer {
    Issuer::new("here", &["tenant-a".to_owned()], None).unwrap()
}

fn changed(token: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let mut value = document(&parts[part]).unwrap();
    change(&mut value);
    parts[part] = BASE64.encode(value.to_string());
    parts.join(".")
}

#[test]
fn a_token_says_what_was_granted_and_is_good_until_it_expires() {
    let issuer = issuer();
    let token = issuer.token(&Grant::default(), NOW).unwrap();
    let claims = issuer.check(&token, NOW + 3599).unwrap();
    let want = json!({"iss": "here", "sub": "user-1", "tenant": "tenant-a", "scope": "models:predict", "iat": NOW, "exp": NOW + 3600});
    assert_eq!(claims, want);
    assert_eq!(issuer.check(&token, NOW + 3600), Err(Rejected::Expired));
}

#[test]
fn what_was_tampered_with_is_refused() {
    let issuer = issuer();
    let token = issuer.token(&Grant::default(), NOW).unwrap();
    let check = |token: &str| issuer.check(token, NOW).unwrap_err();
    assert_eq!(check(&changed(&token, 1, |claims| claims["tenant"] = json!("tenant-b"))), Rejected::Forged);
    assert_eq!(check(&changed(&token, 0, |header| header["alg"] = json!("none"))), Rejected::UnknownKey);
    assert_eq!(check(&changed(&token, 0, |header| header["kid"] = json!("other"))), Rejected::UnknownKey);
    for bad in ["", ".", "a.b.c", "Bearer", "..", token.trim_end_matches(|c| c != '.')] {
        let rejected = check(bad);
        assert!(matches!(rejected, Rejected::Malformed | Rejected::Forged), "{bad:?}: {rejected}");
    }
}

#[test]
fn a_token_of_another_tenant_or_issuer_is_refused_though_it_is_genuine() {
    let (issuer, pem) = (issuer(), None);
    let stranger = Grant { tenant: "tenant-b".into(), ..Grant::default() };
    let token = issuer.token(&stranger, NOW).unwrap();
    assert_eq!(issuer.check(&token, NOW), Err(Rejected::Tenant));
    let elsewhere = Issuer::new("elsewhere", &[], pem).unwrap();
    let token = elsewhere.token(&Grant::default(), NOW).unwrap();
    assert_eq!(issuer.check(&token, NOW), Err(Rejected::UnknownKey));
    assert!(elsewhere.check(&token, NOW).is_ok());
}

#[test]
fn a_rotation_signs_with_a_new_key_and_keeps_as_many_old_ones_as_asked() {
    let issuer = issuer();
    let old = issuer.token(&Grant::default(), NOW).unwrap();
    let kid = issuer.rotate(1).unwrap();
    let new = issuer.token(&Grant::default(), NOW).unwrap();
    let keys = issuer.jwks();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(keys["keys"][0]["kid"], kid);
    assert_eq!(document(new.split('.').next().unwrap()).unwrap()["kid"], kid);
    assert!(issuer.check(&old, NOW).is_ok() && issuer.check(&new, NOW).is_ok());
    issuer.rotate(0).unwrap();
    assert_eq!(issuer.check(&old, NOW), Err(Rejected::UnknownKey));
}

#[test]
fn a_public_key_is_2048_bits_and_shows_nothing_private() {
    let issuer = issuer();
    let key = issuer.jwks()["keys"][0].clone();
    let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["kty", "use", "alg", "kid", "n", "e"]);
    assert_eq!(BASE64.decode(key["n"].as_str().unwrap()).unwrap().len(), 256);
    assert_eq!(key["e"], "AQAB");
    let shown = format!("{issuer:?}");
    assert!(shown.contains(key["kid"].as_str().unwrap()) && shown.len() < 200, "{shown}");
}

#[test]
fn a_key_that_is_none_is_refused_with_the_reason() {
    let fails = |pem: &str| Issuer::new("here", &[], Some(pem)).unwrap_err().to_string();
    assert!(fails("hello").contains("no PEM block"));
    assert!(fails("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").contains("not an RSA key"));
}

#[test]
fn a_given_key_gives_the_same_id_each_time() {
    use aws_lc_rs::{
        encoding::AsDer as _,
        rsa::{KeyPair, KeySize},
    };
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = base64::engine::general_purpose::STANDARD.encode(pair.as_der().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let make = || Issuer::new("here", &[], Some(&pem)).unwrap();
    let token = make().token(&Grant::default(), NOW).unwrap();
    assert!(make().check(&token, NOW).is_ok());
}
