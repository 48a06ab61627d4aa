//! Who may call: keys fetched over TLS, services that see bodies, expressions.
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tollgate_simulate::{Grant, Issuer, Simulator};

use crate::{
    client::{Client, Offer, Reply},
    gateway::{Gateway, chat, resources},
    tls::Identity,
    upstream::Upstream,
};

fn start(resources: &str) -> Gateway {
    Gateway::start(resources, &["--access-log", "off"])
}

/// [`resources`] and more objects, the last of them a SecurityPolicy on the Gateway.
fn guarded(simulator: &Simulator, more: &[Value], spec: Value) -> String {
    let mut spec = spec;
    spec["targetRefs"] =
        json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "tollgate"}]);
    let policy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "SecurityPolicy",
        "metadata": {"name": "who"}, "spec": spec,
    });
    let mut text = resources(simulator, 0);
    for object in more.iter().chain([&policy]) {
        text.push_str(&format!("---\n{object}\n"));
    }
    text
}

fn backend(name: &str, upstream: &Upstream) -> Value {
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend", "metadata": {"name": name},
        "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": upstream.address.port()}}]},
    })
}

fn reference(name: &str) -> Value {
    json!([{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": name}])
}

fn ask(gateway: &Gateway, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut client = Client::plain(gateway.port, Offer::Http1);
    let mut request = client.request("POST", "localhost", "/v1/chat/completions", body);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    client.send(request)
}

fn token(issuer: &Issuer) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let grant = Grant {
        tenant: "a".to_owned(),
        subject: "jo".to_owned(),
        scope: String::new(),
        audience: None,
        expires_in: 600,
    };
    issuer.token(&grant, now).unwrap()
}

/// Keys at a server with a private authority, which the gateway knows by a BackendTLSPolicy.
fn private_keys(simulator: &Simulator, keys: &Upstream, authority: &str) -> String {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "authority"}, "data": {"ca.crt": authority},
    });
    let tls = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy", "metadata": {"name": "keys"},
        "spec": {
            "targetRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "keys"}],
            "validation": {
                "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "authority"}],
                "hostname": "keys.example",
            },
        },
    });
    let jwt = json!({"jwt": {"providers": [{
        "name": "issuer", "issuer": "https://issuer.example",
        "remoteJWKS": {"uri": "https://keys.example/jwks", "backendRefs": reference("keys")},
    }]}});
    guarded(simulator, &[map, backend("keys", keys), tls], jwt)
}

#[test]
fn keys_are_fetched_over_tls_from_whom_the_policys_authority_vouches_for() {
    let simulator = Simulator::start().unwrap();
    let issuer = Issuer::new("https://issuer.example", &[], None).unwrap();
    let stranger = Issuer::new("https://issuer.example", &[], None).unwrap();
    let (good, forged) = (token(&issuer), token(&stranger));
    let (own, other) = (Identity::of("keys.example"), Identity::of("keys.example"));
    let document = Bytes::from(issuer.jwks().to_string());
    let keys = Upstream::saying(Some(&own), move |_, _| Response::new(Full::new(document.clone())));
    let status = |gateway: &Gateway, token: &str| {
        ask(gateway, &[("authorization", &format!("Bearer {token}"))], chat("m", false)).status
    };
    let gateway = start(&private_keys(&simulator, &keys, &own.pem));
    assert_eq!(status(&gateway, &good), StatusCode::OK);
    assert_eq!(status(&gateway, &forged), StatusCode::UNAUTHORIZED);
    let asked = keys.asked();
    assert_eq!((asked.uri.path(), &asked.headers["host"]), ("/jwks", &"keys.example".parse().unwrap()));
    // An authority that did not sign the server's certificate vouches for nobody, and so nobody gets in.
    let gateway = start(&private_keys(&simulator, &keys, &other.pem));
    assert_eq!(status(&gateway, &good), StatusCode::UNAUTHORIZED);
}

/// A service that lets in whose body says so, and shows what it saw.
fn reader() -> Upstream {
    Upstream::saying(None, |head, body| {
        let allowed = String::from_utf8_lossy(body).contains("hello");
        let status = if allowed { StatusCode::OK } else { StatusCode::PAYMENT_REQUIRED };
        let path = head.uri.path().to_owned();
        let mut response = Response::new(Full::new(Bytes::from(path)));
        *response.status_mut() = status;
        response.headers_mut().insert("x-length", body.len().into());
        response
    })
}

