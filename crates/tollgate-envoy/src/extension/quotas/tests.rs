use prost::Message as _;

use super::{config::config, *};
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
        let value = header_value_match.as_ref().map(|own| {
            let expected = own.expect_match.as_ref().unwrap().value;
            match own.descriptor_key == own.descriptor_value {
                true => format!("{}={expected}?", own.descriptor_key),
                false => format!("{}={}?", own.descriptor_key, own.descriptor_value),
            }
        });
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
    let want = rules.map(|rule| format!("backend_name=prod/a model_name_override=m? {rule}"));
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
fn of_several_models_the_one_that_is_asked_for_matters() {
    let other = "  - modelName: other\n    quota: {defaultBucket: {limit: 7, duration: 1s}}\n";
    let service = "  serviceQuota: {quota: {limit: 9, duration: 1d}}\n";
    let limits = limits(&format!("{POLICY}{other}{service}")).unwrap();
    let all: Vec<_> = limits.rate_limits.iter().map(words).collect();
    let (before, after) = all.split_at(5);
    assert_eq!(before[3], "backend_name=prod/a model_name_override=other?");
    assert_eq!(before[4], "backend_name=prod/a model_name_override=*");
    assert_eq!(after[3], "backend_name=read model_name_override=read");
    assert_eq!(after[4], "backend_name=read model_name_override=*");
}

#[test]
fn where_a_model_is_put_in_its_place_it_is_that_one() {
    let route = route_yaml(&[("a", 1, 0)], POLICY)
        .replace("{name: a, weight", "{name: a, modelNameOverride: m, weight");
    let plan = plan(&route);
    let rule = plan.cluster("httproute/prod/chat/rule/0").unwrap().rule;
    let any = Any::decode(of_rule(&plan, rule).unwrap()).unwrap();
    let limits = RateLimitPerRoute::decode(any.value).unwrap();
    assert_eq!(
        words(&limits.rate_limits[2]),
        "backend_name=prod/a model_name_override=m rule-2-match--1=rule-2-match--1"
    );
}

/// The service's tree, a line for each level.
fn tree(policies: &str) -> String {
    fn add(levels: &[config::Descriptor], depth: usize, out: &mut String) {
        for level in levels {
            let amount = level.rate_limit.as_ref();
            let amount = amount.map(|own| format!(" {} of unit {}", own.requests_per_unit, own.unit));
            let shadow = if level.shadow_mode { " in shadow" } else { "" };
            let (key, value, amount) = (&level.key, &level.value, amount.unwrap_or_default());
            out.push_str(&format!("{}{key}={value}{amount}{shadow}\n", "  ".repeat(depth)));
            add(&level.descriptors, depth + 1, out);
        }
    }
    let mut out = String::new();
    add(&config(plan(policies).all_quotas()).descriptors, 0, &mut out);
    out
}

#[test]
fn the_service_knows_the_levels_that_it_is_asked_about() {
    let other = "  - modelName: other\n    quota: {defaultBucket: {limit: 5000000000, duration: 1s}}\n";
    let service = "  serviceQuota: {quota: {limit: 9, duration: 1d}}\n";
    let policy = POLICY.replace("- quota: {limit: 50", "- shadowMode: true\n        quota: {limit: 50");
    let want = "\
backend_name=prod/a
  model_name_override=m
    rule-0-x-plan|gold-match-0=rule-0-x-plan|gold-match-0
      rule-0-x-user-match-1= 10 of unit 2
    rule-1-match-0=rule-1-match-0 50 of unit 4 in shadow
    rule-2-match--1=rule-2-match--1 100 of unit 3
  model_name_override=other 4294967295 of unit 1
  model_name_override=* 9 of unit 4
";
    assert_eq!(tree(&format!("{policy}{other}{service}")), want);
}

#[test]
fn of_two_policies_for_one_model_the_first_counts() {
    let second = POLICY.replace("name: q,", "name: a-first,").replace("limit: 100", "limit: 1");
    let tree = tree(&format!("{POLICY}---\n{second}"));
    assert!(tree.contains("rule-2-match--1=rule-2-match--1 1 of unit 3"), "{tree}");
    assert_eq!(tree.matches("model_name_override=m\n").count(), 1, "{tree}");
}

#[test]
fn a_change_of_a_quota_is_a_change_of_the_route() {
    let key = ("prod".into(), "chat".into());
    let revision = |policy: &str| plan(&route_yaml(&[("a", 1, 0)], policy)).revision(&key);
    assert_ne!(revision(POLICY), revision(""));
    // How much is the service's own business.
    assert_eq!(revision(POLICY), revision(&POLICY.replace("limit: 100", "limit: 101")));
}
