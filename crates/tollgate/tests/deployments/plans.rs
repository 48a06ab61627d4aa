//! Limits and costs that a verified token brings along.
use std::fs;

use tollgate_simulate::Simulator;
use tollgate_testkit::resources::{GATEWAY, web};

use crate::gateway::{Ask, Gateway};

/// Made once, of a key that nobody has any more; both tokens end in 2100.
pub(crate) const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"test","x":"84DRrnX-6bNQzoa0eg1Hw5_GrJssu-6RuHJ9cAtlj24","y":"o961Rm-dG2zLHEKkQPd7tt2btvLa9_rz6V6Bdi4jkec"}]}"#;
/// `sub: ann`, a `plan` of 2 a year, and a `price` of 3.
pub(crate) const ANN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6InRlc3QifQ.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInBsYW4iOnsicmVxdWVzdHNfcGVyX3VuaXQiOjIsInVuaXQiOiJZRUFSIn0sInByaWNlIjozfQ.OaNEwhJnLcmrE0oKDIqQrvHVXup5Yf8AgBJ4f_xeaY17pkB8UAqLxqNPBWnulkCVfQVD04L9OWmLjG-dbeXPjA";
/// `sub: bob`, and nothing more.
pub(crate) const BOB: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6InRlc3QifQ.eyJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDB9.QBpeWwE3XdTLbGXJV4avG8Td_Aq05fQX1mMcI7kuWIHFnX8NTD_mqW5lxdW7BNnbu6ne6iDF9ooSDAKyQsNpbw";

fn resources(simulator: &Simulator, rule: &str) -> String {
    let web = web(simulator.address().port());
    format!(
        "{GATEWAY}{web}apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: tokens}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}}]
  jwt:
    providers:
      - name: auth
        localJWKS: {{type: Inline, inline: '{KEYS}'}}
        claimToHeaders: [{{claim: sub, header: x-user}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {{name: limits}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}}]
  rateLimit:
    global:
      rules:
        - clientSelectors: [{{headers: [{{name: x-user, type: Distinct}}]}}]
          {rule}
"
    )
}

/// How many requests of this caller pass, and the limit that the last reply names.
fn passed(rule: &str, token: &str) -> (usize, String) {
    let simulator = Simulator::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    fs::write(&path, resources(&simulator, rule)).unwrap();
    let gateway = Gateway::start(&path, |_| ());
    for count in 0..100 {
        let answer = Ask::get("localhost", "/health").bearer(token).send(gateway.port(1975)).read();
        if answer.status == 429 {
            return (count, answer.header("x-ratelimit-limit").unwrap().to_owned());
        }
        assert!(answer.status == 200 || answer.status == 404, "{answer:?}");
    }
    panic!("nothing was refused");
}

#[test]
fn a_plan_in_the_token_takes_the_place_of_the_written_limit() {
    let rule = "limit: {requests: 5, unit: Year, fromMetadata: {namespace: envoy.filters.http.jwt_authn, key: 'auth:plan'}}";
    assert_eq!(passed(rule, ANN), (2, "2, 2;w=31536000".to_owned()));
    assert_eq!(passed(rule, BOB), (5, "5, 5;w=31536000".to_owned()));
}

#[test]
fn a_price_in_the_token_is_what_a_request_costs() {
    let rule = "limit: {requests: 10, unit: Year}
          cost: {request: {from: Metadata, metadata: {namespace: envoy.filters.http.jwt_authn, key: auth.price}}}";
    assert_eq!(passed(rule, ANN).0, 3, "of 10, each 3");
}
