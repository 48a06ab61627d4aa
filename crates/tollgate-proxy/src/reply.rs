use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use tollgate_balance::Pace;
use tollgate_net::Chunks;
use tollgate_wire::encoding::Encoder;

use crate::{paced::Paced, packed::Packed, relay::Relay};

/// What a client gets after the head.
#[derive(Debug)]
pub struct ReplyBody(Kind);

/// The reply broke off, and the client has to notice: its connection is aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply broke off")]
pub struct Broken;

#[derive(Debug)]
enum Kind {
    Whole(Chunks),
    Relay(Box<Relay>),
    Packed(Box<Packed>),
    Paced(Box<Paced<ReplyBody>>),
}

// === impl ReplyBody ===

impl ReplyBody {
    /// All of it is here.
    pub(crate) fn whole(body: impl Into<Chunks>) -> Self {
        Self(Kind::Whole(body.into()))
    }

    pub(crate) fn relay(relay: Box<Relay>) -> Self {
        Self(Kind::Relay(relay))
    }

    /// The same, compressed.
    pub(crate) fn packed(self, encoder: Encoder) -> Self {
        Self(Kind::Packed(Packed::new(encoder, self)))
    }

    /// The same, no faster than this.
    pub(crate) fn paced(self, pace: Arc<Pace>) -> Self {
        Self(Kind::Paced(Box::new(Paced::new(self, pace))))
    }

    /// Takes away what no reply to a HEAD has, where all of it is here; how many bytes it was.
    pub(crate) fn withhold(&mut self) -> Option<usize> {
        match &mut self.0 {
            Kind::Whole(chunks) if !chunks.is_empty() => Some(std::mem::take(chunks).remaining()),
            Kind::Whole(_) | Kind::Relay(_) | Kind::Packed(_) | Kind::Paced(_) => None,
        }
    }

    pub(crate) fn empty() -> Self {
        Self(Kind::Whole(Chunks::default()))
    }
}

impl Body for ReplyBody {
    type Data = Chunks;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunks>, Broken>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(chunks) if chunks.is_empty() => Poll::Ready(None),
            Kind::Whole(chunks) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(chunks))))),
            Kind::Relay(relay) => relay.poll_frame(cx),
            Kind::Packed(packed) => packed.poll_frame(cx),
            Kind::Paced(paced) => Pin::new(&mut **paced).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(chunks) => chunks.is_empty(),
            Kind::Relay(relay) => relay.is_over(),
            Kind::Packed(packed) => packed.is_over(),
            Kind::Paced(paced) => paced.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(chunks) => SizeHint::with_exact(chunks.remaining() as u64),
            Kind::Relay(_) | Kind::Packed(_) => SizeHint::default(),
            Kind::Paced(paced) => paced.size_hint(),
        }
    }
}
