//! The server against clients that behave and clients that do not, byte by byte.

mod support;

use std::{
    cell::Cell,
    collections::VecDeque,
    future::{Future as _, poll_fn},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    task::{spawn_local, yield_now},
};
use tollgate_net::{Inbound, Load, Payload, Peer, Protocol, ServerSettings, on_upgrade, watched_tunnel};

fn quick() -> ServerSettings {
    ServerSettings { write_timeout: Duration::from_secs(60), ..ServerSettings::default() }
}

#[test]
fn two_requests_are_answered_on_one_connection() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let mut socket = dial(server.address).await;
        for path in ["/1", "/2"] {
            socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
            let reply = until(&mut socket, &format!("\r\n\r\n{path} ")).await;
            assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        }
    });
}

#[test]
fn too_many_header_fields_are_a_431() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let fields: String = (0..101).map(|n| format!("x-{n}: v\r\n")).collect();
        let reply = exchange(server.address, format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    });
}

#[test]
fn too_long_a_head_is_a_431() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let mut socket = dial(server.address).await;
        let head = format!("GET / HTTP/1.1\r\nx: {}", "v".repeat(61 * 1024));
        // The server may hang up before it has taken everything.
        let _sent = socket.write_all(head.as_bytes()).await;
        let reply = rest(&mut socket).await;
        assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    });
}

#[test]
fn what_is_not_http_is_a_400() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let reply = exchange(server.address, b"\x16\x03\x01\x00\xa5 hello\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    });
}

#[test]
fn two_different_lengths_are_a_400() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let reply =
            exchange(server.address, b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab")
                .await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    });
}

