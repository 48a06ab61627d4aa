use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use tokio::sync::mpsc;
use tollgate_net::{Inbound, InboundError};

/// Chunks a copy may lag behind; one that lags further is broken off, so that the client loses no speed.
const LAG: usize = 16;

/// A client's body on its way to a backend, and to those who get a copy.
#[derive(Debug)]
pub(crate) struct Upload {
    inbound: Inbound,
    copies: SmallVec<[mpsc::Sender<Piece>; 1]>,
}

/// The same body for somebody else, as far as it can keep up.
#[derive(Debug)]
pub(crate) struct UploadCopy {
    pieces: mpsc::Receiver<Piece>,
    size: SizeHint,
    over: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    End,
}

// === impl Upload ===

impl Upload {
    pub(crate) fn new(inbound: Inbound) -> Self {
        Self { inbound, copies: SmallVec::new() }
    }

    /// The body itself, to be read whole; copies are made of what was read.
    pub(crate) fn into_inbound(self) -> Inbound {
        self.inbound
    }

    pub(crate) fn copy(&mut self) -> UploadCopy {
        let (copy, pieces) = mpsc::channel(LAG);
        self.copies.push(copy);
        UploadCopy { pieces, size: self.inbound.size_hint(), over: self.inbound.is_end_stream() }
    }

    fn share(&mut self, piece: &Piece) {
        self.copies.retain(|copy| copy.try_send(piece.clone()).is_ok());
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = InboundError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, InboundError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inbound).poll_frame(cx));
        if !this.copies.is_empty() {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                this.share(&Piece::Data(data.clone()));
            }
            if frame.is_none() || (matches!(frame, Some(Ok(_))) && this.inbound.is_end_stream()) {
                this.share(&Piece::End);
                this.copies.clear();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inbound.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inbound.size_hint()
    }
}

// === impl UploadCopy ===

impl Body for UploadCopy {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.over {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(cx)) {
            Some(Piece::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Piece::End) => {
                self.over = true;
                None
            }
            None => Some(Err(io::Error::other("the copied request broke off"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
