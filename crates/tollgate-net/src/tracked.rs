use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    stream::Stream,
    watch::{Order, Stage, Watch},
};

/// Bytes of a refused request that are read for the sake of its client.
const LINGER_BYTES: usize = 32 * 1024 * 1024;

const LINGER_BUFFER: usize = 16 * 1024;

/// Bytes that are read ahead of the next request, to see whether the client is still there.
const AHEAD: usize = 32;

/// What is sent to a client whose request head does not end.
const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 22\r\nconnection: close\r\n\r\nrequest header timeout";

/// The transport of an accepted connection: reports progress, and fails once the connection has to die.
#[derive(Debug)]
pub(crate) struct Tracked {
    stream: Stream,
    prefix: Bytes,
    multiplexed: bool,
    input: Input,
    /// Read ahead, and whoever reads may not look for it: it is to be woken once it may.
    ahead: bool,
    discarded: usize,
    /// Bytes of [`LATE`] that were sent.
    told: usize,
    watch: Arc<Watch>,
}

/// What the client may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// Nothing, or no more than this error; whoever reads has not seen it yet.
    Ended(Option<io::ErrorKind>),
    /// Nothing, and whoever reads knows.
    Over,
}

// === impl Tracked ===

impl Tracked {
    /// `prefix` was read while the protocol was found out; it is read again first.
    pub(crate) fn new(stream: Stream, prefix: Bytes, watch: Arc<Watch>) -> Self {
        let input = Input::Open;
        Self { stream, prefix, multiplexed: false, input, ahead: false, discarded: 0, told: 0, watch }
    }

    /// HTTP/2: bytes between requests are no request head.
    pub(crate) const fn multiplexed(mut self) -> Self {
        self.multiplexed = true;
        self
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let order = match self.watch.stage() {
            Stage::Tunnel => self.watch.order(cx),
            _ => self.watch.current(),
        };
        match order {
            Order::Die => Err(io::ErrorKind::TimedOut.into()),
            Order::Serve | Order::Leave | Order::Late => Ok(()),
        }
    }

    /// True where the client has to be told that its request head took too long.
    fn is_late(&self) -> bool {
        !self.multiplexed && self.watch.stage() == Stage::Late
    }

    /// Tells it, and closes our side.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let late = || Poll::Ready(io::ErrorKind::TimedOut.into());
        while let Some(rest) = LATE.get(self.told..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                Ok(count @ 1..) => self.told += count,
                Ok(0) | Err(_) => return late(),
            }
        }
        // What comes of closing does not matter any more.
        let _closed = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        late()
    }

    /// Sees whether the client is still there while a response is due to it. hyper would read for that, into a buffer
    /// that each open stream then holds; so it is told not to, and the few bytes it takes are kept here.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.multiplexed {
            return Ok(());
        }
        if self.watch.stage() != Stage::Busy {
            // The next request has begun to come, and hyper may believe that nothing is there to read.
            if std::mem::take(&mut self.ahead) && !self.prefix.is_empty() {
                cx.waker().wake_by_ref();
            }
            return Ok(());
        }
        match self.input {
            Input::Open if self.prefix.is_empty() => {}
            // Had it wanted to read on, it would have seen this.
            Input::Ended(error) => return Err(error.unwrap_or(io::ErrorKind::ConnectionAborted).into()),
            Input::Open | Input::Over => return Ok(()),
        }
        let mut scratch = [MaybeUninit::uninit(); AHEAD];
        let mut buf = ReadBuf::uninit(&mut scratch);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) if buf.filled().is_empty() => self.input = Input::Ended(None),
            Poll::Ready(Ok(())) => {
                self.prefix = Bytes::copy_from_slice(buf.filled());
                self.ahead = true;
            }
            Poll::Ready(Err(error)) => self.input = Input::Ended(Some(error.kind())),
        }
        // Whoever does want to read has found nothing a moment ago.
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn wrote<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.watch.wrote(outcome.is_ready());
        outcome
    }
}

impl Tracked {
    /// Takes what the client still sends and throws it away, until it stops. Closing a socket with unread bytes
    /// resets the connection, and the client might lose the response that tells it why (RFC 9112 section 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [MaybeUninit::uninit(); LINGER_BUFFER];
        while self.discarded < LINGER_BYTES {
            let mut buf = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.discarded += buf.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Tracked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        if this.is_late() {
            return this.poll_late(cx).map(Err);
        }
        let before = buf.filled().len();
        let known = this.prefix.len().min(buf.remaining());
        if known > 0 {
            buf.put_slice(&this.prefix.split_to(known));
        }
        // What follows is read along: hyper doubles a buffer that got the first few bytes alone.
        let outcome = match this.input {
            Input::Ended(error) => Poll::Ready(error.map_or(Ok(()), |error| Err(error.into()))),
            Input::Open | Input::Over => Pin::new(&mut this.stream).poll_read(cx, buf),
        };
        let outcome = if outcome.is_pending() && known > 0 { Poll::Ready(Ok(())) } else { outcome };
        if outcome.is_ready() && buf.filled().len() == before {
            this.input = Input::Over;
        }
        if buf.filled().len() > before && !this.multiplexed && this.watch.stage() == Stage::Idle {
            this.watch.enter(Stage::Head);
        }
        outcome
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        let outcome = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        if outcome.is_pending() {
            return this.wrote(outcome);
        }
        ready!(outcome)?;
        // hyper flushes whenever its connection is polled, and last.
        Poll::Ready(this.look_ahead(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.stage() != Stage::Linger {
            let outcome = Pin::new(&mut this.stream).poll_shutdown(cx);
            let outcome = this.wrote(outcome);
            if !matches!(outcome, Poll::Ready(Ok(()))) || !this.watch.is_unread() {
                return outcome;
            }
            this.watch.enter(Stage::Linger);
        }
        this.poll_linger(cx).map(Ok)
    }
}