// RFC 9112 section 6.1: a server may go by the transfer encoding alone, and has to close the connection then.
#[test]
fn both_length_fields_cannot_smuggle_a_second_request() {
    on_a_core(async {
        let calls: Rc<Cell<usize>> = Rc::default();
        let seen = Rc::clone(&calls);
        let server = serve(quick(), None, move |request: Request<Inbound>, peer: Peer| {
            seen.set(seen.get() + 1);
            assert!(!request.headers().contains_key("content-length"), "it must not be passed on");
            echo(request, peer)
        });
        let reply = exchange(
            server.address,
            b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG\
              GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        )
        .await;
        assert!(reply.contains("connection: close\r\n"), "{reply}");
        assert!(!reply.contains("smuggled"), "{reply}");
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let mut socket = dial(server.address).await;
        socket
            .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(read_head(&mut socket).await, "HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(b"ok").await.unwrap();
        until(&mut socket, "/ ok").await;
    });
}

#[test]
fn a_head_that_does_not_end_costs_the_connection() {
    with_jumping_clock(async {
        let server = serve(quick(), None, echo);
        let begun = tokio::time::Instant::now();
        let reply = exchange(server.address, b"GET / HTTP/1.1\r\nhost: a\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
        let waited = begun.elapsed();
        assert!((10..14).contains(&waited.as_secs()), "{waited:?}");
        assert_eq!(server.drain.load(), Load::default());
    });
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    with_jumping_clock(async {
        let server = serve(quick(), None, echo);
        let begun = tokio::time::Instant::now();
        assert_eq!(exchange(server.address, b"").await, "");
        let waited = begun.elapsed();
        assert!((10..14).contains(&waited.as_secs()), "{waited:?}");
    });
}

#[test]
fn a_kept_connection_is_closed_after_its_idle_timeout() {
    with_jumping_clock(async {
        let server = serve(quick(), None, echo);
        let begun = tokio::time::Instant::now();
        exchange(server.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let waited = begun.elapsed();
        assert!((3600..3604).contains(&waited.as_secs()), "{waited:?}");
    });
}

#[test]
fn a_body_that_stops_arriving_fails_at_the_handler() {
    with_jumping_clock(async {
        let server = serve(quick(), None, |request: Request<Inbound>, _| async {
            let error = request.into_body().collect(100).await.unwrap_err();
            Response::new(Parts::from(error.to_string()))
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
        until(&mut socket, "request body did not arrive in time").await;
    });
}

#[test]
fn a_body_above_the_limit_is_refused_without_reading_it() {
    on_a_core(async {
        let server = serve(quick(), None, |request: Request<Inbound>, _| async {
            let error = request.into_body().collect(8).await.unwrap_err();
            Response::new(Parts::from(error.to_string()))
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 999999\r\n\r\n").await.unwrap();
        until(&mut socket, "request body is larger than 8 bytes").await;
    });
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        static BLOCK: [u8; 16 * 1024] = [b'x'; 16 * 1024];
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&BLOCK)))))
    }
}

#[test]
fn a_client_that_stops_reading_is_disconnected() {
    with_jumping_clock(async {
        let server = serve(quick(), None, |_, _| async { Response::new(Endless) });
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut socket, "xx").await;
        while server.drain.load().connections > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

#[test]
fn a_client_that_leaves_ends_the_handler() {
    on_a_core(async {
        let (gone, ended) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        struct Tell(Rc<Notify>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let (begun, over) = (Rc::clone(&gone), Rc::clone(&ended));
        let server = serve(quick(), None, move |_, _| {
            let (begun, tell) = (Rc::clone(&begun), Tell(Rc::clone(&over)));
            async move {
                let _tell = tell;
                begun.notify_one();
                std::future::pending::<Response<Parts>>().await
            }
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        gone.notified().await;
        drop(socket);
        ended.notified().await;
        while server.drain.load() != Load::default() {
            yield_now().await;
        }
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_reply_ends_it() {
    on_a_core(async {
        let server = serve(quick(), None, |_, _| async { Response::new(Unfinished(Some("begun"))) });
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut socket, "begun").await;
        drop(socket);
        while server.drain.load() != Load::default() {
            yield_now().await;
        }
    });
}

/// Says something and never ends.
struct Unfinished(Option<&'static str>);

impl http_body::Body for Unfinished {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(text) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from(text))))),
            None => std::task::Poll::Pending,
        }
    }
}

// What is read ahead to see whether the client is still there is a part of its next request, or of this one's body.
#[test]
fn a_request_that_comes_during_the_reply_to_another_is_answered_after_it() {
    on_a_core(async {
        let go = Rc::new(Notify::new());
        let server = serve(quick(), None, gated(&go));
        let mut socket = dial(server.address).await;
        let long = "v".repeat(100);
        for round in ["", &long] {
            let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {round}\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            while server.drain.load().requests != 1 {
                yield_now().await;
            }
            // In two pieces, the second when everything before it was looked at.
            for piece in request.as_bytes().chunks(request.len().min(40)) {
                socket.write_all(piece).await.unwrap();
                for _ in 0..20 {
                    yield_now().await;
                }
            }
            for _ in 0..2 {
                go.notify_one();
                let reply = until(&mut socket, "done").await;
                assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
            }
        }
    });
}

#[test]
fn a_body_that_comes_late_is_read_whole() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let mut socket = dial(server.address).await;
        let body = "0123456789".repeat(20);
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(head.as_bytes()).await.unwrap();
        for piece in body.as_bytes().chunks(50) {
            for _ in 0..20 {
                yield_now().await;
            }
            socket.write_all(piece).await.unwrap();
        }
        until(&mut socket, &body).await;
    });
}

#[test]
fn a_body_that_breaks_off_fails_at_the_handler() {
    on_a_core(async {
        let ended = Rc::new(Notify::new());
        let told = Rc::clone(&ended);
        let server = serve(quick(), None, move |request: Request<Inbound>, _| {
            let told = Rc::clone(&told);
            async move {
                let error = request.into_body().collect(100).await.unwrap_err();
                told.notify_one();
                Response::new(Parts::from(error.to_string()))
            }
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
        for _ in 0..20 {
            yield_now().await;
        }
        socket.shutdown().await.unwrap();
        ended.notified().await;
        // It has only stopped to send.
        let reply = rest(&mut socket).await;
        assert!(reply.ends_with("request body broke off"), "{reply}");
    });
}

#[test]
fn http2_with_prior_knowledge_is_recognised_in_any_split() {
    on_a_core(async {
        let server = serve(quick(), None, echo);
        let mut socket = dial(server.address).await;
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
            socket.write_all(&[*byte]).await.unwrap();
            yield_now().await;
        }
        socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut frame = [0; 9];
        socket.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[3], 4, "the first frame of the server is SETTINGS");
    });
}

