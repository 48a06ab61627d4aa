//! The pool against upstreams that behave and upstreams that do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use support::*;
use tokio::{io::AsyncWriteExt, sync::Notify, task::spawn_local};
use tollgate_net::{
    Failure, Origin, Overrides, Payload, Pool, PoolSettings, Protocol, Resolver, Safety, ServerSettings,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn a_connection_is_used_again_after_its_response_was_read() {
    on_a_core(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let (pool, origin) = (pool(), plain(upstream.address, Protocol::Auto));
        for _ in 0..5 {
            let response = pool.send(&origin, post("/a", "b")).await.unwrap();
            assert_eq!(text(response).await.unwrap(), "/a b");
        }
        let stats = pool.stats(&origin);
        assert_eq!((stats.open, stats.idle), (1, 1));
        assert_eq!(upstream.drain.load().connections, 1);
    });
}

#[test]
fn a_response_without_a_body_gives_its_connection_back_at_once() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            loop {
                if read_head(&mut socket).await.is_empty() {
                    return;
                }
                socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        let held = pool.send(&origin, post("/", "")).await.unwrap();
        assert_eq!(pool.stats(&origin).idle, 1);
        drop(held);
        assert_eq!(pool.stats(&origin).idle, 1);
    });
}

#[test]
fn a_body_dropped_before_its_end_closes_its_connection() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
            rest(&mut socket).await;
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        drop(pool.send(&origin, post("/", "")).await.unwrap());
        assert_eq!(pool.stats(&origin).open, 0);
    });
}

/// Answers once per connection, then closes it when the next request has arrived.
async fn forgetful() -> std::net::SocketAddr {
    scripted(|_, mut socket| async move {
        read_head(&mut socket).await;
        socket.write_all(OK).await.unwrap();
        read_head(&mut socket).await;
    })
    .await
}

#[test]
fn a_whole_request_on_a_connection_closed_meanwhile_is_sent_again_on_a_new_one() {
    on_a_core(async {
        let (pool, origin) = (pool(), plain(forgetful().await, Protocol::Auto));
        for _ in 0..3 {
            let response = pool.send(&origin, post("/", "")).await.unwrap();
            assert_eq!(text(response).await.unwrap(), "ok");
        }
    });
}

#[test]
fn a_streamed_request_on_a_connection_closed_meanwhile_is_reported_as_stale() {
    on_a_core(async {
        let (pool, origin) = (pool(), plain(forgetful().await, Protocol::Auto));
        text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap();
        let request = Request::post("/").body(Payload::streamed(Parts::from("a"))).unwrap();
        let failure = pool.send(&origin, request).await.unwrap_err();
        assert!(matches!(failure, Failure::StaleConnection), "{failure:?}");
        assert_eq!(failure.safety(), Safety::Safe);
    });
}

#[test]
fn a_new_connection_closed_before_a_response_is_not_retried() {
    on_a_core(async {
        let calls = Rc::new(Cell::new(0));
        let seen = Rc::clone(&calls);
        let upstream = scripted(move |_, mut socket| {
            seen.set(seen.get() + 1);
            async move {
                read_head(&mut socket).await;
            }
        })
        .await;
        let failure = pool().send(&plain(upstream, Protocol::Auto), post("/", "")).await.unwrap_err();
        assert_eq!(
            (failure.to_string().as_str(), failure.safety()),
            ("connection termination", Safety::Unsure)
        );
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_body_that_breaks_off_is_an_error_after_its_chunks() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        })
        .await;
        let response = pool().send(&plain(upstream, Protocol::Auto), post("/", "")).await.unwrap();
        let (mut body, mut chunks) = (response.into_body(), Vec::new());
        body.next_chunks(&mut chunks).await.unwrap().unwrap();
        assert_eq!(chunks.concat(), b"half");
        let failure = body.next_chunks(&mut chunks).await.unwrap().unwrap_err();
        assert!(matches!(failure, Failure::Interrupted(_)), "{failure:?}");
        assert!(body.next_chunks(&mut chunks).await.is_none());
    });
}

