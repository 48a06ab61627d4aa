use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use http::HeaderMap;
use smallvec::SmallVec;
use tollgate_core::{End, Settled};
use tollgate_llm::Delivery;

use super::{
    Common,
    family::Family,
    shard::{Histogram, Registry},
    table::{TOKEN_TYPES, Table, token_counts},
};
use crate::{attributes::HeaderAttribute, lock::Slot};

/// What stands for every value beyond the bound.
const OTHER: &str = "other";
const UNKNOWN: &str = "unknown";
/// Label sets per core; requests beyond them are counted without their header attributes' values.
const MOST_SERIES: usize = 10_000;

/// Values that come from outside and become labels: the first ones keep their name. Shared by all cores.
#[derive(Debug)]
pub(crate) struct Bounded {
    most: usize,
    names: Slot<HashSet<Arc<str>>>,
    full: AtomicBool,
}

/// One core's GenAI series.
#[derive(Debug, Default)]
pub(crate) struct GenAi {
    by_hash: HashMap<u64, SmallVec<[Cells; 1]>, foldhash::fast::RandomState>,
    hasher: foldhash::fast::RandomState,
    /// Response models this core has seen.
    served: HashSet<Arc<str>, foldhash::fast::RandomState>,
    served_all: bool,
}

/// The labels of one request, before they are anybody's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    operation: &'static str,
    provider: &'a str,
    original: &'a str,
    request: &'a str,
    response: &'a str,
    attributes: SmallVec<[&'a str; 2]>,
}

#[derive(Debug)]
struct Cells {
    labels: Vec<Arc<str>>,
    done: Option<Histogram>,
    failed: Option<Histogram>,
    first: Option<Histogram>,
    per_token: Option<Histogram>,
    tokens: [Option<Histogram>; 5],
}

// === impl Bounded ===

impl Bounded {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, names: Slot::default(), full: AtomicBool::new(most == 0) }
    }

    /// Takes the name in, where there is room or where it is in already.
    fn admit(&self, name: &str) -> Option<Arc<str>> {
        self.names.with(|names| {
            if let Some(known) = names.get(name) {
                return Some(Arc::clone(known));
            }
            if names.len() >= self.most {
                self.full.store(true, Relaxed);
                return None;
            }
            let name: Arc<str> = name.into();
            names.insert(Arc::clone(&name));
            Some(name)
        })
    }
}

// === impl GenAi ===

impl GenAi {
    /// Counts an LLM request whose model was read.
    pub(crate) fn observe(
        &mut self,
        settled: &Settled,
        table: &Table,
        common: &Common,
        registry: &mut Registry,
    ) {
        let record = &settled.record;
        let (Some(endpoint), Some(asked)) = (record.endpoint, &record.model_asked) else { return };
        let Common { models, attributes, .. } = common;
        let original = if table.knows_model(asked.as_str()) { asked.as_str() } else { OTHER };
        let request = match &record.model_sent {
            None => UNKNOWN,
            Some(sent) if sent == asked || !table.knows_model(sent.as_str()) => original,
            Some(sent) => sent.as_str(),
        };
        let served = record.model_served.as_deref().filter(|served| !served.is_empty());
        let response = match served {
            None => request,
            Some(served) if table.knows_model(served) => served,
            Some(served) if self.knows_served(served, models) => served,
            Some(_) => OTHER,
        };
        let backend = record.backend();
        let key = Key {
            operation: endpoint.operation(),
            provider: backend.map_or(UNKNOWN, |backend| {
                backend.target.as_ref().map_or(backend.id.as_str(), |target| target.schema.provider_name())
            }),
            original,
            request,
            response,
            attributes: header_values(attributes, &record.head.headers),
        };
        self.cells(key).count(settled, registry);
    }

    /// True where this response model keeps its name.
    fn knows_served(&mut self, name: &str, models: &Bounded) -> bool {
        if self.served.contains(name) {
            return true;
        }
        if models.full.load(Relaxed) {
            if !self.served_all {
                self.served = models.names.with(|names| names.iter().cloned().collect());
                self.served_all = true;
            }
            return self.served.contains(name);
        }
        match models.admit(name) {
            Some(name) => self.served.insert(name),
            None => false,
        }
    }

    fn cells(&mut self, mut key: Key<'_>) -> &mut Cells {
        let mut hash = self.hasher.hash_one(&key);
        if self.by_hash.len() >= MOST_SERIES && !self.by_hash.contains_key(&hash) {
            key.attributes.iter_mut().filter(|value| !value.is_empty()).for_each(|value| *value = OTHER);
            hash = self.hasher.hash_one(&key);
        }
        let same = self.by_hash.entry(hash).or_default();
        let position = same.iter().position(|cells| cells.is_of(&key)).unwrap_or_else(|| {
            same.push(Cells::new(&key));
            same.len() - 1
        });
        &mut same[position]
    }
}

fn header_values<'a>(attributes: &[HeaderAttribute], headers: &'a HeaderMap) -> SmallVec<[&'a str; 2]> {
    attributes
        .iter()
        .map(|attribute| {
            headers.get(&attribute.header).and_then(|value| value.to_str().ok()).unwrap_or_default()
        })
        .collect()
}

// === impl Cells ===

impl Cells {
    fn new(key: &Key<'_>) -> Self {
        let Key { operation, provider, original, request, response, attributes } = key;
        let own = [*operation, *provider, *original, *request, *response];
        Self {
            labels: own.iter().chain(attributes).map(|label| Arc::from(*label)).collect(),
            done: None,
            failed: None,
            first: None,
            per_token: None,
            tokens: [const { None }; 5],
        }
    }

    fn is_of(&self, key: &Key<'_>) -> bool {
        let own = [key.operation, key.provider, key.original, key.request, key.response];
        let named = own.iter().chain(&key.attributes);
        self.labels.iter().map(|label| &**label).eq(named.copied())
    }

    fn count(&mut self, settled: &Settled, registry: &mut Registry) {
        let record = &settled.record;
        let success = record.succeeded();
        let total = super::nanos(record.began.instant, settled.ended);
        let labels = &self.labels;
        let (slot, error) = match success && settled.end == End::Complete {
            true => (&mut self.done, ""),
            false => (&mut self.failed, "_OTHER"),
        };
        slot.get_or_insert_with(|| registry.histogram(Family::GenAiDuration, &with(labels, error)))
            .record(total);
        if !success {
            return;
        }
        let counts = token_counts(&record.usage);
        for (position, count) in counts.iter().enumerate() {
            let Some(count) = count else { continue };
            self.tokens[position]
                .get_or_insert_with(|| {
                    registry.histogram(Family::TokenUsage, &with(labels, TOKEN_TYPES[position]))
                })
                .record(*count);
        }
        let (Some(Delivery::Streamed), Some(first)) = (record.delivery, record.first_byte) else { return };
        let to_first = super::nanos(record.began.instant, first);
        self.first.get_or_insert_with(|| registry.histogram(Family::FirstToken, labels)).record(to_first);
        // A stream that came in one piece says nothing about the pace of its tokens.
        if let (Some(output @ 2..), rest @ 1..) = (counts[1], total.saturating_sub(to_first)) {
            self.per_token
                .get_or_insert_with(|| registry.histogram(Family::PerOutputToken, labels))
                .record(rest / (output - 1));
        }
    }
}

/// The labels with the family's own last one put before the header attributes.
fn with(labels: &[Arc<str>], last: &str) -> Vec<Arc<str>> {
    let mut all = labels.to_vec();
    all.insert(5.min(all.len()), last.into());
    all
}
