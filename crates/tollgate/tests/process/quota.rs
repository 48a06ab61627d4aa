//! Two backends, and how much of each may be used.

use tollgate_simulate::Simulator;

use crate::gateway::{Gateway, resources};

/// A second backend for when the quota of the first is spent; both have next to nothing.
fn limited(first: &Simulator, second: &Simulator) -> String {
    let port = second.address().port();
    let mut text = resources(first, 0).replace(
        "backendRefs: [{name: openai}]",
        "backendRefs: [{name: openai}, {name: other, priority: 1}]",
    );
    text.push_str(&format!(
        "---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: other}}
spec:
  schema: {{name: OpenAI}}
  backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: other}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: other}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
---
apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {{name: both}}
spec:
  targetRefs:
    - {{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}}
    - {{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: other}}
  perModelQuotas:
    - modelName: m
      quota: {{defaultBucket: {{limit: 1, duration: 1d}}}}
"
    ));
    text
}

#[test]
fn a_spent_quota_sends_requests_to_the_next_backend_and_then_away() {
    let (first, second) = (Simulator::start().unwrap(), Simulator::start().unwrap());
    let gateway = Gateway::start(&limited(&first, &second), &["--access-log", "off"]);
    let asked = || (first.stats().requests, second.stats().requests);
    assert_eq!((gateway.chat("m").status, asked()), (200, (1, 0)));
    assert_eq!((gateway.chat("m").status, asked()), (200, (1, 1)));
    let refused = gateway.chat("m");
    assert_eq!((refused.status, asked()), (429, (1, 1)), "{}", refused.text);
    let told = refused.text.to_ascii_lowercase();
    assert!(told.contains("quota default/both (model m of default/openai)"), "{}", refused.text);
    assert!(told.contains("retry-after: "), "{}", refused.text);
}
