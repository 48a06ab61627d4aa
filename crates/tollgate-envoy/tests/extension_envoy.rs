//! What the hooks make, read by Envoy itself. Skipped where there is no Envoy: `TOLLGATE_ENVOY` names a binary, or
//! `cargo xtask` has put one into its cache.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tollgate_envoy::extension::{
    Attempts, Made, Message, Plan, Settings, Translation, post_cluster, post_translate,
};
use tollgate_resources::{Source, load};

const RESOURCES: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: prod, annotations: {aigateway.envoyproxy.io/gateway-config: egress}}
spec: {gatewayClassName: eg, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: GatewayConfig
metadata: {name: egress, namespace: prod}
spec: {forwardProxy: {address: \"127.0.0.1:3128\"}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat, namespace: prod}
spec:
  parentRefs: [{name: gw}]
  rules:
  - {streamIdleTimeout: 7s, backendRefs: [{name: a}, {name: b, priority: 1}]}
  - {backendRefs: [{name: known, group: inference.networking.k8s.io, kind: InferencePool}]}
  - {backendRefs: [{name: unknown, group: inference.networking.k8s.io, kind: InferencePool}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {name: own-keys, namespace: prod}
spec:
  type: APIKey
  apiKey: {secretRef: {name: key}}
  credentialOverride: {fromDynamicMetadata: {namespace: envoy.filters.http.jwt_authn, key: login.key}}
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: a}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pods, namespace: prod, labels: {app: known}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.2]}]
ports: [{port: 8000}]
";
const POOL: &str = r#"{"apiVersion":"inference.networking.k8s.io/v1","kind":"InferencePool",
    "metadata":{"name":"NAME","namespace":"prod"},
    "spec":{"selector":{"matchLabels":{"app":"NAME"}},"targetPorts":[{"number":8000}],
    "endpointPickerRef":{"name":"NAME-epp","port":{"number":9002},"failureMode":"MODE"}}}"#;

/// The binaries there are.
fn envoys() -> Vec<PathBuf> {
    let given = env::var_os("TOLLGATE_ENVOY").map(PathBuf::from);
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let cached = cache.into_iter().flat_map(|cache| {
        ["envoy-1.40", "envoy-1.36"].map(|version| cache.join("tollgate").join(version).join("envoy"))
    });
    given.map_or_else(|| cached.filter(|path| path.exists()).collect(), |given| vec![given])
}

fn message(fields: &[(u32, &dyn AsRef<[u8]>)]) -> Message {
    let mut message = Message::default();
    for (number, value) in fields {
        message.push(*number, Bytes::copy_from_slice(value.as_ref()));
    }
    message
}

fn encoded(fields: &[(u32, &dyn AsRef<[u8]>)]) -> Bytes {
    message(fields).encode()
}

fn any(name: &str, value: &Bytes) -> Bytes {
    encoded(&[(1, &format!("type.googleapis.com/{name}")), (2, value)])
}

/// `name` under `namespace`, from an HTTPRoute, as Envoy Gateway says it.
fn metadata(kind: &str, name: &str) -> Bytes {
    let text = |text: &str| encoded(&[(3, &text)]);
    let entry = |key: &str, value: Bytes| encoded(&[(1, &key), (2, &value)]);
    let object = encoded(&[
        (1, &entry("kind", text(kind))),
        (1, &entry("namespace", text("prod"))),
        (1, &entry("name", text(name))),
    ]);
    let list = encoded(&[(1, &encoded(&[(5, &object)]))]);
    let resources = encoded(&[(1, &entry("resources", encoded(&[(6, &list)])))]);
    encoded(&[(1, &entry("envoy-gateway", resources))])
}

fn address(host: &str, port: u64) -> Bytes {
    let mut socket = message(&[(2, &host)]);
    socket.set_uint(3, port);
    encoded(&[(1, &socket.encode())])
}

fn dns_cluster(name: &str, hosts: &[&str]) -> Bytes {
    let mut load = message(&[(1, &name)]);
    for (index, host) in hosts.iter().enumerate() {
        let endpoint = encoded(&[(1, &encoded(&[(1, &address(host, 443))]))]);
        let region = encoded(&[(1, &format!("{name}/backend/{index}"))]);
        load.push(2, encoded(&[(1, &region), (2, &endpoint)]));
    }
    let mut cluster = message(&[(1, &name), (33, &load.encode()), (25, &metadata("HTTPRoute", "chat"))]);
    cluster.set_uint(2, 1);
    cluster.encode()
}

