//! Client policies: who the client is, and what its listener asks of it.

mod common;

use std::sync::Arc;

use common::{Client, Upstream, World, backend, choice, get, http_rule, raw, snapshot};
use http::{HeaderName, HeaderValue};
use tollgate_snapshot::{
    ClientAddress, ClientHeaderEdit, ClientSettings, ConnectionRules, HeadRules, HeaderEdit, Http1Rules,
    Problem, Snapshot,
};
use tollgate_types::ObjectRef;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-from: backend\r\n\r\nhello";

fn with(upstream: &Upstream, client: ClientSettings) -> Snapshot {
    let backend = backend(0, "web", upstream.address, None);
    let mut snapshot = snapshot(vec![("/", http_rule(vec![choice(&backend, 0)]))], vec![backend]);
    snapshot.ports[0].client = Arc::new(client);
    snapshot
}

fn heads(heads: HeadRules) -> ClientSettings {
    ClientSettings { heads, ..ClientSettings::default() }
}

fn edit(set: &[(&'static str, &'static str)], remove: &[&'static str]) -> ClientHeaderEdit {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let edit = HeaderEdit {
        set: set.iter().map(pair).collect(),
        add: Vec::new(),
        remove: remove.iter().map(|name| HeaderName::from_static(name)).collect(),
    };
    ClientHeaderEdit { edit, ..ClientHeaderEdit::default() }
}

#[test]
fn a_trusted_proxy_names_the_client_and_its_scheme() {
    let upstream = Upstream::fixed(OK);
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let address = ClientAddress::TrustedRanges(trusted);
    let world = World::start(with(&upstream, ClientSettings { address, ..ClientSettings::default() }));
    let sent = [("x-forwarded-for", "6.6.6.6, 192.0.2.7"), ("x-forwarded-proto", "https")];
    assert_eq!(get(world.address, "/", &sent).status, 200);
    let asked = upstream.asked();
    assert_eq!(asked.header("x-forwarded-proto"), Some("https"));
    assert_eq!(asked.header("x-forwarded-for"), Some("6.6.6.6, 192.0.2.7"));
    assert_eq!(world.settled().record.client_ip.to_string(), "192.0.2.7");
}

#[test]
fn trailers_go_to_those_who_take_them_where_the_policy_says_so() {
    let upstream = Upstream::fixed(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    for (trailers, te, passed) in
        [(true, "te: trailers\r\n", true), (true, "", false), (false, "te: trailers\r\n", false)]
    {
        let http1 = Http1Rules { trailers, ..Http1Rules::default() };
        let world = World::start(with(&upstream, ClientSettings { http1, ..ClientSettings::default() }));
        let request = format!("GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n{te}\r\n");
        let reply = raw(world.address, request.as_bytes());
        assert_eq!(reply.contains("trailer: x-sum\r\n"), passed, "{reply}");
        assert_eq!(reply.ends_with("hello\r\n0\r\nx-sum: 1\r\n\r\n"), passed, "{reply}");
        assert!(passed || reply.ends_with("hello\r\n0\r\n\r\n"), "{reply}");
    }
}

#[test]
fn nobody_else_is_believed() {
    let upstream = Upstream::fixed(OK);
    let world = World::start(with(&upstream, ClientSettings::default()));
    let sent = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
    assert_eq!(get(world.address, "/", &sent).status, 200);
    assert_eq!(upstream.asked().header("x-forwarded-proto"), Some("http"));
    assert_eq!(world.settled().record.client_ip.to_string(), "127.0.0.1");
}

#[test]
fn a_client_without_the_address_it_has_to_bring_is_a_403() {
    let upstream = Upstream::fixed(OK);
    let name = HeaderName::from_static("x-real-ip");
    let address = ClientAddress::Header { name, required: true };
    let world = World::start(with(&upstream, ClientSettings { address, ..ClientSettings::default() }));
    assert_eq!(get(world.address, "/", &[]).status, 403);
    assert_eq!(get(world.address, "/", &[("x-real-ip", "192.0.2.7")]).status, 200);
    assert_eq!(world.settled().record.client_ip.to_string(), "127.0.0.1");
    assert_eq!(world.settled().record.client_ip.to_string(), "192.0.2.7");
}

#[test]
fn headers_change_before_everything_and_after_everything() {
    let upstream = Upstream::fixed(OK);
    let rules = HeadRules {
        early: edit(&[("x-edge", "1")], &["x-tenant"]),
        late: edit(&[("x-served-by", "tollgate")], &["x-from"]),
        ..HeadRules::default()
    };
    let world = World::start(with(&upstream, heads(rules)));
    let answer = get(world.address, "/", &[("x-tenant", "forged")]);
    assert_eq!((answer.header("x-served-by"), answer.header("x-from")), (Some("tollgate"), None));
    let asked = upstream.asked();
    assert_eq!((asked.header("x-edge"), asked.header("x-tenant")), (Some("1"), None));
    // Of refusals too.
    let refused =
        Client::connect(world.address).send(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").answer();
    assert_eq!((refused.status, refused.header("x-served-by")), (400, Some("tollgate")));
}

#[test]
fn envoy_gateways_defaults_redirect_and_refuse() {
    let upstream = Upstream::fixed(OK);
    let world = World::start(with(&upstream, ClientSettings::envoy_gateway()));
    let moved = get(world.address, "/a%2Fb?c=%2F", &[]);
    assert_eq!((moved.status, moved.header("location")), (307, Some("/a/b?c=%2F")));
    assert_eq!(get(world.address, "/", &[("x_y", "1")]).status, 400);
    let old = raw(world.address, b"GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 426 ") || old.starts_with("HTTP/1.1 426 "), "{old}");
    assert_eq!(get(world.address, "/", &[]).status, 200);
}

#[test]
fn the_health_path_is_answered_here() {
    let upstream = Upstream::fixed(OK);
    let health_path = Some("/healthz".into());
    let world = World::start(with(&upstream, ClientSettings { health_path, ..ClientSettings::default() }));
    let answer = get(world.address, "/healthz?x", &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(get(world.address, "/healthz/", &[]).text(), "hello");
    assert_eq!(world.settled().record.head.uri, "/healthz/");
}

#[test]
fn a_broken_policy_lets_nothing_in() {
    let upstream = Upstream::fixed(OK);
    let problem = Problem {
        code: "configmap-not-found",
        object: ObjectRef::new("ClientTrafficPolicy", "default", "strict"),
        field: "spec.tls".to_owned(),
        message: "no such ConfigMap".to_owned(),
    };
    let client = ClientSettings { problem: Some(Arc::new(problem)), ..ClientSettings::default() };
    let world = World::start(with(&upstream, client));
    let answer = get(world.address, "/", &[]);
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("default/strict"), "{}", answer.text());
}

#[test]
fn an_edited_policy_holds_for_the_next_connection() {
    let upstream = Upstream::fixed(OK);
    let mut world = World::start(with(&upstream, ClientSettings::default()));
    let mut kept = Client::connect(world.address);
    assert_eq!(kept.request("GET", "/", &[], "").answer().header("connection"), None);
    let connection = ConnectionRules { max_requests: Some(1), ..ConnectionRules::default() };
    let published =
        world.publish(with(&upstream, ClientSettings { connection, ..ClientSettings::default() }));
    assert!(published.problems.is_empty(), "{:?}", published.problems);
    assert_eq!(kept.request("GET", "/", &[], "").answer().header("connection"), None);
    assert_eq!(get(world.address, "/", &[]).header("connection"), Some("close"));
}
