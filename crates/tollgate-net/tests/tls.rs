//! TLS on both sides: which certificate is shown, who is believed, and what is agreed on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use http::Response;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use support::*;
use tollgate_net::{
    CertError, CertTable, ClientAuth, ClientIdentity, Failure, Front, FrontHandle, Origin, Overrides, Pool,
    PoolSettings, Protocol, Resolver, ServerSettings, ServerTls, Trust, UpstreamTls, Version, certified_key,
};
use tollgate_types::Secret;

/// A certificate for `name`, and the PEM by which clients believe it.
fn issue(name: &str) -> (Arc<rustls::sign::CertifiedKey>, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let pem = cert.pem();
    (certified_key(pem.as_bytes(), signing_key.serialize_pem().as_bytes()).unwrap(), pem)
}

fn settings(entries: &[(&str, &Arc<rustls::sign::CertifiedKey>)]) -> ServerTls {
    let mut certs = CertTable::default();
    entries.iter().for_each(|(name, key)| certs.insert(name, Arc::clone(key)));
    ServerTls { certs, ..ServerTls::default() }
}

/// An origin by that name on the address of a local server, which believes `pem`.
fn origin(name: &str, port: u16, (protocol, pem): (Protocol, &str)) -> Origin {
    let trust = Trust::Pem(pem.as_bytes().into());
    Origin::new(name, port, protocol, Some(UpstreamTls { trust, ..UpstreamTls::default() }))
}

fn local_pool(names: &[&str]) -> Pool {
    let mut overrides = Overrides::default();
    names.iter().for_each(|name| overrides.insert(&format!("{name}=127.0.0.1")).unwrap());
    Pool::new(PoolSettings::default(), Resolver::system(Arc::new(overrides)))
}

#[test]
fn the_server_name_chooses_the_certificate_and_alpn_the_protocol() {
    on_a_core(async {
        let (exact, exact_pem) = issue("a.example.com");
        let (wild, wild_pem) = issue("*.example.com");
        let tls = settings(&[("a.example.com", &exact), ("*.example.com", &wild)]);
        let server =
            serve(ServerSettings::default(), Some(tls), |request: http::Request<_>, peer| async move {
                let peer: tollgate_net::Peer = peer;
                Response::new(Parts::from(format!("{} {:?}", peer.server_name().unwrap(), request.version())))
            });
        let (pool, port) = (local_pool(&["a.example.com", "b.example.com"]), server.address.port());
        for (name, pem, protocol, want) in [
            ("a.example.com", &exact_pem, Protocol::Auto, "a.example.com HTTP/2.0"),
            ("a.example.com", &exact_pem, Protocol::Http1, "a.example.com HTTP/1.1"),
            ("b.example.com", &wild_pem, Protocol::Http2, "b.example.com HTTP/2.0"),
        ] {
            let response = pool.send(&origin(name, port, (protocol, pem)), post("/", "")).await.unwrap();
            assert_eq!(text(response).await.unwrap(), want);
        }
    });
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused_unless_told_otherwise() {
    on_a_core(async {
        let (key, _) = issue("a.example.com");
        let (_, other) = issue("a.example.com");
        let tls = settings(&[("", &key)]);
        let server = serve(ServerSettings::default(), Some(tls), echo);
        let (pool, port) = (local_pool(&["a.example.com"]), server.address.port());
        let failure =
            pool.send(&origin("a.example.com", port, (Protocol::Auto, &other)), post("/", "")).await;
        assert!(matches!(failure, Err(Failure::Tls(_))), "{failure:?}");
        let careless = UpstreamTls { trust: Trust::InsecureSkipVerify, ..UpstreamTls::default() };
        let careless = Origin::new("a.example.com", port, Protocol::Auto, Some(careless));
        assert_eq!(text(pool.send(&careless, post("/", "x")).await.unwrap()).await.unwrap(), "/ x");
    });
}

#[test]
fn a_replaced_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    on_a_core(async {
        let ((old, old_pem), (new, new_pem)) = (issue("a.example.com"), issue("a.example.com"));
        let front = |key| Front { tls: Some(settings(&[("", key)])), ..Front::default() };
        let handle = FrontHandle::new(front(&old)).unwrap();
        let server = serve_front(([127, 0, 0, 1], 0).into(), handle.clone(), echo);
        let (pool, port) = (local_pool(&["a.example.com"]), server.address.port());
        let believes_old = origin("a.example.com", port, (Protocol::Http1, &old_pem));
        text(pool.send(&believes_old, post("/", "")).await.unwrap()).await.unwrap();
        handle.replace(front(&new)).unwrap();
        let believes_new = origin("a.example.com", port, (Protocol::Http1, &new_pem));
        text(pool.send(&believes_new, post("/", "")).await.unwrap()).await.unwrap();
        text(pool.send(&believes_old, post("/", "")).await.unwrap()).await.unwrap();
        assert_eq!(server.drain.load().connections, 2);
    });
}

