use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use prost::Message;

use super::{answers, local};
use crate::{
    grpc::{self, Code, Frames},
    proto::ext_proc::ProcessingRequest,
};

/// Bytes that wait to be sent before nothing more is read.
const PENDING: usize = 256 * 1024;

/// One stream of messages, as whoever works on it sees it.
#[derive(Debug)]
pub(crate) struct Wire {
    incoming: Incoming,
    frames: Frames,
    out: Out,
}

type Out = Rc<RefCell<BytesMut>>;

/// The same stream as the connection sees it: the work is done when the connection asks for bytes. Where Envoy resets
/// the stream this is dropped, and the work with it.
pub(crate) struct Replies {
    /// `None` once it is done.
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
    out: Out,
    /// `None` once they are sent.
    trailers: Option<http::HeaderMap>,
}

// === impl Wire ===

impl Wire {
    /// A stream whose messages have at most `limit` bytes, and the work on it.
    pub(crate) fn open<F: Future<Output = ()> + 'static>(
        incoming: Incoming,
        limit: usize,
        work: impl FnOnce(Self) -> F,
    ) -> Replies {
        let out = Out::default();
        let wire = Self { incoming, frames: Frames::new(limit), out: Rc::clone(&out) };
        Replies { work: Some(Box::pin(work(wire))), out, trailers: Some(grpc::trailers(Code::Ok, "")) }
    }

    /// The next message; `None` at the end of the stream, and where what comes cannot be read: then nothing that was
    /// promised to the client can be kept, and ending the stream is all that is left.
    pub(crate) async fn next(&mut self) -> Option<ProcessingRequest> {
        self.next_message().await
    }

    /// The same for any message.
    pub(crate) async fn next_message<M: Message + Default>(&mut self) -> Option<M> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next<M: Message + Default>(&mut self, cx: &mut Context<'_>) -> Poll<Option<M>> {
        // What is due goes first; the connection comes back when it is out.
        if self.out.borrow().len() >= PENDING {
            return Poll::Pending;
        }
        loop {
            match self.frames.next().map(|message| message.map(M::decode)) {
                Ok(Some(Ok(request))) => return Poll::Ready(Some(request)),
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "a message of Envoy cannot be read");
                    self.send(&answers::immediate(local::unread(), local::OURS));
                    return Poll::Ready(None);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a message of Envoy is not taken");
                    // Ended without a word, Envoy would go on without the body that it has handed over.
                    self.send(&answers::immediate(local::untaken(&error.to_string()), local::OURS));
                    return Poll::Ready(None);
                }
            }
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        self.frames.push(piece);
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next message, where it is here already.
    pub(crate) fn ready(&mut self) -> Option<ProcessingRequest> {
        // Whoever gets nothing waits for the next one in earnest, which is then told of it.
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(request) => request,
            Poll::Pending => None,
        }
    }

    /// Waits until there is room for more to send.
    pub(crate) async fn room(&self) {
        // The connection takes what is there and comes back.
        poll_fn(|_| if self.out.borrow().len() >= PENDING { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    /// Puts an answer on its way.
    pub(crate) fn send(&self, response: &impl Message) {
        grpc::write(response, &mut self.out.borrow_mut());
    }
}

// === impl Replies ===

impl Replies {
    fn take(&self) -> Option<Bytes> {
        let mut out = self.out.borrow_mut();
        (!out.is_empty()).then(|| out.split().freeze())
    }
}

impl Default for Replies {
    /// Nothing to say, not even trailers.
    fn default() -> Self {
        Self { work: None, out: Out::default(), trailers: None }
    }
}

impl Body for Replies {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(work) = &mut self.work
            && work.as_mut().poll(cx).is_ready()
        {
            self.work = None;
        }
        if let Some(bytes) = self.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.work.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.work.is_none() && self.trailers.is_none() && self.out.borrow().is_empty()
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").field("done", &self.work.is_none()).finish_non_exhaustive()
    }
}
