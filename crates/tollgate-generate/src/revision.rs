use std::fmt::Write;

use tollgate_resources::{AiGatewayRoute, GatewayConfig, Object, QuotaPolicy, ResourceSet};

use crate::{
    names::{self, GATEWAY_CONFIG},
    route::Rule,
};

/// Stands for what reaches Envoy by the hooks alone: deadlines, retries, forward proxies, quotas. An edit of it would
/// otherwise wait until something else changes.
pub(crate) fn of(set: &ResourceSet, route: &Object<AiGatewayRoute>, rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        let idle = route.spec.rules.get(rule.index).and_then(|spec| spec.stream_idle_timeout);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{}:{:?}:{idle:?};", rule.index, rule.retries);
    }
    for config in configs(set, route) {
        let _ = write!(text, "{:?};", config.spec.forward_proxy);
    }
    for policy in set.quota_policies.iter().filter(|policy| concerns(policy, route)) {
        let _ = write!(text, "{:?};", policy.spec);
    }
    names::hash(&text)
}

fn configs<'a>(
    set: &'a ResourceSet,
    route: &'a Object<AiGatewayRoute>,
) -> impl Iterator<Item = &'a Object<GatewayConfig>> {
    route.spec.parent_refs.iter().filter_map(|parent| {
        let namespace = parent.namespace.as_deref().unwrap_or(&route.meta.namespace);
        let is = |at: &str, name: &str| at == namespace && name == parent.name;
        let gateway = set.gateways.iter().find(|it| is(&it.meta.namespace, &it.meta.name))?;
        let name = gateway.meta.annotations.get(GATEWAY_CONFIG)?;
        set.gateway_configs.iter().find(|it| *it.meta.namespace == *namespace && *it.meta.name == **name)
    })
}

fn concerns(policy: &Object<QuotaPolicy>, route: &Object<AiGatewayRoute>) -> bool {
    route.spec.rules.iter().flat_map(|rule| &rule.backend_refs).any(|backend| {
        let namespace = backend.namespace.as_deref().filter(|it| !it.is_empty());
        namespace.unwrap_or(&route.meta.namespace) == &*policy.meta.namespace
            && policy.spec.target_refs.iter().any(|target| target.name == backend.name)
    })
}
