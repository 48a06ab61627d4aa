use std::{
    cell::Cell,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};

use crate::{dial::Transport, pool::Slot};

/// Bytes held per direction.
const BUFFER: usize = 16 * 1024;

/// A connection that HTTP has handed over: after a 101 or a `CONNECT`.
#[derive(Debug)]
pub struct Tunnelled(Side);

#[derive(Debug)]
enum Side {
    Client(TokioIo<Upgraded>),
    /// An upstream's, with what was read of it already; it keeps its place in the pool.
    Upstream {
        transport: Transport,
        prefix: Bytes,
        _slot: Slot,
    },
}

/// Notes when bytes last moved.
struct Touched<'a, F> {
    io: Tunnelled,
    last: &'a Cell<Instant>,
    seen: F,
}

/// The connection under a request, once the 101 has passed. Take the future before the request is given away, and
/// await it in a task of its own after the 101 was returned. An upstream's is [`crate::UpstreamBody::into_tunnel`].
pub fn on_upgrade<B>(request: &mut Request<B>) -> impl Future<Output = hyper::Result<Tunnelled>> + use<B> {
    let upgrade = hyper::upgrade::on(request);
    async { upgrade.await.map(|io| Tunnelled(Side::Client(TokioIo::new(io)))) }
}

/// Copies both ways until both sides have ended; returns the bytes sent from `client` and from `upstream`. `seen` gets
/// the upstream's bytes as the client gets them.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when no byte moved in either direction for `idle`; else what the transports report.
pub async fn watched_tunnel(
    client: Tunnelled,
    mut upstream: Tunnelled,
    idle: Duration,
    seen: impl FnMut(&[u8]) + Unpin,
) -> io::Result<(u64, u64)> {
    let last = Cell::new(Instant::now());
    let mut client = Touched { io: client, last: &last, seen };
    let silence = async {
        loop {
            let deadline = last.get() + idle;
            if Instant::now() >= deadline {
                return;
            }
            sleep_until(deadline).await;
        }
    };
    tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER) => copied,
        () = silence => Err(io::ErrorKind::TimedOut.into()),
    }
}

// === impl Touched ===

impl<F> Touched<'_, F> {
    fn touch<T>(&self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            self.last.set(Instant::now());
        }
        outcome
    }
}

impl<F: Unpin> AsyncRead for Touched<'_, F> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_read(cx, buf);
        this.touch(outcome)
    }
}

impl<F: FnMut(&[u8]) + Unpin> AsyncWrite for Touched<'_, F> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &outcome {
            (this.seen)(&buf[..*written]);
        }
        this.touch(outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

// === impl Tunnelled ===

impl Tunnelled {
    pub(crate) fn upstream(transport: Transport, prefix: Bytes, slot: Slot) -> Self {
        Self(Side::Upstream { transport, prefix, _slot: slot })
    }
}

impl AsyncRead for Tunnelled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Side::Client(io) => Pin::new(io).poll_read(cx, buf),
            Side::Upstream { transport, prefix, .. } if prefix.is_empty() => {
                Pin::new(transport).poll_read(cx, buf)
            }
            Side::Upstream { prefix, .. } => {
                buf.put_slice(&prefix.split_to(prefix.len().min(buf.remaining())));
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Tunnelled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Side::Client(io) => Pin::new(io).poll_write(cx, buf),
            Side::Upstream { transport, .. } => Pin::new(transport).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Side::Client(io) => Pin::new(io).poll_flush(cx),
            Side::Upstream { transport, .. } => Pin::new(transport).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Side::Client(io) => Pin::new(io).poll_shutdown(cx),
            Side::Upstream { transport, .. } => Pin::new(transport).poll_shutdown(cx),
        }
    }
}
