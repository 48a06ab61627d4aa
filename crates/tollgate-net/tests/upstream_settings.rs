//! What one origin's connections are like: how its name is looked up, and what they begin with.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use support::*;
use tollgate_net::{
    Failure, Family, Introduction, Naming, Peer, Protocol, ProxyProtocol, ProxyVersion, Resolver,
    ServerSettings,
};

/// Answers every lookup with these, and counts them.
fn resolver(answer: &[&str]) -> (Resolver, Rc<Cell<u32>>) {
    let answer: Vec<IpAddr> = answer.iter().map(|text| text.parse().unwrap()).collect();
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let lookup = Rc::new(move |_| {
        count.set(count.get() + 1);
        let answer = answer.clone();
        Box::pin(async move { Ok(answer) }) as LocalBoxFuture<'static, _>
    });
    (Resolver::new(Arc::default(), lookup), asked)
}

#[test]
fn a_name_is_looked_up_for_the_family_that_is_wanted() {
    on_a_core(async {
        let both = ["192.0.2.1", "2001:db8::1"];
        for (family, of_both, of_four) in [
            (Family::Any, 2, 1),
            (Family::V4, 1, 1),
            (Family::V6, 1, 0),
            (Family::V4Preferred, 1, 1),
            (Family::V6Preferred, 1, 1),
        ] {
            let naming = Naming { family, ..Naming::default() };
            let found = resolver(&both).0.resolve_as("a.example", 80, &naming).await.unwrap();
            assert_eq!(found.len(), of_both, "{family:?}");
            let six = matches!(family, Family::V6 | Family::V6Preferred);
            assert!(of_both > 1 || found[0].is_ipv6() == six, "{family:?}");
            match resolver(&both[..1]).0.resolve_as("a.example", 80, &naming).await {
                Ok(found) => assert_eq!(found.len(), of_four, "{family:?}"),
                Err(error) => assert!(of_four == 0 && matches!(error, Failure::Dns(_)), "{family:?}"),
            }
        }
    });
}

#[test]
fn a_name_is_asked_for_again_as_often_as_is_configured() {
    with_jumping_clock(async {
        let (resolver, asked) = resolver(&["192.0.2.1"]);
        let naming = Naming { refresh: Some(Duration::from_secs(6)), ..Naming::default() };
        for _ in 0..5 {
            resolver.resolve_as("a.example", 80, &naming).await.unwrap();
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        assert_eq!(asked.get(), 5);
        resolver.resolve("a.example", 80).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(asked.get(), 5);
    });
}

async fn who(_: Request<tollgate_net::Inbound>, peer: Peer) -> Response<Parts> {
    Response::new(Parts::from(peer.remote().to_string()))
}

#[test]
fn each_client_has_connections_that_begin_with_its_address() {
    with_jumping_clock(async {
        let settings =
            ServerSettings { proxy_protocol: ProxyProtocol::Required, ..ServerSettings::default() };
        let upstream = serve(settings, None, who);
        let pool = pool();
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let plain = plain(upstream.address, Protocol::Auto);
            let of = |source: &str| {
                let addresses = Some((source.parse().unwrap(), "127.0.0.1:80".parse().unwrap()));
                plain.introducing(Introduction { version, addresses })
            };
            for source in ["192.0.2.1:4711", "192.0.2.2:0", "192.0.2.1:4711"] {
                let response = pool.send(&of(source), post("/", "")).await.unwrap();
                assert_eq!(text(response).await.unwrap(), source);
            }
            let first = of("192.0.2.1:4711");
            assert_eq!((pool.stats(&first).open, pool.stats(&first).idle), (1, 1));
        }
        assert_eq!(upstream.drain.load().connections, 4);
        let silent = plain(upstream.address, Protocol::Auto)
            .introducing(Introduction { version: ProxyVersion::V2, addresses: None });
        let response = pool.send(&silent, post("/", "")).await.unwrap();
        assert!(text(response).await.unwrap().starts_with("127.0.0.1:"));
    });
}