#[test]
fn an_answer_that_comes_before_the_request_is_written_is_an_answer() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
            // Reads no byte of the body, and leaves the connection open.
            std::future::pending::<()>().await;
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        let request = Request::post("/").body(Bytes::from(vec![b'x'; 32 << 20]).into()).unwrap();
        let response = pool.send(&origin, request).await.unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(text(response).await.unwrap(), "no");
        // The rest of the request is still in the way of the next one.
        assert_eq!(pool.stats(&origin).open, 0);
    });
}

#[test]
fn interim_responses_are_passed_over() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n")
                .await
                .unwrap();
            socket.write_all(b"\r\n").await.unwrap();
            socket.write_all(OK).await.unwrap();
            rest(&mut socket).await;
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        let response = pool.send(&origin, post("/", "")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().contains_key("link")), (200, false));
        assert_eq!(text(response).await.unwrap(), "ok");
        assert_eq!(pool.stats(&origin).idle, 1);
    });
}

#[test]
fn what_an_upstream_says_unasked_ends_its_connection() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket
                .write_all(&[OK, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"].concat())
                .await
                .unwrap();
            rest(&mut socket).await;
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        for _ in 0..2 {
            assert_eq!(text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap(), "ok");
            assert_eq!(pool.stats(&origin).open, 0);
        }
    });
}

#[test]
fn a_large_body_of_known_length_arrives_whole() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            loop {
                if read_head(&mut socket).await.is_empty() {
                    return;
                }
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
                socket
                    .write_all(&(0..1_000_000).map(|at| b'a' + (at % 23) as u8).collect::<Vec<_>>())
                    .await
                    .unwrap();
            }
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        for _ in 0..2 {
            let body = text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap();
            assert!(
                body.len() == 1_000_000
                    && body.bytes().zip(0..).all(|(byte, at)| byte == b'a' + (at % 23) as u8)
            );
            assert_eq!(pool.stats(&origin).idle, 1);
        }
    });
}

#[test]
fn what_is_not_http_is_a_protocol_error() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket.write_all(b"220 smtp.example.com ready\r\n\r\n").await.unwrap();
        })
        .await;
        let failure = pool().send(&plain(upstream, Protocol::Auto), post("/", "")).await.unwrap_err();
        assert_eq!(failure.to_string(), "protocol error");
    });
}

#[test]
fn chunks_that_came_in_one_read_are_gathered_and_a_paced_one_leaves_at_once() {
    on_a_core(async {
        let next = Rc::new(Notify::new());
        let gate = Rc::clone(&next);
        let upstream = scripted(move |_, mut socket| {
            let gate = Rc::clone(&gate);
            async move {
                read_head(&mut socket).await;
                let mut reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                (0..7).for_each(|n| reply.extend_from_slice(format!("3\r\n#{n} \r\n").as_bytes()));
                socket.write_all(&reply).await.unwrap();
                gate.notified().await;
                socket.write_all(b"4\r\nlast\r\n").await.unwrap();
                gate.notified().await;
                socket.write_all(b"0\r\n\r\n").await.unwrap();
                rest(&mut socket).await;
            }
        })
        .await;
        let origin = plain(upstream, Protocol::Auto);
        let pool = pool();
        let mut body = pool.send(&origin, post("/", "")).await.unwrap().into_body();
        let mut chunks = Vec::new();
        body.next_chunks(&mut chunks).await.unwrap().unwrap();
        assert_eq!(chunks, [(0..7).map(|n| format!("#{n} ")).collect::<String>()]);
        next.notify_one();
        body.next_chunks(&mut chunks).await.unwrap().unwrap();
        assert_eq!(chunks[1], "last");
        next.notify_one();
        assert!(body.next_chunks(&mut chunks).await.is_none());
        assert_eq!(pool.stats(&origin).open, 1);
    });
}

#[test]
fn a_silent_body_fails_after_its_idle_timeout() {
    with_jumping_clock(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await.unwrap();
            rest(&mut socket).await;
        })
        .await;
        let mut body =
            pool().send(&plain(upstream, Protocol::Auto), post("/", "")).await.unwrap().into_body();
        body.set_idle_timeout(Duration::from_secs(300));
        let failure = body.next_chunks(&mut Vec::new()).await.unwrap().unwrap_err();
        assert!(matches!(failure, Failure::Idle), "{failure:?}");
    });
}

