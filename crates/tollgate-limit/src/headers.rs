use std::sync::Arc;

use crate::{Decision, Limit, LimitRule, Standing};

/// What `x-ratelimit-limit`, `-remaining` and `-reset` say (third draft of the IETF's rate limit header fields).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// `<limit>, <limit>;w=<seconds>, …`: the tightest limit's, then all.
    pub limit: String,
    /// Hits left of the tightest limit.
    pub remaining: u64,
    /// Seconds until the tightest limit starts again.
    pub reset: u64,
}

/// Which limit refused a request, for the reply's body and for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// [`LimitRule::id`]
    pub rule: Arc<str>,
    /// The limit.
    pub limit: Limit,
    /// Seconds, for `retry-after`: when the window ends. What requests in flight hold may come free sooner.
    pub retry_after: u64,
}

// === impl RateLimitHeaders ===

impl RateLimitHeaders {
    /// From the standings of the rules whose [`LimitRule::show_headers`] is set; `None` where there are none.
    pub fn new<'a>(shown: impl Iterator<Item = &'a Standing> + Clone) -> Option<Self> {
        let tightest = shown.clone().min_by_key(|standing| standing.remaining)?;
        let mut limit = String::with_capacity(24 * (shown.clone().count() + 1));
        let mut number = itoa::Buffer::new();
        limit.push_str(number.format(tightest.limit.amount));
        for Standing { limit: Limit { amount, unit }, .. } in shown {
            for piece in [", ", number.format(*amount), ";w=", unit.seconds_text()] {
                limit.push_str(piece);
            }
        }
        Some(Self { limit, remaining: tightest.remaining, reset: tightest.reset })
    }
}

// === impl Refused ===

impl Refused {
    /// Names the limit that refused; `rules` are those of the claims, in their order.
    #[must_use]
    pub fn of<'a>(decision: &Decision, mut rules: impl Iterator<Item = &'a LimitRule>) -> Option<Self> {
        let index = decision.refused?;
        let standing = decision.standings.get(index)?;
        let rule = Arc::clone(&rules.nth(index)?.id);
        Some(Self { rule, limit: standing.limit, retry_after: standing.reset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    #[test]
    fn the_tightest_limit_comes_first_and_then_all() {
        let standing = |amount, unit, remaining, reset| Standing {
            limit: Limit { amount, unit },
            remaining,
            reset,
            over: false,
        };
        let all = [standing(100, Unit::Minute, 40, 30), standing(10, Unit::Second, 3, 1)];
        let headers = RateLimitHeaders::new(all.iter()).expect("there are limits");
        assert_eq!(headers.limit, "10, 100;w=60, 10;w=1");
        assert_eq!((headers.remaining, headers.reset), (3, 1));
        assert_eq!(RateLimitHeaders::new([].iter()), None);
    }
}
