use http::{HeaderMap, Method};

use super::*;
use crate::{
    Condition, Cost, Embedded, Fact, Limit, LimitRuleSpec, QuotaOf, Scope, Store, TextSelect, Unit,
    UnixMillis,
};

const NOW: UnixMillis = UnixMillis(1_755_734_400_000);

fn bucket(number: usize, amount: u64, caller: Option<&str>, shadow: bool) -> Arc<LimitRule> {
    let of = QuotaOf { backend: "ns/b".into(), model: "m".into() };
    let conditions = caller.map(|caller| Condition::Header {
        name: http::HeaderName::from_static("x-caller"),
        value: TextSelect::Exact(caller.into()),
        invert: false,
    });
    Arc::new(LimitRule::new(LimitRuleSpec {
        id: format!("bucket {number}").into(),
        scope: if caller.is_some() { Scope::QuotaRule(of) } else { Scope::QuotaDefault(of) },
        number,
        conditions: conditions.into_iter().collect(),
        limit: Limit { amount, unit: Unit::Hour },
        request_cost: Cost::Number(0),
        response_cost: Some(Cost::Metadata(Fact::cost(ModelQuota::COST_KEY))),
        shadow,
        show_headers: true,
    }))
}

fn pay(quota: &ModelQuota, store: &Embedded, caller: &str, cost: u64) -> bool {
    let headers =
        HeaderMap::from_iter([("x-caller".parse().expect("a name"), caller.parse().expect("a value"))]);
    let view = View { method: &Method::POST, path: "/", query: None, headers: &headers, client: None };
    let (claims, _) = quota.claims(&view, 1);
    let spent = !store.look(&claims, NOW).is_admitted();
    let decision = store.decide(&claims, NOW);
    assert_eq!(spent, !decision.is_admitted());
    if decision.is_admitted() {
        let settlements: Vec<_> = claims.into_iter().map(|claim| claim.settle(cost)).collect();
        store.settle(&settlements, NOW);
    }
    decision.is_admitted()
}

#[test]
fn shared_buckets_are_spent_when_all_of_them_are() {
    let quota = ModelQuota::new(
        vec![bucket(0, 10, Some("a"), false)],
        Some(bucket(1, 30, None, false)),
        QuotaMode::Shared,
    );
    let store = Embedded::new(1000);
    assert!(pay(&quota, &store, "a", 20), "a's own 10 are gone");
    assert!(pay(&quota, &store, "a", 20), "but the default bucket had 10 left");
    assert!(!pay(&quota, &store, "a", 20));
    assert!(!pay(&quota, &store, "b", 20), "the default bucket is everybody's");
}

#[test]
fn exclusive_buckets_are_spent_each_by_itself() {
    let rules = vec![bucket(0, 10, Some("a"), false), bucket(1, 10, Some("a"), false)];
    let quota = ModelQuota::new(rules, Some(bucket(2, 30, None, false)), QuotaMode::Exclusive);
    let store = Embedded::new(1000);
    assert!(pay(&quota, &store, "a", 20));
    assert!(!pay(&quota, &store, "a", 20));
    assert!(pay(&quota, &store, "b", 31), "which a did not touch");
    assert!(!pay(&quota, &store, "b", 1));
}

#[test]
fn shadow_buckets_neither_refuse_nor_save() {
    let quota = ModelQuota::new(
        vec![bucket(0, 1, Some("a"), true)],
        Some(bucket(1, 30, None, false)),
        QuotaMode::Shared,
    );
    let store = Embedded::new(1000);
    assert!(pay(&quota, &store, "a", 20));
    assert!(pay(&quota, &store, "a", 20), "its shadow is spent, which refuses nobody");
    assert!(!pay(&quota, &store, "a", 20));
    let only = ModelQuota::new(vec![bucket(0, 1, Some("a"), true)], None, QuotaMode::Shared);
    assert!(pay(&only, &store, "a", 20) && pay(&only, &store, "a", 20));
}
