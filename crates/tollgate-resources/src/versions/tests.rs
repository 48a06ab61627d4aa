use super::*;

fn codes(text: &str, targets: &[&str]) -> Vec<String> {
    let targets: Vec<Target> = targets.iter().map(|target| target.parse().unwrap()).collect();
    let notes = suits(&[Source { name: "a.yaml", text }], &|_| None, &targets);
    notes.iter().map(|note| format!("{} {}: {}", note.code, note.field, note.message)).collect()
}

const POLICY: &str = "\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: limits}
spec:
  rateLimit:
    global:
      rules:
        - limit: {requests: 1, unit: Week}
          shadowMode: true
";

#[test]
fn fields_and_values_that_came_later_are_named_with_their_release() {
    expect_test::expect![[r#"
        [
            "not-in-version spec.rateLimit.global.rules[0].limit.unit: Envoy Gateway 1.5 does not know Week for spec.rateLimit.global.rules[].limit.unit of BackendTrafficPolicy: it came with 1.9",
            "not-in-version spec.rateLimit.global.rules[0].shadowMode: Envoy Gateway 1.5 has no field spec.rateLimit.global.rules[].shadowMode of BackendTrafficPolicy: it came with 1.7",
        ]
    "#]]
    .assert_debug_eq(&codes(POLICY, &["envoy-gateway=1.5"]));
    assert!(codes(POLICY, &["envoy-gateway=1.9"]).is_empty());
}

#[test]
fn a_list_may_be_too_long_for_an_older_release() {
    let rule = "        - limit: {requests: 1, unit: Hour}\n";
    let text = POLICY.replace(
        "        - limit: {requests: 1, unit: Week}\n          shadowMode: true\n",
        &rule.repeat(107),
    );
    assert_eq!(
        codes(&text, &["envoy-gateway=1.5"]),
        ["too-many-for-version spec.rateLimit.global.rules: Envoy Gateway 1.5 takes at most 64 of \
          spec.rateLimit.global.rules, found 107"]
    );
    assert!(codes(&text, &["envoy-gateway=1.6"]).is_empty());
}

#[test]
fn kinds_and_their_versions_come_and_go() {
    let text =
        "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: GatewayConfig\nmetadata: {name: a}\nspec: {}\n";
    assert_eq!(
        codes(text, &["ai-gateway=0.4"]),
        ["not-in-version kind: AI Gateway 0.4 has no GatewayConfig: it came with 0.5"]
    );
    assert_eq!(
        codes(text, &["ai-gateway=0.5"]),
        ["not-in-version apiVersion: AI Gateway 0.5 serves no v1beta1 of GatewayConfig"]
    );
    assert!(codes(text, &["ai-gateway=0.6"]).is_empty());
}

#[test]
fn envoy_gateway_brings_its_gateway_api_unless_another_is_given() {
    let text =
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: a}\nspec: {}\n";
    assert_eq!(codes(text, &["envoy-gateway=1.5"]).len(), 1);
    assert!(codes(text, &["envoy-gateway=1.5", "gateway-api=1.4"]).is_empty());
    assert!(codes(text, &["envoy-gateway=1.6"]).is_empty());
}

#[test]
fn the_experimental_channel_is_what_envoy_gateway_installs() {
    let text = "apiVersion: gateway.networking.k8s.io/v1alpha3\nkind: BackendTLSPolicy\nmetadata: {name: a}\nspec: {}\n";
    assert!(codes(text, &["envoy-gateway=1.6"]).is_empty());
    assert_eq!(
        codes(text, &["gateway-api=1.4"]),
        [
            "experimental-version apiVersion: the standard channel of the Gateway API 1.4 does not serve v1alpha3 of \
          BackendTLSPolicy"
        ]
    );
}

#[test]
fn releases_that_do_not_go_together_are_told() {
    let found = codes("", &["envoy-gateway=1.5", "ai-gateway=0.5"]);
    assert_eq!(found, ["versions-do-not-fit : AI Gateway 0.5 needs Envoy Gateway 1.6 or later, not 1.5"]);
    assert!(codes("", &["envoy-gateway=1.5", "ai-gateway=0.4"]).is_empty());
}

#[test]
fn every_release_of_the_rules_is_one_of_the_table() {
    let (envoy, ai, api) =
        (Product::EnvoyGateway.releases(), Product::AiGateway.releases(), Product::GatewayApi.releases());
    assert_eq!(GATEWAY_API_OF.map(|(release, _)| release).to_vec(), envoy);
    assert!(GATEWAY_API_OF.iter().all(|(_, release)| api.contains(release)));
    assert_eq!(ENVOY_GATEWAY_FOR.map(|(release, _)| release).to_vec(), ai);
    assert!(ENVOY_GATEWAY_FOR.iter().all(|(_, release)| envoy.contains(release)));
}