/// A cluster of a kind that Envoy Gateway knows nothing of, after the hook for it.
fn pool_cluster(plan: &Plan, rule: usize, (name, mode): (&str, &str)) -> Bytes {
    let cluster =
        message(&[(1, &format!("httproute/prod/chat/rule/{rule}")), (25, &metadata("HTTPRoute", "chat"))]);
    let pool = Bytes::from(POOL.replace("NAME", name).replace("MODE", mode));
    post_cluster(plan, &cluster.encode(), [&pool]).unwrap().unwrap()
}

fn route(rule: usize) -> Bytes {
    let name = format!("httproute/prod/chat/rule/{rule}/match/0/*");
    let action = encoded(&[(1, &format!("httproute/prod/chat/rule/{rule}"))]);
    let prefix = encoded(&[(1, &format!("/{rule}"))]);
    encoded(&[(14, &name), (1, &prefix), (2, &action), (4, &metadata("HTTPRoute", "chat"))])
}

fn listener() -> Bytes {
    let host = encoded(&[(1, &"any"), (2, &"*"), (3, &route(0)), (3, &route(1)), (3, &route(2))]);
    let config = encoded(&[(1, &"inline"), (2, &host)]);
    let router = any("envoy.extensions.filters.http.router.v3.Router", &Bytes::new());
    let router = encoded(&[(1, &"envoy.filters.http.router"), (4, &router)]);
    let manager = encoded(&[(2, &"http"), (4, &config), (5, &router)]);
    let manager =
        any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", &manager);
    let filter = encoded(&[(1, &"envoy.filters.network.http_connection_manager"), (4, &manager)]);
    encoded(&[(1, &"prod/gw/http"), (2, &address("127.0.0.1", 10080)), (3, &encoded(&[(3, &filter)]))])
}

fn bootstrap(all: &Translation) -> Bytes {
    let mut resources = Message::default();
    all.listeners.iter().for_each(|listener| resources.push(1, listener.clone()));
    all.clusters.iter().for_each(|cluster| resources.push(2, cluster.clone()));
    encoded(&[(2, &resources.encode())])
}

fn validate(envoy: &Path, bootstrap: &Bytes) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bootstrap.pb");
    fs::write(&file, bootstrap).unwrap();
    Command::new(envoy).args(["--mode", "validate", "-c"]).arg(&file).output().unwrap()
}

#[test]
fn envoy_takes_what_the_hooks_make() {
    let envoys = envoys();
    if envoys.is_empty() {
        println!("skipped: there is no Envoy here; TOLLGATE_ENVOY names one");
        return;
    }
    for envoy in envoys {
        // Before 1.37 Envoy refuses in a file what it passes over in xDS: a cluster's own proxy.
        let old = envoy.to_string_lossy().contains("1.36");
        let resources = if old {
            RESOURCES.replace("gateway-config: egress", "other: egress")
        } else {
            RESOURCES.to_owned()
        };
        takes(&envoy, &resources);
    }
}

fn takes(envoy: &Path, resources: &str) {
    let set = load(&[Source { name: "-", text: resources }], &|_| None).set;
    let key = (Arc::from("prod"), Arc::from("chat"));
    let made = (0..3).map(|rule| Made {
        http_route: key.clone(),
        rule,
        source: key.clone(),
        source_rule: rule,
        refs: if rule == 0 { vec![0, 1] } else { vec![0] },
        attempts: Some(Attempts {
            retries: 1,
            per_priority: (rule == 0).then_some(1),
            deadline: Some(Duration::from_secs(5)),
            statuses: if rule == 0 { vec![429, 503] } else { Vec::new() },
        }),
    });
    let plan = Plan::new(&set, made);
    let all = Translation {
        clusters: vec![
            dns_cluster("httproute/prod/chat/rule/0", &["a.example", "b.example"]),
            pool_cluster(&plan, 1, ("known", "FailOpen")),
            pool_cluster(&plan, 2, ("unknown", "FailClose")),
        ],
        listeners: vec![listener()],
        ..Translation::default()
    };
    let (made, notes) = post_translate(&plan, &Settings::default(), all).unwrap();
    let notes: Vec<_> = notes.iter().map(|note| note.message.clone()).collect();
    assert_eq!(notes, Vec::<String>::new());
    let output = validate(envoy, &bootstrap(&made));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", envoy.display());
    // Fields that Envoy does not know would be warned of.
    assert!(!said.contains("unknown field") && !said.contains("Deprecated"), "{said}");
}
