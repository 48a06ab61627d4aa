//! Resources that tests of the whole gateway begin with, each ending with `---`.

/// A Gateway `tollgate` with a plain listener on 1975.
pub const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tollgate}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: tollgate}
spec: {gatewayClassName: tollgate, listeners: [{name: http, protocol: HTTP, port: 1975}]}
---
";

/// A Backend `web` on this machine, and an HTTPRoute `web` that takes everything to it.
#[must_use]
pub fn web(port: u16) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: web}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules: [{{backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: web}}]}}]
---
"
    )
}

/// An AIServiceBackend `openai` on this machine, which speaks OpenAI's API.
#[must_use]
pub fn openai(port: u16) -> String {
    format!(
        "apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: openai}}
spec:
  schema: {{name: OpenAI}}
  backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: openai}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: openai}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
---
"
    )
}
