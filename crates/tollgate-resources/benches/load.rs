//! How long a large folder takes to load.

use std::fmt::Write as _;

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate_resources::{Source, load};

/// A thousand routes, each with two rules, and the backends and secrets behind them.
fn thousand_routes() -> String {
    let mut text = String::new();
    for index in 0..1000 {
        let _ = write!(
            text,
            "---\napiVersion: aigateway.envoyproxy.io/v1beta1\nkind: AIGatewayRoute\nmetadata: {{name: route-{index}, namespace: team-{}}}\n\
             spec:\n  parentRefs: [{{name: gw, namespace: infra}}]\n  hostnames: [h{index}.example.com]\n  rules:\n\
             \x20   - matches:\n        - headers:\n            - {{type: Exact, name: x-ai-eg-model, value: model-{index}}}\n\
             \x20     backendRefs:\n        - {{name: primary-{index}, weight: 90}}\n        - {{name: spare, priority: 1}}\n\
             \x20     timeouts: {{request: 60s}}\n    - backendRefs:\n        - name: spare\n\
             ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: key-{index}}}\nstringData:\n  apiKey: ${{KEY}}\n",
            index % 7,
        );
    }
    text
}

fn bench(criterion: &mut Criterion) {
    let text = thousand_routes();
    let env = |_: &str| Some("sk-1".to_owned());
    let loaded = load(&[Source { name: "big.yaml", text: &text }], &env);
    assert_eq!((loaded.set.ai_gateway_routes.len(), loaded.notes.0.len()), (1000, 0));
    criterion.bench_function("load 1000 routes and secrets", |bencher| {
        bencher.iter(|| load(&[Source { name: "big.yaml", text: &text }], &env));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
