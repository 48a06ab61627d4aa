use std::{collections::HashMap, sync::Arc};

use tollgate_balance::Health;
use tollgate_snapshot::Snapshot;

use crate::Sampler;

/// A snapshot in service, with what it learns while it serves. Loaded once per request.
#[derive(Debug)]
pub struct Live {
    /// What the resources say.
    pub snapshot: Snapshot,
    /// How each backend fares, at its `index`.
    pub health: Vec<Arc<Health>>,
    /// Which traces are kept; `None` where we take no part in traces and hand on what the client sent.
    pub sampler: Option<Sampler>,
}

// === impl Live ===

impl Live {
    /// Puts a snapshot into service; backends that `before` knew keep their health.
    #[must_use]
    pub fn new(snapshot: Snapshot, before: Option<&Self>) -> Self {
        let known: HashMap<_, _> = before
            .into_iter()
            .flat_map(|live| live.snapshot.backends.iter().zip(&live.health))
            .map(|(backend, health)| (&backend.id, health))
            .collect();
        let health = snapshot
            .backends
            .iter()
            .map(|b| known.get(&b.id).copied().cloned().unwrap_or_default())
            .collect();
        Self { snapshot, health, sampler: None }
    }

    /// Takes part in traces, where there is a sampler.
    #[must_use]
    pub fn sampling(self, sampler: Option<Sampler>) -> Self {
        Self { sampler, ..self }
    }
}
