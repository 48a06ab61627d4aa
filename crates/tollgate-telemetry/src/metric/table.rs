use std::sync::{Arc, Weak};

use smallvec::SmallVec;
use tollgate_core::{AttemptRecord, Live};
use tollgate_snapshot::{Backend, Listener, Rule};
use tollgate_types::Usage;

use super::{
    family::Family,
    names::{Names, UNCLAIMED},
    shard::{Counter, Histogram, Registry},
};

/// Handles of one snapshot, so that counting a request looks nothing up by name.
#[derive(Debug)]
pub(crate) struct Table {
    /// Held weakly: it keeps the address from being used again, not the snapshot's tables.
    live: Weak<Live>,
    listeners: Vec<(*const Listener, ListenerCells)>,
    unclaimed: Option<Box<ListenerCells>>,
    rules: Vec<Option<Box<RuleCells>>>,
    backends: Vec<Option<Box<BackendCells>>>,
    names: Arc<Names>,
}

#[derive(Debug)]
pub(crate) struct ListenerCells {
    codes: ByLast<u16>,
    ends: ByLast<&'static str>,
    pub(crate) duration: Histogram,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
}

#[derive(Debug)]
pub(crate) struct RuleCells {
    route: Arc<str>,
    codes: ByLast<u16>,
    pub(crate) duration: Histogram,
    costs: SmallVec<[(u32, Arc<str>, Counter); 4]>,
}

#[derive(Debug)]
pub(crate) struct BackendCells {
    codes: ByLast<u16>,
    failures: ByLast<&'static str>,
    pub(crate) retries: Counter,
    head: Histogram,
    tokens: [Option<Counter>; 5],
    id: Arc<str>,
}

/// Counters of one family that differ in their last label; few, so they are searched in order.
#[derive(Debug)]
struct ByLast<K> {
    family: Family,
    labels: SmallVec<[Arc<str>; 3]>,
    counters: SmallVec<[(K, Counter); 4]>,
}

/// A kind of token with the count that the provider gave.
pub(crate) const TOKEN_TYPES: [&str; 5] =
    ["input", "output", "cached_input", "cache_creation_input", "reasoning"];

/// Counts by type, in the order of [`TOKEN_TYPES`].
pub(crate) fn token_counts(usage: &Usage) -> [Option<u64>; 5] {
    let Usage { input, output, cached_input, cache_creation_input, reasoning, .. } = usage;
    [input, output, cached_input, cache_creation_input, reasoning].map(|tokens| tokens.map(|tokens| tokens.0))
}

// === impl Table ===

impl Table {
    pub(crate) fn new(live: &Arc<Live>, names: Arc<Names>) -> Self {
        let snapshot = &live.snapshot;
        let none = |n: usize| (0..n).map(|_| None).collect();
        Self {
            live: Arc::downgrade(live),
            listeners: Vec::new(),
            unclaimed: None,
            rules: none(snapshot.rules.len()),
            backends: snapshot.backends.iter().map(|_| None).collect(),
            names,
        }
    }

    pub(crate) fn is_of(&self, live: &Arc<Live>) -> bool {
        std::ptr::eq(self.live.as_ptr(), Arc::as_ptr(live))
    }

    /// True where somebody's request may still need it.
    pub(crate) fn in_use(&self) -> bool {
        self.live.strong_count() > 0
    }

    pub(crate) fn knows_model(&self, model: &str) -> bool {
        self.names.knows_model(model)
    }

    pub(crate) fn listener(
        &mut self,
        listener: Option<&Arc<Listener>>,
        registry: &mut Registry,
    ) -> &mut ListenerCells {
        let Some(listener) = listener else {
            return self
                .unclaimed
                .get_or_insert_with(|| Box::new(ListenerCells::new(UNCLAIMED.into(), registry)));
        };
        let place = Arc::as_ptr(listener);
        let position = match self.listeners.iter().position(|(known, _)| *known == place) {
            Some(position) => position,
            None => {
                self.listeners.push((place, ListenerCells::new(listener.id.shared(), registry)));
                self.listeners.len() - 1
            }
        };
        &mut self.listeners[position].1
    }

    pub(crate) fn rule(&mut self, rule: &Rule, registry: &mut Registry) -> Option<&mut RuleCells> {
        let slot = self.rules.get_mut(rule.index as usize)?;
        Some(slot.get_or_insert_with(|| Box::new(RuleCells::new(rule, registry))))
    }

