//! `BackendTrafficPolicy` through the binary.

use tollgate_simulate::Simulator;

use crate::{
    gateway::{Gateway, ask, resources},
    upstream::Upstream,
};

#[test]
fn requests_stay_in_the_gateways_zone_and_failures_get_the_policys_reply() {
    let simulator = Simulator::start().unwrap();
    let near = Upstream::http1();
    // Nobody listens there.
    let more = format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules:
    - matches: [{{path: {{value: /near}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: both}}]
    - matches: [{{path: {{value: /far}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: far}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: both}}
spec:
  endpoints:
    - {{zone: west, ip: {{address: 127.0.0.1, port: 1}}}}
    - {{zone: east, ip: {{address: 127.0.0.1, port: {}}}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: far}}
spec: {{endpoints: [{{zone: west, ip: {{address: 127.0.0.1, port: 1}}}}]}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {{name: shop}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
  retry: {{numRetries: 0}}
  loadBalancer: {{type: RoundRobin, zoneAware: {{preferLocal: {{minEndpointsThreshold: 1, force: {{}}}}}}}}
  responseOverride:
    - match: {{statusCodes: [{{type: Range, range: {{start: 500, end: 599}}}}]}}
      response: {{statusCode: 418, contentType: text/html, body: {{inline: \"<h1>away</h1>\"}}}}
",
        near.address.port()
    );
    let gateway =
        Gateway::start(&(resources(&simulator, 0) + &more), &["--access-log", "off", "--zone", "east"]);
    for _ in 0..6 {
        let answer = ask(gateway.port, "GET /near", "");
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let away = ask(gateway.port, "GET /far", "");
    assert!(away.status == 418 && away.text.contains("content-type: text/html"), "{}", away.text);
    assert!(away.text.ends_with("<h1>away</h1>"), "{}", away.text);
}
