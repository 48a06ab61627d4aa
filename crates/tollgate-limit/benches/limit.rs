//! What limits cost a request: ten rules asked, reserved and settled. `cargo bench -p tollgate-limit`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tollgate_limit::{
    Claims, Condition, Cost, Embedded, Fact, Limit, LimitRule, LimitRuleSpec, Scope, Store, TextSelect, Unit,
    UnixMillis, View,
};

const NOW: UnixMillis = UnixMillis(1_755_734_400_000);

fn rules() -> Vec<LimitRule> {
    let rule = |number: usize| {
        let value =
            if number.is_multiple_of(2) { TextSelect::Distinct } else { TextSelect::Exact("gold".into()) };
        let name = if number.is_multiple_of(2) { "x-user-id" } else { "x-tier" };
        LimitRule::new(LimitRuleSpec {
            id: format!("policy default/limits rule {number}").into(),
            scope: Scope::Shared { policy: "default/limits".into(), index: number },
            number,
            conditions: vec![Condition::Header { name: HeaderName::from_static(name), value, invert: false }],
            limit: Limit { amount: u64::MAX / 2, unit: Unit::Hour },
            request_cost: Cost::Number(1),
            response_cost: Some(Cost::Metadata(Fact::cost("llm_total_token"))),
            shadow: false,
            show_headers: true,
        })
    };
    (0..10).map(rule).collect()
}

fn limits(c: &mut Criterion) {
    let rules = rules();
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-user-id"), HeaderValue::from_static("alice@example.com")),
        (HeaderName::from_static("x-tier"), HeaderValue::from_static("gold")),
    ]);
    let view = View { method: &Method::POST, path: "/v1/chat", query: None, headers: &headers, client: None };
    let claims = |view: &View<'_>| -> Claims {
        rules.iter().filter_map(|rule| Some(rule.charge(rule.claim(view)?, 1, 500))).collect()
    };
    let store = Embedded::default();
    c.bench_function("ten rules, claims", |b| b.iter(|| claims(black_box(&view))));
    c.bench_function("ten rules, claims and reservation", |b| {
        b.iter(|| store.decide(&claims(black_box(&view)), NOW));
    });
    c.bench_function("ten rules, all of it", |b| {
        b.iter(|| {
            let claims = claims(black_box(&view));
            let decision = store.decide(&claims, NOW);
            let settlements: Vec<_> = claims.into_iter().map(|claim| claim.settle(300)).collect();
            store.settle(&settlements, NOW);
            decision
        });
    });
}

criterion_group!(benches, limits);
criterion_main!(benches);
