//! What is compiled where Envoy carries the bytes.
#![expect(clippy::panic, reason = "a test may fail")]

use tollgate_compile::{Compiled, Host, Options, compile};
use tollgate_resources::{Source, load};
use tollgate_snapshot::{Action, Guard};
use tollgate_types::{ApiSchema, Severity};

const RESOURCES: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tollgate}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: tollgate}
spec: {gatewayClassName: tollgate, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: tollgate}]
  rules:
  - matches: [{headers: [{name: x-ai-eg-model, value: far}]}]
    backendRefs: [{name: far}]
  - matches: [{headers: [{name: x-ai-eg-model, value: pooled}]}]
    backendRefs: [{name: models, group: inference.networking.k8s.io, kind: InferencePool}]
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {name: far}
spec: {schema: {name: Anthropic}, backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: nowhere}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {parentRefs: [{name: tollgate}], rules: [{backendRefs: [{name: web, port: 80}]}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: closed}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: tollgate}]
  authorization: {defaultAction: Deny}
";

fn compiled(host: Host) -> Compiled {
    let loaded = load(&[Source { name: "a.yaml", text: RESOURCES }], &|_| None);
    compile(&loaded.set, &Options { host, ..Options::default() })
}

#[test]
fn envoy_serves_plain_routes_and_applies_policies_itself() {
    let Compiled { snapshot, .. } = compiled(Host::Envoy);
    let rules: Vec<&str> = snapshot.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(rules, ["default/chat/0", "default/chat/1"]);
    assert!(snapshot.rules.iter().all(|rule| matches!(rule.guard, Guard::Open)));
    let native = compiled(Host::Native).snapshot;
    assert_eq!(native.rules.len(), 3);
    assert!(native.rules.iter().all(|rule| !matches!(rule.guard, Guard::Open)));
}

#[test]
fn backends_need_not_be_resolvable_here_and_a_pool_speaks_openai() {
    let schemas = |host| -> Vec<Option<ApiSchema>> {
        let rules = compiled(host).snapshot.rules;
        let llm = rules.iter().filter_map(|rule| match &rule.action {
            Action::Llm(action) => Some(&action.choices[0]),
            _ => None,
        });
        llm.map(|choice| Some(choice.backend.as_ref().ok()?.target.as_ref()?.schema)).collect()
    };
    assert_eq!(schemas(Host::Envoy), [Some(ApiSchema::Anthropic), Some(ApiSchema::OpenAi)]);
    assert_eq!(schemas(Host::Native), [None, None]);
}

const WITH_PROXIES: &str = "apiVersion: gateway.networking.k8s.io/v1
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
    let loaded = load(&[Source { name: "in.yaml", text: WITH_PROXIES }], &|_| None);
    let options = Options { host: Host::Envoy, ..Options::default() };
    let notes = compile(&loaded.set, &options).notes;
    let errors: Vec<_> = notes.iter().filter(|note| note.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

const KEYS: &str = "---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {name: keys}
spec:
  type: APIKey
  apiKey: {secretRef: {name: key}}
  targetRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: models}]
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {apiKey: sk-1}
";

/// Of the rule that goes to a pool: whether its backend has a credential, or what is wrong with it.
fn pooled(text: &str) -> Result<bool, &'static str> {
    let loaded = load(&[Source { name: "a.yaml", text }], &|_| None);
    let options =
        Options { host: Host::Envoy, refused: loaded.refused.clone(), zone: None, ..Options::default() };
    let snapshot = compile(&loaded.set, &options).snapshot;
    let Action::Llm(action) = &snapshot.rules[1].action else { panic!("{:?}", snapshot.rules[1]) };
    match &action.choices[0].backend {
        Ok(backend) => Ok(backend.credential.is_some()),
        Err(problem) => Err(problem.code),
    }
}

#[test]
fn a_pool_may_have_a_credential_as_a_backend_has() {
    assert_eq!(pooled(RESOURCES), Ok(false));
    let keys = format!("{RESOURCES}{KEYS}");
    assert_eq!(pooled(&keys), Ok(true));
    assert_eq!(
        pooled(&keys.replace("InferencePool, name: models}]\n---", "InferencePool, name: x}]\n---")),
        Ok(false)
    );
    let twice = format!("{keys}{}", KEYS.replace("name: keys", "name: other-keys"));
    assert_eq!(pooled(&twice), Err("conflicted-policy"));
}

#[test]
fn what_a_broken_policy_would_have_given_a_credential_is_not_served_without() {
    let broken = format!("{RESOURCES}{}", KEYS.replace("type: APIKey", "type: Key"));
    assert_eq!(pooled(&broken), Err("no-credential"));
}
