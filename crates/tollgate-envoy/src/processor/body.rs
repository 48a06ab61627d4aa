//! The client's body as it comes over a stream of messages.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::time::timeout;
use tollgate_core::{LocalReply, Refusal};

use super::{
    answers::{self, Route, Way},
    heads::{Changes, Seen},
    wire::Wire,
};
use crate::proto::ext_proc::{ProcessingRequest, Said};

/// How long a body that is held may take to arrive.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a body that nobody reads is let go by at most, and how long it may pause.
const UNREAD: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a body in one message.
const PIECE: usize = 64 * 1024;

/// How far the client's body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// More of it may come
    Open,
    /// Envoy has it, and sends it in one piece once it is asked for it
    Held,
    /// It has ended
    Ended,
    /// It has ended with trailers
    Trailed,
}

/// What came in place of the body.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The stream has ended: the client left, or Envoy did.
    Gone,
    /// It cannot be taken.
    Refused(Refusal),
    /// Somebody has answered already.
    Answered(Box<ProcessingRequest>),
}

// === impl Body ===

impl Body {
    /// As the head says.
    pub(crate) const fn after_head(end_of_stream: bool) -> Self {
        if end_of_stream { Self::Ended } else { Self::Open }
    }

    /// The next piece; nothing once it has ended.
    pub(crate) async fn next(&mut self, wire: &mut Wire) -> Result<Option<Bytes>, Stop> {
        let held = match self {
            Self::Open => false,
            Self::Held => {
                wire.send(&answers::head(Way::Request, Changes::default(), Route::Keep));
                true
            }
            Self::Ended | Self::Trailed => return Ok(None),
        };
        let Some(request) = wire.next().await else { return Err(Stop::Gone) };
        match request.said {
            Some(Said::RequestBody(body)) => {
                *self = Self::after_head(held || body.end_of_stream);
                Ok(Some(body.body))
            }
            Some(Said::RequestTrailers(_)) => {
                *self = Self::Trailed;
                Ok(None)
            }
            _ => Err(Stop::Answered(Box::new(request))),
        }
    }

    /// Lets the rest go by until it pauses, before somebody answers who has not read it: Envoy 1.36 ends with a
    /// segmentation fault where the answer to a head overtakes the pieces that follow it.
    pub(crate) async fn go_by(&mut self, wire: &mut Wire) {
        let rest = async { while let Ok(Ok(Some(_))) = timeout(PAUSE, self.next(wire)).await {} };
        // What takes longer is not waited for.
        let (Ok(()) | Err(_)) = timeout(UNREAD, rest).await;
    }

    /// All of it, of at most `limit` bytes.
    pub(crate) async fn collect(&mut self, wire: &mut Wire, limit: usize) -> Result<Bytes, Stop> {
        match timeout(PATIENCE, self.gather(wire, limit)).await {
            Ok(gathered) => gathered,
            Err(_) => Err(Stop::Refused(Refusal::SlowBody(PATIENCE))),
        }
    }

    async fn gather(&mut self, wire: &mut Wire, limit: usize) -> Result<Bytes, Stop> {
        let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
        while let Some(piece) = self.next(wire).await? {
            if first.len() + joined.len() + piece.len() > limit {
                return Err(Stop::Refused(Refusal::TooLarge(limit)));
            }
            if joined.is_empty() && first.is_empty() {
                first = piece;
            } else if !piece.is_empty() {
                // Not held beside each other, since what is cut out of Envoy's messages keeps all of them.
                if joined.is_empty() {
                    joined.reserve(first.len() + piece.len());
                    joined.extend_from_slice(&std::mem::take(&mut first));
                }
                joined.extend_from_slice(&piece);
            }
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    /// Gives Envoy a body that has come to its end, or all there is of it until now.
    pub(crate) async fn give(self, wire: &mut Wire, pieces: impl IntoIterator<Item = Bytes>) {
        let mut pieces = pieces.into_iter().peekable();
        let mut empty = true;
        while let Some(mut piece) = pieces.next() {
            while piece.len() > PIECE {
                wire.room().await;
                wire.send(&answers::piece(Way::Request, piece.split_to(PIECE), false));
            }
            let last = pieces.peek().is_none();
            empty = false;
            wire.send(&answers::piece(Way::Request, piece, last && self == Self::Ended));
        }
        match self {
            Self::Ended if empty => wire.send(&answers::piece(Way::Request, Bytes::new(), true)),
            Self::Trailed => wire.send(&answers::trailers(Way::Request)),
            Self::Open | Self::Held | Self::Ended => {}
        }
    }
}

/// Lets the rest of the stream pass as it is: whatever was to be said has been said.
pub(crate) async fn pass(wire: &mut Wire) {
    while let Some(request) = wire.next().await {
        if let Some(said) = request.said {
            wire.send(&answers::unchanged(said));
        }
    }
}

/// What somebody else has answered, as far as its head tells: it is not ours to change.
pub(crate) fn vetoed(seen: &Seen) -> Refusal {
    let status = seen.status.parse().ok().and_then(|status: u16| StatusCode::from_u16(status).ok());
    Refusal::Vetoed(Box::new(LocalReply {
        status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }))
}
