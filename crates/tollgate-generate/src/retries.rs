//! Retries as Tollgate makes them without being told: to another backend, by priority, each attempt with its own
//! deadline. Envoy makes none unless its route says so, which the extension server sees to.

use std::{collections::BTreeMap, time::Duration};

/// Attempts of an LLM request, the first included.
const ATTEMPTS: usize = 4;
/// Statuses of an overloaded or broken provider.
const STATUSES: [u16; 6] = [429, 500, 502, 503, 504, 529];

/// How requests of a rule are tried again unless a policy says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Beside the first attempt.
    pub retries: usize,
    /// Attempts at each priority before the next one is asked; `None` where there is one only.
    pub per_priority: Option<usize>,
    /// The deadline of one attempt, to the head of its reply.
    pub attempt: Option<Duration>,
    /// After these another backend is asked; none where there is no other.
    pub statuses: &'static [u16],
}

// === impl Retries ===

impl Retries {
    /// For backends of these priorities.
    pub(crate) fn of(live: &[u32], backend_request: Option<Duration>) -> Self {
        let attempt = backend_request.filter(|timeout| !timeout.is_zero());
        let others = live.len().min(ATTEMPTS).saturating_sub(1);
        if others == 0 {
            // The same one once more, where it has not seen the request.
            return Self { retries: 1, per_priority: None, attempt, statuses: &[] };
        }
        Self { retries: others, per_priority: per_priority(live), attempt, statuses: &STATUSES }
    }
}

/// Every priority is given as many attempts as the largest one has backends.
fn per_priority(live: &[u32]) -> Option<usize> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for priority in live {
        *counts.entry(*priority).or_default() += 1;
    }
    (counts.len() > 1).then(|| counts.values().copied().max().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_backend_is_asked_once_priority_after_priority() {
        let of = |live: &[u32]| {
            let Retries { retries, per_priority, statuses, .. } = Retries::of(live, None);
            (retries, per_priority, statuses.len())
        };
        assert_eq!(of(&[]), (1, None, 0));
        assert_eq!(of(&[7]), (1, None, 0));
        assert_eq!(of(&[0, 0]), (1, None, 6));
        assert_eq!(of(&[0, 1]), (1, Some(1), 6));
        assert_eq!(of(&[0, 0, 1]), (2, Some(2), 6));
        assert_eq!(of(&[0; 9]), (3, None, 6));
    }

    #[test]
    fn no_deadline_is_no_deadline() {
        assert_eq!(Retries::of(&[0], Some(Duration::ZERO)).attempt, None);
        assert_eq!(Retries::of(&[0], Some(Duration::from_secs(5))).attempt, Some(Duration::from_secs(5)));
    }
}
