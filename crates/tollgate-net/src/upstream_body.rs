use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    Chunks, Failure, Tunnelled,
    failure::Progress,
    idle::Idle,
    pool::{Home, Http1, InUse},
};

/// Bytes that are gathered at most before they are handed on.
const GATHER: usize = 64 * 1024;

/// The body of an upstream's response.
///
/// Dropped before its end, an HTTP/1 connection is closed and an HTTP/2 stream reset.
pub struct UpstreamBody {
    source: Source,
    /// Data that came with the end: the connection serves others already.
    last: Bytes,
    idle: Option<Box<Idle>>,
    failed: Option<Failure>,
    trailers: Option<Box<HeaderMap>>,
    over: bool,
}

/// The same body in frames of several chunks: what one read of the upstream brought leaves in one write.
#[derive(Debug)]
pub struct Gathered(UpstreamBody);

enum Source {
    Http1 { connection: Box<Http1>, home: Rc<Home> },
    Http2 { incoming: Incoming, _in_use: InUse },
    Done,
}

// === impl UpstreamBody ===

impl UpstreamBody {
    /// `switched` where the connection is to become a tunnel.
    pub(crate) fn http1(connection: Box<Http1>, home: Rc<Home>, switched: bool) -> Self {
        let mut body = Self::new(Source::Http1 { connection, home });
        if !switched {
            body.release_if_read();
        }
        body
    }

    pub(crate) const fn http2(incoming: Incoming, in_use: InUse) -> Self {
        Self::new(Source::Http2 { incoming, _in_use: in_use })
    }

    const fn new(source: Source) -> Self {
        Self { source, last: Bytes::new(), idle: None, failed: None, trailers: None, over: false }
    }

    /// The connection under a 101. `None` under any other response.
    #[must_use]
    pub fn into_tunnel(self) -> Option<Tunnelled> {
        match self.source {
            Source::Http1 { connection, .. } if connection.is_read() => {
                let (transport, prefix, slot) = connection.into_tunnel();
                Some(Tunnelled::upstream(transport, prefix, slot))
            }
            Source::Http1 { .. } | Source::Http2 { .. } | Source::Done => None,
        }
    }

    /// Fails with [`Failure::Idle`] when no byte comes for `limit`; counted from now.
    pub fn set_idle_timeout(&mut self, limit: Duration) {
        self.idle = Some(Box::new(Idle::new(limit)));
    }

    /// Appends all chunks that are there to `chunks` without joining them, and waits only where there are none.
    /// `None` is the end; trailers are then in [`UpstreamBody::take_trailers`].
    pub fn poll_chunks(
        &mut self,
        cx: &mut Context<'_>,
        chunks: &mut Vec<Bytes>,
    ) -> Poll<Option<Result<(), Failure>>> {
        self.poll_gather(cx, |chunk| chunks.push(chunk))
    }

    /// As [`UpstreamBody::poll_chunks`], for whoever has a place for each chunk.
    pub fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Bytes),
    ) -> Poll<Option<Result<(), Failure>>> {
        if let Some(failure) = self.failed.take() {
            self.over = true;
            return Poll::Ready(Some(Err(failure)));
        }
        let (mut gathered, mut ended) = (0, false);
        while gathered < GATHER {
            match self.poll_next(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(chunk) => {
                        gathered += chunk.len();
                        take(chunk);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
                },
                Poll::Ready(Some(Err(failure))) if gathered == 0 => return Poll::Ready(Some(Err(failure))),
                Poll::Ready(Some(Err(failure))) => {
                    self.failed = Some(failure);
                    break;
                }
                Poll::Ready(None) => {
                    ended = true;
                    break;
                }
                Poll::Pending if gathered == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if ended && gathered == 0 { Poll::Ready(None) } else { Poll::Ready(Some(Ok(()))) }
    }

    /// As [`UpstreamBody::poll_chunks`].
    ///
    /// # Errors
    /// How the upstream broke off; chunks that came before were handed out.
    pub async fn next_chunks(&mut self, chunks: &mut Vec<Bytes>) -> Option<Result<(), Failure>> {
        poll_fn(|cx| self.poll_chunks(cx, chunks)).await
    }

    /// The trailers, once the body has ended.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().map(|trailers| *trailers)
    }

    /// A body that sends what one read brought as one frame.
    #[must_use]
    pub const fn gathered(self) -> Gathered {
        Gathered(self)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let polled = match &mut self.source {
            Source::Http1 { connection, .. } => {
                connection.poll_body(cx).map(|data| data.map(|data| data.map(Frame::data)))
            }
            Source::Http2 { incoming, .. } => Pin::new(incoming).poll_frame(cx).map(|frame| {
                frame.map(|frame| frame.map_err(|error| Failure::from_hyper(error, Progress::Responded)))
            }),
            Source::Done if self.last.is_empty() => Poll::Ready(None),
            Source::Done => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.last))))),
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(idle) = &mut self.idle {
                    idle.reset();
                }
                self.release_if_read();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.over = true;
                self.release();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(failure))) => {
                self.stop();
                Poll::Ready(Some(Err(failure)))
            }
            Poll::Pending => {
                let Some(idle) = &mut self.idle else { return Poll::Pending };
                ready!(idle.poll(cx));
                self.stop();
                Poll::Ready(Some(Err(Failure::Idle)))
            }
        }
    }

    /// A body whose last byte is here is over: nobody asks it for an end.
    fn release_if_read(&mut self) {
        let read = match &self.source {
            Source::Http1 { connection, .. } => connection.is_read(),
            Source::Http2 { incoming, .. } => incoming.is_end_stream(),
            Source::Done => false,
        };
        if read {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Source::Http1 { mut connection, home } = std::mem::replace(&mut self.source, Source::Done) {
            self.last = connection.take_data();
            self.trailers = connection.take_trailers();
            connection.release(&home);
        }
    }

    fn stop(&mut self) {
        self.over = true;
        self.source = Source::Done;
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        match this.poll_next(cx) {
            Poll::Ready(None) => {
                Poll::Ready(this.take_trailers().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        let source_ended = match &self.source {
            // What is read whole is released at once; a tunnel has no body.
            Source::Http1 { connection, .. } => connection.is_read(),
            Source::Http2 { incoming, .. } => incoming.is_end_stream(),
            Source::Done => self.last.is_empty(),
        };
        self.failed.is_none() && self.trailers.is_none() && (self.over || source_ended)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1 { connection, .. } => connection.size_hint(),
            Source::Http2 { incoming, .. } => incoming.size_hint(),
            Source::Done => SizeHint::with_exact(self.last.len() as u64),
        }
    }
}

// === impl Gathered ===

impl Body for Gathered {
    type Data = Chunks;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunks>, Failure>>> {
        let this = self.get_mut();
        let mut chunks = Chunks::default();
        match this.0.poll_gather(cx, |chunk| chunks.push(chunk)) {
            Poll::Ready(Some(Ok(()))) => Poll::Ready(Some(Ok(Frame::data(chunks)))),
            Poll::Ready(Some(Err(failure))) => Poll::Ready(Some(Err(failure))),
            Poll::Ready(None) => {
                Poll::Ready(this.0.take_trailers().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.failed.is_none() && self.0.trailers.is_none() && self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
