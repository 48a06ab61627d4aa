use prost::Message as _;

use super::*;
use crate::extension::testing::{plan, route_yaml};

const POLICY: &str = "apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {name: q, namespace: prod}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: a}]
  perModelQuotas:
  - modelName: m
    quota:
      defaultBucket: {limit: 100, duration: 1h}
      bucketRules:
      - clientSelectors:
        - headers: [{name: x-user, type: Distinct}, {name: x-plan, value: gold, invert: true}]
        quota: {limit: 10, duration: 1m}
      - quota: {limit: 50, duration: 1d}
";

fn limits(policy: &str) -> Option<RateLimitPerRoute> {
    let plan = plan(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], policy));
    let rule = plan.cluster("httproute/prod/chat/rule/0").unwrap().rule;
    let any = Any::decode(of_rule(&plan, rule)?).unwrap();
    Some(RateLimitPerRoute::decode(any.value).unwrap())
}

/// An entry as text.
fn words(limit: &RateLimit) -> String {
    let action = |action: &Action| {
        let Action { request_headers, generic_key, header_value_match, metadata } = action;
        let header =
            request_headers.as_ref().map(|own| format!("{}=<{}>", own.descriptor_key, own.header_name));
        let generic =
            generic_key.as_ref().map(|own| format!("{}={}", own.descriptor_key, own.descriptor_value));
        let value = header_value_match
            .as_ref()
            .map(|own| format!("{}={}?", own.descriptor_key, own.expect_match.as_ref().unwrap().value));
        let read = metadata.as_ref().map(|own| format!("{}=read", own.descriptor_key));
        [header, generic, value, read].into_iter().flatten().collect::<String>()
    };
    limit.actions.iter().map(action).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_bucket_is_asked_before_and_told_after() {
    let limits = limits(POLICY).unwrap();
    assert_eq!(limits.domain, "ai-gateway-quota");
    let (after, before): (Vec<_>, Vec<_>) =
        limits.rate_limits.iter().partition(|limit| limit.apply_on_stream_done);
    let rules = [
        "rule-0-x-plan|gold-match-0=false? rule-0-x-user-match-1=<x-user>",
        "rule-1-match-0=rule-1-match-0",
        "rule-2-match--1=rule-2-match--1",
    ];
    let want = rules.map(|rule| format!("backend_name=prod/a model_name_override=m {rule}"));
    assert_eq!(before.iter().map(|limit| words(limit)).collect::<Vec<_>>(), want);
    assert!(
        before
            .iter()
            .all(|limit| limit.hits_addend.as_ref().unwrap().number == Some(UInt64Value { value: 0 }))
    );
    let want = rules.map(|rule| format!("backend_name=read model_name_override=read {rule}"));
    assert_eq!(after.iter().map(|limit| words(limit)).collect::<Vec<_>>(), want);
    assert_eq!(
        after[0].hits_addend.as_ref().unwrap().format,
        "%DYNAMIC_METADATA(io.envoy.ai_gateway:quota_cost)%"
    );
}

#[test]
fn backends_without_quotas_are_not_asked_about() {
    assert!(limits("").is_none());
    assert!(limits(&POLICY.replace("name: a}", "name: other}")).is_none());
}

#[test]
fn a_backend_that_is_asked_for_another_model_has_no_such_quota() {
    let route = route_yaml(&[("a", 1, 0)], POLICY)
        .replace("{name: a, weight", "{name: a, modelNameOverride: other, weight");
    let plan = plan(&route);
    let rule = plan.cluster("httproute/prod/chat/rule/0").unwrap().rule;
    assert!(of_rule(&plan, rule).is_none());
}

#[test]
fn a_change_of_a_quota_is_a_change_of_the_route() {
    let key = ("prod".into(), "chat".into());
    let revision = |policy: &str| plan(&route_yaml(&[("a", 1, 0)], policy)).revision(&key);
    assert_ne!(revision(POLICY), revision(""));
    // How much is the service's own business.
    assert_eq!(revision(POLICY), revision(&POLICY.replace("limit: 100", "limit: 101")));
}
