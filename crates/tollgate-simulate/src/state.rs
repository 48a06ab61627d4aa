#![expect(clippy::disallowed_types, reason = "held for a map entry's time, never over an await")]

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    Behaviour, Options, Rule,
    answer::Usage,
    openai::embeddings::Form,
    openai::files::{Item, MOST_FILES},
    request::Request,
};

/// Distinct models, keys and cached prefixes that are told apart.
const MOST_NAMES: usize = 4096;

/// What a simulator has done since it started, as `GET /_sim/stats` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Stats {
    /// API requests, refused and broken ones included.
    pub requests: u64,
    /// Requests by model.
    pub models: BTreeMap<String, u64>,
    /// Requests by the last four characters of their key.
    pub keys: BTreeMap<String, u64>,
    /// Replies whose client left before the end.
    pub aborted: u64,
    /// Requests being answered now.
    pub in_flight: u64,
    /// Connections accepted so far.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Prompt tokens reported.
    pub prompt_tokens: u64,
    /// Output tokens reported.
    pub output_tokens: u64,
}

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Recorded {
    /// In upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Behind the question mark.
    pub query: String,
    /// In the order and the spelling in which they came; credentials cut to their last four characters.
    pub headers: Vec<(String, String)>,
    /// Not valid UTF-8 is replaced.
    pub body: String,
}

/// What all connections of a simulator share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) requests: AtomicU64,
    pub(crate) aborted: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) open_connections: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) output_tokens: AtomicU64,
    serials: AtomicU64,
    has_rules: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    models: BTreeMap<String, u64>,
    keys: BTreeMap<String, u64>,
    prefixes: HashSet<u64, foldhash::fast::FixedState>,
    rules: Vec<Rule>,
    last: VecDeque<Recorded>,
    /// Files and batches, the oldest first.
    items: VecDeque<Item>,
    /// The latest embedding: numbers are dear to write, and a load test wants the same ones.
    vector: Option<Vector>,
}

/// An embedding as it is written.
#[derive(Debug)]
struct Vector {
    shape: (u64, Form),
    bytes: Arc<[u8]>,
}

/// Counts up now and down when it is dropped.
#[derive(Debug)]
pub(crate) struct Gauge<'a>(&'a AtomicU64);

// === impl Stats ===

impl Stats {
    /// Requests for this model.
    #[must_use]
    pub fn model(&self, name: &str) -> u64 {
        self.models.get(name).copied().unwrap_or(0)
    }
}

// === impl Recorded ===

