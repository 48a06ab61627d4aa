use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::Inbound;

type BoxError = Box<dyn Error + Send + Sync>;
type Streamed = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// The body of a request to an upstream.
pub enum Payload {
    /// All of it in memory: it can be sent again.
    Whole(Bytes),
    /// The client's body as it arrives: it can be sent once.
    Inbound(Inbound),
    /// Any other stream: it can be sent once.
    Streamed(Streamed),
}

// === impl Payload ===

impl Payload {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// Sends what `body` yields.
    pub fn streamed<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self::Streamed(Box::pin(Boxed { body }))
    }

    /// The same body once more, where it is all in memory.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Inbound(_) | Self::Streamed(_) => None,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(&bytes.len()).finish(),
            Self::Inbound(_) => f.write_str("Inbound"),
            Self::Streamed(_) => f.write_str("Streamed"),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Inbound> for Payload {
    fn from(body: Inbound) -> Self {
        if body.is_end_stream() { Self::empty() } else { Self::Inbound(body) }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Inbound(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Streamed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Inbound(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Inbound(body) => body.size_hint(),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

pin_project_lite::pin_project! {
    struct Boxed<B> {
        #[pin]
        body: B,
    }
}

// === impl Boxed ===

impl<B: Body<Error: Into<BoxError>>> Body for Boxed<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        self.project().body.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
