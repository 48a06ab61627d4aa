//! QuotaPolicy: how much of a backend may be used.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate_limit::{
    Basis, Cost as Charge, Estimator, Fact, Limit, LimitRule, LimitRuleSpec, ModelQuota as Buckets,
    QuotaMode as Mode, QuotaOf, Scope, Unit,
};
use tollgate_resources::{
    AiTargetRef, ModelQuota, Object, PerModelQuota, QuotaDuration, QuotaMode, QuotaPolicy, QuotaRule,
    QuotaValue, ServiceQuota,
};
use tollgate_snapshot::{Budget, Cost, CostKind, Problem, Quota, Rule};
use tollgate_types::ModelId;

use crate::{
    Fault, costs, limits,
    notes::{At, Notes},
    world::{World, group},
};

/// Stands for all models in the names of counters; no provider has a model of that name.
const ALL_MODELS: &str = "*";

/// What the backends may spend, by namespace and name of the AIServiceBackend.
#[derive(Debug)]
pub(crate) struct Quotas(BTreeMap<(String, String), Made>);

/// A broken policy takes its backends out of service: nobody knows how much it was to let through.
type Made = Result<Arc<Quota>, Arc<Problem>>;

/// Where a bucket belongs.
struct Place<'a> {
    /// `namespace/name` of the policy, for people.
    policy: &'a str,
    of: QuotaOf,
    /// Names the model to people.
    what: String,
}

// === impl Quotas ===

impl Quotas {
    /// Of two policies that speak of one model of a backend, the alphabetically first one wins.
    pub(crate) fn new(world: &World<'_>, notes: &mut Notes) -> Self {
        let mut quotas = BTreeMap::<_, Result<Quota, Arc<Problem>>>::new();
        for policy in &world.set.quota_policies {
            for (i, target) in policy.spec.target_refs.iter().enumerate() {
                let namespace = policy.meta.namespace.to_string();
                if target.group != group::AI || target.kind != "AIServiceBackend" {
                    continue;
                }
                if let Err(fault) = world.ai_backends.get(&namespace, &target.name) {
                    let at = At::new(policy, format!("spec.targetRefs[{i}].name"));
                    notes.warning(&at, Fault { code: "target-not-found", ..fault });
                    continue;
                }
                let known =
                    quotas.entry((namespace, target.name.clone())).or_insert_with(|| Ok(Quota::default()));
                if let Ok(quota) = known
                    && let Err(problem) = add(policy, &target.name, quota, notes)
                {
                    *known = Err(problem);
                }
            }
        }
        for policy in world.set.refused_policies.iter().filter(|policy| policy.spec.kind == "QuotaPolicy") {
            let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
            let message =
                format!("QuotaPolicy {namespace}/{name} is invalid, so that its backends answer 500");
            let problem = notes.error(&At::new(policy, "spec"), Fault::new("invalid-policy", message));
            for target in policy.spec.spec["targetRefs"].as_array().into_iter().flatten() {
                let backend = target["name"].as_str().unwrap_or_default().to_owned();
                quotas.insert((namespace.to_string(), backend), Err(Arc::clone(&problem)));
            }
        }
        Self(quotas.into_iter().map(|(backend, quota)| (backend, quota.map(Arc::new))).collect())
    }

