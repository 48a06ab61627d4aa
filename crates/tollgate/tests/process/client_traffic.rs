//! `ClientTrafficPolicy` through the binary.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair,
    generate_simple_self_signed,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tollgate_simulate::Simulator;

use crate::gateway::{Answer, Gateway, ask, chat, connect, read, resources};

/// A policy for the whole Gateway.
fn policy(spec: &str) -> String {
    format!(
        "---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: clients}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: tollgate}}]
{spec}"
    )
}

/// A chat with more headers.
fn with(port: u16, headers: &str) -> Answer {
    let (mut stream, body) = (connect(port), chat("m", false));
    let length = body.len();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: \
         {length}\r\n\r\n{body}"
    )
    .unwrap();
    read(stream)
}

#[test]
fn a_client_policy_rules_heads_and_addresses() {
    let simulator = Simulator::start().unwrap();
    let spec =
        "  headers: {maxRequestHeaderLimit: 4Ki, lateResponseHeaders: {set: [{name: x-late, value: set}]}}
  clientIPDetection: {customHeader: {name: x-client-ip, failClosed: true}}
  healthCheck: {path: /alive}
";
    // Whose address it is decides who may call.
    let guard = "---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: known}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: tollgate}]
  authorization: {rules: [{action: Allow, principal: {clientCIDRs: [203.0.113.0/24]}}]}
";
    let text = resources(&simulator, 0) + &policy(spec) + guard;
    let gateway = Gateway::start(&text, &["--access-log", "off"]);
    let known = "x-client-ip: 203.0.113.7\r\n";

    let served = with(gateway.port, known);
    assert_eq!(served.status, 200, "{}", served.text);
    assert!(served.text.contains("x-late: set"), "{}", served.text);

    assert_eq!(with(gateway.port, "x-client-ip: 198.51.100.7\r\n").status, 403);
    assert_eq!(with(gateway.port, "").status, 403);
    assert_eq!(with(gateway.port, &format!("{known}api_key: 1\r\n")).status, 400);
    let large = format!("{known}x-large: {}\r\n", "x".repeat(5000));
    assert_eq!(with(gateway.port, &large).status, 431);
    assert_eq!(ask(gateway.port, "GET /alive", "").status, 200);
}

#[test]
fn a_broken_client_policy_answers_500_until_it_is_mended() {
    let simulator = Simulator::start().unwrap();
    let broken = policy("  tls: {clientValidation: {caCertificateRefs: [{name: missing}]}}\n");
    let gateway = Gateway::start(&(resources(&simulator, 0) + &broken), &["--access-log", "off"]);
    assert_eq!(gateway.chat("m").status, 500);
    gateway.rewrite(&(resources(&simulator, 0) + &policy("  timeout: {http: {idleTimeout: 5s}}\n")));
    gateway.wait_for("resources changed and serve");
    assert_eq!(gateway.chat("m").status, 200);
}

/// A client of an HTTPS listener, with a certificate or without.
fn over_tls(
    gateway: &Gateway,
    server: &CertificateDer<'static>,
    shown: Option<(&CertificateParams, &Ca)>,
) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(server.clone()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((params, ca)) => {
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, ca).unwrap();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(gateway.port));
    let body = chat("m", false);
    let length = body.len();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let mut text = Vec::new();
    // A refused handshake ends either of the two.
    let (Ok(()) | Err(_)) = write!(stream, "{head}content-length: {length}\r\n\r\n{body}");
    let (Ok(_) | Err(_)) = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A PEM text as a value of YAML.
fn quoted(pem: &str) -> String {
    serde_json::to_string(pem).unwrap()
}

/// Resources with an HTTPS listener for `localhost`, whose clients are asked by the policy, or else by the Gateway.
fn asking(simulator: &Simulator, shown: &CertifiedKey<KeyPair>, ca: &Ca, policy: Option<String>) -> String {
    let listener = "{name: http, protocol: HTTPS, port: 1975, tls: {certificateRefs: [{name: shown}]}}";
    let frontend = "tls: {frontend: {default: {validation: {caCertificateRefs: \
        [{group: \"\", kind: ConfigMap, name: clients}]}}}}, listeners";
    let text = resources(simulator, 0).replace("{name: http, protocol: HTTP, port: 1975}", listener);
    let text = match policy {
        Some(policy) => text + &policy,
        None => text.replace("listeners", frontend),
    };
    text + &format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: shown}}
type: kubernetes.io/tls
stringData: {{tls.crt: {}, tls.key: {}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: clients}}
data: {{ca.crt: {}}}
",
        quoted(&shown.cert.pem()),
        quoted(&shown.signing_key.serialize_pem()),
        quoted(&ca.pem())
    )
}

#[test]
fn a_listener_that_asks_for_certificates_serves_nobody_without() {
    let simulator = Simulator::start().unwrap();
    let (ca, other) = (authority(), authority());
    let shown = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ours = "  tls: {clientValidation: {caCertificateRefs: [{name: clients, kind: ConfigMap}]}}\n";
    for policy in [Some(policy(ours)), None] {
        let text = asking(&simulator, &shown, &ca, policy);
        let gateway = Gateway::start(&text, &["--access-log", "off"]);
        let params = CertificateParams::new(["client.example".to_owned()]).unwrap();
        let served = over_tls(&gateway, shown.cert.der(), Some((&params, &ca)));
        assert!(served.starts_with("HTTP/1.1 200"), "{served}");
        assert_eq!(over_tls(&gateway, shown.cert.der(), None), "");
        assert_eq!(over_tls(&gateway, shown.cert.der(), Some((&params, &other))), "");
    }
}
