use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tollgate_net::InboundError;

use crate::upload::Upload;

/// The client's body on its way to a backend. As long as nothing was read it comes back when it is dropped, so
/// that an attempt that found no connection leaves it to the next one.
#[derive(Debug)]
pub(crate) struct Lent {
    body: Option<Upload>,
    home: Option<oneshot::Sender<Upload>>,
}

/// Where a lent body comes back to.
#[derive(Debug)]
pub(crate) struct Loan(oneshot::Receiver<Upload>);

// === impl Lent ===

impl Lent {
    pub(crate) fn new(body: Upload) -> (Self, Loan) {
        let (home, loan) = oneshot::channel();
        (Self { body: Some(body), home: Some(home) }, Loan(loan))
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = InboundError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, InboundError>>> {
        self.home = None;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(home)) = (self.body.take(), self.home.take()) {
            // Nobody waits for it any more where the client has left.
            drop(home.send(body));
        }
    }
}

// === impl Loan ===

impl Loan {
    /// The body, where nobody has read from it.
    pub(crate) fn back(mut self) -> Option<Upload> {
        self.0.try_recv().ok()
    }
}
