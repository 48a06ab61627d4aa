use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderValue};
use tollgate_limit::Settlement;
use tollgate_snapshot::{CostInputs, InvalidCost, ReplySource, RequestIds};
use tollgate_types::{Dialect, ModelId};

use crate::{
    Answered, Exchange, Failure, LocalReply, Record, Refusal, Refused, ReplyReader,
    headers::{ANTHROPIC_REQUEST_ID, REQUEST_ID},
    prelude::replaced,
};

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client got the whole reply of a backend.
    Complete,
    /// The gateway answered by itself.
    Local,
    /// The gateway refused, or nobody could be asked.
    Refused(Refusal),
    /// The client went away before the end.
    ClientGone,
    /// The backend broke off after the first byte had gone to the client.
    UpstreamBroke(Failure),
    /// `timeouts.request` passed after the first byte had gone to the client.
    Deadline,
    /// The gateway shut down before the end.
    Drained,
}

/// One finished request: the input of metrics, logs, traces and budgets. There is exactly one per request.
#[derive(Debug)]
pub struct Settled {
    /// Every fact.
    pub record: Box<Record>,
    /// How it ended.
    pub end: End,
    /// When.
    pub ended: Instant,
    /// Costs by metadata key, in the order of the route.
    pub costs: Vec<(Arc<str>, u64)>,
    /// What becomes of the claims on counters; the host hands them to the store.
    pub settlements: Vec<Settlement>,
    /// A cost expression that failed, with its key: nothing is charged for it.
    pub broken_cost: Option<(Arc<str>, InvalidCost)>,
}

// === impl Refused ===

impl Refused {
    /// Ends the request with the refusal; gives what the client gets.
    #[must_use]
    pub fn settle(self, now: Instant) -> (LocalReply, Settled) {
        let mut reply = self.reply();
        if let Some(other) = replaced(&self.record, ReplySource::Local, (reply.status, &reply.headers)) {
            reply = other;
        }
        let Self { mut record, refusal } = self;
        record.decorate(&mut reply.headers);
        name(&record, &mut reply.headers);
        record.status = Some(reply.status);
        record.bytes_out = reply.body.len() as u64;
        (reply, settle(record, End::Refused(refusal), now))
    }
}

// === impl Answered ===

impl Answered {
    /// Ends the request with the gateway's own reply.
    #[must_use]
    pub fn settle(self, now: Instant) -> (LocalReply, Settled) {
        let Self { mut record, mut reply } = self;
        record.decorate(&mut reply.headers);
        name(&record, &mut reply.headers);
        record.status = Some(reply.status);
        record.bytes_out = reply.body.len() as u64;
        (reply, settle(record, End::Local, now))
    }
}

/// Names the request to its client where no provider has: an id that is in our log, where the client's SDK looks for it.
fn name(record: &Record, headers: &mut HeaderMap) {
    if record.client.heads.request_ids == RequestIds::Disable {
        return;
    }
    let Ok(id) = HeaderValue::from_str(&record.request_id) else { return };
    if record.endpoint.is_some_and(|endpoint| endpoint.dialect() == Dialect::Anthropic) {
        headers.entry(ANTHROPIC_REQUEST_ID).or_insert_with(|| id.clone());
    }
    headers.entry(REQUEST_ID).or_insert(id);
}

// === impl Exchange ===

impl Exchange {
    /// Ends the request. Whatever was delivered is counted, also where the client left early.
    #[must_use]
    pub fn settle(self, end: End, now: Instant) -> Settled {
        let Self { mut record, stowed, reply, .. } = self;
        if let Some(stowed) = stowed {
            record.head.headers = stowed.restore();
        }
        if let ReplyReader::Llm(reply) = &reply {
            record.usage = reply.usage();
            record.usage_estimated = !record.usage.is_empty() && reply.usage_is_estimated();
            record.model_served = reply.model().map(str::to_owned);
            if let Some(backend) = record.backend() {
                reply.ids().for_each(|id| record.live.places.note(id, &backend.id));
            }
        }
        settle(record, end, now)
    }
}

// === impl Exchange: costs ===

