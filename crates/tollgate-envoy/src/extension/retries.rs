//! Requests are tried again as Tollgate does it unasked. Envoy makes no retry unless it is told to; what a policy of the
//! user's says stands in the route already, and stays.
use std::time::Duration as Time;

use super::{
    fields::route_action,
    plan::Attempts,
    proto::{
        self, Any, Duration, PreviousHosts, PreviousPriorities, RetryBackOff, RetryPlugin, RetryPolicy,
        UInt32Value,
    },
    wire::{Malformed, Message},
};

/// Another backend is asked after these, and after a status.
const ELSEWHERE: &str = "connect-failure,refused-stream,reset,retriable-status-codes";
/// The same one is asked again only where it has not seen the request.
const AGAIN: &str = "connect-failure,refused-stream,reset-before-request";
/// How often another host is drawn before a host that was asked already is asked again.
const DRAWS: i64 = 5;
const FIRST_PAUSE: Time = Time::from_millis(25);
const LONGEST_PAUSE: Time = Time::from_secs(1);

/// Says how a route's requests are tried again, where nothing says it yet; and how long an attempt may take, where
/// nothing says that.
pub(super) fn modify(attempts: &Attempts, action: &mut Message) -> Result<(), Malformed> {
    let deadline = attempts.deadline.map(|deadline| proto::bytes(&Duration::of(deadline)));
    if !action.has(route_action::RETRY_POLICY) {
        if attempts.retries > 0 || deadline.is_some() {
            action.set_bytes(route_action::RETRY_POLICY, proto::bytes(&policy(attempts)));
        }
        return Ok(());
    }
    let Some(deadline) = deadline else { return Ok(()) };
    action.edit(route_action::RETRY_POLICY, |policy| {
        if !policy.has(route_action::PER_TRY) {
            policy.set_bytes(route_action::PER_TRY, deadline);
        }
        Ok(())
    })
}

fn policy(attempts: &Attempts) -> RetryPolicy {
    let Attempts { retries, per_priority, deadline, statuses } = attempts;
    let priority = per_priority.map(|frequency| RetryPlugin {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        typed_config: Some(Any::of(&PreviousPriorities {
            update_frequency: i32::try_from(frequency).unwrap_or(i32::MAX),
        })),
    });
    let others = RetryPlugin {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        typed_config: Some(Any::of(&PreviousHosts {})),
    };
    RetryPolicy {
        retry_on: if statuses.is_empty() { AGAIN } else { ELSEWHERE }.to_owned(),
        num_retries: Some(UInt32Value { value: *retries }),
        per_try_timeout: deadline.map(Duration::of),
        retry_priority: priority,
        retry_host_predicate: vec![others],
        host_selection_retry_max_attempts: DRAWS,
        retriable_status_codes: statuses.iter().copied().map(u32::from).collect(),
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(Duration::of(FIRST_PAUSE)),
            max_interval: Some(Duration::of(LONGEST_PAUSE)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn attempts() -> Attempts {
        let deadline = Some(Time::from_secs(5));
        Attempts { retries: 2, per_priority: Some(1), deadline, statuses: vec![429, 503] }
    }

    fn made(attempts: &Attempts, mut action: Message) -> Option<RetryPolicy> {
        modify(attempts, &mut action).unwrap();
        let policy = action.message(route_action::RETRY_POLICY).unwrap()?;
        Some(RetryPolicy::decode(policy.encode()).unwrap())
    }

    #[test]
    fn other_backends_are_asked_by_priority() {
        let policy = made(&attempts(), Message::default()).unwrap();
        assert_eq!((policy.retry_on.as_str(), policy.num_retries.unwrap().value), (ELSEWHERE, 2));
        assert_eq!(policy.retriable_status_codes, [429, 503]);
        assert_eq!(policy.per_try_timeout.unwrap().seconds, 5);
        assert!(policy.retry_priority.is_some());
    }

    #[test]
    fn a_backend_alone_is_asked_again_only_if_it_has_not_heard() {
        let alone = Attempts { retries: 1, per_priority: None, deadline: None, statuses: Vec::new() };
        let policy = made(&alone, Message::default()).unwrap();
        assert_eq!((policy.retry_on.as_str(), policy.retry_priority), (AGAIN, None));
        assert!(made(&Attempts { retries: 0, ..alone }, Message::default()).is_none());
    }

    #[test]
    fn what_a_policy_says_stays() {
        let theirs = RetryPolicy { retry_on: "5xx".to_owned(), ..RetryPolicy::default() };
        let mut action = Message::default();
        action.set_bytes(route_action::RETRY_POLICY, proto::bytes(&theirs));
        let policy = made(&attempts(), action).unwrap();
        // But for the deadline of an attempt, which it did not say.
        assert_eq!(policy, RetryPolicy { per_try_timeout: Some(Duration::seconds(5)), ..theirs });
    }
}
