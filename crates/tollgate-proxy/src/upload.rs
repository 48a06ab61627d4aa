use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use tokio::sync::mpsc;
use tollgate_core::FormRest;
use tollgate_llm::BadRequest;
use tollgate_net::{Inbound, InboundError};

/// Chunks a copy may lag behind; one that lags further is broken off, so that the client loses no speed.
const LAG: usize = 16;

/// A client's body on its way to a backend, and to those who get a copy.
#[derive(Debug)]
pub(crate) struct Upload {
    inbound: Inbound,
    copies: SmallVec<[mpsc::Sender<Piece>; 1]>,
    /// Reads the body as it passes, where it is the rest of a form.
    form: Option<FormRest>,
    kept: Kept,
    /// Set once all of it has come, where somebody wants to know.
    ended: Option<Arc<AtomicBool>>,
}

/// What is left to send a body again.
#[derive(Debug)]
enum Kept {
    /// Nothing was read yet.
    All,
    /// What was read, and how much of it was sent again; so many bytes more may be kept.
    Pieces { pieces: Vec<Bytes>, sent: usize, room: usize },
    /// Some of it is gone.
    Lost,
}

/// Why a client's body does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error(transparent)]
    Inbound(#[from] InboundError),
    /// The rest of a form must not be sent.
    #[error(transparent)]
    Form(#[from] BadRequest),
}

/// The same body for somebody else, as far as it can keep up.
#[derive(Debug)]
pub(crate) struct UploadCopy {
    /// What goes before.
    before: VecDeque<Bytes>,
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
        Self { inbound, copies: SmallVec::new(), form: None, kept: Kept::All, ended: None }
    }

    /// The rest of a form; `ended` is set once all of it has come.
    pub(crate) fn rest_of(form: FormRest, inbound: Inbound, ended: Arc<AtomicBool>) -> Self {
        Self { form: Some(form), ended: Some(ended), ..Self::new(inbound) }
    }

    /// Keeps up to so many bytes of a form, so that they can be sent again.
    pub(crate) fn keep(&mut self, room: usize) {
        if self.form.is_some() {
            self.kept = Kept::Pieces { pieces: Vec::new(), sent: 0, room };
        }
    }

    /// Goes back to the beginning; false where some of it is gone.
    pub(crate) fn rewind(&mut self) -> bool {
        match &mut self.kept {
            Kept::All => true,
            Kept::Pieces { sent, .. } => {
                *sent = 0;
                true
            }
            Kept::Lost => false,
        }
    }

    /// The next piece that was kept.
    fn again(&mut self) -> Option<Bytes> {
        let Kept::Pieces { pieces, sent, .. } = &mut self.kept else { return None };
        let piece = pieces.get(*sent)?.clone();
        *sent += 1;
        Some(piece)
    }

    fn note(&mut self, piece: &Bytes) -> Result<(), BadRequest> {
        if let Some(form) = &mut self.form {
            form.push(piece)?;
        }
        match &mut self.kept {
            Kept::Pieces { pieces, sent, room } if piece.len() <= *room => {
                *room -= piece.len();
                *sent += 1;
                pieces.push(piece.clone());
            }
            kept => *kept = Kept::Lost,
        }
        Ok(())
    }

    /// Bytes that are kept and not yet sent again.
    fn waiting(&self) -> u64 {
        match &self.kept {
            Kept::Pieces { pieces, sent, .. } => {
                pieces.iter().skip(*sent).map(|piece| piece.len() as u64).sum()
            }
            Kept::All | Kept::Lost => 0,
        }
    }

    /// The body itself, to be read whole; copies are made of what was read.
    pub(crate) fn into_inbound(self) -> Inbound {
        self.inbound
    }

    pub(crate) fn copy(&mut self) -> UploadCopy {
        let (copy, pieces) = mpsc::channel(LAG);
        self.copies.push(copy);
        UploadCopy {
            before: VecDeque::new(),
            pieces,
            size: self.inbound.size_hint(),
            over: self.inbound.is_end_stream(),
        }
    }

    fn share(&mut self, piece: &Piece) {
        self.copies.retain(|copy| copy.try_send(piece.clone()).is_ok());
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        if let Some(piece) = this.again() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let frame = ready!(Pin::new(&mut this.inbound).poll_frame(cx));
        if let Some(ended) = &this.ended {
            ended.store(frame.is_none() || this.inbound.is_end_stream(), Relaxed);
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(error) = this.note(data)
        {
            return Poll::Ready(Some(Err(error.into())));
        }
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
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inbound.is_end_stream() && self.waiting() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inbound.size_hint();
        let waiting = self.waiting();
        match hint.exact() {
            Some(rest) => hint.set_exact(rest.saturating_add(waiting)),
            None => hint.set_lower(hint.lower().saturating_add(waiting)),
        }
        hint
    }
}

// === impl UploadCopy ===

impl UploadCopy {
    /// The same behind the beginning of a form.
    pub(crate) fn behind(mut self, before: Vec<Bytes>) -> Self {
        self.before = before.into();
        // How long all of it is matters to nobody.
        self.size = SizeHint::default();
        self
    }
}

impl Body for UploadCopy {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(piece) = self.before.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
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
        self.over && self.before.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
