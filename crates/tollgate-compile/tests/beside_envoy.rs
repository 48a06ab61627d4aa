//! What is left to compile where Envoy carries the bytes.
use tollgate_compile::{Host, Options, compile};
use tollgate_resources::{Source, load};
use tollgate_types::Severity;

const TEXT: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tollgate}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: of-all, namespace: default}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: of-all}
spec: {}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: of-one}
spec: {}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: tollgate
  infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: of-one}}
  listeners: [{name: http, protocol: HTTP, port: 80}]
";

#[test]
fn what_envoy_gateway_reads_is_not_missed() {
    let loaded = load(&[Source { name: "in.yaml", text: TEXT }], &|_| None);
    let options = Options { host: Host::Envoy, ..Options::default() };
    let notes = compile(&loaded.set, &options).notes;
    let errors: Vec<_> = notes.iter().filter(|note| note.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
