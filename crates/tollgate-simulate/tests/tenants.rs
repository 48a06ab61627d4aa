//! What a multi-tenant deployment asks of its neighbours: tokens, their keys, a check of them, and models that are no
//! language models.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{get, post, post_with, send};
use serde_json::json;
use tollgate_simulate::{Behaviour, Issuer, Options, Rule, Simulator, spawn};

fn simulator() -> Simulator {
    let issuer = Issuer::new("here", &["tenant-a".to_owned()], None).unwrap();
    let options =
        Options { issuer: Some(Arc::new(issuer)), kserve: vec!["sklearn-iris".into()], ..Options::default() };
    spawn(options).unwrap()
}

fn token(simulator: &Simulator, query: &str) -> String {
    let got = post(simulator, &format!("/token?{query}"), &json!(null));
    assert_eq!(got.status(), 200, "{}", got.text());
    got.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_signed_by_a_key_of_the_set() {
    let sim = simulator();
    let got = post(&sim, "/token?tenant=tenant%2Dc&expires_in=60&sub=ada&scope=a+b", &json!(null)).json();
    assert_eq!(got["token_type"], "Bearer");
    assert_eq!(got["expires_in"], 60);
    assert_eq!(got["scope"], "a b");
    let keys = get(&sim, "/.well-known/jwks.json");
    assert_eq!(keys.header("content-type"), Some("application/json"));
    assert_eq!(keys.json()["keys"].as_array().map(Vec::len), Some(1));
    let rotated = post(&sim, "/rotate", &json!(null)).json();
    assert_eq!(get(&sim, "/.well-known/jwks.json").json()["keys"][0]["kid"], rotated["kid"]);
}

#[test]
fn a_request_for_a_token_that_makes_no_sense_is_told_why() {
    let sim = simulator();
    for (path, why) in
        [("/token", "tenant"), ("/token?tenant=a&expires_in=soon", "expires_in"), ("/rotate?keep=x", "keep")]
    {
        let got = post(&sim, path, &json!(null));
        assert_eq!(got.status(), 400);
        assert!(got.json()["error_description"].as_str().unwrap().contains(why), "{}", got.text());
    }
    assert_eq!(get(&sim, "/token?tenant=a").status(), 405);
}

#[test]
fn the_check_lets_in_genuine_tokens_of_its_tenants_with_any_method_and_path() {
    let sim = simulator();
    let asked = |authorization: &str, method: &str| {
        send(&sim, &(method, "/authz/v1/models/x:predict", &[("authorization", authorization)]), b"")
    };
    let genuine = format!("Bearer {}", token(&sim, "tenant=tenant-a"));
    for method in ["GET", "POST", "DELETE"] {
        let got = asked(&genuine, method);
        assert_eq!((got.status(), got.header("x-tenant")), (200, Some("tenant-a")));
    }
    assert_eq!(asked(&format!("Bearer {}", token(&sim, "tenant=tenant-b")), "GET").status(), 403);
    assert_eq!(
        asked(&format!("Bearer {}", token(&sim, "tenant=tenant-a&expires_in=-1")), "GET").status(),
        401
    );
    for forged in ["Bearer anything", "Basic YTpi", ""] {
        let got = asked(forged, "GET");
        assert_eq!(got.status(), 401, "{forged}");
        assert_eq!(got.json()["error"], "access_denied");
        assert_eq!(got.header("www-authenticate"), Some("Bearer"));
    }
}

#[test]
fn without_an_issuer_nobody_signs() {
    let sim = Simulator::start().unwrap();
    for path in ["/token?tenant=a", "/rotate", "/authz"] {
        assert_eq!(post(&sim, path, &json!({})).status(), 404, "{path}");
    }
}

#[test]
fn a_kserve_model_predicts_one_answer_for_each_instance() {
    let sim = simulator();
    let path = "/v1/models/sklearn-iris:predict";
    let got = post(&sim, path, &json!({"instances": [[5.1, 3.5], [6.2, 3.4]]}));
    assert_eq!((got.status(), got.json()), (200, json!({"predictions": [0, 1]})));
    assert_eq!(got.header("x-simulator-model"), Some("sklearn-iris"));
    let got = post(&sim, "/v1/models/sklearn-iris:explain", &json!({"instances": [[1]]}));
    assert_eq!(got.json(), json!({"explanations": [0]}));
    assert_eq!(get(&sim, "/v1/models/sklearn-iris").json(), json!({"name": "sklearn-iris", "ready": true}));
    assert_eq!(get(&sim, path).status(), 405);
    assert_eq!(post(&sim, path, &json!({"inputs": []})).status(), 400);
    assert_ne!(post(&sim, "/v1/models/other:predict", &json!({"instances": []})).status(), 200);
}

#[test]
fn a_rule_makes_a_kserve_model_unready_while_it_predicts_on() {
    let sim = simulator();
    let unready = Behaviour { status: Some(503), ..Behaviour::default() };
    sim.add_rule(Rule { path: Some("/sklearn-iris".into()), ..Rule::next(0, unready) });
    let got = get(&sim, "/v1/models/sklearn-iris");
    assert_eq!((got.status(), got.json()), (503, json!({"error": "simulated error 503"})));
    let body = json!({"instances": [[1]]});
    assert_eq!(post_with(&sim, "/v1/models/sklearn-iris:predict", &[], &body).status(), 200);
}
