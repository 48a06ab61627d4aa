use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_limit::{
    Claim, Claims, Decision, LimitRule, Mode, Refused as Reached, Settlement, Standing, Store, UnixMillis,
};
use tollgate_snapshot::{Budget, Choice, CostInputs, InvalidCost, Quota};
use tollgate_types::ModelId;

use crate::{Now, Plan, Ports, Question, Record, Refusal, Refused, Routed};

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

/// What says that a budget is spent.
#[derive(Debug)]
struct Spent {
    reached: Reached,
    standing: Standing,
}

// === impl Routed ===

impl Routed {
    /// What has to be asked of counters elsewhere before it can be said whose quotas are spent.
    pub(crate) fn asks_for_quotas(&mut self, ports: &impl Ports, now: Now) -> Option<Question> {
        if self.record.gate.looked {
            // What it said is known to the store now.
            self.record.gate.decision = None;
            return None;
        }
        let of_choice = |choice| quota_of(choice, &self.record);
        let quotas = self.rule.choices().iter().filter_map(of_choice);
        let budgets = quotas.flat_map(|(quota, model)| quota.budgets(model));
        let view = self.record.view();
        let claims: Vec<Claim> = budgets.flat_map(|budget| budget.buckets.claims(&view, 0).0).collect();
        if claims.is_empty() || ports.limits().is_sure(&claims, UnixMillis(now.unix_ms)) {
            return None;
        }
        self.record.gate.looked = true;
        Some(Question::Limits(claims))
    }
}

// === impl Plan ===

impl Plan {
    /// Leaves out the choices whose quotas are spent, so that the next priority is asked.
    pub(crate) fn leave_spent_quotas(mut self, ports: &impl Ports, now: Now) -> Result<Self, Refused> {
        let rule = Arc::clone(&self.rule);
        for (position, choice) in rule.choices().iter().enumerate() {
            let Some((quota, model)) = quota_of(choice, &self.record) else { continue };
            let spent = |budget| self.look(budget, ports.limits(), UnixMillis(now.unix_ms));
            let spent = quota.budgets(model).find_map(spent);
            if let Some(spent) = spent {
                self.leave_out(position, spent);
            }
        }
        if !self.spent.is_empty() && self.candidates(now.unix_ms).iter().all(|choice| choice.weight == 0) {
            let refusal = self.nobody();
            return Err(self.refuse(refusal));
        }
        Ok(self)
    }

    fn leave_out(&mut self, position: usize, spent: Spent) {
        self.spent.push((position, spent.reached));
        self.show_quotas([spent.standing]);
    }

    /// Keeps for the reply what is left of quotas.
    fn show_quotas(&mut self, standings: impl IntoIterator<Item = Standing>) {
        if self.record.client.heads.rate_limit_headers {
            self.record.gate.left.quotas.extend(standings);
        }
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
        let Some((quota, model)) = quota_of(choice, &self.record) else {
            self.record.gate.left.quotas.clear();
            return Ok(true);
        };
        let (quota, model) = (Arc::clone(quota), model.clone());
        let mut held = Held { quota: Arc::clone(&quota), model, choice: position, claims: SmallVec::new() };
        let mut standings = SmallVec::<[Standing; 2]>::new();
        for budget in quota.budgets(&held.model.clone()) {
            let over = match self.take_of(budget, store, now) {
                Ok(Ok((claims, standing))) => {
                    held.claims.push(claims);
                    standings.extend(standing);
                    continue;
                }
                Ok(Err(spent)) => Ok(spent),
                Err(refusal) => Err(refusal),
            };
            store.settle(&held.settle(None).0, now);
            self.leave_out(position, over?);
            return Ok(false);
        }
        self.record.gate.held = Some(Box::new(held));
        self.record.gate.left.quotas.clear();
        self.show_quotas(standings);
        Ok(true)
    }

    /// What says that a budget is spent, as far as it is known.
    fn look(&self, budget: &Budget, store: &impl Store, now: UnixMillis) -> Option<Spent> {
        let (claims, rules) = budget.buckets.claims(&self.record.view(), 0);
        let decision = store.look(&claims, now);
        (!decision.is_admitted()).then(|| spent(&claims, &rules, &decision)).flatten()
    }

    /// Sets aside what the request may cost of one budget and tells what is left of it, or says that it is spent.
    fn take_of(&self, budget: &Budget, store: &impl Store, now: UnixMillis) -> Result<TakenOf, Refusal> {
        let hold = budget.estimator.estimate(self.payload.size(self.record.bytes_in));
        let (claims, rules) = budget.buckets.claims(&self.record.view(), hold);
        if claims.is_empty() {
            return Ok(Ok((claims, None)));
        }
        let decision = store.hold(&claims, now);
        if decision.unavailable {
            return Err(Refusal::Uncounted);
        }
        if !decision.is_admitted()
            && let Some(spent) = spent(&claims, &rules, &decision)
        {
            return Ok(Err(spent));
        }
        // Of buckets that share a request the fullest one decides.
        let enforced = claims.iter().zip(&decision.standings).filter(|(claim, _)| claim.mode != Mode::Shadow);
        let left = enforced.map(|(_, standing)| *standing).max_by_key(|standing| standing.remaining);
        Ok(Ok((claims, left)))
    }
}

/// What was set aside of a budget with what is left of it, or what says that nothing is.
type TakenOf = Result<(Claims, Option<Standing>), Spent>;

/// The quota of a choice, and the model that it would be asked for.
fn quota_of<'a>(choice: &'a Choice, record: &'a Record) -> Option<(&'a Arc<Quota>, &'a ModelId)> {
    let quota = choice.quota.as_ref()?;
    Some((quota, choice.model_override.as_ref().or(record.model_asked.as_ref())?))
}

/// All buckets are spent: names the one that can be used again first.
fn spent(claims: &[Claim], rules: &[&Arc<LimitRule>], decision: &Decision) -> Option<Spent> {
    let all = claims.iter().zip(rules).zip(&decision.standings);
    let enforced = all.filter(|((claim, _), _)| claim.mode != Mode::Shadow);
    let ((_, rule), standing) = enforced.min_by_key(|(_, standing)| standing.reset)?;
    let Standing { limit, reset: retry_after, .. } = *standing;
    Some(Spent { reached: Reached { rule: Arc::clone(&rule.id), limit, retry_after }, standing: *standing })
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
