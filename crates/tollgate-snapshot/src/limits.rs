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
