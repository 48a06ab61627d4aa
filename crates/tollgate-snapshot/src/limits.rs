use tollgate_limit::{Buckets, Estimator, LimitRule, LocalLimits};

/// What limits the requests of a rule. Every limit that applies counts, and any of them may refuse.
#[derive(Debug, Default)]
pub struct Limits {
    /// Counted in the store, which other gateways may share.
    pub global: Vec<GlobalLimit>,
    /// Counted here alone, and asked first.
    pub local: Option<LocalLimits>,
    /// The tokens of the local ones.
    pub buckets: Buckets,
}

/// A limit whose counters are in the store.
#[derive(Debug)]
pub struct GlobalLimit {
    /// Whom it is about, and how much there is.
    pub rule: LimitRule,
    /// Guesses what a reply will cost, where replies cost something.
    pub estimator: Option<Estimator>,
}

// === impl Limits ===

impl Limits {
    /// Each limit as people read it, the local ones first, as they are asked.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let local = self.local.iter().flat_map(LocalLimits::rules);
        let global = self.global.iter().map(|limit| &limit.rule);
        local.map(|rule| format!("local {rule}")).chain(global.map(ToString::to_string))
    }
}
