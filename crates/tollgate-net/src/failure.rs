use std::{error::Error, io, sync::Arc};

pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

/// Why an upstream gave no complete answer.
///
/// `Display` prints Envoy's reset reason words, which operators and clients match on; the detail is the `source`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The name has no address, and none was known from before.
    #[error("connection failure")]
    Dns(#[source] Cause),
    /// Every address refused or was unreachable.
    #[error("connection failure")]
    Connect(#[source] Cause),
    /// No connection (name, TCP and TLS together) within the connect timeout.
    #[error("connection timeout")]
    ConnectTimeout,
    /// The TLS handshake failed, or the TLS settings cannot be used.
    #[error("connection failure")]
    Tls(#[source] Cause),
    /// Too many connections and waiting requests for this origin on this core.
    #[error("overflow")]
    Overflow,
    /// A kept connection turned out to be closed: no byte of a response came.
    #[error("connection termination")]
    StaleConnection,
    /// The upstream refused the HTTP/2 stream unprocessed (RFC 9113 section 8.7).
    #[error("remote refused stream reset")]
    Refused,
    /// The connection ended after the request was sent and before a response.
    #[error("connection termination")]
    Reset(#[source] Cause),
    /// The response head arrived, and its body did not end properly.
    #[error("remote reset")]
    Interrupted(#[source] Cause),
    /// What arrived is not HTTP.
    #[error("protocol error")]
    Protocol(#[source] Cause),
    /// No byte of the body within its idle timeout.
    #[error("stream timeout")]
    Idle,
    /// The body of the request could not be read from the client.
    #[error("local reset")]
    Request(#[source] Cause),
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Nothing reached a provider that could have acted on it.
    Safe,
    /// The upstream may have acted on the request before it failed.
    Unsure,
    /// Repeating cannot help or part of the response is already known.
    Never,
}

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The request was on its way.
    Sent,
    /// The response head had arrived.
    Responded,
}

// === impl Failure ===

impl Failure {
    /// Whether another attempt is safe.
    #[must_use]
    pub const fn safety(&self) -> Safety {
        match self {
            Self::Dns(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Tls(_)
            | Self::Overflow
            | Self::StaleConnection
            | Self::Refused => Safety::Safe,
            Self::Reset(_) | Self::Protocol(_) => Safety::Unsure,
            Self::Interrupted(_) | Self::Idle | Self::Request(_) => Safety::Never,
        }
    }

    pub(crate) fn from_hyper(error: hyper::Error, progress: Progress) -> Self {
        if error.is_user() || error.is_body_write_aborted() {
            return Self::Request(Arc::new(error));
        }
        if error.is_parse() {
            return Self::Protocol(Arc::new(error));
        }
        let reason = find::<h2::Error>(&error).and_then(h2::Error::reason);
        match (progress, reason) {
            (Progress::Responded, _) => Self::Interrupted(Arc::new(error)),
            (_, Some(h2::Reason::REFUSED_STREAM)) => Self::Refused,
            (_, Some(h2::Reason::PROTOCOL_ERROR)) => Self::Protocol(Arc::new(error)),
            (Progress::Sent, _) => Self::Reset(Arc::new(error)),
        }
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut error = error.source();
    while let Some(cause) = error {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        error = cause.source();
    }
    None
}

pub(crate) fn cause(text: &'static str) -> Cause {
    Arc::new(io::Error::other(text))
}
