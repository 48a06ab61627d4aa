//! How many writes a reply costs, and that no small write waits for an acknowledgement.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Response;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use support::*;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, duplex},
    sync::Notify,
    task::spawn_local,
};
use tollgate_net::{Failure, Protocol, ServerSettings};

/// Counts calls that write.
struct Counting<T>(T, Arc<AtomicUsize>);

impl<T: AsyncRead + Unpin> AsyncRead for Counting<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counting<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    /// Takes all slices, as the kernel does.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[test]
fn a_head_and_the_chunks_that_came_with_it_leave_in_one_write() {
    on_a_core(async {
        let upstream = scripted(|_, mut socket| async move {
            read_head(&mut socket).await;
            let mut reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            (0..7).for_each(|n| reply.extend_from_slice(format!("3\r\n#{n} \r\n").as_bytes()));
            reply.extend_from_slice(b"0\r\n\r\n");
            socket.write_all(&reply).await.unwrap();
            rest(&mut socket).await;
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        let service = service_fn(move |_| {
            let (pool, origin) = (pool.clone(), origin.clone());
            async move {
                let mut response = pool.send(&origin, post("/", "")).await?;
                response.headers_mut().remove("transfer-encoding");
                Ok::<_, Failure>(response.map(tollgate_net::UpstreamBody::gathered))
            }
        });
        let writes = Arc::new(AtomicUsize::new(0));
        let (mut client, server) = duplex(1 << 16);
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(Counting(server, Arc::clone(&writes))), service);
        let served = spawn_local(connection);
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut client, &mut reply).await.unwrap();
        served.await.unwrap().unwrap();
        // All of it is here by then, so its length is known.
        assert!(
            reply.contains("content-length: 21\r\n") && reply.ends_with("#0 #1 #2 #3 #4 #5 #6 "),
            "{reply}"
        );
        assert_eq!(writes.load(Relaxed), 1);
    });
}

#[test]
fn no_event_of_a_paced_stream_waits_for_an_acknowledgement() {
    const EVENTS: u32 = 40;
    on_a_core(async {
        let next = Rc::new(Notify::new());
        let gate = Rc::clone(&next);
        let upstream = scripted(move |_, mut socket| {
            let gate = Rc::clone(&gate);
            async move {
                read_head(&mut socket).await;
                socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
                for number in 0..EVENTS {
                    // Two small writes: with Nagle's algorithm the second waits for the delayed acknowledgement.
                    socket.write_all(b"5\r\n").await.unwrap();
                    socket.write_all(format!("<{number:03}>\r\n").as_bytes()).await.unwrap();
                    gate.notified().await;
                }
            }
        })
        .await;
        let (pool, origin) = (pool(), plain(upstream, Protocol::Auto));
        let server = serve(ServerSettings::default(), None, move |_, _| {
            let (pool, origin) = (pool.clone(), origin.clone());
            async move {
                let response = pool.send(&origin, post("/", "")).await.unwrap();
                Response::new(response.into_body().gathered())
            }
        });
        let mut socket = dial(server.address).await;
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        for number in 0..EVENTS {
            until(&mut socket, &format!("<{number:03}>")).await;
            next.notify_one();
        }
        assert!(begun.elapsed() < Duration::from_millis(35) * EVENTS, "{:?}", begun.elapsed());
    });
}