#[test]
fn requests_share_one_http2_connection() {
    on_a_core(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let (pool, origin) = (pool(), plain(upstream.address, Protocol::Http2));
        let send = |n: &'static str| {
            let (pool, origin) = (pool.clone(), origin.clone());
            async move { text(pool.send(&origin, post("/", n)).await.unwrap()).await.unwrap() }
        };
        let replies = futures_util::future::join4(send("1"), send("2"), send("3"), send("4")).await;
        assert_eq!(replies, ("/ 1".into(), "/ 2".into(), "/ 3".into(), "/ 4".into()));
        assert_eq!(pool.stats(&origin).open, 1);
    });
}

#[test]
fn another_http2_connection_is_opened_when_all_streams_are_taken() {
    on_a_core(async {
        let upstream = serve(ServerSettings { max_streams: 2, ..ServerSettings::default() }, None, echo);
        let (pool, origin) = (pool(), plain(upstream.address, Protocol::Http2));
        text(pool.send(&origin, post("/", "settings are known after this")).await.unwrap()).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(pool.send(&origin, post("/", "held")).await.unwrap());
        }
        assert!(pool.stats(&origin).open >= 2, "{:?}", pool.stats(&origin));
    });
}

#[test]
fn a_refused_connection_is_safe_to_retry_elsewhere() {
    on_a_core(async {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let failure = pool().send(&plain(closed, Protocol::Auto), post("/", "")).await.unwrap_err();
        assert_eq!((failure.to_string().as_str(), failure.safety()), ("connection failure", Safety::Safe));
    });
}

#[test]
fn more_waiting_requests_than_allowed_overflow() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            rest(&mut socket).await;
        })
        .await;
        let settings = PoolSettings { max_connections: 1, max_waiting: 1, ..PoolSettings::default() };
        let (pool, origin) = (pool_with(settings), plain(upstream, Protocol::Auto));
        for _ in 0..2 {
            let (pool, origin) = (pool.clone(), origin.clone());
            spawn_local(async move { pool.send(&origin, post("/", "")).await });
            tokio::task::yield_now().await;
        }
        while pool.stats(&origin).waiting < 1 {
            tokio::task::yield_now().await;
        }
        let failure = pool.send(&origin, post("/", "")).await.unwrap_err();
        assert_eq!(failure.to_string(), "overflow");
    });
}

#[test]
fn more_than_a_thousand_long_replies_are_held_at_once() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            rest(&mut socket).await;
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        for _ in 0..1_100 {
            let (pool, origin) = (pool.clone(), origin.clone());
            spawn_local(async move { pool.send(&origin, post("/", "")).await });
        }
        while pool.stats(&origin).open < 1_100 {
            assert_eq!(pool.stats(&origin).waiting, 0);
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_request_that_waits_gets_the_connection_another_gave_back() {
    on_a_core(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
        let (pool, origin) = (pool_with(settings), plain(upstream.address, Protocol::Auto));
        let send = || async { text(pool.send(&origin, post("/", "x")).await.unwrap()).await.unwrap() };
        let replies = futures_util::future::join_all((0..8).map(|_| send())).await;
        assert!(replies.iter().all(|reply| reply == "/ x"));
        assert_eq!(upstream.drain.load().connections, 1);
    });
}

#[test]
fn a_kept_connection_is_closed_when_nobody_uses_it() {
    with_jumping_clock(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let (pool, origin) = (pool(), plain(upstream.address, Protocol::Auto));
        text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap();
        tokio::time::advance(Duration::from_secs(91)).await;
        while pool.stats(&origin).open > 0 {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_override_takes_the_place_of_name_resolution() {
    on_a_core(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let mut overrides = Overrides::default();
        overrides.insert(&format!("api.example.com:80={}", upstream.address)).unwrap();
        let pool = Pool::new(PoolSettings::default(), Resolver::system(Arc::new(overrides)));
        let origin = Origin::new("api.example.com", 80, Protocol::Auto, None);
        assert_eq!(text(pool.send(&origin, post("/", "x")).await.unwrap()).await.unwrap(), "/ x");
    });
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    on_a_core(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let lookup = Rc::new(|_| {
            let answer = vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()];
            Box::pin(async move { Ok(answer) }) as futures_util::future::LocalBoxFuture<'static, _>
        });
        let pool = Pool::new(PoolSettings::default(), Resolver::new(Arc::default(), lookup));
        let origin = Origin::new("two.example.com", upstream.address.port(), Protocol::Auto, None);
        for _ in 0..3 {
            let request = Request::get("/").body(Payload::from(Bytes::new())).unwrap();
            assert_eq!(text(pool.send(&origin, request).await.unwrap()).await.unwrap(), "/ ");
        }
    });
}

