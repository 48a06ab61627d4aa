use std::time::Duration;

use tollgate_llm::Fault;
use tollgate_snapshot::Came;

/// Why an attempt came to nothing. Hosts map their own errors to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name could not be resolved; carries the resolver's words.
    #[error("dns failure: {0}")]
    Dns(String),
    /// Nobody listens there, or the network is in the way.
    #[error("connection failure: {0}")]
    Connect(String),
    /// Connecting took too long.
    #[error("connection timeout")]
    ConnectTimeout,
    /// The handshake failed; carries the reason.
    #[error("tls failure: {0}")]
    Tls(String),
    /// The connection went down before the head of the reply.
    #[error("connection termination")]
    Reset,
    /// The backend refused the stream unprocessed (RFC 9113, 8.7).
    #[error("remote refused stream reset")]
    Refused,
    /// The connection went down in the middle of the reply.
    #[error("remote reset")]
    ResetMidway,
    /// What came back is not HTTP, or breaks its rules.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// No head of a reply in time.
    #[error("no reply within {0:?}")]
    Silent(Duration),
    /// The stream paused for too long.
    #[error("no data within {0:?}")]
    Stalled(Duration),
    /// Too many connections and too many waiting for one.
    #[error("overflow")]
    Overflow,
    /// The provider's reply cannot be used.
    #[error(transparent)]
    Reply(#[from] Fault),
}

// === impl Failure ===

impl Failure {
    /// What it is to those who decide about a further attempt.
    #[must_use]
    pub const fn came(&self) -> Came {
        match self {
            Self::Overflow => Came::Overflow,
            Self::Refused => Came::Refused,
            failure if failure.before_sending() => Came::NotSent,
            _ => Came::Broken,
        }
    }

    /// True where the backend cannot have seen the request, so that even a request with side effects may be sent
    /// again.
    #[must_use]
    pub const fn before_sending(&self) -> bool {
        match self {
            Self::Dns(_) | Self::Connect(_) | Self::ConnectTimeout | Self::Tls(_) | Self::Overflow => true,
            Self::Reset
            | Self::Refused
            | Self::ResetMidway
            | Self::Protocol(_)
            | Self::Silent(_)
            | Self::Stalled(_)
            | Self::Reply(_) => false,
        }
    }

    /// A stable word for metrics and logs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls(_) => "tls",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::ResetMidway => "reset_midway",
            Self::Protocol(_) => "protocol",
            Self::Silent(_) => "timeout",
            Self::Stalled(_) => "stalled",
            Self::Overflow => "overflow",
            Self::Reply(Fault::ErrorInReply(_)) => "error_in_reply",
            Self::Reply(Fault::Malformed(_)) => "malformed_reply",
            Self::Reply(Fault::Truncated) => "truncated_reply",
            Self::Reply(Fault::TooLarge(_)) => "reply_too_large",
        }
    }
}
