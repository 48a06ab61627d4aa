use std::sync::Arc;

use crate::{Claim, Claims, LimitRule, Mode, View};

/// What a backend may spend on a model: buckets for some callers, and one for everybody.
#[derive(Clone, Debug)]
pub struct ModelQuota {
    rules: Vec<Arc<LimitRule>>,
    default: Option<Arc<LimitRule>>,
    mode: QuotaMode,
}

/// How buckets that match the same request go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuotaMode {
    /// All that match are charged, the default one too; spent when all of them are.
    #[default]
    Shared,
    /// Only the first that matches is charged, or the default one where none does; spent when that one is.
    Exclusive,
}

// === impl ModelQuota ===

impl ModelQuota {
    /// The key under which cost expressions leave what a quota is charged.
    pub const COST_KEY: &str = "quota_cost";

    /// Rules in the user's order.
    #[must_use]
    pub const fn new(rules: Vec<Arc<LimitRule>>, default: Option<Arc<LimitRule>>, mode: QuotaMode) -> Self {
        Self { rules, default, mode }
    }

    /// All buckets: the rules in the user's order, then the one for everybody.
    pub fn buckets(&self) -> impl Iterator<Item = &LimitRule> {
        self.rules.iter().chain(&self.default).map(|rule| &**rule)
    }

    /// The claims of a request with the rules they are of. Nothing is charged before the cost is known.
    ///
    /// Reserve them before the backend is asked: where that is refused (see [`crate::Store::look`] for looking
    /// only), this backend's quota is spent and another one may do.
    #[must_use]
    pub fn claims(&self, request: &View<'_>, hold: u64) -> (Claims, Vec<&Arc<LimitRule>>) {
        let mut claims = Claims::new();
        let mut rules = Vec::new();
        for rule in self.rules.iter().chain(&self.default) {
            // A shadow bucket takes nobody's place.
            let taken = self.mode == QuotaMode::Exclusive
                && claims.iter().any(|claim: &Claim| claim.mode != Mode::Shadow);
            if taken && !rule.shadow {
                continue;
            }
            if let Some(counter) = rule.claim(request) {
                let claim = rule.charge(counter, 0, hold);
                let mode = if claim.mode == Mode::Shadow { Mode::Shadow } else { Mode::Shared };
                claims.push(Claim { mode, ..claim });
                rules.push(rule);
            }
        }
        (claims, rules)
    }
}

#[cfg(test)]
mod tests;
