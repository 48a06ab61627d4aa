use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::time::{Instant, Sleep, sleep};
use tollgate_balance::Pace;
use tollgate_net::Payload;

/// A body that goes no faster than its policy allows. It is not read ahead: whoever sends it is held back.
#[derive(Debug)]
pub(crate) struct Paced<B: Body> {
    inner: B,
    pace: Arc<Pace>,
    /// What has been read and not been passed on.
    rest: Option<B::Data>,
    /// Bytes of it that go next, since their turn was taken.
    booked: usize,
    turn: Option<Pin<Box<Sleep>>>,
}

/// A body that is all here, at this pace if at any.
pub(crate) fn whole(body: Bytes, pace: Option<Arc<Pace>>) -> Payload {
    match pace {
        Some(pace) if !body.is_empty() => Payload::streamed(Paced::new(Full::new(body), pace)),
        Some(_) | None => Payload::Whole(body),
    }
}

// === impl Paced ===

impl<B: Body> Paced<B> {
    pub(crate) const fn new(inner: B, pace: Arc<Pace>) -> Self {
        Self { inner, pace, rest: None, booked: 0, turn: None }
    }

    fn left(&self) -> usize {
        self.rest.as_ref().map_or(0, Buf::remaining)
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data: From<Bytes> + Unpin> + Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        loop {
            if let Some(turn) = &mut this.turn {
                ready!(turn.as_mut().poll(cx));
                this.turn = None;
            }
            if let Some(rest) = this.rest.as_mut().filter(|rest| rest.has_remaining()) {
                if this.booked > 0 {
                    let piece = rest.copy_to_bytes(std::mem::take(&mut this.booked));
                    return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
                }
                this.booked = rest.remaining().min(this.pace.piece());
                let wait = this.pace.book(this.booked, Instant::now().into_std());
                this.turn = (!wait.is_zero()).then(|| Box::pin(sleep(wait)));
                continue;
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = Some(data),
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0 && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (left, inner) = (self.left() as u64, self.inner.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(left));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, num::NonZeroU64, time::Duration};

    use crate::ReplyBody;

    use super::*;

    async fn next(body: &mut Paced<ReplyBody>) -> Option<usize> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?.unwrap();
        Some(frame.into_data().unwrap().remaining())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_comes_in_pieces_and_no_faster_than_it_may() {
        let pace = Arc::new(Pace::new(NonZeroU64::new(2000).unwrap()));
        let body = || Paced::new(ReplyBody::whole(Bytes::from(vec![b'a'; 3000])), Arc::clone(&pace));
        let (mut one, mut two) = (body(), body());
        assert_eq!(one.size_hint().exact(), Some(3000));
        let began = Instant::now();
        let mut sizes = Vec::new();
        while let Some(size) = next(&mut one).await {
            sizes.push(size);
        }
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (30, 3000));
        assert!(one.is_end_stream());
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_millis(550), "{took:?}");
        while next(&mut two).await.is_some() {}
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2050), "one pace: {took:?}");
    }
}
