use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{idle::Idle, watch::Watch};

/// Memory set aside for a body before its bytes have come, whatever its `content-length` claims.
const TRUSTED_LENGTH: usize = 1 << 20;

/// The body of a client's request, as it arrives.
#[derive(Debug)]
pub struct Inbound {
    incoming: Incoming,
    patience: Duration,
    idle: Option<Box<Idle>>,
    /// When all of the request has to be here.
    due: Option<Instant>,
    late: Option<Pin<Box<Sleep>>>,
    /// Whom to tell when the rest of the body is given up; none once it has ended.
    watch: Option<Arc<Watch>>,
    /// Over HTTP/2 connections are woken for more than their bodies.
    version: Version,
}

/// Why a request body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    /// More bytes than the caller allows: answer 413.
    #[error("request body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The client sent nothing for too long: answer 408.
    #[error("request body did not arrive in time")]
    Idle,
    /// All of it took too long: answer 408.
    #[error("request did not arrive in time")]
    Late,
    /// The client broke off, or what it sent is not HTTP.
    #[error("request body broke off")]
    Broken(#[source] hyper::Error),
}

// === impl Inbound ===

impl Inbound {
    /// `patience` is for each piece, `all` for the whole of it.
    pub(crate) fn new(
        incoming: Incoming,
        patience: Duration,
        all: Option<Duration>,
        watch: &Arc<Watch>,
    ) -> Self {
        let due = all.and_then(|all| Instant::now().checked_add(all));
        let watch = (!incoming.is_end_stream()).then(|| Arc::clone(watch));
        Self { incoming, patience, idle: None, due, late: None, watch, version: Version::HTTP_2 }
    }

    /// The same, as it came over this version of HTTP.
    pub(crate) fn of(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let incoming = &mut self.incoming;
        match &self.watch {
            Some(watch) if self.version != Version::HTTP_2 => watch.hushed(|| {
                let polled = Pin::new(&mut *incoming).poll_frame(cx);
                (polled, incoming.is_end_stream())
            }),
            Some(_) | None => Pin::new(incoming).poll_frame(cx),
        }
    }

    /// Reads the whole body into memory. A body that came in one piece is not copied.
    ///
    /// # Errors
    /// [`InboundError::TooLarge`] as soon as the length is known to exceed `limit` bytes; the others as they say.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, InboundError> {
        let too_large = InboundError::TooLarge { limit };
        let expected = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        if expected > limit {
            return Err(too_large);
        }
        let Some(first) = self.next_data().await? else { return Ok(Bytes::new()) };
        if first.len() > limit {
            return Err(too_large);
        }
        if self.is_end_stream() {
            return Ok(first);
        }
        let Some(second) = self.next_data().await? else { return Ok(first) };
        let mut whole = BytesMut::with_capacity(expected.min(TRUSTED_LENGTH).max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if whole.len() + chunk.len() > limit {
                return Err(too_large);
            }
            whole.extend_from_slice(&chunk);
            next = self.next_data().await?;
        }
        Ok(whole.freeze())
    }

    /// The next piece, in the buffer in which it came; `None` at the end.
    ///
    /// # Errors
    /// [`InboundError`]
    pub async fn next_data(&mut self) -> Result<Option<Bytes>, InboundError> {
        loop {
            match poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await.transpose()? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.leave_unread();
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = InboundError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, InboundError>>> {
        let this = self.get_mut();
        match this.poll_incoming(cx) {
            Poll::Ready(frame) => {
                if let Some(idle) = &mut this.idle {
                    idle.reset();
                }
                if frame.is_none() || this.incoming.is_end_stream() {
                    this.watch = None;
                }
                Poll::Ready(frame.map(|frame| frame.map_err(InboundError::Broken)))
            }
            Poll::Pending => {
                if let Some(due) = this.due {
                    let late = this.late.get_or_insert_with(|| Box::pin(sleep_until(due)));
                    if late.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Some(Err(InboundError::Late)));
                    }
                }
                let patience = this.patience;
                let idle = this.idle.get_or_insert_with(|| Box::new(Idle::new(patience)));
                idle.poll(cx).map(|()| Some(Err(InboundError::Idle)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
