use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_limit::{
    Claim, Claims, Decision, Limit, LimitRule, Refused, Settlement, Size, Store, TryReserve, UnixMillis, View,
};
use tollgate_snapshot::Limits;

mod facts;
mod learnt;
mod left;

pub(crate) use self::{learnt::go_on_from, left::Left};
use crate::{Now, Ports, Question, Record, Refusal, ports::Check, routed::Payload};

/// What a request has taken from the counters, until it is settled.
#[derive(Debug)]
pub(crate) struct Taken {
    limits: Arc<Limits>,
    /// Positions of those that apply among the global limits.
    positions: SmallVec<[usize; 4]>,
    /// What was claimed at each of them.
    claims: Claims,
}

// === impl Record ===

impl Record {
    /// Takes from every counter that the request is counted on, or from none.
    pub(crate) fn take(
        &mut self,
        limits: &Arc<Limits>,
        payload: &Payload,
        ports: &impl Ports,
        now: Now,
    ) -> Check {
        let now = UnixMillis(now.unix_ms);
        // An answered question has passed the local limits already.
        if self.gate.decision.is_none()
            && let Err(refusal) = self.take_locally(limits, now)
        {
            return Check::Denied(refusal);
        }
        // What was asked for is what is settled: estimates may have changed since.
        let taken = match self.gate.asked.take() {
            Some(taken) => taken,
            None => Box::new(self.claims(limits, payload)),
        };
        if taken.claims.is_empty() {
            return Check::Passed;
        }
        let decision = match self.gate.decision.take() {
            Some(decision) => *decision,
            None => match ports.limits().try_reserve(&taken.claims, now) {
                TryReserve::Done(decision) => decision,
                TryReserve::Ask => {
                    let question = Question::Limits(taken.claims.to_vec());
                    self.gate.asked = Some(taken);
                    return Check::Ask(question);
                }
            },
        };
        let rules =
            || taken.positions.iter().filter_map(|at| limits.global.get(*at)).map(|limit| &limit.rule);
        self.show(&decision, rules());
        if decision.unavailable {
            return Check::Denied(Refusal::Uncounted);
        }
        if let Some(refused) = Refused::of(&decision, rules()) {
            return Check::Denied(Refusal::Limited(Box::new(refused)));
        }
        self.gate.taken = Some(taken);
        Check::Passed
    }

    fn take_locally(&mut self, limits: &Limits, now: UnixMillis) -> Result<(), Refusal> {
        let Some(local) = &limits.local else { return Ok(()) };
        let (claims, rules) = local.claims(&self.view());
        if claims.is_empty() {
            return Ok(());
        }
        let decision = limits.buckets.take(&claims, now);
        let rules = || rules.iter().map(|rule| &***rule);
        self.show(&decision, rules());
        match Refused::of(&decision, rules()) {
            Some(refused) => Err(Refusal::Limited(Box::new(refused))),
            None => Ok(()),
        }
    }

    fn claims(&self, limits: &Arc<Limits>, payload: &Payload) -> Taken {
        let view = self.view();
        let mut size = None;
        let (mut positions, mut claims) = (SmallVec::new(), Claims::with_capacity(limits.global.len()));
        for (position, limit) in limits.global.iter().enumerate() {
            let amount = limit.rule.limit_of(|fact| self.limit_told_by(fact));
            let Some(counter) = limit.rule.claim_in(amount, &view) else { continue };
            let hits = limit.rule.request_cost.amount(|fact| self.number(fact, &[]));
            let hold = limit.estimator.as_ref().map_or(0, |estimator| {
                estimator.estimate(*size.get_or_insert_with(|| payload.size(self.bytes_in)))
            });
            positions.push(position);
            claims.push(Claim { limit: amount, ..limit.rule.charge(counter, hits, hold) });
        }
        Taken { limits: Arc::clone(limits), positions, claims }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            method: &self.head.method,
            path: self.head.uri.path(),
            query: self.head.uri.query(),
            headers: &self.head.headers,
            client: Some(self.client_ip),
        }
    }

    /// Keeps for the reply what is left.
    fn show<'a>(&mut self, decision: &Decision, rules: impl Iterator<Item = &'a LimitRule>) {
        if self.client.heads.rate_limit_headers {
            let shown = decision.standings.iter().zip(rules).filter(|(_, rule)| rule.show_headers);
            self.gate.left.limits.extend(shown.map(|(standing, _)| *standing));
        }
    }

    /// What becomes of the claims: holds are released, and real costs charged. `costs` are those of the reply.
    pub(crate) fn settlements(&mut self, costs: &[(Arc<str>, u64)]) -> Vec<Settlement> {
        let Some(taken) = self.gate.taken.take() else { return Vec::new() };
        let Taken { limits, positions, claims } = *taken;
        let answered = self.succeeded();
        let settle = |(claim, position): (Claim, usize)| {
            let limit = limits.global.get(position);
            let response = limit.and_then(|limit| limit.rule.response_cost.as_ref());
            let cost = response.map_or(0, |cost| cost.amount(|fact| self.number(fact, costs)));
            if let Some(estimator) = limit.and_then(|limit| limit.estimator.as_ref())
                && answered
            {
                estimator.learn(cost);
            }
            claim.settle(cost)
        };
        claims.into_iter().zip(positions).map(settle).collect()
    }
}

/// `100 per Hour` in words for the reply.
pub(crate) fn words(limit: Limit) -> String {
    format!("{} per {}", limit.amount, format!("{:?}", limit.unit).to_ascii_lowercase())
}

// === impl Payload ===

impl Payload {
    /// What is known of the request's size.
    pub(crate) fn size(&self, bytes_in: u64) -> Size {
        match self {
            Self::Llm { body, inspected, .. } => Size {
                prompt_bytes: inspected.prompt_tokens(body).0.saturating_mul(4),
                max_tokens: inspected.completion_bound,
            },
            // Most of a form is no text.
            Self::Form { .. } | Self::Item { .. } | Self::Unread { .. } => Size::default(),
            Self::Http | Self::Whole(_) => Size { prompt_bytes: bytes_in, max_tokens: None },
        }
    }
}
