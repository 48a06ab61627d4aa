//! What the processor of a Gateway gets is all that it needs, and nothing of another Gateway.
use std::{fs, path::Path};

use tollgate_compile::{Options, compile, describe};
use tollgate_generate::{Written, bundle, documents};
use tollgate_resources::{Loaded, Source, load, manifests};

const TWO_GATEWAYS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: red}
spec: {gatewayClassName: eg, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: blue}
spec: {gatewayClassName: eg, listeners: [{name: http, protocol: HTTP, port: 81}]}
---
";

fn read(text: &str) -> Loaded {
    load(&[Source { name: "in.yaml", text }], &|_| None)
}

fn bundled(text: &str, gateway: &str) -> String {
    let loaded = read(text);
    let manifests = manifests(&[Source { name: "in.yaml", text }], &|_| None);
    let written = Written { set: &loaded.set, manifests: &manifests, refused: &loaded.refused };
    documents(&bundle(written, "default", gateway))
}

fn compiled(text: &str) -> (String, Vec<String>) {
    let loaded = read(text);
    let options = Options { refused: loaded.refused, ..Options::default() };
    let compiled = compile(&loaded.set, &options);
    let notes = loaded.notes.iter().chain(compiled.notes.iter()).map(|note| note.message.clone()).collect();
    (describe(&compiled.snapshot), notes)
}

#[test]
fn the_bundle_of_an_example_serves_as_the_example_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for example in ["openai", "fallback", "aws-bedrock", "google-vertex", "token-limited-azure", "tls"] {
        let text = fs::read_to_string(root.join(example).join("gateway.yaml")).unwrap();
        let gateway = read(&text).set.gateways[0].meta.name.to_string();
        assert_eq!(compiled(&bundled(&text, &gateway)), compiled(&text), "{example}");
    }
}

fn tenant(name: &str) -> String {
    format!(
        "apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: {name}}}]
  rules: [{{backendRefs: [{{name: {name}}}]}}]
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: {name}}}
spec: {{schema: {{name: OpenAI}}, backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: {name}}}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: 1}}}}]}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {{name: key-of-{name}}}
spec:
  targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: {name}}}]
  type: APIKey
  apiKey: {{secretRef: {{name: secret-of-{name}}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: secret-of-{name}}}
stringData: {{apiKey: value-of-{name}}}
---
"
    )
}

#[test]
fn nothing_of_another_gateway_is_in_it() {
    let text = format!("{TWO_GATEWAYS}{}{}", tenant("red"), tenant("blue"));
    let red = bundled(&text, "red");
    assert!(red.contains("value-of-red") && !red.contains("blue"), "{red}");
    assert_eq!(red.matches("\nkind: ").count(), 6, "{red}");
}

#[test]
fn a_broken_credential_goes_along_so_that_it_stays_broken() {
    let broken = tenant("red").replace("type: APIKey", "type: Nonsense");
    let text = format!("{TWO_GATEWAYS}{broken}");
    assert!(bundled(&text, "red").contains("name: key-of-red"));
    let (snapshot, _) = compiled(&bundled(&text, "red"));
    assert_eq!(snapshot.contains("value-of"), compiled(&text).0.contains("value-of"));
}
