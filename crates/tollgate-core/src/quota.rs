use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_limit::{
    Claim, Claims, LimitRule, Mode, Refused as Reached, Settlement, Store, TryReserve, UnixMillis,
};
use tollgate_snapshot::{Budget, Choice, CostInputs, InvalidCost, Quota};
use tollgate_types::ModelId;

use crate::{Now, Plan, Ports, Record, Refusal, Refused};

/// What is held of a backend's quota while it is asked.
#[derive(Debug)]
pub(crate) struct Held {
    quota: Arc<Quota>,
    model: ModelId,
    /// Position of the choice that is asked.
    choice: usize,
    /// One for each budget of the model.
    claims: SmallVec<[Claims; 1]>,
}

// === impl Plan ===

impl Plan {
    /// Leaves out the choices whose quotas are spent, so that the next priority is asked.
    pub(crate) fn leave_spent_quotas(mut self, ports: &impl Ports, now: Now) -> Result<Self, Refused> {
        let rule = Arc::clone(&self.rule);
        for (position, choice) in rule.choices().iter().enumerate() {
            let Some((quota, model)) = quota_of(choice, &self.record) else { continue };
            let spent = |budget| self.look(budget, ports.limits(), UnixMillis(now.unix_ms));
            if let Some(reached) = quota.budgets(model).find_map(spent) {
                self.spent.push((position, reached));
            }
        }
        if !self.spent.is_empty() && self.candidates(now.unix_ms).iter().all(|choice| choice.weight == 0) {
            let refusal = self.nobody();
            return Err(self.refuse(refusal));
        }
        Ok(self)
    }

    pub(crate) fn is_spent(&self, position: usize) -> bool {
        self.spent.iter().any(|(spent, _)| *spent == position)
    }

    /// Why nobody can be asked: the quota that can be used again first, where one is spent.
    pub(crate) fn nobody(&self) -> Refusal {
        let first = self.spent.iter().map(|(_, reached)| reached).min_by_key(|reached| reached.retry_after);
        first.map_or(Refusal::NoEndpoints, |reached| Refusal::Limited(Box::new(reached.clone())))
    }

    /// Sets aside what the request may cost of the quota of this choice, and gives back what was set aside for
    /// another one. False where the quota is spent meanwhile.
    pub(crate) fn hold_quota(
        &mut self,
        position: usize,
        choice: &Choice,
        ports: &impl Ports,
        now: Now,
    ) -> Result<bool, Refusal> {
        if self.record.gate.held.as_ref().is_some_and(|held| held.choice == position) {
            return Ok(true);
        }
        let (store, now) = (ports.limits(), UnixMillis(now.unix_ms));
        if let Some(before) = self.record.gate.held.take() {
            store.settle(&before.settle(None).0, now);
        }
        let Some((quota, model)) = quota_of(choice, &self.record) else { return Ok(true) };
        let (quota, model) = (Arc::clone(quota), model.clone());
        let mut held = Held { quota: Arc::clone(&quota), model, choice: position, claims: SmallVec::new() };
        for budget in quota.budgets(&held.model.clone()) {
            let over = match self.take_of(budget, store, now) {
                Ok(Ok(claims)) => {
                    held.claims.push(claims);
                    continue;
                }
                Ok(Err(reached)) => Ok(reached),
                Err(refusal) => Err(refusal),
            };
            store.settle(&held.settle(None).0, now);
            self.spent.push((position, over?));
            return Ok(false);
        }
        self.record.gate.held = Some(Box::new(held));
        Ok(true)
    }

    /// What says that a budget is spent, as far as it is known.
    fn look(&self, budget: &Budget, store: &impl Store, now: UnixMillis) -> Option<Reached> {
        let (claims, rules) = budget.buckets.claims(&self.record.view(), 0);
        store.spent(&claims, now).then(|| reached(&claims, &rules, now)).flatten()
    }

    /// Sets aside what the request may cost of one budget, or says that it is spent.
    fn take_of(
        &self,
        budget: &Budget,
        store: &impl Store,
        now: UnixMillis,
    ) -> Result<Result<Claims, Reached>, Refusal> {
        let hold = budget.estimator.estimate(self.payload.size(self.record.bytes_in));
        let (mut claims, rules) = budget.buckets.claims(&self.record.view(), hold);
        if claims.is_empty() {
            return Ok(Ok(claims));
        }
        let spent = match store.try_reserve(&claims, now) {
            TryReserve::Done(decision) if decision.unavailable => return Err(Refusal::Uncounted),
            TryReserve::Done(decision) if decision.is_admitted() => false,
            TryReserve::Done(_) => true,
            // Counters elsewhere: what is known of them decides, and nothing is held.
            TryReserve::Ask => {
                claims.iter_mut().for_each(|claim| claim.hold = 0);
                store.spent(&claims, now)
            }
        };
        let reached = if spent { reached(&claims, &rules, now) } else { None };
        Ok(reached.map_or(Ok(claims), Err))
    }
}

/// The quota of a choice, and the model that it would be asked for.
fn quota_of<'a>(choice: &'a Choice, record: &'a Record) -> Option<(&'a Arc<Quota>, &'a ModelId)> {
    let quota = choice.quota.as_ref()?;
    Some((quota, choice.model_override.as_ref().or(record.model_asked.as_ref())?))
}

/// All buckets are spent: names the one that can be used again first.
fn reached(claims: &[Claim], rules: &[&Arc<LimitRule>], now: UnixMillis) -> Option<Reached> {
    let enforced = claims.iter().zip(rules).filter(|(claim, _)| claim.mode != Mode::Shadow);
    let (claim, rule) = enforced.min_by_key(|(claim, _)| claim.limit.unit.reset(now))?;
    let retry_after = claim.limit.unit.reset(now);
    Some(Reached { rule: Arc::clone(&rule.id), limit: claim.limit, retry_after })
}

// === impl Held ===

impl Held {
    /// Gives back what was set aside, and charges what the reply cost; without `inputs` there was none. Also an
    /// expression that failed, with its key.
    pub(crate) fn settle(
        self,
        inputs: Option<&CostInputs<'_>>,
    ) -> (Vec<Settlement>, Option<(Arc<str>, InvalidCost)>) {
        let Self { quota, model, choice: _, claims } = self;
        let (mut settlements, mut broken) = (Vec::new(), None);
        for (budget, claims) in quota.budgets(&model).zip(claims) {
            let cost = match inputs.map(|inputs| budget.cost.evaluate(inputs)) {
                Some(Ok(cost)) => {
                    budget.estimator.learn(cost);
                    cost
                }
                Some(Err(error)) => {
                    broken = Some((Arc::clone(&budget.cost.key), error));
                    0
                }
                None => 0,
            };
            settlements.extend(claims.into_iter().map(|claim| claim.settle(cost)));
        }
        (settlements, broken)
    }
}

#[cfg(test)]
mod tests;