#[test]
fn a_connection_past_its_lifetime_takes_no_more_requests() {
    with_jumping_clock(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let settings = PoolSettings { max_lifetime: Duration::from_secs(60), ..PoolSettings::default() };
        let (pool, origin) = (pool_with(settings), plain(upstream.address, Protocol::Auto));
        for _ in 0..2 {
            text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap();
            assert_eq!(pool.stats(&origin).idle, 1);
            // A tenth more than the lifetime, and the second until the pool looks at its clock.
            tokio::time::sleep(Duration::from_secs(68)).await;
            assert_eq!(pool.stats(&origin).open, 0);
        }
    });
}

#[test]
fn a_request_that_waits_gets_the_stream_another_gave_back() {
    with_jumping_clock(async {
        let upstream = serve(ServerSettings::default(), None, echo);
        let settings = PoolSettings { max_connections: 1, max_streams: 1, ..PoolSettings::default() };
        let (pool, origin) = (pool_with(settings), plain(upstream.address, Protocol::Http2));
        let held = pool.send(&origin, post("/", "held")).await.unwrap();
        let waiting = spawn_local({
            let (pool, origin) = (pool.clone(), origin.clone());
            async move { text(pool.send(&origin, post("/", "late")).await.unwrap()).await.unwrap() }
        });
        while pool.stats(&origin).waiting < 1 {
            tokio::task::yield_now().await;
        }
        drop(held);
        assert_eq!(waiting.await.unwrap(), "/ late");
    });
}

#[test]
fn a_connection_that_was_told_to_go_is_replaced() {
    on_a_core(async {
        let first = serve(ServerSettings::default(), None, echo);
        let (pool, origin) = (pool(), plain(first.address, Protocol::Http2));
        text(pool.send(&origin, post("/", "")).await.unwrap()).await.unwrap();
        // The drain says GOAWAY and gives the port up; the second server takes it over.
        first.drain.finish(Duration::from_secs(5)).await;
        while tokio::net::TcpStream::connect(first.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let second = serve_at(first.address, ServerSettings::default(), None, echo);
        assert_eq!(text(pool.send(&origin, post("/", "x")).await.unwrap()).await.unwrap(), "/ x");
        assert_eq!(second.drain.load().connections, 1);
    });
}

#[test]
fn an_old_answer_serves_while_the_name_cannot_be_resolved_again() {
    with_jumping_clock(async {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let lookup = Rc::new(move |_| {
            count.set(count.get() + 1);
            let answer = match count.get() {
                1 => Ok(vec!["192.0.2.1".parse().unwrap()]),
                2 => Err(std::io::Error::other("no name server")),
                _ => Ok(vec!["192.0.2.2".parse().unwrap()]),
            };
            Box::pin(async move { answer }) as futures_util::future::LocalBoxFuture<'static, _>
        });
        let resolver = Resolver::new(Arc::default(), lookup);
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(resolver.resolve("a.example.com", 80).await.unwrap()[0].ip().to_string());
            tokio::time::sleep(Duration::from_secs(36)).await;
        }
        // The second call finds the answer old and asks behind the caller's back, in vain; the third asks again.
        assert_eq!(answers, ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]);
        assert_eq!(asked.get(), 4);
    });
}

#[test]
fn overrides_are_read_with_and_without_ports() {
    let good = ["a=1.2.3.4", "a:80=1.2.3.4", "a:80=1.2.3.4:8080", "a=[::1]:80", "a=::1", "a=[::1]"];
    for text in good {
        assert_eq!(Overrides::default().insert(text), Ok(()), "{text}");
    }
    for text in ["", "a", "=1.2.3.4", "a=", "a=b", "a:x=1.2.3.4", "a:70000=1.2.3.4", "a=1.2.3.4:x", ":1=::1"]
    {
        let error = Overrides::default().insert(text).unwrap_err().to_string();
        assert_eq!(error, format!("{text} is not HOST[:PORT]=ADDR[:PORT]"));
    }
}
