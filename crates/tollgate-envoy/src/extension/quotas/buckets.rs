//! What QuotaPolicies count, bucket by bucket.
use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use tollgate_resources::{
    ModelQuota as Spec, QuotaRule, QuotaValue, RateLimitHeaderMatch, RateLimitMatchType, ResourceSet,
};

use super::{
    super::{
        plan::Key,
        proto::{
            Action, BoolValue, HeaderMatcher, HeaderValueMatch, RegexMatcher, RequestHeaders, StringMatcher,
        },
    },
    generic,
};

/// The header by which routes are chosen; the processor writes it.
const MODEL_HEADER: &str = "x-ai-eg-model";

/// What is counted of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::extension) struct ModelQuota {
    models: Models,
    pub(super) buckets: Vec<Bucket>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Models {
    One(Arc<str>),
    /// All together.
    All,
}

/// An amount, and the conditions under which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) conditions: Vec<Condition>,
    pub(super) value: QuotaValue,
    pub(super) shadow: bool,
}

/// One level of a bucket's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    pub(super) key: String,
    holds: Holds,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holds {
    Always,
    /// For a value of a header, or for every other one.
    Value {
        header: String,
        value: String,
        regex: bool,
        invert: bool,
    },
    /// A counter for each value.
    Each {
        header: String,
    },
}

/// By AIServiceBackend, what its policies count. Of two policies that speak of one model of a backend the first one
/// counts, by namespace and name, as `compile` has it.
pub(in crate::extension) fn all(set: &ResourceSet) -> BTreeMap<Key, Vec<ModelQuota>> {
    let mut policies: Vec<_> = set.quota_policies.iter().collect();
    policies.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
    let mut found: BTreeMap<Key, Vec<ModelQuota>> = BTreeMap::new();
    for policy in policies {
        let models = policy.spec.per_model_quotas.iter().map(|quota| ModelQuota {
            models: Models::One(quota.model_name.as_str().into()),
            buckets: buckets(&quota.quota),
        });
        let service = policy.spec.service_quota.iter().map(|quota| ModelQuota {
            models: Models::All,
            buckets: vec![Bucket { conditions: Vec::new(), value: quota.quota, shadow: false }],
        });
        let quotas: Vec<_> = models.chain(service).collect();
        for target in &policy.spec.target_refs {
            let key = (Arc::clone(&policy.meta.namespace), target.name.as_str().into());
            let known = found.entry(key).or_default();
            for quota in &quotas {
                if known.iter().all(|known| known.models != quota.models) {
                    known.push(quota.clone());
                }
            }
        }
    }
    found
}

fn buckets(spec: &Spec) -> Vec<Bucket> {
    let rules = spec.bucket_rules.iter().enumerate();
    let mut buckets: Vec<_> = rules
        .map(|(index, rule)| Bucket {
            conditions: conditions(index, rule),
            value: rule.quota,
            shadow: rule.shadow_mode,
        })
        .collect();
    if let Some(value) = spec.default_bucket {
        // A quota without rules is its model's, without a further level.
        let key = format!("rule-{}-match--1", spec.bucket_rules.len());
        let beside = (!buckets.is_empty()).then_some(Condition { key, holds: Holds::Always });
        buckets.push(Bucket { conditions: beside.into_iter().collect(), value, shadow: false });
    }
    buckets
}

/// Headers of all selectors, sorted by name.
fn conditions(index: usize, rule: &QuotaRule) -> Vec<Condition> {
    let mut headers: Vec<_> = rule.client_selectors.iter().flat_map(|selector| &selector.headers).collect();
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    if headers.is_empty() {
        return vec![Condition { key: format!("rule-{index}-match-0"), holds: Holds::Always }];
    }
    headers.into_iter().enumerate().map(|(nth, header)| condition((index, nth), header)).collect()
}

fn condition((rule, nth): (usize, usize), spec: &RateLimitHeaderMatch) -> Condition {
    let RateLimitHeaderMatch { match_type, name, value, invert } = spec;
    let value = value.clone().unwrap_or_default();
    match match_type {
        RateLimitMatchType::Distinct => Condition {
            key: format!("rule-{rule}-{name}-match-{nth}"),
            holds: Holds::Each { header: name.clone() },
        },
        RateLimitMatchType::Exact | RateLimitMatchType::RegularExpression => Condition {
            key: format!("rule-{rule}-{name}|{value}-match-{nth}"),
            holds: Holds::Value {
                header: name.clone(),
                value,
                regex: *match_type == RateLimitMatchType::RegularExpression,
                invert: *invert,
            },
        },
    }
}

/// An entry for requests of this model alone.
pub(super) fn model_is(key: &str, model: &str) -> Action {
    let exact = StringMatcher { exact: Some(model.to_owned()), ..StringMatcher::default() };
    header_is((key, model), (MODEL_HEADER, exact), true)
}

fn header_is(
    (key, value): (&str, &str),
    (name, string_match): (&str, StringMatcher),
    expected: bool,
) -> Action {
    Action {
        header_value_match: Some(HeaderValueMatch {
            descriptor_value: value.to_owned(),
            expect_match: Some(BoolValue { value: expected }),
            headers: vec![HeaderMatcher {
                name: name.to_owned(),
                string_match: Some(string_match),
                ..HeaderMatcher::default()
            }],
            descriptor_key: key.to_owned(),
        }),
        ..Action::default()
    }
}

// === impl ModelQuota ===

impl ModelQuota {
    pub(super) const fn models(&self) -> &Models {
        &self.models
    }
}

// === impl Bucket ===

impl Bucket {
    /// The same before and after, or what is counted would not be what was asked for.
    pub(super) fn actions(&self) -> impl Iterator<Item = Action> {
        self.conditions.iter().map(Condition::action)
    }
}

/// How much it is says the service, and not what Envoy asks it: a new amount leaves routes as they are.
impl Hash for Bucket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { conditions, value: _, shadow: _ } = self;
        conditions.hash(state);
    }
}

// === impl Condition ===

impl Condition {
    /// The value of its level, where requests do not bring it.
    pub(super) fn value(&self) -> &str {
        match self.holds {
            Holds::Always | Holds::Value { .. } => &self.key,
            Holds::Each { .. } => "",
        }
    }

    fn action(&self) -> Action {
        match &self.holds {
            Holds::Always => generic(&self.key, &self.key),
            Holds::Each { header } => Action {
                request_headers: Some(RequestHeaders {
                    header_name: header.clone(),
                    descriptor_key: self.key.clone(),
                }),
                ..Action::default()
            },
            Holds::Value { header, value, regex, invert } => {
                let string_match = if *regex {
                    let safe_regex = Some(RegexMatcher { regex: value.clone() });
                    StringMatcher { safe_regex, ..StringMatcher::default() }
                } else {
                    StringMatcher { exact: Some(value.clone()), ..StringMatcher::default() }
                };
                header_is((&self.key, &self.key), (header, string_match), !invert)
            }
        }
    }
}
