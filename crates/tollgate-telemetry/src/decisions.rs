use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Instant,
};

use serde::Serialize;
use tollgate_core::{AttemptRecord, Settled};

use crate::{end, lock::Slot, log::masked, metric::nanos};

/// Most trails that are kept, and most that can be asked for.
const KEPT: u32 = 200;

/// Trails of live requests: captured while somebody has asked for them, and one atomic load otherwise.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    armed: AtomicU32,
    state: Slot<State>,
}

#[derive(Debug, Default)]
struct State {
    wanted: Wanted,
    trails: VecDeque<Trail>,
}

/// Which requests to capture; `None` takes any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) model: Option<String>,
    /// A prefix.
    pub(crate) path: Option<String>,
}

/// How one request went and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trail {
    unix_ms: u64,
    request_id: String,
    method: String,
    host: String,
    path: String,
    listener: Option<String>,
    route: Option<String>,
    rule: Option<String>,
    source: Option<String>,
    endpoint: Option<String>,
    model_asked: Option<String>,
    model_sent: Option<String>,
    model_served: Option<String>,
    attempts: Vec<AttemptTrail>,
    status: Option<u16>,
    end: &'static str,
    detail: Option<String>,
    first_byte_ms: Option<f64>,
    duration_ms: f64,
}

/// One attempt; times count from the request's head.
#[derive(Clone, Debug, Serialize)]
struct AttemptTrail {
    backend: String,
    status: Option<u16>,
    failure: Option<String>,
    began_ms: f64,
    ended_ms: Option<f64>,
}

// === impl Decisions ===

impl Decisions {
    /// Captures the next requests that match, at most [`KEPT`]; earlier trails and wishes are forgotten. Gives how
    /// many.
    pub(crate) fn arm(&self, count: u32, wanted: Wanted) -> u32 {
        let count = count.min(KEPT);
        self.state.with(|state| {
            *state = State { wanted, trails: VecDeque::new() };
            self.armed.store(count, Relaxed);
        });
        count
    }

    pub(crate) fn observe(&self, settled: &Settled) {
        if self.armed.load(Relaxed) == 0 {
            return;
        }
        self.state.with(|state| {
            let left = self.armed.load(Relaxed);
            if left > 0 && state.wanted.matches(settled) {
                self.armed.store(left - 1, Relaxed);
                state.trails.push_back(Trail::of(settled));
            }
        });
    }

    /// How many are still awaited, and what was captured.
    pub(crate) fn list(&self) -> (u32, Vec<Trail>) {
        self.state.with(|state| (self.armed.load(Relaxed), state.trails.iter().cloned().collect()))
    }
}

// === impl Wanted ===

impl Wanted {
    fn matches(&self, settled: &Settled) -> bool {
        let record = &settled.record;
        let Self { model, path } = self;
        let asked = record.model_asked.as_ref().map(|asked| asked.as_str());
        model.as_deref().is_none_or(|model| asked == Some(model))
            && path.as_deref().is_none_or(|path| record.head.uri.path().starts_with(path))
    }
}

// === impl Trail ===

impl Trail {
    fn of(settled: &Settled) -> Self {
        let record = &settled.record;
        let rule = record.rule.as_ref();
        let path = record.head.uri.path_and_query().map_or("/", |path| path.as_str());
        let since = |moment: Instant| ms(record.began.instant, moment);
        Self {
            unix_ms: record.began.unix_ms,
            request_id: record.request_id.clone(),
            method: record.head.method.to_string(),
            host: record.host.clone(),
            path: masked(path).into_owned(),
            listener: record.listener.as_ref().map(|listener| listener.id.to_string()),
            route: rule.map(|rule| rule.route.to_string()),
            rule: rule.map(|rule| rule.id.to_string()),
            source: rule.map(|rule| rule.source.to_string()),
            endpoint: record.endpoint.map(|endpoint| endpoint.to_string()),
            model_asked: record.model_asked.as_ref().map(ToString::to_string),
            model_sent: record.model_sent.as_ref().map(ToString::to_string),
            model_served: record.model_served.clone(),
            attempts: record.attempts.iter().map(|attempt| AttemptTrail::of(attempt, since)).collect(),
            status: record.status.map(|status| status.as_u16()),
            end: end::word(&settled.end),
            detail: end::detail(settled),
            first_byte_ms: record.first_byte.map(since),
            duration_ms: since(settled.ended),
        }
    }
}

impl AttemptTrail {
    fn of(attempt: &AttemptRecord, since: impl Fn(Instant) -> f64) -> Self {
        Self {
            backend: attempt.backend.id.to_string(),
            status: attempt.status.map(|status| status.as_u16()),
            failure: attempt.failure.as_ref().map(end::reason),
            began_ms: since(attempt.began),
            ended_ms: attempt.ended.map(since),
        }
    }
}

/// Milliseconds with three digits after the point.
#[expect(clippy::cast_precision_loss, reason = "shown, not counted with")]
fn ms(from: Instant, to: Instant) -> f64 {
    (nanos(from, to) / 1000) as f64 / 1000.0
}
