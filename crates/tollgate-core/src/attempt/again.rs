use std::time::Duration;

use http::HeaderMap;
use tollgate_balance::Standing;
use tollgate_snapshot::{Came, RetryScope, Service};

use crate::{Again, Attempt, AttemptBody, Now, Plan, live::Leads, routed::Payload};

// === impl Plan ===

impl Plan {
    /// The right to make another attempt, and after which pause.
    pub(super) fn again(&self, attempt: &Attempt, came: Came, now: Now) -> Option<Again> {
        if self.record.live.leads == Leads::Elsewhere {
            return None;
        }
        let made = self.record.attempts.len();
        let policy = self.rule.traffic.retry.as_ref();
        let wanted = match policy {
            Some(policy) => made <= policy.retries as usize && policy.wants(came),
            None => self.may_retry(attempt, came, now),
        };
        if !wanted {
            return None;
        }
        let in_time = self.deadline().is_none_or(|deadline| now.instant < deadline);
        let told = policy.is_some() || attempt.outgoing.method.is_idempotent();
        let repeatable = match (&attempt.outgoing.body, came) {
            (AttemptBody::Bytes(_), Came::Answered { .. } | Came::Broken)
                if matches!(self.payload, Payload::Whole(_)) =>
            {
                told
            }
            // The client's stream is gone once it was sent; and a plain request may have had an effect, unless
            // somebody said that it may be repeated.
            (AttemptBody::Client, Came::NotSent | Came::Overflow) | (AttemptBody::Bytes(_), _) => true,
            (AttemptBody::Form(_), _) => !attempt.spent,
            // It had no effect, but the stream may have begun.
            (AttemptBody::Client, Came::Refused) => !has_body(&self.record.head.headers),
            (AttemptBody::Client, Came::Answered { .. } | Came::Broken) => {
                told && !has_body(&self.record.head.headers)
            }
        };
        if !(in_time && repeatable) {
            return None;
        }
        let pause = match policy {
            Some(policy) => policy.pause(u32::try_from(made).unwrap_or(u32::MAX), attempt.random),
            None => self.backoff(attempt, now),
        };
        let cluster = self.record.live.clusters.get(attempt.backend.index as usize)?;
        Some(Again { pause, retrying: Some(cluster.retry()?) })
    }

    fn may_retry(&self, attempt: &Attempt, came: Came, now: Now) -> bool {
        let retry = &self.rule.retry;
        let counts = match came {
            Came::Answered { status, .. } => retry.statuses.binary_search(&status).is_ok(),
            Came::NotSent | Came::Refused | Came::Broken => true,
            // A plain rule that is full stays full, as with Envoy; a prompt is better served by another provider.
            Came::Overflow => self.rule.service == Service::Llm,
        };
        if !counts || self.record.attempts.len() >= retry.attempts as usize {
            return false;
        }
        let others = self.candidates(now.unix_ms).iter().any(|c| {
            self.asked[c.position] == 0 && c.weight > 0 && !matches!(c.standing, Standing::Ejected(_))
        });
        let same = match (came, retry.scope) {
            (_, RetryScope::AnyBackend) => true,
            (Came::Answered { .. } | Came::Overflow, RetryScope::OtherBackends) => false,
            (Came::NotSent | Came::Refused | Came::Broken, RetryScope::OtherBackends) => {
                self.asked[attempt.choice] < 2
            }
        };
        others || same
    }

    /// No pause before somebody else is asked; a growing one before the same backend is asked again.
    fn backoff(&self, attempt: &Attempt, now: Now) -> Duration {
        let others = self.candidates(now.unix_ms).iter().any(|c| self.asked[c.position] == 0 && c.weight > 0);
        match (others, self.asked[attempt.choice]) {
            (true, _) | (_, 0) => Duration::ZERO,
            (false, times) => {
                self.rule.retry.backoff.saturating_mul(1 << (times - 1).min(6)).min(Duration::from_secs(1))
            }
        }
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::TRANSFER_ENCODING)
        || headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}
