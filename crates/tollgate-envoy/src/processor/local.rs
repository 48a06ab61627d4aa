//! Replies that no backend made.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_core::{Failure, LocalReply, Plan, Refusal};
use tollgate_llm::error_body;

/// What we call our own replies; Envoy tells it to the router level where the upstream level has answered.
pub(crate) const OURS: &str = "tollgate_refused";

/// The same for what is no refusal.
pub(crate) const ANSWERED: &str = "tollgate_answered";

/// What Envoy calls the reply of a backend.
const FROM_BACKEND: &str = "via_upstream";

/// Whose a reply is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// The backend's
    Backend,
    /// Ours: the upstream level refused
    Ours,
    /// Envoy's, about a backend that could not be asked; in its place goes our own wording
    Envoy(Box<Refusal>),
    /// Another filter's, or a route's
    Filter,
}

// === impl Author ===

impl Author {
    /// By what Envoy notes of the reply, and how long it has taken; without a note it is the backend's, since Envoy
    /// before 1.38 does not show us its own.
    pub(crate) fn of(details: Option<&str>, plan: &Plan, taken: Duration) -> Self {
        let Some(details) = details else { return Self::Backend };
        let (word, reason) = details.split_once('{').unwrap_or((details, ""));
        let reason = reason.trim_end_matches('}');
        // A policy that Envoy applies may have allowed less than what is known here.
        let limit = || plan.record().limit().map_or(taken, |limit| limit.min(taken));
        let refusal = match word {
            FROM_BACKEND => return Self::Backend,
            OURS => return Self::Ours,
            "no_healthy_upstream" | "cluster_not_found" => Refusal::NoEndpoints,
            "upstream_response_timeout"
            | "response_timeout"
            | "upstream_max_stream_duration_reached"
            | "request_overall_timeout" => Refusal::Deadline(limit()),
            "upstream_per_try_timeout" => Refusal::Upstream(Failure::Silent(limit())),
            "upstream_reset_before_response_started" => Refusal::Upstream(failure(reason)),
            _ => return Self::Filter,
        };
        Self::Envoy(Box::new(refusal))
    }
}

/// Why Envoy got no reply: its reset reason, then what the transport said, with a `|` between them.
fn failure(reason: &str) -> Failure {
    let (reason, said) = reason.split_once('|').unwrap_or((reason, ""));
    match reason {
        "remote_connection_failure" | "local_connection_failure" | "connection_failure" => {
            Failure::Connect(if said.is_empty() { reason } else { said }.replace('_', " "))
        }
        "connection_timeout" => Failure::ConnectTimeout,
        "overflow" => Failure::Overflow,
        "remote_refused_stream_reset" => Failure::Refused,
        "remote_reset" => Failure::ResetMidway,
        "connection_termination" | "connection_termination_delayed" => Failure::Reset,
        _ => Failure::Protocol(reason.replace('_', " ")),
    }
}

/// An error that is not about any request that the stages know.
pub(crate) fn reply(status: StatusCode, kind: &str, message: &str) -> LocalReply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    LocalReply { status, headers, body: error_body(status, kind, message) }
}

/// A head that is none.
pub(crate) fn not_http() -> LocalReply {
    reply(StatusCode::BAD_REQUEST, "BadRequest", "method, path or host of the request cannot be read")
}

/// A message that is larger than what is taken.
pub(crate) fn untaken(why: &str) -> LocalReply {
    reply(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", why)
}

/// A message that is none.
pub(crate) fn unread() -> LocalReply {
    reply(StatusCode::INTERNAL_SERVER_ERROR, "Internal", "a message of Envoy cannot be read")
}

/// A reply that broke after its beginning had gone to the client: Envoy breaks the connection.
pub(crate) fn broken_reply() -> LocalReply {
    LocalReply { status: StatusCode::BAD_GATEWAY, headers: HeaderMap::new(), body: Bytes::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_told_by_its_reason() {
        let connect = Failure::Connect("delayed connect error: 111".to_owned());
        assert_eq!(failure("remote_connection_failure|delayed_connect_error:_111"), connect);
        assert_eq!(failure("connection_termination"), Failure::Reset);
        assert_eq!(failure("overflow"), Failure::Overflow);
        assert_eq!(failure("protocol_error"), Failure::Protocol("protocol error".to_owned()));
    }
}
