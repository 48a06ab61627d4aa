use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_snapshot::{Abort, OverrideWith, ReplySource};

use crate::{Answered, Attempt, LocalReply, Now, Plan, Record, Refusal, headers, redirect, routed::Payload};

/// What has to be done before a backend is asked, as the rule's policy wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prelude {
    /// Wait for this long.
    pub delay: Option<Duration>,
    /// Then give up like this.
    pub abort: Option<Abort>,
    /// Read the client's body first, of at most so many bytes; then [`Plan::hold`].
    pub buffer: Option<usize>,
}

// === impl Plan ===

impl Plan {
    /// What has to be done before [`Plan::next_attempt`]; `None` where that is nothing.
    #[must_use]
    pub fn prelude(&self, random: impl FnOnce() -> [u64; 2]) -> Option<Prelude> {
        let traffic = &self.rule.traffic;
        let faults = traffic.faults.as_ref();
        if faults.is_none() && traffic.request_buffer.is_none() {
            return None;
        }
        let (delay, abort) = faults.map(|faults| faults.of_request(random())).unwrap_or_default();
        // What is upgraded is no message that ends.
        let upgrades = headers::upgrade(&self.record.head.headers).is_some();
        // Forms are held as far as routing needs them, and streamed behind that.
        let buffer =
            traffic.request_buffer.filter(|_| !upgrades && !matches!(self.payload, Payload::Form { .. }));
        Some(Prelude { delay, abort, buffer })
    }

    /// The client's whole body, read because the policy wants it. It can be sent as often as need be.
    pub fn hold(&mut self, body: Bytes) {
        self.record.bytes_in = body.len() as u64;
        if let Payload::Http = self.payload {
            self.payload = Payload::Whole(body);
        }
    }

    /// Ends with another reply than the backend's, as [`Verdict::Replace`](crate::Verdict::Replace) says.
    #[must_use]
    pub fn replace(self, attempt: &Attempt, reply: LocalReply, now: Now) -> Answered {
        self.credit(attempt, now);
        Answered { record: self.record, reply }
    }
}

/// What the rule's policy has the client get in place of this reply.
pub(crate) fn replaced(
    record: &Record,
    source: ReplySource,
    (status, headers): (StatusCode, &HeaderMap),
) -> Option<LocalReply> {
    let overrides = &record.rule.as_ref()?.traffic.overrides;
    let found = overrides.iter().find(|one| one.matches(source, status, headers))?;
    Some(match &found.with {
        OverrideWith::Redirect(to) => redirect::reply(to, record),
        OverrideWith::Response { status: other, headers: edit, body } => {
            let mut headers = HeaderMap::new();
            if !body.is_empty() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            }
            edit.apply(&mut headers);
            LocalReply { status: other.unwrap_or(status), headers, body: body.clone() }
        }
    })
}

/// The reply to a request that fails on purpose.
pub(crate) fn aborted(abort: Abort, text: String) -> LocalReply {
    let mut headers = HeaderMap::new();
    match abort {
        Abort::Status(status) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            LocalReply { status, headers, body: text.into() }
        }
        Abort::Grpc(code) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", u16::from(code).into());
            headers
                .insert("grpc-message", HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")));
            LocalReply { status: StatusCode::OK, headers, body: Bytes::new() }
        }
    }
}

/// The status that stands for an abort.
pub(crate) const fn abort_status(abort: Abort) -> StatusCode {
    match abort {
        Abort::Status(status) => status,
        Abort::Grpc(_) => StatusCode::OK,
    }
}

// === impl Refusal ===

impl From<Abort> for Refusal {
    fn from(abort: Abort) -> Self {
        Self::Injected(abort)
    }
}
