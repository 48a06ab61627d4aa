use super::{Rules, Validate, rate_limit::selector, shared::group_and_kind};
use crate::{
    kinds::{PerModelQuota, QuotaPolicy, QuotaRule, RateLimitSelector},
    registry::AI_GATEWAY,
};

impl Validate for QuotaPolicy {
    fn validate(&self, rules: &mut Rules) {
        let Self { target_refs, service_quota: _, per_model_quotas } = self;
        rules.count("targetRefs", target_refs.len(), 0..=16);
        rules.each("targetRefs", target_refs, |rules, target| {
            group_and_kind(rules, &target.group, &target.kind);
            let known = target.group == AI_GATEWAY && target.kind == "AIServiceBackend";
            let message = "a QuotaPolicy is attached to AIServiceBackends of aigateway.envoyproxy.io";
            rules.demand(known, "unsupported-target", ("", message));
            rules.length("name", &target.name, 1..=253);
        });
        rules.count("perModelQuotas", per_model_quotas.len(), 0..=128);
        rules.each("perModelQuotas", per_model_quotas, |rules, PerModelQuota { model_name, quota }| {
            rules.length("modelName", model_name, 1..=usize::MAX);
            rules.field("quota", |rules| rules.each("bucketRules", &quota.bucket_rules, bucket));
        });
    }
}

fn bucket(rules: &mut Rules, QuotaRule { client_selectors, quota: _, shadow_mode: _ }: &QuotaRule) {
    rules.count("clientSelectors", client_selectors.len(), 0..=8);
    rules.each("clientSelectors", client_selectors, |rules, chosen| {
        selector(rules, chosen);
        let RateLimitSelector { headers, methods, path, source_cidr, query_params } = chosen;
        rules.count("headers", headers.len(), 0..=64);
        let others =
            !methods.is_empty() || path.is_some() || source_cidr.is_some() || !query_params.is_empty();
        if others {
            rules.warn("no-effect", "", "quotas tell callers apart by `headers` alone");
        }
    });
}
