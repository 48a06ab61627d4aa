use std::collections::BTreeMap;

use tollgate_limit::{Estimator, ModelQuota};
use tollgate_types::ModelId;

use crate::Cost;

/// What a backend may spend (QuotaPolicy). Where it is spent, other backends are asked.
#[derive(Debug, Default)]
pub struct Quota {
    /// On one model each, by the name that the backend is asked for.
    pub models: BTreeMap<ModelId, Budget>,
    /// On all models together (`serviceQuota`).
    pub service: Option<Budget>,
}

/// An amount to spend, and what spends it.
#[derive(Debug)]
pub struct Budget {
    /// What a finished request is charged.
    pub cost: Cost,
    /// Whom it is charged to.
    pub buckets: ModelQuota,
    /// Guesses the cost while the reply is not there.
    pub estimator: Estimator,
}

// === impl Quota ===

impl Quota {
    /// Every budget, those of models first.
    pub fn all(&self) -> impl Iterator<Item = &Budget> {
        self.models.values().chain(&self.service)
    }

    /// The budgets that requests for this model are charged to; each of them has to have something left.
    pub fn budgets(&self, model: &ModelId) -> impl Iterator<Item = &Budget> {
        self.models.get(model).into_iter().chain(&self.service)
    }
}

// === impl Budget ===

impl Budget {
    /// Each bucket as people read it.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let Self { cost, buckets, estimator: _ } = self;
        buckets.buckets().map(move |bucket| {
            let mut line = format!("{}: {} of {cost}", bucket.id, bucket.limit);
            for (i, condition) in bucket.conditions().enumerate() {
                line += if i == 0 { " for " } else { ", " };
                line += &condition.to_string();
            }
            line + if bucket.shadow { " (shadow)" } else { "" }
        })
    }
}
