//! Quotas that a rate limit service counts: what Envoy asks it before a request goes to a backend, and what it tells it
//! after. Domain, keys and values are those of the configuration that the service gets, rule by rule.
use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use tollgate_resources::{
    ModelQuota as Spec, QuotaRule, RateLimitHeaderMatch, RateLimitMatchType, ResourceSet,
};

use super::{
    filters::{self, METADATA},
    plan::{Key, Plan, Ref, Rule},
    proto::{
        self, Action, Address, Any, BoolValue, Cluster, Duration, GenericKey, HeaderMatcher,
        HeaderValueMatch, HitsAddend, MetadataAction, MetadataKey, PathSegment, RateLimit, RateLimitFilter,
        RateLimitPerRoute, RateLimitService, RegexMatcher, RequestHeaders, StringMatcher, UInt64Value,
    },
    settings::QuotaService,
};

#[cfg(test)]
mod tests;

/// The filter that asks.
pub(super) const FILTER: &str = "envoy.filters.http.ratelimit/ai-gateway-quota";
const CLUSTER: &str = "ai_gateway_ratelimit_cluster";
const DOMAIN: &str = "ai-gateway-quota";
/// Limits that stand in a route's action are of stage 0 and somebody else's.
const STAGE: u32 = 10;
/// `ApiVersion`
const V3: i32 = 2;
/// `XRateLimitHeadersRFCVersion`
const DRAFT_03: i32 = 1;
/// To connect, in seconds.
const CONNECT: i64 = 5;
/// Windows of connections to the service, in bytes: its messages are small.
const WINDOW: u32 = 1 << 16;

/// What is counted of one model of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ModelQuota {
    model: Arc<str>,
    /// Each as the conditions under which it counts.
    buckets: Vec<Vec<Condition>>,
}

/// One level of a bucket's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Condition {
    key: String,
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

/// By AIServiceBackend, what its policies count.
pub(super) fn all(set: &ResourceSet) -> BTreeMap<Key, Vec<ModelQuota>> {
    let mut found: BTreeMap<Key, Vec<ModelQuota>> = BTreeMap::new();
    for policy in &set.quota_policies {
        let quotas = policy.spec.per_model_quotas.iter().map(|quota| ModelQuota {
            model: quota.model_name.as_str().into(),
            buckets: buckets(&quota.quota),
        });
        let quotas: Vec<_> = quotas.collect();
        for target in &policy.spec.target_refs {
            let key = (Arc::clone(&policy.meta.namespace), target.name.as_str().into());
            found.entry(key).or_default().extend(quotas.iter().cloned());
        }
    }
    found
}

