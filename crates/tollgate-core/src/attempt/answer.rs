use std::{fmt, time::Duration};

use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, TRAILER},
};
use tollgate_balance::{Health, Outcome, Turn};
use tollgate_llm::{Fault, Head};
use tollgate_snapshot::{Backend, Came, Filter, ReplySource};

use crate::{Again, Attempt, Exchange, Failure, Now, Plan, Refusal, ReplyReader, Verdict, headers, prelude};

// === impl Plan ===

impl Plan {
    /// An answer's head has come: pass it on, or ask somebody else?
    pub fn answered(&mut self, attempt: &mut Attempt, head: Head, now: Now) -> Verdict {
        let Head { status, mut headers } = head;
        if let Some(record) = self.record.attempts.last_mut() {
            record.ended = Some(now.instant);
            record.status = Some(status);
        }
        let pause = retry_after(status, &headers);
        if let Some(pause) = pause {
            self.with_health(attempt, &status, |health| health.rests(now.unix_ms, pause));
        } else if status.is_server_error() {
            self.with_health(attempt, &status, |health| health.failed(now.unix_ms));
        }
        let outcome = Outcome::of_status(status.as_u16());
        if outcome != Outcome::Good {
            tell_turn(&attempt.backend, attempt.lease.report(outcome, now.unix_ms), &status);
        }
        let came = Came::Answered { status: status.as_u16(), grpc: grpc_status(&headers) };
        if let Some(again) = self.again(attempt, came, now) {
            return Verdict::Again(again);
        }
        if !self.rule.traffic.overrides.is_empty()
            && let Some(reply) = prelude::replaced(&self.record, ReplySource::Backend, (status, &headers))
        {
            return Verdict::Replace(Box::new(reply));
        }
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let announced = self.passes_trailers().then(|| headers.remove(TRAILER)).flatten();
            headers::from_upstream(&mut headers);
            if let Some(announced) = announced {
                headers.insert(TRAILER, announced);
            }
        }
        let mut head = match &mut attempt.reply {
            ReplyReader::Llm(reply) => reply.head(status, headers),
            ReplyReader::Http => Head { status, headers },
        };
        let choice = self.rule.choices().get(attempt.choice);
        for filter in self.rule.filters.iter().chain(choice.iter().flat_map(|choice| &choice.filters)) {
            if let Filter::ResponseHeaders(edit) = filter {
                edit.apply(&mut head.headers);
            }
        }
        self.record.decorate(&mut head.headers);
        if let Some(issued) = &self.record.issued {
            head.headers.append(SET_COOKIE, issued.header.clone());
        }
        self.record.capture_encoding(&head.headers);
        Verdict::Accept(head)
    }

    /// Whether a client of HTTP/1.1 gets the trailers of a reply: it has to take them, and its policy to allow it. They
    /// are written by the names that the head announces.
    fn passes_trailers(&self) -> bool {
        self.record.client.http1.trailers && headers::takes_trailers(&self.record.head.headers)
    }

    /// The attempt came to nothing: may another one be made?
    ///
    /// # Errors
    /// [`Refusal`] where it was the last one.
    pub fn failed(&mut self, attempt: &Attempt, failure: Failure, now: Now) -> Result<Again, Refusal> {
        self.with_health(attempt, &failure, |health| health.failed(now.unix_ms));
        if failure != Failure::Overflow {
            attempt.broken(&failure, now);
        }
        // What one backend says at too great length, the next one will too, and holding it costs memory.
        let too_large = matches!(failure, Failure::Reply(Fault::TooLarge(_)));
        let again = if too_large { None } else { self.again(attempt, failure.came(), now) };
        if let Some(record) = self.record.attempts.last_mut() {
            record.ended = record.ended.or(Some(now.instant));
            record.failure = Some(failure.clone());
        }
        again.ok_or(Refusal::Upstream(failure))
    }

    /// Commits to this attempt: from here on the client gets its bytes.
    #[must_use]
    pub fn accept(self, attempt: Attempt, status: StatusCode, now: Now) -> Exchange {
        self.credit(&attempt, now);
        let Self { mut record, .. } = self;
        record.status = Some(status);
        // A stream may last for minutes; the prompt is not needed any more.
        Exchange::new(record, attempt.reply, attempt.lease)
    }

    /// Counts a good answer in favour of whoever gave it.
    pub(crate) fn credit(&self, attempt: &Attempt, now: Now) {
        let answered = self.record.attempts.last().and_then(|record| record.status);
        if answered.is_some_and(|status| !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS)
        {
            // Not before: a success whose body turns out to be an error is no success.
            self.with_health(attempt, &"a good answer", Health::succeeded);
        }
        if answered.is_some_and(|status| !status.is_server_error()) {
            attempt.lease.report(Outcome::Good, now.unix_ms);
        }
    }

    fn with_health(
        &self,
        attempt: &Attempt,
        why: &dyn fmt::Display,
        change: impl FnOnce(&Health) -> Option<Turn>,
    ) {
        if let Some(health) = self.record.live.health_of(&attempt.backend) {
            tell_turn(&attempt.backend, change(health), why);
        }
    }
}

/// Says that a backend is left alone from now on, or asked again.
pub(crate) fn tell_turn(backend: &Backend, turn: Option<Turn>, why: &dyn fmt::Display) {
    match turn {
        Some(Turn::Ejected(pause)) => {
            tracing::warn!(backend = %backend.id, ?pause, reason = %why, "backend taken out of service");
        }
        Some(Turn::Returned) => tracing::info!(backend = %backend.id, "backend back in service"),
        None => {}
    }
}

/// `grpc-status`, where the head of the reply has it already.
fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    // Most replies are not of gRPC, and a known name is found sooner.
    headers.get(CONTENT_TYPE).filter(|kind| kind.as_bytes().starts_with(b"application/grpc"))?;
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// How long an overloaded backend wants to be left alone: `retry-after` in seconds, with 429 and 503.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
