//! What advice is not given; what it is given for stands with its code in docs/checks, and is tested there.
use tollgate_resources::{Source, load};

use super::{advise, facts::looks};

const BASE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: a, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: edge}]
  rules: [{name: one, matches: [{headers: [{name: x-tenant, value: blue}]}], backendRefs: [{name: a}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: site}
spec:
  parentRefs: [{name: edge}]
  rules: [{name: one, matches: [{path: {value: /site}}], backendRefs: [{name: web, port: 80}]}]
---
";

/// The codes of the advice about these objects and the ones above.
fn codes(text: &str) -> Vec<&'static str> {
    let text = format!("{BASE}{text}");
    let loaded = load(&[Source { name: "a.yaml", text: &text }], &|_| None);
    assert!(!loaded.notes.has_errors(), "{:?}", loaded.notes);
    advise(&loaded.set).iter().map(|note| note.code).collect()
}

fn policy(kind: &str, name: &str, target: &str, rest: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  targetRefs: \
         [{{group: gateway.networking.k8s.io, {target}}}]\n{rest}\n---\n"
    )
}

const GATEWAY: &str = "kind: Gateway, name: edge";
const KEYS: &str = "  apiKeyAuth:\n    credentialRefs: [{name: keys}]\n    extractFrom: [{headers: [x-api-key]}]\n    \
                    forwardClientIDHeader: X-User-Id";
const BY_USER: &str = "  rateLimit:\n    global:\n      rules: [{shared: true, clientSelectors: [{headers: [{name: \
                       x-user-id, type: Distinct}]}], limit: {requests: 1, unit: Hour}}]";

#[test]
fn a_header_that_an_api_key_makes_may_be_counted_by() {
    let limit = policy("BackendTrafficPolicy", "limits", GATEWAY, BY_USER);
    assert_eq!(codes(&limit), ["spoofable-limit"]);
    assert_eq!(
        codes(&format!("{limit}{}", policy("SecurityPolicy", "keys", GATEWAY, KEYS))),
        Vec::<&str>::new()
    );
}

#[test]
fn a_credential_and_the_model_may_be_counted_by() {
    for header in ["Authorization", "x-ai-eg-model"] {
        let rest = BY_USER.replace("x-user-id", header);
        assert_eq!(codes(&policy("BackendTrafficPolicy", "limits", GATEWAY, &rest)), Vec::<&str>::new());
    }
}

#[test]
fn a_limit_of_one_route_need_not_be_shared() {
    let rest = BY_USER.replace("shared: true, ", "").replace("x-user-id", "authorization");
    let route = "kind: HTTPRoute, name: site";
    assert_eq!(codes(&policy("BackendTrafficPolicy", "limits", route, &rest)), Vec::<&str>::new());
    assert_eq!(codes(&policy("BackendTrafficPolicy", "limits", GATEWAY, &rest)), ["limit-per-route"]);
}

#[test]
fn a_policy_guards_an_ai_route_by_its_gateway_by_its_name_or_not_at_all() {
    let guarded = |target: &str| codes(&policy("SecurityPolicy", "keys", target, KEYS));
    assert_eq!(guarded(GATEWAY), Vec::<&str>::new());
    assert_eq!(guarded("kind: HTTPRoute, name: chat"), Vec::<&str>::new());
    assert_eq!(guarded("kind: HTTPRoute, name: site"), ["unguarded-route"]);
    let cors = "  cors: {allowOrigins: [\"https://a.example\"]}";
    assert_eq!(
        codes(&policy("SecurityPolicy", "cors", "kind: HTTPRoute, name: site", cors)),
        Vec::<&str>::new()
    );
}

const BLUE_OR_GREEN: &str = "  jwt: {providers: [{name: login, remoteJWKS: {uri: \"https://a.example/jwks\"}}]}\n  \
     authorization:\n    defaultAction: Deny\n    rules: [{action: Allow, principal: {jwt: {provider: login, claims: \
     [{name: tenant, values: [blue, green]}]}}}]";

