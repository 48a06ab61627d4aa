use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tollgate_net::Chunks;
use tollgate_wire::encoding::Encoder;

use crate::{Broken, ReplyBody};

/// A reply that is compressed on its way. What came in one frame leaves in one frame: nothing waits for more.
#[derive(Debug)]
pub(crate) struct Packed {
    inner: ReplyBody,
    /// `None` once all is out but the trailers.
    encoder: Option<Encoder>,
    trailers: Option<HeaderMap>,
}

type Poked = Poll<Option<Result<Frame<Chunks>, Broken>>>;

// === impl Packed ===

impl Packed {
    pub(crate) fn new(encoder: Encoder, inner: ReplyBody) -> Box<Self> {
        Box::new(Self { inner, encoder: Some(encoder), trailers: None })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poked {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let packed = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunks) => self.push(chunks),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.finish()
                    }
                },
                Some(Err(broken)) => return Poll::Ready(Some(Err(broken))),
                None => self.finish(),
            };
            match packed {
                Some(packed) if packed.is_empty() => {}
                Some(packed) => {
                    return Poll::Ready(Some(Ok(Frame::data(Chunks::from(Bytes::from(packed))))));
                }
                None => return Poll::Ready(Some(Err(Broken))),
            }
        }
    }

    /// `None` where the codec fails, which a broken reply tells the client.
    fn push(&mut self, mut chunks: Chunks) -> Option<Vec<u8>> {
        let encoder = self.encoder.as_mut()?;
        while chunks.has_remaining() {
            let piece = chunks.chunk();
            let read = piece.len();
            encoder.push(piece).ok()?;
            chunks.advance(read);
        }
        if self.inner.is_end_stream() { self.finish() } else { encoder.flush().ok() }
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        self.encoder.take()?.finish().ok()
    }
}
