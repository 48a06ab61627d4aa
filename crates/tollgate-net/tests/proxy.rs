//! Connections that go through a proxy.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use support::*;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};
use tollgate_net::{
    CertTable, Failure, Origin, PoolSettings, Protocol, Safety, ServerSettings, ServerTls, Trust, Tuning,
    UpstreamTls, Via, certified_key,
};

/// A proxy that answers with this head, and then leads to `to` whatever it was asked for.
async fn proxy(answer: &'static str, to: std::net::SocketAddr) -> (Via, Rc<RefCell<Vec<String>>>) {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&asked);
    let address = scripted(move |_, mut socket| {
        let log = Rc::clone(&log);
        async move {
            let head = read_head(&mut socket).await;
            log.borrow_mut().push(head);
            socket.write_all(answer.as_bytes()).await.unwrap();
            if answer.starts_with("HTTP/1.1 200") {
                let mut upstream = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut socket, &mut upstream).await;
            }
        }
    })
    .await;
    (Via::new("127.0.0.1", address.port()), asked)
}

fn through(via: Via, tls: Option<UpstreamTls>, protocol: Protocol) -> Origin {
    let origin = Origin::new("api.example", 8443, protocol, tls);
    origin.tuned(Tuning { via: Some(Arc::new(via)), ..Tuning::default() })
}

#[test]
fn a_proxy_is_asked_for_the_name_once_a_connection_and_leads_there() {
    on_a_core(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let (via, asked) = proxy("HTTP/1.1 200 Connection established\r\n\r\n", upstream.address).await;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let origin = through(via.clone().authorized(b"user", b"pass:word"), None, protocol);
            let pool = pool();
            for _ in 0..2 {
                let response = pool.send(&origin, post("/a", "b")).await.unwrap();
                assert_eq!(text(response).await.unwrap(), "/a b");
            }
        }
        let head = "CONNECT api.example:8443 HTTP/1.1\r\nhost: api.example:8443\r\n\
                    proxy-authorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n\r\n";
        assert_eq!(*asked.borrow(), [head, head]);
    });
}

#[test]
fn what_goes_through_a_proxy_is_encrypted_to_its_end() {
    on_a_core(async {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["api.example".to_owned()]).unwrap();
        let key = certified_key(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes()).unwrap();
        let mut certs = CertTable::default();
        certs.insert("", key);
        let tls = ServerTls { certs, ..ServerTls::default() };
        let upstream = serve(ServerSettings::default(), Some(tls), echo);
        let (via, asked) = proxy("HTTP/1.1 200 OK\r\nvia: x\r\n\r\n", upstream.address).await;
        let trust = Trust::Pem(cert.pem().as_bytes().into());
        let tls = UpstreamTls { trust, ..UpstreamTls::default() };
        let origin = through(via, Some(tls), Protocol::Auto);
        let response = pool().send(&origin, post("/a", "b")).await.unwrap();
        assert_eq!(text(response).await.unwrap(), "/a b");
        assert_eq!(*asked.borrow(), ["CONNECT api.example:8443 HTTP/1.1\r\nhost: api.example:8443\r\n\r\n"]);
    });
}

#[test]
fn a_proxy_that_will_not_is_a_connection_that_failed() {
    on_a_core(async {
        let nowhere = ([127, 0, 0, 1], 9).into();
        for (answer, want) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "it answered 407"),
            ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "it answered 502"),
            ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "its answer is no HTTP"),
        ] {
            let (via, _) = proxy(answer, nowhere).await;
            let failure = pool().send(&through(via, None, Protocol::Auto), post("/", "")).await.unwrap_err();
            assert_eq!(failure.safety(), Safety::Safe, "{answer}");
            let Failure::Connect(cause) = failure else { unreachable!("{failure:?}") };
            assert!(cause.to_string().ends_with(want), "{cause}");
        }
        let (via, _) = proxy("", nowhere).await;
        let failure = pool().send(&through(via, None, Protocol::Auto), post("/", "")).await.unwrap_err();
        assert!(matches!(failure, Failure::Connect(_)), "{failure:?}");
    });
}

#[test]
fn a_proxy_that_says_nothing_is_given_up_in_time() {
    with_jumping_clock(async {
        let silent = scripted(|_, mut socket| async move {
            rest(&mut socket).await;
        })
        .await;
        let via = Via::new("127.0.0.1", silent.port());
        let pool =
            pool_with(PoolSettings { connect_timeout: Duration::from_secs(3), ..PoolSettings::default() });
        let failure = pool.send(&through(via, None, Protocol::Auto), post("/", "")).await.unwrap_err();
        assert!(matches!(failure, Failure::ConnectTimeout), "{failure:?}");
    });
}
