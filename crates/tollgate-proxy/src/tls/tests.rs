use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tollgate_snapshot::{Certificate, ConnectionRules, HostTable};
use tollgate_types::Secret;

use super::*;

/// A good certificate, and a broken one of the same name.
fn certificates() -> [Certificate; 2] {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let good = Certificate {
        name: "default/cert".into(),
        chain: cert.pem().into_bytes().into(),
        key: Secret::new(signing_key.serialize_pem()),
    };
    let broken = Certificate { chain: Arc::from(&b"half a cert"[..]), ..good.clone() };
    [good, broken]
}

fn listener(host: &str, client: &Arc<ClientSettings>, certificate: &Certificate) -> Arc<Listener> {
    Arc::new(Listener {
        id: format!("default/gw/{host}").into(),
        hostname: HostPattern::parse(host),
        tls: Some(ListenerTls::Terminate(vec![certificate.clone()])),
        client: Arc::clone(client),
        guard: tollgate_snapshot::Guard::Open,
        access_log: None,
        hosts: HostTable::default(),
    })
}

fn port(listeners: Vec<Arc<Listener>>) -> Port {
    Port { number: 443, protocol: PortProtocol::Https, client: Arc::default(), listeners }
}

fn key<'a>(shown: &'a Shown, host: &str) -> Option<&'a Arc<ServerKey>> {
    shown.front.tls.as_ref()?.certs.find(Some(host))
}

#[test]
fn a_certificate_that_an_edit_breaks_stays_in_service() {
    let [good, broken] = certificates();
    let (host, none) = (ServerSettings::default(), Arc::default());
    let port = |certificate| port(vec![listener("a.example", &none, certificate)]);
    let first = of_port(&port(&good), &host, &Keys::new());
    assert!(first.problems.is_empty());
    let second = of_port(&port(&broken), &host, &first.keys);
    assert!(Arc::ptr_eq(key(&first, "a.example").unwrap(), key(&second, "a.example").unwrap()));
    let [(_, problem)] = &second.problems[..] else { panic!("{:?}", second.problems) };
    assert!(problem.contains("default/cert") && problem.contains("stays in service"), "{problem}");
    // Still after another edit that does not mend it.
    let third = of_port(&port(&broken), &host, &second.keys);
    assert!(Arc::ptr_eq(key(&first, "a.example").unwrap(), key(&third, "a.example").unwrap()));
    // There is nothing to keep at the start, nor for another listener.
    let fresh = of_port(&port(&broken), &host, &Keys::new());
    assert!(key(&fresh, "a.example").is_none());
    assert_eq!(fresh.problems.len(), 1);
}

#[test]
fn a_listener_of_its_own_does_not_go_by_the_wildcards_policy() {
    let [good, _] = certificates();
    let max_requests = |number| {
        let connection = ConnectionRules { max_requests: number, ..ConnectionRules::default() };
        Arc::new(ClientSettings { connection, ..ClientSettings::default() })
    };
    let (none, strict) = (max_requests(None), max_requests(Some(1)));
    let port = port(vec![listener("a.example", &none, &good), listener("*.example", &strict, &good)]);
    let shown = of_port(&port, &ServerSettings::default(), &Keys::new());
    let named: Vec<_> = shown.front.named.iter().map(|n| (&*n.name, n.settings.max_requests)).collect();
    assert_eq!(named, [("a.example", None), ("*.example", Some(1))]);
    assert_eq!(shown.front.settings.max_requests, None);
}

#[test]
fn a_policy_that_says_nothing_leaves_the_hosts_limits() {
    let host = ServerSettings { idle_timeout: Duration::from_secs(7), ..ServerSettings::default() };
    assert_eq!(settings(&ClientSettings::default(), &host), host);
    let timeouts = ClientTimeouts { idle: Some(Duration::ZERO), ..ClientTimeouts::default() };
    let endless = settings(&ClientSettings { timeouts, ..ClientSettings::default() }, &host);
    assert_eq!(endless.idle_timeout, Duration::MAX);
}