    /// What may be spent on an AIServiceBackend.
    pub(crate) fn of(&self, namespace: &str, name: &str) -> Option<Made> {
        self.0.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Models with a quota that no rule asks their backend for, where rules say what they ask for.
    pub(crate) fn review(&self, world: &World<'_>, rules: &[Arc<Rule>], notes: &mut Notes) {
        let mut asked = BTreeSet::new();
        let mut any = BTreeSet::new();
        for choice in rules.iter().flat_map(|rule| rule.choices()) {
            let (Ok(backend), Some(_)) = (&choice.backend, &choice.quota) else { continue };
            match &choice.model_override {
                Some(model) => asked.insert((backend.id.as_str(), model.as_str())),
                None => any.insert(backend.id.as_str()),
            };
        }
        for policy in &world.set.quota_policies {
            for (i, PerModelQuota { model_name, .. }) in policy.spec.per_model_quotas.iter().enumerate() {
                let namespace = &policy.meta.namespace;
                let is_asked = |target: &AiTargetRef| {
                    let id = format!("{namespace}/{}", target.name);
                    any.contains(&*id) || asked.contains(&(&*id, model_name))
                };
                let serves = |target: &AiTargetRef| matches!(self.of(namespace, &target.name), Some(Ok(_)));
                let mut targets = policy.spec.target_refs.iter().filter(|target| serves(target)).peekable();
                // What is wrong with targets was said already.
                if targets.peek().is_none() || targets.any(is_asked) {
                    continue;
                }
                let message = format!("no route asks a backend of this quota for model {model_name}");
                let help = "modelName is the name that the backend is asked for: modelNameOverride where there is one";
                let at = At::new(policy, format!("spec.perModelQuotas[{i}].modelName"));
                notes.warning(&at, Fault::new("unused-quota", message).help(help));
            }
        }
    }
}

/// Adds what one policy says of a backend.
fn add(
    policy: &Object<QuotaPolicy>,
    backend: &str,
    quota: &mut Quota,
    notes: &mut Notes,
) -> Result<(), Arc<Problem>> {
    let QuotaPolicy { target_refs: _, service_quota, per_model_quotas } = &policy.spec;
    let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
    let (policy_name, backend) = (format!("{namespace}/{name}"), format!("{namespace}/{backend}"));
    let place = |model: &str, what: String| Place {
        policy: &policy_name,
        of: QuotaOf { backend: backend.as_str().into(), model: model.into() },
        what: format!("{what} of {backend}"),
    };
    for (i, PerModelQuota { model_name, quota: spec }) in per_model_quotas.iter().enumerate() {
        let at = At::new(policy, format!("spec.perModelQuotas[{i}]"));
        let model = ModelId::from(model_name.as_str());
        if quota.models.contains_key(&model) {
            let message =
                format!("model {model_name} of {backend} has a quota already; this one is not used");
            notes.warning(&at.to(".modelName"), Fault::new("duplicate-quota", message));
            continue;
        }
        let place = place(model_name, format!("model {model_name}"));
        quota.models.insert(model, per_model(spec, &place, &at.to(".quota"), notes)?);
    }
    let Some(ServiceQuota { cost_expression, quota: value }) = service_quota else { return Ok(()) };
    let at = At::new(policy, "spec.serviceQuota");
    if quota.service.is_some() {
        let message = format!("{backend} has a quota for all models already; this one is not used");
        notes.warning(&at, Fault::new("duplicate-quota", message));
        return Ok(());
    }
    let place = place(ALL_MODELS, "all models".to_owned());
    let whole = bucket(&place, *value, (Scope::QuotaWhole(place.of.clone()), 0));
    let buckets = Buckets::new(Vec::new(), Some(Arc::new(LimitRule::new(whole))), Mode::Shared);
    quota.service = Some(budget(cost_expression.as_deref(), buckets, &at, notes)?);
    Ok(())
}

fn per_model(
    spec: &ModelQuota,
    place: &Place<'_>,
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<Budget, Arc<Problem>> {
    let ModelQuota { cost_expression, mode, default_bucket, bucket_rules } = spec;
    let mut rules = Vec::new();
    for (i, rule) in bucket_rules.iter().enumerate() {
        let made = bucket_rule(rule, place, i);
        let made = made.map_err(|fault| notes.error(&at.to(format!(".bucketRules[{i}]")), fault))?;
        rules.push(Arc::new(made));
    }
    let default = default_bucket.map(|value| {
        let of = place.of.clone();
        let scope = if rules.is_empty() { Scope::QuotaWhole(of) } else { Scope::QuotaDefault(of) };
        Arc::new(LimitRule::new(bucket(place, value, (scope, rules.len()))))
    });
    if rules.is_empty() && default.is_none() {
        let message = format!("the quota of {} has no bucket: it limits nothing", place.what);
        notes.warning(at, Fault::new("no-effect", message).help("add defaultBucket or bucketRules"));
    }
    let mode = match mode {
        QuotaMode::Shared => Mode::Shared,
        QuotaMode::Exclusive => Mode::Exclusive,
    };
    budget(cost_expression.as_deref(), Buckets::new(rules, default, mode), at, notes)
}

fn bucket_rule(spec: &QuotaRule, place: &Place<'_>, i: usize) -> Result<LimitRule, Fault> {
    let QuotaRule { client_selectors, quota, shadow_mode } = spec;
    let mut conditions = Vec::new();
    for selector in client_selectors {
        // Only headers tell callers apart; what else is there was noted when it was read.
        limits::headers(&selector.headers, &mut conditions)?;
    }
    let whole = bucket(place, *quota, (Scope::QuotaRule(place.of.clone()), i));
    let id = format!("quota {} ({}, bucket rule {i})", place.policy, place.what);
    Ok(LimitRule::new(LimitRuleSpec { id: id.into(), conditions, shadow: *shadow_mode, ..whole }))
}

/// A bucket for every request.
fn bucket(place: &Place<'_>, value: QuotaValue, (scope, number): (Scope, usize)) -> LimitRuleSpec {
    let QuotaValue { limit, duration } = value;
    let unit = match duration {
        QuotaDuration::Second => Unit::Second,
        QuotaDuration::Minute => Unit::Minute,
        QuotaDuration::Hour => Unit::Hour,
        QuotaDuration::Day => Unit::Day,
    };
    LimitRuleSpec {
        id: format!("quota {} ({})", place.policy, place.what).into(),
        scope,
        number,
        conditions: Vec::new(),
        limit: Limit { amount: limit, unit },
        request_cost: Charge::Number(0),
        response_cost: Some(Charge::Metadata(Fact::cost(Buckets::COST_KEY))),
        shadow: false,
        show_headers: true,
    }
}

fn budget(
    expression: Option<&str>,
    buckets: Buckets,
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<Budget, Arc<Problem>> {
    let (kind, basis) = match expression.filter(|source| !source.is_empty()) {
        None => (CostKind::Total, Basis::Total),
        Some(source) => {
            let program = costs::expression(source, Buckets::COST_KEY);
            let program = program.map_err(|fault| notes.error(&at.to(".costExpression"), fault))?;
            (CostKind::Cel(Arc::new(program)), Basis::Learned)
        }
    };
    let cost = Cost { key: Buckets::COST_KEY.into(), kind };
    Ok(Budget { cost, buckets, estimator: Estimator::new(basis) })
}
