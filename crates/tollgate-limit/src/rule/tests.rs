use http::{HeaderMap, HeaderName, Method};

use super::*;
use crate::{PathSelect, Unit};

fn rule(scope: Scope, number: usize, conditions: Vec<Condition>) -> LimitRule {
    LimitRule::new(LimitRuleSpec {
        id: "policy a/b rule 0".into(),
        scope,
        number,
        conditions,
        limit: Limit { amount: 100, unit: Unit::Hour },
        request_cost: Cost::Number(1),
        response_cost: None,
        shadow: false,
        show_headers: true,
    })
}

fn route() -> Scope {
    Scope::Route {
        listener: "eg-ns/eg/http".into(),
        route: "httproute/default/chat/rule/0/match/0/api_example_com".into(),
    }
}

fn header(name: &'static str, value: TextSelect) -> Condition {
    Condition::Header { name: HeaderName::from_static(name), value, invert: false }
}

fn exact(text: &str) -> TextSelect {
    TextSelect::Exact(text.into())
}

fn claim(rule: &LimitRule, headers: &[(&'static str, &str)]) -> Option<Counter> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")))
        .collect();
    rule.claim(&View {
        method: &Method::POST,
        path: "/v1/chat",
        query: Some("team=a%20b"),
        headers: &headers,
        client: Some([10, 0, 0, 7].into()),
    })
}

fn key(rule: &LimitRule, headers: &[(&'static str, &str)]) -> String {
    claim(rule, headers).expect("the rule applies").key(1_755_734_400)
}

#[test]
fn keys_are_those_of_envoys_rate_limit_service() {
    let distinct = rule(route(), 0, vec![header("x-user-id", TextSelect::Distinct)]);
    assert_eq!(
        key(&distinct, &[("x-user-id", "alice")]),
        "eg-ns/eg/http_httproute/default/chat/rule/0/match/0/api_example_com\
         _httproute/default/chat/rule/0/match/0/api_example_com_rule-0-match-0_alice_1755734400"
    );
    let all = rule(Scope::Shared { policy: "a/b".into(), index: 3 }, 1, vec![]);
    assert_eq!(key(&all, &[]), "a/b_a/b/rule/3_a/b/rule/3_rule-1-match--1_rule-1-match--1_1755734400");
}

#[test]
fn entries_follow_the_services_order_whatever_the_users() {
    let cidr = "10.0.0.0/8".parse().expect("valid");
    let conditions = vec![
        Condition::Query { name: "team".into(), value: TextSelect::Distinct, invert: false },
        Condition::Source { cidr, distinct: true, invert: false },
        Condition::Path { value: PathSelect::Prefix("/v1".into()), invert: false },
        Condition::Method { any_of: vec![Method::POST], invert: false },
        header("x-tier", exact("gold")),
        header("x-user-id", TextSelect::Distinct),
    ];
    let rule = rule(Scope::Shared { policy: "a/b".into(), index: 0 }, 2, conditions);
    assert_eq!(
        key(&rule, &[("x-tier", "gold"), ("x-user-id", "u")]),
        "a/b_a/b/rule/0_a/b/rule/0_rule-2-match-0_rule-2-match-0_rule-2-match-1_u_rule-2-method_rule-2-method\
         _rule-2-path_rule-2-path_masked_remote_address_10.0.0.0/8_remote_address_10.0.0.7_rule-2-match-2_a b\
         _1755734400"
    );
}

#[test]
fn quota_keys_nest_headers_by_name() {
    let of = QuotaOf { backend: "ns/backend".into(), model: "gpt".into() };
    let front = "ai-gateway-quota_backend_name_ns/backend_model_name_override_gpt";
    let some = rule(
        Scope::QuotaRule(of.clone()),
        0,
        vec![header("x-tier", exact("gold")), header("x-org", TextSelect::Distinct)],
    );
    assert_eq!(
        key(&some, &[("x-tier", "gold"), ("x-org", "o")]),
        format!(
            "{front}_rule-0-x-org-match-0_o_rule-0-x-tier|gold-match-1_rule-0-x-tier|gold-match-1_1755734400"
        )
    );
    let rest = rule(Scope::QuotaDefault(of.clone()), 1, vec![]);
    assert_eq!(key(&rest, &[]), format!("{front}_rule-1-match--1_rule-1-match--1_1755734400"));
    assert_eq!(key(&rule(Scope::QuotaWhole(of), 0, vec![]), &[]), format!("{front}_1755734400"));
}

#[test]
fn all_conditions_have_to_hold() {
    let both =
        rule(route(), 0, vec![header("x-tier", exact("gold")), header("x-user-id", TextSelect::Distinct)]);
    assert!(claim(&both, &[("x-tier", "gold"), ("x-user-id", "u")]).is_some());
    assert!(claim(&both, &[("x-tier", "lead"), ("x-user-id", "u")]).is_none());
    assert!(claim(&both, &[("x-tier", "gold")]).is_none(), "no value to count by");
    let others =
        Condition::Header { name: HeaderName::from_static("x-tier"), value: exact("gold"), invert: true };
    let others = rule(route(), 0, vec![others]);
    assert!(claim(&others, &[]).is_some() && claim(&others, &[("x-tier", "gold")]).is_none());
}

#[test]
fn distinct_values_have_counters_of_their_own() {
    let first = rule(route(), 0, vec![header("x-user-id", TextSelect::Distinct)]);
    let second = rule(route(), 1, vec![header("x-user-id", TextSelect::Distinct)]);
    let id = |rule, user| claim(rule, &[("x-user-id", user)]).expect("applies").id();
    assert_eq!(id(&first, "a"), id(&first, "a"));
    assert_ne!(id(&first, "a"), id(&first, "b"));
    assert_ne!(id(&first, "a"), id(&second, "a"));
}

#[test]
fn a_repeated_header_is_one_value() {
    let distinct = rule(route(), 0, vec![header("x-user-id", TextSelect::Distinct)]);
    let mut headers = HeaderMap::new();
    for value in ["a", "b"] {
        headers.append("x-user-id", value.parse().expect("a value"));
    }
    let view = View { method: &Method::GET, path: "/", query: None, headers: &headers, client: None };
    let counter = distinct.claim(&view).expect("applies");
    assert!(counter.name().ends_with("_rule-0-match-0_a,b"));
}

#[test]
fn a_counters_debug_text_keeps_callers_values_to_itself() {
    let distinct = rule(route(), 0, vec![header("authorization", TextSelect::Distinct)]);
    let counter = claim(&distinct, &[("authorization", "Bearer geheim")]).expect("applies");
    assert!(!format!("{counter:?}").contains("geheim"));
}
