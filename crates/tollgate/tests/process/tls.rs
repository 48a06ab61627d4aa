//! HTTPS listeners: which certificate is shown to whom, and when it changes.
use std::time::Instant;

use http::{StatusCode, Version};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tollgate_simulate::Simulator;

use crate::{
    client::{Client, Offer},
    gateway::{Gateway, PATIENCE, chat, resources},
};

/// A certificate that vouches for itself.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: String,
    der: Vec<u8>,
}

// === impl Identity ===

impl Identity {
    pub(crate) fn of(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        Self {
            certificate: cert.der().clone(),
            pem: cert.pem(),
            key: signing_key.serialize_pem(),
            der: signing_key.serialize_der(),
        }
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.der.clone().into())
    }
}

/// [`resources`] behind two HTTPS listeners on one port, `a.example` and `*.b.example`.
fn https(simulator: &Simulator, a: &Identity, b: &Identity) -> String {
    let listener = |name: &str, host: &str| {
        serde_json::json!({
            "name": name, "protocol": "HTTPS", "port": 1975, "hostname": host,
            "tls": {"certificateRefs": [{"name": name}]},
        })
    };
    let listeners = serde_json::json!([listener("a", "a.example"), listener("b", "*.b.example")]);
    let plain = "[{name: http, protocol: HTTP, port: 1975}]";
    let mut text = resources(simulator, 0).replace(plain, &listeners.to_string());
    for (name, Identity { pem, key, .. }) in [("a", a), ("b", b)] {
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": pem, "tls.key": key},
        });
        text.push_str(&format!("---\n{secret}\n"));
    }
    text
}

fn ask(client: &mut Client, host: &str) -> (StatusCode, Version) {
    let request = client.request("POST", host, "/v1/chat/completions", chat("m", false));
    let reply = client.send(request);
    (reply.status, reply.version)
}

#[test]
fn the_server_name_chooses_between_two_certificates_on_one_port() {
    let simulator = Simulator::start().unwrap();
    let (a, b) = (Identity::of("a.example"), Identity::of("*.b.example"));
    let gateway = Gateway::start(&https(&simulator, &a, &b), &["--access-log", "off"]);
    for (host, identity) in [("a.example", &a), ("x.b.example", &b)] {
        for (offer, version) in [(Offer::Http1, Version::HTTP_11), (Offer::Http2, Version::HTTP_2)] {
            let mut client = Client::tls(gateway.port, host, &[&identity.certificate], offer);
            assert_eq!(client.certificate.as_ref(), Some(&identity.certificate));
            assert_eq!(ask(&mut client, host), (StatusCode::OK, version), "{host} {offer:?}");
        }
    }
}

#[test]
fn a_connection_made_for_one_certificate_does_not_serve_the_host_of_another() {
    let simulator = Simulator::start().unwrap();
    let (a, b) = (Identity::of("a.example"), Identity::of("*.b.example"));
    let gateway = Gateway::start(&https(&simulator, &a, &b), &["--access-log", "off"]);
    let mut client = Client::tls(gateway.port, "a.example", &[&a.certificate], Offer::Http2);
    assert_eq!(ask(&mut client, "x.b.example").0, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(ask(&mut client, "a.example").0, StatusCode::OK);
}

#[test]
fn a_replaced_certificate_is_shown_within_a_reload_and_no_request_fails() {
    let simulator = Simulator::start().unwrap();
    let (old, new, b) = (Identity::of("a.example"), Identity::of("a.example"), Identity::of("*.b.example"));
    let gateway = Gateway::start(&https(&simulator, &old, &b), &["--access-log", "off"]);
    let roots = [&old.certificate, &new.certificate];
    let connect = || Client::tls(gateway.port, "a.example", &roots, Offer::Http2);
    let mut kept = connect();
    assert_eq!(kept.certificate.as_ref(), Some(&old.certificate));
    let mut round = || {
        // One request on the connection from before, one on a new one.
        assert_eq!(ask(&mut kept, "a.example").0, StatusCode::OK);
        let mut fresh = connect();
        assert_eq!(ask(&mut fresh, "a.example").0, StatusCode::OK);
        fresh.certificate
    };
    assert_eq!(round().as_ref(), Some(&old.certificate));
    gateway.rewrite(&https(&simulator, &new, &b));
    let began = Instant::now();
    while round().as_ref() != Some(&new.certificate) {
        assert!(began.elapsed() < PATIENCE, "the old certificate is still shown");
    }
    println!("the new certificate is shown after {:?}", began.elapsed());
    assert_eq!(round().as_ref(), Some(&new.certificate));
}