#[test]
fn tenants_may_share_a_policy_where_a_verified_header_tells_their_rules_apart() {
    let green = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: green}
spec:
  parentRefs: [{name: edge}]
  rules: [{matches: [{headers: [{name: x-tenant, value: green}]}], backendRefs: [{name: a}]}]
---
";
    let shared = policy("SecurityPolicy", "tenants", GATEWAY, BLUE_OR_GREEN);
    assert_eq!(codes(&format!("{green}{shared}")), ["one-claim-for-all"]);
    let made = shared.replace("jwks\"}}", "jwks\"}, claimToHeaders: [{header: x-tenant, claim: tenant}]}");
    assert_eq!(codes(&format!("{green}{made}")), Vec::<&str>::new());
}

#[test]
fn a_claim_with_several_values_is_fine_where_rules_are_not_for_one_of_them() {
    assert_eq!(codes(&policy("SecurityPolicy", "tenants", GATEWAY, BLUE_OR_GREEN)), Vec::<&str>::new());
}

#[test]
fn models_of_openai_are_no_prefix_of_a_plain_route() {
    let route = |value: &str| {
        codes(&format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: models}}\nspec:\n  parentRefs: \
             [{{name: edge}}]\n  rules: [{{matches: [{{path: {{value: {value}}}}}], backendRefs: [{{name: web, port: \
             80}}]}}]\n---\n"
        ))
    };
    assert_eq!(route("/v1/models/iris"), ["prefix-without-verbs"]);
    for fine in ["/v1/models", "/v1/models/iris/versions", "/v1/chat", "/models/iris"] {
        assert_eq!(route(fine), Vec::<&str>::new(), "{fine}");
    }
}

#[test]
fn a_url_without_a_password_is_no_credential() {
    let config = |value: &str| {
        codes(&format!(
            "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: GatewayConfig\nmetadata: {{name: a}}\nspec:\n  extProc:\n    \
             kubernetes:\n      env: [{{name: OTEL_EXPORTER_OTLP_HEADERS, value: \"{value}\"}}]\n---\n"
        ))
    };
    assert_eq!(config("https://a:b@c.example"), ["credential-in-plain-text"]);
    assert_eq!(config("Authorization=Basic YTpi"), ["credential-in-plain-text"]);
    for fine in ["https://c.example/a:b@d", "https://user@c.example", "x-team=blue"] {
        assert_eq!(config(fine), Vec::<&str>::new(), "{fine}");
    }
}

/// Routes on one Gateway, each with policies of its own that ask for everything that is compared.
fn many(count: usize) -> String {
    let mut text = policy("SecurityPolicy", "all", GATEWAY, BLUE_OR_GREEN);
    text += &policy("BackendTrafficPolicy", "all", GATEWAY, BY_USER);
    for i in 0..count {
        let target = format!("kind: HTTPRoute, name: r{i}");
        let tokens = "  timeout: {http: {requestTimeout: 9s}}\n  rateLimit:\n    global:\n      rules: [{cost: {response: \
                      {from: Metadata, metadata: {namespace: io.envoy.ai_gateway, key: llm_total_token}}}, limit: \
                      {requests: 1, unit: Hour}}]";
        text += &format!(
            "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: AIGatewayRoute\nmetadata: {{name: r{i}}}\nspec:\n  \
             parentRefs: [{{name: edge}}]\n  rules: [{{matches: [{{headers: [{{name: x-tenant, value: green}}]}}], \
             backendRefs: [{{name: a}}]}}]\n---\n"
        );
        text += &policy("SecurityPolicy", &format!("r{i}"), &target, BLUE_OR_GREEN);
        text += &policy("BackendTrafficPolicy", &format!("r{i}"), &target, tokens);
    }
    text
}

#[test]
fn twice_the_routes_and_policies_are_twice_the_work() {
    let work = |count| {
        looks::take();
        assert!(!codes(&many(count)).is_empty());
        looks::take()
    };
    let (some, more) = (work(40), work(80));
    assert!(more < 2 * some + 50, "{some} looks at 40, {more} at 80");
}