#[test]
fn a_service_sees_the_body_and_the_backend_gets_it_all_the_same() {
    let simulator = Simulator::start().unwrap();
    let service = reader();
    let spec = json!({"extAuth": {
        "http": {"backendRefs": reference("reader"), "path": "/check", "headersToBackend": ["x-length"]},
        "bodyToExtAuth": {"maxRequestBytes": 200}, "failOpen": true,
    }});
    let gateway = start(&guarded(&simulator, &[backend("reader", &service)], spec));
    let reply = ask(&gateway, &[], chat("m", false));
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let asked = service.asked();
    assert_eq!(asked.uri.path(), "/check/v1/chat/completions");
    assert_eq!(asked.headers["x-envoy-auth-partial-body"], "false");
    let refused = ask(&gateway, &[], chat("m", false).replace("hello", "other"));
    assert_eq!(refused.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(refused.body, "/check/v1/chat/completions");
    service.asked();
    // A longer body is not shown to anybody, and not let through either, although the policy fails open.
    let long = ask(&gateway, &[], chat("m", false).replace("hello", &"hello".repeat(100)));
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(service.idle());
}

/// `CheckResponse`: yes, with the reply header `x-vetted: yes` and the metadata `tenant: a`.
const VETTED: &[u8] = b"\x1a\x13\x32\x11\x0a\x0f\x0a\x08x-vetted\x12\x03yes\
    \x22\x0f\x0a\x0d\x0a\x06tenant\x12\x03\x1a\x01a";

#[test]
fn what_a_service_says_reaches_the_client_the_rules_and_the_log() {
    let simulator = Simulator::start().unwrap();
    let service = Upstream::grpc(VETTED);
    let class = json!({
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy"},
    });
    let line = "vetted as %DYNAMIC_METADATA(envoy.filters.http.ext_authz:tenant)% \
        by %CEL(request.method + ' of ' + metadata.filter_metadata['envoy.filters.http.ext_authz'].tenant)%";
    let proxy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy", "metadata": {"name": "proxy"},
        "spec": {"telemetry": {"accessLog": {"settings": [{"format": {"type": "Text", "text": line}}]}}},
    });
    let spec = json!({
        "extAuth": {"grpc": {"backendRefs": reference("vets")}},
        "authorization": {"defaultAction": "Deny", "rules": [{
            "action": "Allow", "cel": "metadata.filter_metadata['envoy.filters.http.ext_authz'].tenant == 'a'",
        }]},
    });
    let text = guarded(&simulator, &[backend("vets", &service), proxy], spec)
        .replace("{controllerName: gateway.envoyproxy.io/gatewayclass-controller}", &class.to_string());
    let gateway = Gateway::start(&text, &[]);
    let reply = ask(&gateway, &[], chat("m", false));
    assert_eq!((reply.status, &reply.headers["x-vetted"]), (StatusCode::OK, &"yes".parse().unwrap()));
    assert_eq!(service.asked().uri.path(), "/envoy.service.auth.v3.Authorization/Check");
    gateway.wait_for("vetted as a by POST of a");
}

#[test]
fn a_plain_route_streams_on_what_a_service_has_seen() {
    let simulator = Simulator::start().unwrap();
    let (service, web) = (reader(), Upstream::saying(None, |_, body| Response::new(Full::new(body.clone()))));
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"},
        "spec": {
            "parentRefs": [{"name": "tollgate"}],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/v1/chat/completions"}}],
                "backendRefs": reference("web"),
            }],
        },
    });
    let spec = json!({"extAuth": {
        "http": {"backendRefs": reference("reader")}, "bodyToExtAuth": {"maxRequestBytes": 4096},
    }});
    let objects = [backend("reader", &service), backend("web", &web), route];
    let text = guarded(&simulator, &objects, spec);
    let gateway = start(&text);
    let mut client = Client::plain(gateway.port, Offer::Http1);
    let request = client.request("POST", "localhost", "/v1/chat/completions", "hello, web");
    let reply = client.send(request);
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"hello, web"[..]));
    // A request without a body is asked about, and stays one.
    let request = client.request("GET", "localhost", "/v1/chat/completions", "");
    assert_eq!(client.send(request).status, StatusCode::PAYMENT_REQUIRED);
}

#[test]
fn an_expression_decides_who_may_call_what() {
    let simulator = Simulator::start().unwrap();
    let spec = json!({"authorization": {"defaultAction": "Deny", "rules": [
        {"action": "Deny", "cel": "request.headers['x-team'] == 'banned'"},
        {"action": "Allow", "cel": "request.method == 'POST' && request.url_path.startsWith('/v1/')"},
    ]}});
    let gateway = start(&guarded(&simulator, &[], spec));
    let status = |headers: &[(&str, &str)]| ask(&gateway, headers, chat("m", false)).status;
    assert_eq!(status(&[("x-team", "a")]), StatusCode::OK);
    assert_eq!(status(&[("x-team", "banned")]), StatusCode::FORBIDDEN);
    // Of a request without the header the expression says nothing, so that it fails closed.
    assert_eq!(status(&[]), StatusCode::FORBIDDEN);
    assert_eq!(gateway.admin("/readyz").status, 200);
}
