//! One thousand routes, as a reload sees them.
#![expect(missing_docs, reason = "criterion's macros make public items")]
use std::fmt::Write;

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate_compile::{Options, compile};
use tollgate_resources::{Source, load};

fn text(routes: usize) -> String {
    let mut text = String::from(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: tollgate
  listeners:
    - {name: http, protocol: HTTP, port: 80}
",
    );
    for i in 0..routes {
        write!(
            text,
            "---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b{i}}}
spec:
  endpoints: [{{fqdn: {{hostname: b{i}.example.com, port: 8080}}}}]
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: b{i}}}
spec:
  schema: {{name: OpenAI}}
  backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: b{i}}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: r{i}}}
spec:
  parentRefs: [{{name: edge}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, value: model-{i}}}, {{name: x-team, value: t{i}}}]}}]
      backendRefs: [{{name: b{i}}}, {{name: b{next}, priority: 1}}]
    - matches: [{{headers: [{{name: x-team, value: u{i}}}]}}]
      backendRefs: [{{name: b{i}}}]
",
            next = (i + 1) % routes
        )
        .expect("a String takes everything");
    }
    text
}

fn thousand_routes(c: &mut Criterion) {
    let text = text(1000);
    let loaded = load(&[Source { name: "routes.yaml", text: &text }], &|_| None);
    assert!(!loaded.notes.has_errors() && loaded.set.ai_gateway_routes.len() == 1000);
    let options = Options::default();
    assert!(!compile(&loaded.set, &options).notes.has_errors());
    c.bench_function("compile 1,000 routes", |b| b.iter(|| compile(&loaded.set, &options)));
}

criterion_group!(benches, thousand_routes);
criterion_main!(benches);
