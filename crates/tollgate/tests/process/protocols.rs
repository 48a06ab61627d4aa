//! HTTP/2 and gRPC through the whole gateway, and hosts that share a port.
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use bytes::Bytes;
use http::{StatusCode, Version};
use tollgate_simulate::Simulator;
use tollgate_testkit::resources::GATEWAY;

use crate::{
    client::{Client, Offer, Reply},
    gateway::{Gateway, chat, connect, read, resources},
    tls::Identity,
    upstream::Upstream,
};

/// A message as gRPC frames it: not compressed, four bytes of length, the bytes.
const MESSAGE: &[u8] = b"\0\0\0\0\x05hello";

/// An HTTPRoute for everything to this Backend, on a plain listener.
fn plain(upstream: &Upstream, protocols: &str) -> String {
    plain_at(upstream.address.port(), protocols)
}

fn plain_at(port: u16, protocols: &str) -> String {
    format!(
        "{GATEWAY}apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules: [{{backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: web}}]}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: web}}
spec:
  {protocols}
  endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]
"
    )
}

fn start(resources: &str) -> Gateway {
    Gateway::start(resources, &["--access-log", "off"])
}

fn grpc(client: &mut Client, path: &str) -> Reply {
    let mut request = client.request("POST", "a.example", path, MESSAGE);
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    client.send(request)
}

#[test]
fn grpc_passes_with_its_trailers() {
    let upstream = Upstream::h2c();
    let gateway = start(&plain(&upstream, "appProtocols: [gateway.envoyproxy.io/h2c]"));
    let mut client = Client::plain(gateway.port, Offer::Http2);
    let reply = grpc(&mut client, "/echo.Echo/Say");
    assert_eq!((reply.status, reply.version), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(reply.body, MESSAGE);
    assert_eq!(reply.trailers["grpc-status"], "0");
    assert_eq!(reply.trailers["grpc-message"], "well done");
    let asked = upstream.asked();
    assert_eq!((asked.version, asked.uri.path()), (Version::HTTP_2, "/echo.Echo/Say"));
    assert_eq!(asked.headers["te"], "trailers");
}

#[test]
fn a_grpc_refusal_without_a_message_keeps_its_status() {
    let upstream = Upstream::h2c();
    let gateway = start(&plain(&upstream, "appProtocols: [gateway.envoyproxy.io/h2c]"));
    let reply = grpc(&mut Client::plain(gateway.port, Offer::Http2), "/refused");
    let status = reply.headers.get("grpc-status").or_else(|| reply.trailers.get("grpc-status"));
    assert_eq!((reply.status, status.unwrap().to_str().unwrap()), (StatusCode::OK, "7"));
    assert!(reply.body.is_empty());
}

#[test]
fn either_protocol_of_a_client_reaches_either_protocol_of_an_upstream() {
    for (upstream, protocols, version) in [
        (Upstream::http1(), "type: Endpoints", Version::HTTP_11),
        (Upstream::h2c(), "appProtocols: [gateway.envoyproxy.io/h2c]", Version::HTTP_2),
    ] {
        let gateway = start(&plain(&upstream, protocols));
        for offer in [Offer::Http1, Offer::Http2] {
            let reply = Client::plain(gateway.port, offer).get("a.example", "/x?y=1");
            assert_eq!(reply.body, "a.example /x", "{offer:?} {version:?}");
            let asked = upstream.asked();
            assert_eq!((asked.version, asked.uri.query()), (version, Some("y=1")), "{offer:?}");
        }
    }
}

#[test]
fn trailers_that_a_client_announces_reach_an_upstream_of_http1() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = upstream.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let (mut text, mut piece) = (Vec::new(), [0; 1024]);
        let ended =
            |text: &[u8]| text.ends_with(b"\r\n\r\n") && text.windows(5).any(|five| five == b"\r\n0\r\n");
        while !ended(&text) {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(text).unwrap()
    });
    let policy = serde_json::json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "ClientTrafficPolicy", "metadata": {"name": "web"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "tollgate"}],
            "http1": {"enableTrailers": true},
        },
    });
    let gateway = start(&format!("{}---\n{policy}\n", plain_at(port, "type: Endpoints")));
    let mut client = connect(gateway.port);
    let head = "POST /x HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\ntrailer: x-sum, authorization\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(b"2\r\nab\r\n0\r\nx-sum: 1\r\nauthorization: x\r\nx-other: 2\r\n\r\n").unwrap();
    assert_eq!(read(client).status, 200);
    let asked = asked.join().unwrap();
    assert!(asked.contains("\r\ntrailer: x-sum\r\n") && asked.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{asked}");
}

#[test]
fn an_upstream_that_offers_http2_over_tls_is_asked_over_http2() {
    let identity = Identity::of("web.example");
    let upstream = Upstream::h2_over_tls(&identity);
    let mut text = plain(&upstream, "type: Endpoints");
    let authorities = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"ca.crt": identity.pem},
    });
    let policy = serde_json::json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy", "metadata": {"name": "web"},
        "spec": {
            "targetRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "web"}],
            "validation": {
                "hostname": "web.example",
                "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "web"}],
            },
        },
    });
    text.push_str(&format!("---\n{authorities}\n---\n{policy}\n"));
    let gateway = start(&text);
    let reply = Client::plain(gateway.port, Offer::Http1).get("a.example", "/x");
    assert_eq!((reply.status, reply.version), (StatusCode::OK, Version::HTTP_11), "{:?}", reply.body);
    assert_eq!(upstream.asked().version, Version::HTTP_2);
}

#[test]
fn a_chat_over_http2_is_streamed_to_its_end() {
    let simulator = Simulator::start().unwrap();
    let gateway = start(&resources(&simulator, 0));
    let mut client = Client::plain(gateway.port, Offer::Http2);
    let reply = client.send(client.request("POST", "a.example", "/v1/chat/completions", chat("m", true)));
    assert_eq!((reply.status, reply.version), (StatusCode::OK, Version::HTTP_2));
    assert!(reply.body.ends_with(b"data: [DONE]\n\n"), "{:?}", reply.body);
}

/// The ids of the models that `host` has.
fn models(gateway: &Gateway, host: &str) -> Vec<String> {
    let reply = Client::plain(gateway.port, Offer::Http1).get(host, "/v1/models");
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    let list: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_host_lists_its_own_models_and_those_of_every_host() {
    let simulator = Simulator::start().unwrap();
    let text = ["other-0", "other-1"].iter().zip(["a.example", "b.example"]).fold(
        resources(&simulator, 2),
        |text, (name, host)| {
            let before = format!("metadata: {{name: {name}}}\nspec:\n");
            text.replace(&before, &format!("{before}  hostnames: [{host}]\n"))
        },
    );
    let gateway = start(&text);
    let (a, b, c) =
        (models(&gateway, "a.example"), models(&gateway, "b.example"), models(&gateway, "c.example"));
    assert_eq!(c, ["m"]);
    assert!(a.contains(&"other-0".to_owned()) && !a.contains(&"other-1".to_owned()), "{a:?}");
    assert!(b.contains(&"other-1".to_owned()) && !b.contains(&"other-0".to_owned()), "{b:?}");
    // What is not listed is not served either.
    let mut client = Client::plain(gateway.port, Offer::Http1);
    let mut status = |host: &str| {
        let body = Bytes::from(chat("other-0", false));
        client.send(client.request("POST", host, "/v1/chat/completions", body)).status
    };
    assert_eq!((status("a.example"), status("b.example")), (StatusCode::OK, StatusCode::NOT_FOUND));
}