    pub(crate) fn backend(
        &mut self,
        backend: &Backend,
        registry: &mut Registry,
    ) -> Option<&mut BackendCells> {
        let slot = self.backends.get_mut(backend.index as usize)?;
        Some(slot.get_or_insert_with(|| Box::new(BackendCells::new(backend, registry))))
    }
}

// === impl ListenerCells ===

impl ListenerCells {
    fn new(id: Arc<str>, registry: &mut Registry) -> Self {
        let label = std::slice::from_ref(&id);
        Self {
            codes: ByLast::new(Family::Requests, label),
            ends: ByLast::new(Family::Ends, label),
            duration: registry.histogram(Family::RequestDuration, label),
            bytes_in: registry.counter(Family::BytesIn, label),
            bytes_out: registry.counter(Family::BytesOut, label),
        }
    }

    pub(crate) fn ended(&mut self, code: u16, end: &'static str, registry: &mut Registry) {
        self.codes.get(code, registry).add(1);
        self.ends.get(end, registry).add(1);
    }
}

// === impl RuleCells ===

impl RuleCells {
    fn new(rule: &Rule, registry: &mut Registry) -> Self {
        let labels = [rule.route.shared(), rule.id.shared()];
        Self {
            codes: ByLast::new(Family::RouteRequests, &labels),
            duration: registry.histogram(Family::RouteDuration, &labels),
            costs: SmallVec::new(),
            route: rule.route.shared(),
        }
    }

    pub(crate) fn ended(&mut self, code: u16, registry: &mut Registry) {
        self.codes.get(code, registry).add(1);
    }

    pub(crate) fn cost(&mut self, backend: &Backend, key: &Arc<str>, registry: &mut Registry) -> &Counter {
        let known = self.costs.iter().position(|(index, known, _)| *index == backend.index && known == key);
        let position = known.unwrap_or_else(|| {
            let labels = [Arc::clone(&self.route), backend.id.shared(), Arc::clone(key)];
            let counter = registry.counter(Family::Cost, &labels);
            self.costs.push((backend.index, Arc::clone(key), counter));
            self.costs.len() - 1
        });
        &self.costs[position].2
    }
}

// === impl BackendCells ===

impl BackendCells {
    fn new(backend: &Backend, registry: &mut Registry) -> Self {
        let id = backend.id.shared();
        let label = std::slice::from_ref(&id);
        Self {
            codes: ByLast::new(Family::BackendRequests, label),
            failures: ByLast::new(Family::BackendFailures, label),
            retries: registry.counter(Family::BackendRetries, label),
            head: registry.histogram(Family::BackendHead, label),
            tokens: [const { None }; 5],
            id,
        }
    }

    pub(crate) fn attempt(&mut self, attempt: &AttemptRecord, registry: &mut Registry) {
        if let Some(status) = attempt.status {
            self.codes.get(status.as_u16(), registry).add(1);
            if let Some(ended) = attempt.ended {
                self.head.record(super::nanos(attempt.began, ended));
            }
        }
        if let Some(failure) = &attempt.failure {
            self.failures.get(failure.word(), registry).add(1);
        }
    }

    pub(crate) fn used(&mut self, counts: &[Option<u64>; 5], registry: &mut Registry) {
        for (position, count) in counts.iter().enumerate() {
            let Some(count) = count else { continue };
            let id = &self.id;
            let counter = self.tokens[position].get_or_insert_with(|| {
                let labels = [Arc::clone(id), TOKEN_TYPES[position].into()];
                registry.counter(Family::BackendTokens, &labels)
            });
            counter.add(*count);
        }
    }
}

// === impl ByLast ===

/// What a last label is made of.
trait Label: Copy + PartialEq {
    fn text(self) -> Arc<str>;
}

impl Label for u16 {
    fn text(self) -> Arc<str> {
        self.to_string().into()
    }
}

impl Label for &'static str {
    fn text(self) -> Arc<str> {
        self.into()
    }
}

impl<K: Label> ByLast<K> {
    fn new(family: Family, labels: &[Arc<str>]) -> Self {
        Self { family, labels: labels.iter().cloned().collect(), counters: SmallVec::new() }
    }

    fn get(&mut self, key: K, registry: &mut Registry) -> &Counter {
        let position = self.counters.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.labels.push(key.text());
            let counter = registry.counter(self.family, &self.labels);
            self.labels.pop();
            self.counters.push((key, counter));
            self.counters.len() - 1
        });
        &self.counters[position].1
    }
}
