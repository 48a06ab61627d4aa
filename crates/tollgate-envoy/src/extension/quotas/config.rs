//! What the rate limit service has to know: amounts, in a tree by the entries that Envoy asks about.
use std::collections::BTreeMap;

use tollgate_resources::{QuotaDuration, QuotaValue};

use super::{
    super::{plan::Key, proto::Typed},
    ALL_MODELS, BACKEND, DOMAIN, MODEL, ModelQuota,
    buckets::{Bucket, Models},
};

/// `ratelimit.config.ratelimit.v3.RateLimitConfig`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RateLimitConfig {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) descriptors: Vec<Descriptor>,
}

/// `ratelimit.config.ratelimit.v3.RateLimitDescriptor`. Its `quota_mode` is never set: in that mode the service answers
/// that all is well and leaves it to its caller to find out what is spent, and Envoy does not.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Descriptor {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    /// Empty where each value is counted by itself.
    #[prost(string, tag = "2")]
    pub(super) value: String,
    #[prost(message, optional, tag = "3")]
    pub(super) rate_limit: Option<Amount>,
    #[prost(message, repeated, tag = "4")]
    pub(super) descriptors: Vec<Descriptor>,
    #[prost(bool, tag = "5")]
    pub(super) shadow_mode: bool,
}

/// `ratelimit.config.ratelimit.v3.RateLimitPolicy`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Amount {
    /// `RateLimitUnit`
    #[prost(int32, tag = "1")]
    pub(super) unit: i32,
    #[prost(uint32, tag = "2")]
    pub(super) requests_per_unit: u32,
}

impl Typed for RateLimitConfig {
    const NAME: &'static str = "ratelimit.config.ratelimit.v3.RateLimitConfig";
}

/// All quotas. A level has each key and value once, which the service insists on: one backend, one model, one rule.
pub(super) fn config(quotas: &BTreeMap<Key, Vec<ModelQuota>>) -> RateLimitConfig {
    let descriptors = quotas.iter().map(|((namespace, name), quotas)| Descriptor {
        descriptors: quotas.iter().map(model).collect(),
        ..level(BACKEND, &format!("{namespace}/{name}"))
    });
    RateLimitConfig { name: DOMAIN.to_owned(), domain: DOMAIN.to_owned(), descriptors: descriptors.collect() }
}

fn model(quota: &ModelQuota) -> Descriptor {
    let mut model = match quota.models() {
        Models::One(model) => level(MODEL, model),
        Models::All => level(MODEL, ALL_MODELS),
    };
    for bucket in &quota.buckets {
        match chain(bucket) {
            Some(chain) => model.descriptors.push(chain),
            None => model.rate_limit = Some(amount(bucket.value)),
        }
    }
    model
}

/// The levels of a bucket, each in the one before; `None` where it is its model's whole quota.
fn chain(bucket: &Bucket) -> Option<Descriptor> {
    let mut conditions = bucket.conditions.iter().rev();
    let last = conditions.next()?;
    let leaf = Descriptor {
        rate_limit: Some(amount(bucket.value)),
        shadow_mode: bucket.shadow,
        ..level(&last.key, last.value())
    };
    Some(conditions.fold(leaf, |inner, condition| Descriptor {
        descriptors: vec![inner],
        ..level(&condition.key, condition.value())
    }))
}

fn level(key: &str, value: &str) -> Descriptor {
    Descriptor { key: key.to_owned(), value: value.to_owned(), ..Descriptor::default() }
}

fn amount(value: QuotaValue) -> Amount {
    let QuotaValue { limit, duration } = value;
    let unit = match duration {
        QuotaDuration::Second => 1,
        QuotaDuration::Minute => 2,
        QuotaDuration::Hour => 3,
        QuotaDuration::Day => 4,
    };
    // The service counts no further.
    Amount { unit, requests_per_unit: u32::try_from(limit).unwrap_or(u32::MAX) }
}
