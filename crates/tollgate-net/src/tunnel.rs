use std::{
    cell::Cell,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};

/// Bytes held per direction.
const BUFFER: usize = 16 * 1024;

/// A connection that HTTP has handed over: after a 101 or a `CONNECT`.
#[derive(Debug)]
pub struct Tunnelled(TokioIo<Upgraded>);

/// Notes when bytes last moved.
struct Touched<'a> {
    io: Tunnelled,
    last: &'a Cell<Instant>,
}

/// The connection under a request or a response, once the 101 has passed. Take the future before the message is given
/// away, and await it in a task of its own after the 101 was returned.
pub fn on_upgrade<M: sealed::CanUpgrade>(
    message: &mut M,
) -> impl Future<Output = hyper::Result<Tunnelled>> + use<M> {
    let upgrade = message.upgrade();
    async { upgrade.await.map(|io| Tunnelled(TokioIo::new(io))) }
}

mod sealed {
    use hyper::upgrade::{OnUpgrade, on};

    /// A message whose connection can be taken over.
    pub trait CanUpgrade {
        fn upgrade(&mut self) -> OnUpgrade;
    }

    impl<B> CanUpgrade for http::Request<B> {
        fn upgrade(&mut self) -> OnUpgrade {
            on(self)
        }
    }

    impl<B> CanUpgrade for http::Response<B> {
        fn upgrade(&mut self) -> OnUpgrade {
            on(self)
        }
    }
}

/// Copies both ways until both sides have ended; returns the bytes sent from `client` and from `upstream`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when no byte moved in either direction for `idle`; else what the transports report.
pub async fn tunnel(client: Tunnelled, mut upstream: Tunnelled, idle: Duration) -> io::Result<(u64, u64)> {
    let last = Cell::new(Instant::now());
    let mut client = Touched { io: client, last: &last };
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

impl<'a> Touched<'a> {
    fn touch<T>(&self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            self.last.set(Instant::now());
        }
        outcome
    }
}

impl AsyncRead for Touched<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io.0).poll_read(cx, buf);
        this.touch(outcome)
    }
}

impl AsyncWrite for Touched<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io.0).poll_write(cx, buf);
        this.touch(outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Tunnelled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnelled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
