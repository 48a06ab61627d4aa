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
    /// The budgets that requests for this model are charged to; each of them has to have something left.
    pub fn budgets(&self, model: &ModelId) -> impl Iterator<Item = &Budget> {
        self.models.get(model).into_iter().chain(&self.service)
    }
}