fn buckets(spec: &Spec) -> Vec<Vec<Condition>> {
    let rules = spec.bucket_rules.iter().enumerate();
    let mut buckets: Vec<_> = rules.map(|(index, rule)| conditions(index, rule)).collect();
    if spec.default_bucket.is_some() {
        let key = format!("rule-{}-match--1", spec.bucket_rules.len());
        buckets.push(vec![Condition { key, holds: Holds::Always }]);
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

/// The limits of a rule's backends, for its routes; `None` where nothing is counted.
pub(super) fn of_rule(plan: &Plan, rule: &Rule) -> Option<Bytes> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for own in rule.refs.iter().filter(|own| own.weight > 0) {
        for quota in plan.quotas(&own.target).iter().filter(|quota| concerns(own, quota)) {
            for bucket in &quota.buckets {
                push(&mut before, asked(own, quota, bucket));
                push(&mut after, told(bucket));
            }
        }
    }
    before.append(&mut after);
    let limits = RateLimitPerRoute { rate_limits: before, domain: DOMAIN.to_owned() };
    (!limits.rate_limits.is_empty()).then(|| proto::any(&limits))
}

/// Where a backend is asked for one model, only that one's quotas are its own.
fn concerns(own: &Ref, quota: &ModelQuota) -> bool {
    own.model.as_ref().is_none_or(|model| *model == quota.model)
}

fn push(limits: &mut Vec<RateLimit>, limit: RateLimit) {
    if !limits.contains(&limit) {
        limits.push(limit);
    }
}

/// Before: whether anything is left. It counts nothing yet.
fn asked(own: &Ref, quota: &ModelQuota, bucket: &[Condition]) -> RateLimit {
    let (namespace, name) = &own.target;
    let whose = [
        generic("backend_name", &format!("{namespace}/{name}")),
        generic("model_name_override", &quota.model),
    ];
    RateLimit {
        actions: whose.into_iter().chain(bucket.iter().map(Condition::action)).collect(),
        hits_addend: Some(HitsAddend { number: Some(UInt64Value { value: 0 }), format: String::new() }),
        apply_on_stream_done: false,
    }
}

/// After: what it has cost, at the backend and model that have answered.
fn told(bucket: &[Condition]) -> RateLimit {
    let whose = [("backend_name", "ai_service_backend_name"), ("model_name_override", "model_name_override")];
    let whose = whose.map(|(key, written)| Action {
        metadata: Some(MetadataAction {
            descriptor_key: key.to_owned(),
            metadata_key: Some(MetadataKey {
                key: METADATA.to_owned(),
                path: vec![PathSegment { key: written.to_owned() }],
            }),
        }),
        ..Action::default()
    });
    let format = format!("%DYNAMIC_METADATA({METADATA}:quota_cost)%");
    RateLimit {
        actions: whose.into_iter().chain(bucket.iter().map(Condition::action)).collect(),
        hits_addend: Some(HitsAddend { number: None, format }),
        apply_on_stream_done: true,
    }
}

fn generic(key: &str, value: &str) -> Action {
    let generic_key = GenericKey { descriptor_value: value.to_owned(), descriptor_key: key.to_owned() };
    Action { generic_key: Some(generic_key), ..Action::default() }
}

// === impl Condition ===

impl Condition {
    /// The same before and after, or what is counted would not be what was asked for.
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
                    StringMatcher { exact: None, safe_regex }
                } else {
                    StringMatcher { exact: Some(value.clone()), safe_regex: None }
                };
                let matcher = HeaderMatcher { name: header.clone(), string_match: Some(string_match) };
                Action {
                    header_value_match: Some(HeaderValueMatch {
                        descriptor_value: self.key.clone(),
                        expect_match: Some(BoolValue { value: !invert }),
                        headers: vec![matcher],
                        descriptor_key: self.key.clone(),
                    }),
                    ..Action::default()
                }
            }
        }
    }
}

/// The filter, before the one that sends the request. Routes say what it asks; on others it does nothing.
pub(super) fn filter(service: &QuotaService) -> Bytes {
    let config = RateLimitFilter {
        domain: DOMAIN.to_owned(),
        stage: STAGE,
        timeout: Some(Duration::of(service.timeout)),
        failure_mode_deny: service.failure_mode_deny,
        rate_limit_service: Some(RateLimitService {
            grpc_service: Some(filters::grpc(CLUSTER, "")),
            transport_api_version: V3,
        }),
        enable_x_ratelimit_headers: DRAFT_03,
        disable_x_envoy_ratelimited_header: true,
    };
    filters::filter(FILTER, Any::of(&config))
}

/// The service's cluster.
pub(super) fn cluster(service: &QuotaService) -> Bytes {
    let address = Address::socket(&service.host, service.port);
    proto::bytes(&Cluster {
        name: CLUSTER.to_owned(),
        discovery_type: Some(filters::STRICT_DNS),
        connect_timeout: Some(Duration::seconds(CONNECT)),
        circuit_breakers: Some(filters::no_limits()),
        load_assignment: Some(filters::assignment(CLUSTER, vec![filters::endpoint(address)])),
        typed_extension_protocol_options: [(
            filters::HTTP_OPTIONS.to_owned(),
            filters::http2(WINDOW, WINDOW << 4),
        )]
        .into(),
        ..Cluster::default()
    })
}
