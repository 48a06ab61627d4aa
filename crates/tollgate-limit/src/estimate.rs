use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::kept::Kept;

/// Guesses what replies will cost, and learns from what they did cost. One for each rule; shared by all cores.
#[derive(Debug)]
pub struct Estimator {
    basis: Basis,
    /// Moving average of costs, in 256ths; 0 while nothing was learnt.
    average: Kept<AtomicU64>,
}

/// What a cost is made of, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Prompt tokens
    Input,
    /// Completion tokens
    Output,
    /// Both
    Total,
    /// Something else: only experience helps
    Learned,
}

/// What is known of a request's size before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the prompt, or of the whole body.
    pub prompt_bytes: u64,
    /// The client's own bound on the completion, in tokens.
    pub max_tokens: Option<u64>,
}

// === impl Estimator ===

impl Estimator {
    /// Bytes of English text a token has on average; other languages have fewer, so this guesses low for them
    /// until experience takes over.
    const BYTES_PER_TOKEN: u64 = 4;
    /// A completion's tokens while nothing is known.
    const FIRST_GUESS: u64 = 256;
    /// How much a new cost weighs: one in this many.
    const WEIGHT: u64 = 8;

    /// Knows nothing yet.
    #[must_use]
    pub const fn new(basis: Basis) -> Self {
        Self { basis, average: Kept::new() }
    }

    /// Goes on with what another one of the same rule has learnt, and learns together with it. Has to come before the
    /// first request; one of another basis is no help.
    pub fn go_on_from(&self, before: &Self) {
        if self.basis == before.basis {
            self.average.go_on_from(&before.average);
        }
    }

    /// From the request's own numbers where they bound the cost, else from experience.
    #[must_use]
    pub fn estimate(&self, size: Size) -> u64 {
        let prompt = size.prompt_bytes / Self::BYTES_PER_TOKEN;
        match (self.basis, size.max_tokens) {
            (Basis::Input, _) => prompt,
            (Basis::Output, Some(most)) => most,
            (Basis::Total, Some(most)) => prompt.saturating_add(most),
            (Basis::Output, None) => self.learned().unwrap_or(Self::FIRST_GUESS),
            (Basis::Total, None) => self.learned().unwrap_or(prompt.saturating_add(Self::FIRST_GUESS)),
            (Basis::Learned, _) => self.learned().unwrap_or(Self::FIRST_GUESS),
        }
    }

    /// A reply cost this much. Replies that failed are not to be learnt from.
    pub fn learn(&self, cost: u64) {
        let cost = cost.min(u64::MAX >> 12) << 8;
        let before = self.average.get().load(Relaxed);
        let after = match before {
            0 => cost,
            before => before - before / Self::WEIGHT + cost / Self::WEIGHT,
        };
        // Two cores may overwrite each other; an average survives that.
        self.average.get().store(after.max(1), Relaxed);
    }

    fn learned(&self) -> Option<u64> {
        match self.average.get().load(Relaxed) {
            0 => None,
            average => Some(average.div_ceil(256)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_own_bound_is_used_and_else_experience() {
        let estimator = Estimator::new(Basis::Total);
        let open = Size { prompt_bytes: 400, max_tokens: None };
        assert_eq!(estimator.estimate(open), 356);
        assert_eq!(estimator.estimate(Size { max_tokens: Some(50), ..open }), 150);
        for _ in 0..64 {
            estimator.learn(1000);
        }
        assert!((990..=1001).contains(&estimator.estimate(open)));
        assert_eq!(estimator.estimate(Size { max_tokens: Some(50), ..open }), 150);
    }

    #[test]
    fn what_was_learnt_outlives_a_reload_of_the_same_rule_only() {
        let before = Estimator::new(Basis::Output);
        before.learn(77);
        let after = Estimator::new(Basis::Output);
        after.go_on_from(&before);
        assert_eq!(after.estimate(Size::default()), 77);
        let other = Estimator::new(Basis::Learned);
        other.go_on_from(&before);
        assert_eq!(other.estimate(Size::default()), Estimator::FIRST_GUESS);
    }

    #[test]
    fn absurd_sizes_do_not_overflow() {
        let estimator = Estimator::new(Basis::Total);
        estimator.learn(u64::MAX);
        estimator.learn(u64::MAX);
        assert_eq!(estimator.estimate(Size { prompt_bytes: 9, max_tokens: Some(u64::MAX) }), u64::MAX);
        assert!(estimator.estimate(Size::default()) > 0);
    }
}
