//! What a connection may do and for how long, and whose it is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{cell::Cell, rc::Rc, time::Duration};

use http::{Request, Response};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
    time::Instant,
};
use tollgate_net::{Front, FrontHandle, Inbound, InboundError, Peer, ProxyProtocol, ServerSettings};

const SECOND: Duration = Duration::from_secs(1);

fn defaults() -> ServerSettings {
    ServerSettings::default()
}

/// Answers with the client's address.
async fn who(_: Request<Inbound>, peer: Peer) -> Response<Parts> {
    Response::new(Parts::from(format!("{} to {}", peer.remote(), peer.local())))
}

#[test]
fn a_head_that_takes_too_long_is_a_408() {
    with_jumping_clock(async {
        let settings = ServerSettings { header_timeout: 2 * SECOND, ..defaults() };
        let server = serve(settings, None, echo);
        let begun = Instant::now();
        let reply = exchange(server.address, b"GET / HTTP/1.1\r\nhost: a\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
        assert!(reply.ends_with("\r\n\r\nrequest header timeout"), "{reply}");
        assert!(begun.elapsed() >= 2 * SECOND && begun.elapsed() < 4 * SECOND);
        yield_now().await;
        assert_eq!(server.drain.load().connections, 0);
    });
}

#[test]
fn a_request_that_takes_too_long_is_given_up_although_it_makes_progress() {
    with_jumping_clock(async {
        let settings = ServerSettings { request_timeout: Some(3 * SECOND), ..defaults() };
        let server = serve(settings, None, |request: Request<Inbound>, _| async move {
            let outcome = request.into_body().collect(100).await;
            Response::new(Parts::from(match outcome {
                Err(InboundError::Late) => "late",
                _ => "else",
            }))
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n").await.unwrap();
        for _ in 0..3 {
            socket.write_all(b"x").await.unwrap();
            tokio::time::sleep(SECOND).await;
        }
        until(&mut socket, "late").await;
    });
}

#[test]
fn a_connection_ends_after_its_last_request_and_says_so() {
    on_a_core(async {
        let settings = ServerSettings { max_requests: Some(2), ..defaults() };
        let server = serve(settings, None, echo);
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let first = until(&mut socket, "/1 ").await;
        assert!(!first.contains("connection: close"), "{first}");
        socket.write_all(b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let second = rest(&mut socket).await;
        assert!(second.contains("connection: close\r\n") && second.ends_with("/2 "), "{second}");
    });
}

#[test]
fn a_connection_ends_after_its_time() {
    with_jumping_clock(async {
        let settings = ServerSettings { max_duration: Some(5 * SECOND), ..defaults() };
        let server = serve(settings, None, echo);
        let begun = Instant::now();
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let all = rest(&mut socket).await;
        assert!(all.ends_with("/1 "), "{all}");
        assert!(begun.elapsed() >= 5 * SECOND && begun.elapsed() < 8 * SECOND, "{:?}", begun.elapsed());
    });
}

#[test]
fn connections_beyond_the_limit_are_closed_after_a_while() {
    with_jumping_clock(async {
        let settings = ServerSettings { max_connections: 1, close_delay: 3 * SECOND, ..defaults() };
        let server = serve(settings, None, echo);
        let mut kept = dial(server.address).await;
        kept.write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut kept, "/1 ").await;
        let begun = Instant::now();
        assert_eq!(exchange(server.address, b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
        assert!(begun.elapsed() >= 3 * SECOND);
        kept.write_all(b"GET /3 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut kept, "/3 ").await;
    });
}

#[test]
fn new_settings_hold_for_new_connections() {
    on_a_core(async {
        let handle = FrontHandle::new(Front::default()).unwrap();
        let server = serve_front(([127, 0, 0, 1], 0).into(), handle.clone(), echo);
        let mut old = dial(server.address).await;
        old.write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut old, "/1 ").await;
        handle.replace(ServerSettings { max_requests: Some(1), ..defaults() }.into()).unwrap();
        let reply = exchange(server.address, b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(reply.contains("connection: close\r\n"), "{reply}");
        old.write_all(b"GET /3 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(!until(&mut old, "/3 ").await.contains("connection: close"));
    });
}

#[test]
fn a_proxy_names_the_client_however_its_words_are_split() {
    on_a_core(async {
        let settings = ServerSettings { proxy_protocol: ProxyProtocol::Required, ..defaults() };
        let server = serve(settings, None, who);
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n".to_vec();
        let fields = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb];
        let bytes = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &fields].concat();
        for header in [line, bytes] {
            let whole = [header.as_slice(), request].concat();
            for split in [1, 5, 6, 13, header.len() - 1, header.len(), header.len() + 3] {
                let mut socket = dial(server.address).await;
                let (first, second) = whole.split_at(split);
                socket.write_all(first).await.unwrap();
                yield_now().await;
                socket.write_all(second).await.unwrap();
                let reply = rest(&mut socket).await;
                assert!(reply.ends_with("192.0.2.7:4711 to 198.51.100.1:443"), "{split}: {reply}");
            }
        }
    });
}

#[test]
fn without_its_header_a_connection_is_closed_unless_it_is_optional() {
    on_a_core(async {
        let request = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let required = ServerSettings { proxy_protocol: ProxyProtocol::Required, ..defaults() };
        assert_eq!(exchange(serve(required, None, who).address, request).await, "");
        let optional = ServerSettings { proxy_protocol: ProxyProtocol::Optional, ..defaults() };
        let server = serve(optional, None, who);
        assert!(exchange(server.address, request).await.contains("127.0.0.1:"));
        assert_eq!(exchange(server.address, b"PROXY nonsense\r\nGET / HTTP/1.1\r\n\r\n").await, "");
        // Off: the words are no request.
        let off =
            exchange(serve(defaults(), None, who).address, b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n\r\n").await;
        assert!(off.starts_with("HTTP/1.1 400 "), "{off}");
    });
}

#[test]
fn who_shows_nothing_is_not_waited_for() {
    with_jumping_clock(async {
        let settings = ServerSettings {
            proxy_protocol: ProxyProtocol::Required,
            inspection_timeout: 2 * SECOND,
            ..defaults()
        };
        let calls: Rc<Cell<usize>> = Rc::default();
        let seen = Rc::clone(&calls);
        let server = serve(settings, None, move |request, peer| {
            seen.set(seen.get() + 1);
            who(request, peer)
        });
        let begun = Instant::now();
        let mut socket = dial(server.address).await;
        socket.write_all(b"PROXY TCP4 1.1.1.1").await.unwrap();
        assert_eq!(socket.read(&mut [0; 10]).await.unwrap_or(0), 0);
        assert!(begun.elapsed() >= 2 * SECOND && begun.elapsed() < 4 * SECOND);
        assert_eq!(calls.get(), 0);
    });
}
