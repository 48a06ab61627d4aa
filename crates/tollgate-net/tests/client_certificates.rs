//! Which clients a TLS listener lets in, by what they show.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use http::Response;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData as _, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use regex::Regex;
use support::*;
use tollgate_net::{
    CertTable, ClientAuth, ClientIdentity, ClientName, Front, FrontHandle, Named, Origin, Overrides, Pool,
    PoolSettings, Protocol, Resolver, ServerSettings, ServerTls, Trust, UpstreamTls, certified_key,
};
use tollgate_types::Secret;

/// Who vouches for clients.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A client with a certificate.
struct Client {
    certificate: Certificate,
    key: KeyPair,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
}

impl Authority {
    fn pem(&self) -> Arc<[u8]> {
        self.0.pem().into_bytes().into()
    }

    fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> Client {
        let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Client { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    fn revokes(&self, serial: u64) -> Arc<[u8]> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap().into_bytes().into()
    }

    fn asks(&self) -> ClientAuth {
        ClientAuth { authorities: self.pem(), ..ClientAuth::default() }
    }
}

fn server_tls(clients: Option<ClientAuth>) -> (ServerTls, String) {
    let own = rcgen::generate_simple_self_signed(["a.example".to_owned(), "b.example".to_owned()]).unwrap();
    let pem = own.cert.pem();
    let key = certified_key(pem.as_bytes(), own.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut certs = CertTable::default();
    certs.insert("", key);
    (ServerTls { certs, clients, ..ServerTls::default() }, pem)
}

/// Who asks whom: a port, a name and a certificate that is believed.
async fn lets_in((port, name, pem): (u16, &str, &str), client: Option<&Client>) -> bool {
    let identity = client.map(|client| {
        let chain = client.certificate.pem().into_bytes().into();
        Arc::new(ClientIdentity { chain, key: Secret::new(client.key.serialize_pem()) })
    });
    let trust = Trust::Pem(pem.as_bytes().into());
    let tls = UpstreamTls { identity, trust, ..UpstreamTls::default() };
    let mut overrides = Overrides::default();
    overrides.insert(&format!("{name}=127.0.0.1")).unwrap();
    let pool = Pool::new(PoolSettings::default(), Resolver::system(Arc::new(overrides)));
    pool.send(&Origin::new(name, port, Protocol::Http1, Some(tls)), post("/", "")).await.is_ok()
}

/// Which of the clients are let in.
async fn admits<const N: usize>(auth: ClientAuth, clients: [Option<&Client>; N]) -> [bool; N] {
    let (tls, pem) = server_tls(Some(auth));
    let server = serve(ServerSettings::default(), Some(tls), echo);
    let mut outcome = [false; N];
    for (outcome, client) in outcome.iter_mut().zip(clients) {
        *outcome = lets_in((server.address.port(), "a.example", &pem), client).await;
    }
    outcome
}

#[test]
fn the_mode_decides_who_has_to_show_what() {
    on_a_core(async {
        let (ours, theirs) = (authority(), authority());
        let (good, stranger) = (ours.client(|_| ()), theirs.client(|_| ()));
        let clients = [None, Some(&good), Some(&stranger)];
        for (optional, unverified, want) in [
            (false, false, [false, true, false]),
            (true, false, [true, true, false]),
            (false, true, [false, true, true]),
            (true, true, [true, true, true]),
        ] {
            let auth = ClientAuth { optional, unverified, ..ours.asks() };
            assert_eq!(admits(auth, clients).await, want, "{optional} {unverified}");
        }
    });
}

#[test]
fn pins_and_names_narrow_the_choice() {
    on_a_core(async {
        let ours = authority();
        let (one, other) = (
            ours.client(|params| {
                params.subject_alt_names.push(SanType::URI("spiffe://a/one".try_into().unwrap()))
            }),
            ours.client(|_| ()),
        );
        let clients = [Some(&one), Some(&other)];
        let sha = |bytes: &[u8]| -> [u8; 32] {
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
        };
        let by_certificate =
            ClientAuth { certificate_hashes: vec![sha(one.certificate.der())], ..ours.asks() };
        assert_eq!(admits(by_certificate, clients).await, [true, false]);
        let spki = one.key.subject_public_key_info();
        let by_key = ClientAuth { spki_hashes: vec![sha(&spki)], ..ours.asks() };
        assert_eq!(admits(by_key, clients).await, [true, false]);
        let names = vec![ClientName::Uri(Regex::new("^spiffe://a/.*$").unwrap())];
        assert_eq!(admits(ClientAuth { names, ..ours.asks() }, clients).await, [true, false]);
        let names = vec![ClientName::Dns(Regex::new("^client[.]example$").unwrap())];
        assert_eq!(admits(ClientAuth { names, ..ours.asks() }, clients).await, [true, true]);
    });
}

#[test]
fn what_is_revoked_or_has_expired_is_not_let_in() {
    on_a_core(async {
        let ours = authority();
        let old = ours.client(|params| params.not_after = date_time_ymd(2020, 1, 1));
        let revoked = ours.client(|params| params.serial_number = Some(SerialNumber::from(7)));
        let good = ours.client(|params| params.serial_number = Some(SerialNumber::from(8)));
        let clients = [Some(&old), Some(&revoked), Some(&good)];
        assert_eq!(admits(ours.asks(), clients).await, [false, true, true]);
        let lenient = ClientAuth { allow_expired: true, ..ours.asks() };
        assert_eq!(admits(lenient, clients).await, [true, true, true]);
        let strict = ClientAuth { revoked: Some(ours.revokes(7)), ..ours.asks() };
        assert_eq!(admits(strict, clients).await, [false, false, true]);
        let broken = ClientAuth { revoked: Some(Arc::from(&b"none"[..])), ..ours.asks() };
        let front = Front { tls: Some(server_tls(Some(broken)).0), ..Front::default() };
        assert_eq!(FrontHandle::new(front).unwrap_err(), tollgate_net::CertError::BadRevocationList);
    });
}

#[test]
fn each_name_has_terms_of_its_own() {
    on_a_core(async {
        let ours = authority();
        let (tls, pem) = server_tls(None);
        let strict = ServerTls { clients: Some(ours.asks()), ..tls.clone() };
        let settings = ServerSettings { max_requests: Some(1), ..ServerSettings::default() };
        let named = vec![Named { name: "b.example".into(), settings, tls: strict }];
        let front = Front { tls: Some(tls), named, ..Front::default() };
        let handle = FrontHandle::new(front).unwrap();
        let server =
            serve_front(([127, 0, 0, 1], 0).into(), handle, |_, peer: tollgate_net::Peer| async move {
                Response::new(Parts::from(peer.server_name().unwrap_or("none").to_owned()))
            });
        let port = server.address.port();
        let client = ours.client(|_| ());
        assert!(lets_in((port, "a.example", &pem), None).await);
        assert!(!lets_in((port, "b.example", &pem), None).await);
        assert!(lets_in((port, "b.example", &pem), Some(&client)).await);
    });
}
