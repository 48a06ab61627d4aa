//! Quotas that a rate limit service counts: what Envoy asks it before a request goes to a backend, and what it tells it
//! after. Domain, keys and values are those of the configuration that the service gets ([`config`]), rule by rule; and
//! of `tollgate run`, so that one Redis may count for both.
use bytes::Bytes;

use self::buckets::{Bucket, Models, model_is};
pub(super) use self::{
    buckets::{ModelQuota, all},
    discovery::{DISCOVERY, Shown},
};
use super::{
    filters::{self, METADATA},
    plan::{Plan, Ref, Rule},
    proto::{
        self, Action, Address, Any, Cluster, Duration, GenericKey, HitsAddend, MetadataAction, MetadataKey,
        PathSegment, RateLimit, RateLimitFilter, RateLimitPerRoute, RateLimitService, UInt64Value,
    },
    settings::QuotaService,
};

mod buckets;
mod config;
mod discovery;
#[cfg(test)]
mod tests;

/// The filter that asks.
pub(super) const FILTER: &str = "envoy.filters.http.ratelimit/ai-gateway-quota";
const CLUSTER: &str = "ai_gateway_ratelimit_cluster";
const DOMAIN: &str = "ai-gateway-quota";
/// Keys of the first two levels.
const BACKEND: &str = "backend_name";
const MODEL: &str = "model_name_override";
/// In the place of a model's name: all of them together.
const ALL_MODELS: &str = "*";
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

/// The limits of a rule's backends, for its routes; `None` where nothing is counted.
pub(super) fn of_rule(plan: &Plan, rule: &Rule) -> Option<Bytes> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for own in rule.refs.iter().filter(|own| own.weight > 0) {
        for quota in plan.quotas(&own.target).iter().filter(|quota| concerns(own, quota)) {
            for bucket in &quota.buckets {
                push(&mut before, asked(own, quota, bucket));
                push(&mut after, told(quota, bucket));
            }
        }
    }
    before.append(&mut after);
    let limits = RateLimitPerRoute { rate_limits: before, domain: DOMAIN.to_owned() };
    (!limits.rate_limits.is_empty()).then(|| proto::any(&limits))
}

/// Where a backend is asked for one model, only that one's quotas are its own.
fn concerns(own: &Ref, quota: &ModelQuota) -> bool {
    match (&own.model, quota.models()) {
        (Some(asked), Models::One(model)) => asked == model,
        (None, Models::One(_)) | (_, Models::All) => true,
    }
}

fn push(limits: &mut Vec<RateLimit>, limit: RateLimit) {
    if !limits.contains(&limit) {
        limits.push(limit);
    }
}

/// Before: whether anything is left. It counts nothing yet.
fn asked(own: &Ref, quota: &ModelQuota, bucket: &Bucket) -> RateLimit {
    let (namespace, name) = &own.target;
    let model = match (quota.models(), &own.model) {
        (Models::All, _) => generic(MODEL, ALL_MODELS),
        (Models::One(model), Some(_)) => generic(MODEL, model),
        // The backend is asked for what the client asks for, and of its models' quotas that one's alone matters.
        (Models::One(model), None) => model_is(MODEL, model),
    };
    let whose = [generic(BACKEND, &format!("{namespace}/{name}")), model];
    RateLimit {
        actions: whose.into_iter().chain(bucket.actions()).collect(),
        hits_addend: Some(HitsAddend { number: Some(UInt64Value { value: 0 }), format: String::new() }),
        apply_on_stream_done: false,
    }
}

/// After: what it has cost, at the backend and model that have answered.
fn told(quota: &ModelQuota, bucket: &Bucket) -> RateLimit {
    let model = match quota.models() {
        Models::All => generic(MODEL, ALL_MODELS),
        Models::One(_) => written(MODEL, "model_name_override"),
    };
    let whose = [written(BACKEND, "ai_service_backend_name"), model];
    let format = format!("%DYNAMIC_METADATA({METADATA}:quota_cost)%");
    RateLimit {
        actions: whose.into_iter().chain(bucket.actions()).collect(),
        hits_addend: Some(HitsAddend { number: None, format }),
        apply_on_stream_done: true,
    }
}

/// What the processor has written under this name.
fn written(key: &str, name: &str) -> Action {
    let metadata_key =
        MetadataKey { key: METADATA.to_owned(), path: vec![PathSegment { key: name.to_owned() }] };
    Action {
        metadata: Some(MetadataAction { descriptor_key: key.to_owned(), metadata_key: Some(metadata_key) }),
        ..Action::default()
    }
}

fn generic(key: &str, value: &str) -> Action {
    let generic_key = GenericKey { descriptor_value: value.to_owned(), descriptor_key: key.to_owned() };
    Action { generic_key: Some(generic_key), ..Action::default() }
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