/// A handler that answers after `go`.
fn gated(
    go: &Rc<Notify>,
) -> impl Fn(Request<Inbound>, Peer) -> std::pin::Pin<Box<dyn Future<Output = Response<Parts>>>> + use<> {
    let go = Rc::clone(go);
    move |_, _| {
        let go = Rc::clone(&go);
        Box::pin(async move {
            go.notified().await;
            Response::new(Parts::from("done"))
        })
    }
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_closes_what_is_idle() {
    on_a_core(async {
        let go = Rc::new(Notify::new());
        let server = serve(quick(), None, gated(&go));
        let (mut busy, mut fresh) = (dial(server.address).await, dial(server.address).await);
        busy.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        while server.drain.load() != (Load { connections: 2, requests: 1 }) {
            yield_now().await;
        }
        let drain = server.drain.clone();
        let finished = spawn_local(async move { drain.finish(Duration::from_secs(60)).await });
        // What is idle is closed, and nothing is accepted any more.
        assert_eq!(rest(&mut fresh).await, "");
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            yield_now().await;
        }
        go.notify_one();
        let reply = rest(&mut busy).await;
        assert!(reply.contains("connection: close"), "{reply}");
        assert!(reply.ends_with("done"), "{reply}");
        assert_eq!(finished.await.unwrap(), Load::default());
    });
}

#[test]
fn a_drain_tells_http2_clients_and_lets_their_streams_end() {
    on_a_core(async {
        let go = Rc::new(Notify::new());
        let server = serve(quick(), None, gated(&go));
        let (pool, origin) = (pool(), plain(server.address, Protocol::Http2));
        let reply = spawn_local({
            let (pool, origin) = (pool.clone(), origin.clone());
            async move { text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap() }
        });
        while server.drain.load().requests != 1 {
            yield_now().await;
        }
        let drain = server.drain.clone();
        let finished = spawn_local(async move { drain.finish(Duration::from_secs(60)).await });
        while !server.drain.is_draining() {
            yield_now().await;
        }
        go.notify_one();
        assert_eq!(reply.await.unwrap(), "done");
        assert_eq!(finished.await.unwrap(), Load::default());
    });
}

#[test]
fn a_drain_cuts_what_does_not_end_in_time() {
    with_jumping_clock(async {
        let server = serve(quick(), None, gated(&Rc::new(Notify::new())));
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        while server.drain.load().requests != 1 {
            yield_now().await;
        }
        let cut = server.drain.finish(Duration::from_secs(60)).await;
        assert_eq!(cut, Load { connections: 1, requests: 1 });
        assert_eq!(rest(&mut socket).await, "");
    });
}

#[test]
fn connections_above_the_limit_are_closed() {
    on_a_core(async {
        let server = serve(ServerSettings { max_connections: 1, ..quick() }, None, echo);
        let _first = dial(server.address).await;
        while server.drain.load().connections != 1 {
            yield_now().await;
        }
        assert_eq!(exchange(server.address, b"GET / HTTP/1.1\r\n\r\n").await, "");
    });
}