#[test]
fn the_longest_wildcard_wins_and_the_rest_get_the_default() {
    let (keys, _): (Vec<_>, Vec<_>) = (0..3).map(|_| issue("x")).unzip();
    let table = settings(&[("*.com", &keys[0]), ("*.a.com", &keys[1]), ("", &keys[2])]).certs;
    let found = |name: &str| keys.iter().position(|key| Arc::ptr_eq(key, table.find(Some(name)).unwrap()));
    assert_eq!(
        [found("b.com"), found("x.y.a.com"), found("a.com"), found("a.org")],
        [Some(0), Some(1), Some(0), Some(2)]
    );
}

#[test]
fn of_several_certificates_the_one_for_the_name_is_shown() {
    let keys = ["a.example", "b.example"].map(|name| issue(name).0);
    let table = settings(&[("", &keys[0]), ("", &keys[1])]).certs;
    let found = |name: Option<&str>| keys.iter().position(|key| Arc::ptr_eq(key, table.find(name).unwrap()));
    assert_eq!(
        [found(Some("a.example")), found(Some("b.example")), found(Some("c.example")), found(None)],
        [Some(0), Some(1), Some(0), Some(0)]
    );
}

#[test]
fn an_error_says_what_is_wrong_and_shows_no_key() {
    let key = generate_simple_self_signed(["a".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["a".to_owned()]).unwrap();
    let (cert, secret) = (key.cert.pem(), Secret::new(other.signing_key.serialize_pem()));
    assert_eq!(certified_key(cert.as_bytes(), secret.expose()).unwrap_err(), CertError::Mismatch);
    assert_eq!(certified_key(b"", secret.expose()).unwrap_err(), CertError::NoCertificate);
    assert_eq!(certified_key(cert.as_bytes(), b"").unwrap_err(), CertError::BadKey);
}

#[test]
fn a_client_shows_its_certificate_where_the_server_asks_for_one() {
    on_a_core(async {
        let (key, pem) = issue("a.example.com");
        let us = generate_simple_self_signed(["client".to_owned()]).unwrap();
        let pem_of_us = us.cert.pem().replace("\r\n", "\n");
        let clients = ClientAuth { authorities: us.cert.pem().into_bytes().into(), ..ClientAuth::default() };
        let tls = ServerTls { clients: Some(clients), ..settings(&[("", &key)]) };
        let server = serve(ServerSettings::default(), Some(tls), move |_, peer: tollgate_net::Peer| {
            let known = peer.certificate().is_some_and(|facts| facts.pem == pem_of_us);
            async move { Response::new(Parts::from(if known { "known" } else { "unknown" })) }
        });
        let (pool, port) = (local_pool(&["a.example.com"]), server.address.port());
        let trust = Trust::Pem(pem.as_bytes().into());
        let nobody = UpstreamTls { trust, ..UpstreamTls::default() };
        let identity = ClientIdentity {
            chain: us.cert.pem().into_bytes().into(),
            key: Secret::new(us.signing_key.serialize_pem()),
        };
        let us = UpstreamTls { identity: Some(Arc::new(identity)), ..nobody.clone() };
        let us = Origin::new("a.example.com", port, Protocol::Http1, Some(us));
        assert_eq!(text(pool.send(&us, post("/", "")).await.unwrap()).await.unwrap(), "known");
        let nobody = Origin::new("a.example.com", port, Protocol::Http1, Some(nobody));
        assert!(pool.send(&nobody, post("/", "")).await.is_err());
    });
}

#[test]
fn versions_that_do_not_meet_fail_the_handshake() {
    on_a_core(async {
        let (key, pem) = issue("a.example.com");
        let only_13 = ServerTls { min_version: Version::Tls13, ..settings(&[("", &key)]) };
        let server = serve(ServerSettings::default(), Some(only_13), echo);
        let (pool, port) = (local_pool(&["a.example.com"]), server.address.port());
        for (max_version, meets) in
            [(Some(Version::Tls12), false), (Some(Version::Tls13), true), (None, true)]
        {
            let trust = Trust::Pem(pem.as_bytes().into());
            let tls = UpstreamTls { trust, max_version, ..UpstreamTls::default() };
            let origin = Origin::new("a.example.com", port, Protocol::Auto, Some(tls));
            let outcome = pool.send(&origin, post("/", "")).await;
            assert_eq!(outcome.is_ok(), meets, "{max_version:?}: {outcome:?}");
        }
    });
    let none = UpstreamTls {
        min_version: Version::Tls13,
        max_version: Some(Version::Tls12),
        trust: Trust::InsecureSkipVerify,
        ..UpstreamTls::default()
    };
    assert_eq!(none.check(), Err(CertError::NoVersion));
}
