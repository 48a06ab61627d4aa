use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use tollgate_limit::{
    Basis, Condition, Fact, Limit, LimitRule, LimitRuleSpec, LocalLimits, Scope, Size, TextSelect, Unit,
    UnixMillis, View,
};
use tollgate_snapshot::{Action, GlobalLimit, Guard, Limits, Problem, Retry, Rule, Service, Timeouts};
use tollgate_types::ObjectRef;

use super::*;

fn limit(id: &str, amount: u64, header: Option<&'static str>, cost: &str) -> LimitRule {
    let conditions = header.map(|name| Condition::Header {
        name: HeaderName::from_static(name),
        value: TextSelect::Distinct,
        invert: false,
    });
    LimitRule::new(LimitRuleSpec {
        id: id.into(),
        scope: Scope::Route { listener: "ns/gateway".into(), route: "httproute/ns/route/rule/0".into() },
        number: 0,
        conditions: conditions.into_iter().collect(),
        limit: Limit { amount, unit: Unit::Hour },
        request_cost: Cost::Number(1),
        response_cost: Some(Cost::Metadata(Fact::cost(cost))),
        shadow: false,
        show_headers: true,
    })
}

/// One rule with a local limit, and with a global one.
fn snapshot(local: LimitRule, global: LimitRule) -> Snapshot {
    let object = ObjectRef { kind: "HTTPRoute".into(), namespace: "ns".into(), name: "route".into() };
    let message = "not reached".into();
    let problem = Problem { code: "test", object: object.clone(), field: String::new(), message };
    let limits = Limits {
        global: vec![GlobalLimit { rule: global, estimator: Some(Estimator::new(Basis::Learned)) }],
        local: Some(LocalLimits::new([Arc::new(local)])),
        buckets: Buckets::default(),
    };
    let rule = Rule {
        index: 0,
        id: "ns/route/0".into(),
        route: "ns/route".into(),
        source: object,
        service: Service::Http,
        guard: Guard::Open,
        limits: Some(Arc::new(limits)),
        policies: Vec::new(),
        filters: Vec::new(),
        action: Action::Invalid(Arc::new(problem)),
        timeouts: Timeouts::HTTP,
        retry: Retry::http(),
        traffic: Arc::default(),
    };
    Snapshot { rules: vec![Arc::new(rule)], ..Snapshot::default() }
}

fn of(snapshot: &Snapshot) -> &Limits {
    snapshot.rules[0].limits.as_deref().expect("the rule has limits")
}

/// Whether the local limit admits one more.
fn admits(snapshot: &Snapshot) -> bool {
    let limits = of(snapshot);
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-user"), "a".parse().expect("a value"))]);
    let view = View { method: &Method::GET, path: "/", query: None, headers: &headers, client: None };
    let (claims, _) = limits.local.as_ref().expect("a local limit").claims(&view);
    limits.buckets.take(&claims, UnixMillis(0)).is_admitted()
}

fn estimate(snapshot: &Snapshot) -> u64 {
    of(snapshot).global[0].estimator.as_ref().expect("replies cost").estimate(Size::default())
}

#[test]
fn a_reload_that_leaves_a_rule_as_it_is_fills_no_bucket_and_forgets_no_estimate() {
    let made = |amount| snapshot(limit("p/local/0", amount, None, "k"), limit("p/0", 5, None, "k"));
    let before = made(2);
    assert!(admits(&before));
    of(&before).global[0].estimator.as_ref().expect("replies cost").learn(9);
    let after = made(2);
    go_on_from(&after, &before);
    assert!(admits(&after));
    assert!(!admits(&after), "two, of which one was taken before");
    assert!(!admits(&before), "requests that began before take from the same bucket");
    assert_eq!(estimate(&after), 9);
    let larger = made(3);
    go_on_from(&larger, &after);
    assert!(admits(&larger), "another amount is no other rule");
    assert!(!admits(&larger));
}

#[test]
fn a_rule_about_others_begins_anew() {
    let before = snapshot(limit("p/local/0", 1, None, "k"), limit("p/0", 5, None, "k"));
    assert!(admits(&before) && !admits(&before));
    of(&before).global[0].estimator.as_ref().expect("replies cost").learn(9);
    let after = snapshot(limit("p/local/0", 1, Some("x-user"), "k"), limit("p/0", 5, None, "other"));
    go_on_from(&after, &before);
    assert!(admits(&after), "it is counted by user now");
    assert_ne!(estimate(&after), 9, "another cost is another estimate");
}