#[test]
fn an_upgraded_connection_is_passed_through_both_ways() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            let head = read_head(&mut socket).await;
            assert!(head.contains("upgrade: websocket"), "{head}");
            socket
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello")
                .await
                .unwrap();
            let mut said = [0; 4];
            socket.read_exact(&mut said).await.unwrap();
            socket.write_all(&said).await.unwrap();
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Http1));
        let server = serve(quick(), None, move |mut request: Request<Inbound>, _| {
            let (pool, origin) = (pool.clone(), origin.clone());
            async move {
                let client = on_upgrade(&mut request);
                let (parts, _) = request.into_parts();
                let response =
                    pool.send(&origin, Request::from_parts(parts, Payload::empty())).await.unwrap();
                assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
                let (parts, body) = response.into_parts();
                let far = body.into_tunnel().unwrap();
                spawn_local(async move {
                    watched_tunnel(client.await.unwrap(), far, Duration::from_secs(60), |_| {})
                        .await
                        .unwrap();
                });
                Response::from_parts(parts, Parts(VecDeque::new()))
            }
        });
        let mut socket = dial(server.address).await;
        socket
            .write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await
            .unwrap();
        let reply = until(&mut socket, "hello").await;
        assert!(reply.starts_with("HTTP/1.1 101 "), "{reply}");
        assert_eq!(server.drain.load().connections, 1);
        socket.write_all(b"ping").await.unwrap();
        assert_eq!(rest(&mut socket).await, "ping");
    });
}

#[test]
fn a_handler_that_has_its_body_is_not_polled_until_something_happens() {
    on_a_core(async {
        let (polls, go) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
        let (seen, gate) = (Rc::clone(&polls), Rc::clone(&go));
        let server = serve(quick(), None, move |request: Request<Inbound>, _| {
            let (seen, gate) = (Rc::clone(&seen), Rc::clone(&gate));
            async move {
                let body = request.into_body().collect(100).await.unwrap();
                let mut waiting = pin!(gate.notified());
                poll_fn(|cx| {
                    seen.set(seen.get() + 1);
                    waiting.as_mut().poll(cx)
                })
                .await;
                Response::new(Parts::from(body.to_vec()))
            }
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
        while polls.get() == 0 {
            yield_now().await;
        }
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 1);
        go.notify_one();
        until(&mut socket, "abc").await;
    });
}

#[test]
fn a_client_that_is_still_sending_sees_why_it_was_refused() {
    on_a_core(async {
        let server = serve(quick(), None, |request: Request<Inbound>, _| async {
            assert!(request.into_body().collect(8).await.is_err());
            let mut response = Response::new(Parts::from("too large"));
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8388608\r\n\r\n").await.unwrap();
        // A client that looks at the reply only after it has sent everything.
        for _ in 0..128 {
            socket.write_all(&[b'x'; 65536]).await.unwrap();
        }
        let reply = rest(&mut socket).await;
        assert!(reply.starts_with("HTTP/1.1 413 ") && reply.ends_with("too large"), "{reply}");
        drop(socket);
        while server.drain.load().connections > 0 {
            yield_now().await;
        }
    });
}

#[test]
fn a_refused_client_that_never_stops_is_cut_off() {
    with_jumping_clock(async {
        let server = serve(quick(), None, |request: Request<Inbound>, _| async {
            assert!(request.into_body().collect(8).await.is_err());
            Response::new(Parts::from("too large"))
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 999999\r\n\r\nx").await.unwrap();
        until(&mut socket, "too large").await;
        let begun = tokio::time::Instant::now();
        while server.drain.load().connections > 0 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert!((4..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    });
}

#[test]
fn an_http2_client_that_withholds_its_window_is_disconnected() {
    with_jumping_clock(async {
        let server = serve(quick(), None, |_, _| async { Response::new(Endless) });
        let socket = dial(server.address).await;
        let (mut client, connection) =
            h2::client::Builder::new().initial_window_size(10).handshake::<_, Bytes>(socket).await.unwrap();
        let ended = spawn_local(connection);
        let (response, _) = client.send_request(Request::get("http://a/").body(()).unwrap(), true).unwrap();
        let response = response.await.unwrap();
        let begun = tokio::time::Instant::now();
        while server.drain.load().connections > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!((59..70).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        drop((response, ended));
    });
}
