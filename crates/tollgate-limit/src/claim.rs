use smallvec::SmallVec;

use crate::{Counter, Limit};

/// What one request wants from one counter.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which.
    pub counter: Counter,
    /// How much there is.
    pub limit: Limit,
    /// Charged when the request is admitted; 0 only looks whether anything is left.
    pub hits: u64,
    /// The estimated cost of the reply. It counts against requests that come later, never against this one,
    /// so that one with a large `max_tokens` cannot starve.
    pub hold: u64,
    /// What happens when too little is left.
    pub mode: Mode,
}

/// All claims of one request.
pub type Claims = SmallVec<[Claim; 2]>;

/// What happens when a counter has too little left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The request is refused.
    Enforced,
    /// Nothing: it is counted, and neither refuses nor saves a request.
    Shadow,
    /// The request is refused if all claims of this mode have too little left (quotas' shared buckets).
    Shared,
}

/// The end of a claim: the hold is released, the real cost is charged.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which counter.
    pub counter: Counter,
    /// Its limit.
    pub limit: Limit,
    /// What was set aside.
    pub hold: u64,
    /// What it cost in the end; 0 where nothing came of it.
    pub cost: u64,
}

// === impl Claim ===

impl Claim {
    /// The request is over and its reply cost this much. Every admitted claim is settled exactly once.
    #[must_use]
    pub fn settle(self, cost: u64) -> Settlement {
        let Self { counter, limit, hold, hits: _, mode: _ } = self;
        Settlement { counter, limit, hold, cost }
    }
}
