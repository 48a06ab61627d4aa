use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_limit::{RateLimitHeaders, Standing};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What is left of everything that a request was counted on and that clients may hear of.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Of the rule's limits.
    pub(super) limits: Vec<Standing>,
    /// Of the quotas of the backend that is asked, or of those that are spent.
    pub(crate) quotas: Vec<Standing>,
}

// === impl Left ===

impl Left {
    /// Sets the headers, where there is anything to tell.
    pub(crate) fn tell(&self, reply: &mut HeaderMap) {
        let all = self.limits.iter().chain(&self.quotas);
        let Some(RateLimitHeaders { limit, remaining, reset }) = RateLimitHeaders::new(all) else { return };
        let Ok(limit) = HeaderValue::try_from(limit) else { return };
        reply.insert(LIMIT, limit);
        reply.insert(REMAINING, remaining.into());
        reply.insert(RESET, reset.into());
    }
}
