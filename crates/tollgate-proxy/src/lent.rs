use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::upload::{Upload, UploadError};

/// The client's body on its way to a backend. As long as it can be sent again it comes back when it is dropped, so
/// that an attempt that found no connection leaves it to the next one.
#[derive(Debug)]
pub(crate) struct Lent {
    /// What goes before, and is held elsewhere.
    before: VecDeque<Bytes>,
    body: Option<Box<Upload>>,
    home: Option<oneshot::Sender<Box<Upload>>>,
}

/// Where a lent body comes back to.
#[derive(Debug)]
pub(crate) struct Loan(oneshot::Receiver<Box<Upload>>);

// === impl Lent ===

impl Lent {
    pub(crate) fn new(body: Box<Upload>) -> (Self, Loan) {
        Self::behind(Vec::new(), body)
    }

    /// The same behind the beginning of a form.
    pub(crate) fn behind(before: Vec<Bytes>, body: Box<Upload>) -> (Self, Loan) {
        let (home, loan) = oneshot::channel();
        (Self { before: before.into(), body: Some(body), home: Some(home) }, Loan(loan))
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Some(piece) = self.before.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let before: u64 = self.before.iter().map(|piece| piece.len() as u64).sum();
        let mut hint = self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint);
        match hint.exact() {
            Some(rest) => hint.set_exact(rest.saturating_add(before)),
            None => hint.set_lower(hint.lower().saturating_add(before)),
        }
        hint
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(mut body), Some(home)) = (self.body.take(), self.home.take())
            && body.rewind()
        {
            // Nobody waits for it any more where the client has left.
            drop(home.send(body));
        }
    }
}

// === impl Loan ===

impl Loan {
    /// The body, where it can be sent again.
    pub(crate) fn back(mut self) -> Option<Box<Upload>> {
        self.0.try_recv().ok()
    }
}
