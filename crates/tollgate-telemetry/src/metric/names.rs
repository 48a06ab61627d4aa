use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use tollgate_core::Live;
use tollgate_snapshot::ModelMatch;
use tollgate_types::ModelId;

use super::{family::Family, shard::Labels};
use crate::lock::Slot;

type Set<T> = HashSet<T, foldhash::fast::RandomState>;

/// Snapshots that are remembered by name: as many as a core keeps handles of.
const REMEMBERED: usize = super::TABLES;
/// Stands for hosts that no listener claims.
pub(super) const UNCLAIMED: &str = "none";

/// What one snapshot names. Made once where it is published, so that no core spends time on it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Models that some resource names; others are whatever a client sent.
    models: Set<ModelId>,
    listeners: Set<Arc<str>>,
    routes: Set<Arc<str>>,
    rules: Set<Arc<str>>,
    backends: Set<Arc<str>>,
}

/// The names of what serves and of what served lately, newest first.
#[derive(Debug, Default)]
pub(crate) struct Published(Slot<Vec<(Weak<Live>, Arc<Names>)>>);

// === impl Names ===

impl Names {
    pub(crate) fn of(live: &Live) -> Self {
        let snapshot = &live.snapshot;
        let mut names = Self::default();
        for listener in snapshot.ports.iter().flat_map(|port| &port.listeners) {
            names.listeners.insert(listener.id.shared());
            for (_, table) in listener.hosts.all() {
                names.models.extend(table.models().iter().map(|model| model.id.clone()));
                let matched = table.entries().iter().filter_map(|entry| entry.matcher.model.as_ref());
                names.models.extend(matched.filter_map(|model| match model {
                    ModelMatch::Exact(model) => Some(model.clone()),
                    ModelMatch::Regex(_) => None,
                }));
            }
        }
        for rule in &snapshot.rules {
            names.routes.insert(rule.route.shared());
            names.rules.insert(rule.id.shared());
            names.models.extend(rule.choices().iter().filter_map(|choice| choice.model_override.clone()));
        }
        names.backends.extend(snapshot.backends.iter().map(|backend| backend.id.shared()));
        names
    }

    pub(crate) fn knows_model(&self, model: &str) -> bool {
        self.models.contains(model)
    }

    /// False for a series of something that the resources do not have any more.
    pub(crate) fn knows(&self, family: Family, labels: &Labels) -> bool {
        let has = |set: &Set<Arc<str>>, position: usize| {
            labels.get(position).is_none_or(|label| set.contains(label))
        };
        match family {
            Family::Requests
            | Family::RequestDuration
            | Family::BytesIn
            | Family::BytesOut
            | Family::Ends => has(&self.listeners, 0) || labels.first().is_some_and(|id| &**id == UNCLAIMED),
            Family::RouteRequests | Family::RouteDuration => has(&self.rules, 1),
            Family::Cost => has(&self.routes, 0) && has(&self.backends, 1),
            Family::BackendRequests
            | Family::BackendFailures
            | Family::BackendRetries
            | Family::BackendHead
            | Family::BackendTokens => has(&self.backends, 0),
            // Few ports, and models are bounded.
            Family::InFlight
            | Family::TokenUsage
            | Family::GenAiDuration
            | Family::FirstToken
            | Family::PerOutputToken => true,
        }
    }
}

// === impl Published ===

impl Published {
    pub(crate) fn push(&self, live: &Arc<Live>) {
        let entry = (Arc::downgrade(live), Arc::new(Names::of(live)));
        self.0.with(|all| {
            all.truncate(REMEMBERED - 1);
            all.insert(0, entry);
        });
    }

    /// Names of this snapshot; collected now where it was never published or long ago.
    pub(crate) fn names(&self, live: &Arc<Live>) -> Arc<Names> {
        let known = self.0.with(|all| {
            let of_it = all.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(live)));
            of_it.map(|(_, names)| Arc::clone(names))
        });
        known.unwrap_or_else(|| Arc::new(Names::of(live)))
    }

    /// Names of what serves, where something does.
    pub(crate) fn newest(&self) -> Option<Arc<Names>> {
        self.0.with(|all| all.first().map(|(_, names)| Arc::clone(names)))
    }
}
