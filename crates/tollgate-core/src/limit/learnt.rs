//! What limits have learnt while one snapshot served, for the next one.

use std::collections::HashMap;

use tollgate_limit::{Buckets, Cost, Estimator};
use tollgate_snapshot::{Budget, Snapshot};

/// What a rule is known by; for estimates also what they are about.
type Identity<'a> = (&'a str, u64);

/// Everything that was learnt, by the rule that it belongs to.
#[derive(Default)]
struct Learnt<'a> {
    buckets: HashMap<Identity<'a>, &'a Buckets>,
    estimators: HashMap<(Identity<'a>, Option<&'a Cost>), &'a Estimator>,
    quotas: HashMap<Identity<'a>, &'a Budget>,
}

/// Lets the rules of a snapshot that were there before go on as they were: a reload fills no bucket, and makes no
/// estimate forget. Has to come before its first request.
pub(crate) fn go_on_from(snapshot: &Snapshot, before: &Snapshot) {
    let learnt = Learnt::of(before);
    for limits in snapshot.rules.iter().filter_map(|rule| rule.limits.as_deref()) {
        for limit in &limits.global {
            let known = learnt.estimators.get(&(limit.rule.identity(), limit.rule.response_cost.as_ref()));
            if let (Some(estimator), Some(known)) = (&limit.estimator, known) {
                estimator.go_on_from(known);
            }
        }
        let mut rules = limits.local.iter().flat_map(|local| local.rules());
        if let Some(known) = rules.find_map(|rule| learnt.buckets.get(&rule.identity())) {
            limits.buckets.go_on_from(known);
        }
    }
    for budget in budgets(snapshot) {
        let known = budget.buckets.buckets().find_map(|bucket| learnt.quotas.get(&bucket.identity()));
        // Estimates of another expression are about something else.
        if let Some(known) = known
            && known.cost.to_string() == budget.cost.to_string()
        {
            budget.estimator.go_on_from(&known.estimator);
        }
    }
}

fn budgets(snapshot: &Snapshot) -> impl Iterator<Item = &Budget> {
    let choices = snapshot.rules.iter().flat_map(|rule| rule.choices());
    let quotas = choices.filter_map(|choice| choice.quota.as_deref());
    quotas.flat_map(|quota| quota.all())
}

// === impl Learnt ===

impl<'a> Learnt<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut learnt = Self::default();
        for limits in snapshot.rules.iter().filter_map(|rule| rule.limits.as_deref()) {
            for limit in &limits.global {
                if let Some(estimator) = &limit.estimator {
                    let about = (limit.rule.identity(), limit.rule.response_cost.as_ref());
                    learnt.estimators.entry(about).or_insert(estimator);
                }
            }
            for rule in limits.local.iter().flat_map(|local| local.rules()) {
                learnt.buckets.entry(rule.identity()).or_insert(&limits.buckets);
            }
        }
        for budget in budgets(snapshot) {
            for bucket in budget.buckets.buckets() {
                learnt.quotas.entry(bucket.identity()).or_insert(budget);
            }
        }
        learnt
    }
}

#[cfg(test)]
mod tests;