impl Recorded {
    fn new(request: &Request<'_>) -> Self {
        let header = |(name, value): (&str, &str)| {
            let secret = ["authorization", "api-key", "x-api-key", "cookie"];
            let is_secret = secret.iter().any(|secret| name.eq_ignore_ascii_case(secret));
            (name.to_owned(), if is_secret { suffix(value).to_owned() } else { value.to_owned() })
        };
        Self {
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            query: request.query.to_owned(),
            headers: request.headers().map(header).collect(),
            body: String::from_utf8_lossy(request.body).into_owned(),
        }
    }

    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

// === impl State ===

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            requests: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open_connections: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            output_tokens: AtomicU64::new(0),
            serials: AtomicU64::new(1),
            has_rules: AtomicBool::new(false),
            books: Mutex::default(),
        }
    }

    /// Counts one API request. `key` is the suffix.
    pub(crate) fn count(&self, model: &str, key: &str) {
        self.requests.fetch_add(1, Relaxed);
        let books = &mut *self.books();
        for (map, name) in [(&mut books.models, model), (&mut books.keys, key)] {
            if let Some(count) = map.get_mut(name) {
                *count += 1;
            } else if map.len() < MOST_NAMES {
                map.insert(name.to_owned(), 1);
            }
        }
    }

    pub(crate) fn spent(&self, usage: Usage) {
        self.prompt_tokens.fetch_add(usage.input, Relaxed);
        self.output_tokens.fetch_add(usage.output, Relaxed);
    }

    pub(crate) fn record(&self, request: &Request<'_>) {
        if self.options.record == 0 {
            return;
        }
        let recorded = Recorded::new(request);
        let last = &mut self.books().last;
        if last.len() >= self.options.record {
            last.pop_front();
        }
        last.push_back(recorded);
    }

    /// Oldest first.
    pub(crate) fn last(&self) -> Vec<Recorded> {
        self.books().last.iter().cloned().collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        let (models, keys) = {
            let books = self.books();
            (books.models.clone(), books.keys.clone())
        };
        Stats {
            requests: self.requests.load(Relaxed),
            models,
            keys,
            aborted: self.aborted.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            connections: self.connections.load(Relaxed),
            open_connections: self.open_connections.load(Relaxed),
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            output_tokens: self.output_tokens.load(Relaxed),
        }
    }

    pub(crate) fn add_rules(&self, rules: impl IntoIterator<Item = Rule>) {
        self.books().rules.extend(rules);
        self.has_rules.store(true, Relaxed);
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.books().rules.clone()
    }

    pub(crate) fn clear_rules(&self) {
        self.books().rules.clear();
        self.has_rules.store(false, Relaxed);
    }

    /// The first rule that matches, used up by one.
    pub(crate) fn rule(&self, path: &str, model: &str, key: &str) -> Option<Behaviour> {
        if !self.has_rules.load(Relaxed) {
            return None;
        }
        let rules = &mut self.books().rules;
        let fits = |rule: &Rule| {
            rule.model.as_deref().is_none_or(|wanted| wanted == model)
                && rule.path.as_deref().is_none_or(|wanted| path.ends_with(wanted))
                && rule.key.as_deref().is_none_or(|wanted| key.ends_with(suffix(wanted)))
        };
        let index = rules.iter_mut().position(|rule| {
            let due = fits(rule);
            if due && rule.skip > 0 {
                rule.skip -= 1;
                return false;
            }
            due
        })?;
        let behaviour = rules[index].behaviour.clone();
        match rules[index].times.unwrap_or(1) {
            0 => {}
            1 => drop(rules.remove(index)),
            times => rules[index].times = Some(times - 1),
        }
        self.has_rules.store(!rules.is_empty(), Relaxed);
        Some(behaviour)
    }

    /// Tokens of the longest prefix seen before; remembers all of them.
    pub(crate) fn cached(&self, prefixes: &[u64]) -> u64 {
        if prefixes.is_empty() {
            return 0;
        }
        let seen = &mut self.books().prefixes;
        let mut steps = 0;
        for (index, prefix) in prefixes.iter().enumerate() {
            if seen.contains(prefix) {
                steps = index as u64 + 1;
            } else if seen.len() < MOST_NAMES {
                seen.insert(*prefix);
            }
        }
        steps * 1024
    }

    /// The embedding that `shape` describes, made at most once in a row.
    pub(crate) fn vector(&self, shape: (u64, Form), make: impl FnOnce() -> Vec<u8>) -> Arc<[u8]> {
        if let Some(vector) = &self.books().vector
            && vector.shape == shape
        {
            return vector.bytes.clone();
        }
        let bytes: Arc<[u8]> = make().into();
        self.books().vector = Some(Vector { shape, bytes: bytes.clone() });
        bytes
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serials.fetch_add(1, Relaxed)
    }

    /// Seconds since 1970.
    #[expect(clippy::unused_self, reason = "the one place that would change for a fixed clock")]
    pub(crate) fn now(&self) -> u64 {
        since_1970().as_secs()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The last four characters: enough to tell test keys apart, too few to use.
pub(crate) fn suffix(key: &str) -> &str {
    key.char_indices().rev().nth(3).map_or(key, |(at, _)| &key[at..])
}

impl State {
    /// Keeps a file or a batch, in place of an older one of its id.
    pub(crate) fn keep(&self, item: Item) {
        let mut books = self.books();
        books.items.retain(|known| known.object["id"] != item.object["id"]);
        if books.items.len() == MOST_FILES {
            books.items.pop_front();
        }
        books.items.push_back(item);
    }

    pub(crate) fn kept(&self, id: &str) -> Option<Item> {
        self.books().items.iter().find(|item| item.object["id"] == id).cloned()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.books().items.retain(|item| item.object["id"] != id);
    }

    /// As the API shows them, the newest first.
    pub(crate) fn all_kept(&self, wanted: impl Fn(&Item) -> bool) -> Vec<serde_json::Value> {
        self.books().items.iter().rev().filter(|item| wanted(item)).map(|item| item.object.clone()).collect()
    }
}

// === impl Gauge ===

impl<'a> Gauge<'a> {
    pub(crate) fn raise(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