impl Exchange {
    /// What the reply costs up to now, by metadata key, and what a quota of the choice makes of it: for hosts that
    /// tell others before the end. Nothing where the backend did not do what it was asked.
    #[must_use]
    pub fn costs(&self) -> Vec<(Arc<str>, u64)> {
        let ReplyReader::Llm(reply) = &self.reply else { return Vec::new() };
        let record = &self.record;
        let (Some(rule), Some(backend), Some(model)) = (&record.rule, record.backend(), &record.model_sent)
        else {
            return Vec::new();
        };
        if !record.succeeded() {
            return Vec::new();
        }
        let usage = reply.usage();
        let inputs =
            CostInputs { model, backend: backend.id.as_str(), route: rule.route.as_str(), usage: &usage };
        let asked = rule
            .choices()
            .iter()
            .filter(|choice| choice.backend.as_ref().is_ok_and(|known| Arc::ptr_eq(known, backend)));
        let quota = asked.filter_map(|choice| choice.quota.as_ref()).next();
        let budgets = quota.iter().flat_map(|quota| quota.budgets(model)).map(|budget| &budget.cost);
        let all = rule.costs().iter().chain(budgets);
        all.filter_map(|cost| Some((Arc::clone(&cost.key), cost.evaluate(&inputs).ok()?))).collect()
    }
}

fn settle(record: Box<Record>, end: End, ended: Instant) -> Settled {
    judge(&record, &end, ended);
    let mut settled =
        Settled { record, end, ended, costs: Vec::new(), settlements: Vec::new(), broken_cost: None };
    // Errors of providers cost nothing; what was delivered of a success does.
    if settled.record.succeeded() {
        charge(&mut settled);
    }
    settled.settlements = settled.record.settlements(&settled.costs);
    settle_quota(&mut settled);
    settled
}

/// Tells those who judge a rule by its answers what this one was.
fn judge(record: &Record, end: &End, ended: Instant) {
    let Some(rule) = &record.rule else { return };
    let Some(control) = &rule.traffic.admission else { return };
    let (Some(admission), Some(attempt)) = (record.live.admission(rule), record.attempts.last()) else {
        return;
    };
    // A client that leaves early says nothing of the backend.
    if attempt.status.is_none() && matches!(end, End::ClientGone | End::Drained) {
        return;
    }
    let passed = ended.saturating_duration_since(record.began.instant).as_millis();
    let now = record.began.unix_ms.saturating_add(u64::try_from(passed).unwrap_or_default());
    let status = attempt.status.filter(|_| attempt.failure.is_none()).map(|status| status.as_u16());
    admission.report(control.is_success(status), now);
}

fn charge(settled: &mut Settled) {
    let record = &settled.record;
    let Some(rule) = &record.rule else { return };
    let (Some(backend), Some(model)) = (record.backend(), record.model_sent.as_ref()) else { return };
    let inputs = CostInputs {
        model: model as &ModelId,
        backend: backend.id.as_str(),
        route: rule.route.as_str(),
        usage: &record.usage,
    };
    settled.costs.reserve_exact(rule.costs().len());
    for cost in rule.costs() {
        match cost.evaluate(&inputs) {
            Ok(number) => settled.costs.push((Arc::clone(&cost.key), number)),
            Err(error) => settled.broken_cost = Some((Arc::clone(&cost.key), error)),
        }
    }
}

/// Releases what was held of the quota of the backend that was asked last, and charges it what the reply cost.
fn settle_quota(settled: &mut Settled) {
    let Some(held) = settled.record.gate.held.take() else { return };
    let record = &settled.record;
    let inputs = match (&record.rule, record.backend(), &record.model_sent) {
        (Some(rule), Some(backend), Some(model)) if record.succeeded() => {
            let (backend, route) = (backend.id.as_str(), rule.route.as_str());
            Some(CostInputs { model, backend, route, usage: &record.usage })
        }
        _ => None,
    };
    let (settlements, broken) = held.settle(inputs.as_ref());
    settled.settlements.extend(settlements);
    settled.broken_cost = broken.or(settled.broken_cost.take());
}

// === impl Record ===

impl Record {
    /// Ends a request whose client went away before anything was sent to it.
    #[must_use]
    pub fn abandon(self: Box<Self>, now: Instant) -> Settled {
        settle(self, End::ClientGone, now)
    }
}
