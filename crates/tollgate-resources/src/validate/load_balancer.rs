//! Rules of load balancing.

use super::{Rules, shared::header_name};
use crate::kinds::{ConsistentHash, ConsistentHashType, LoadBalancer, LoadBalancerType, ZoneAware};

pub(crate) fn load_balancer(rules: &mut Rules, balancer: &LoadBalancer) {
    let LoadBalancer { balancer_type, consistent_hash, backend_utilization, dynamic_module, .. } = balancer;
    let members = [
        (LoadBalancerType::ConsistentHash, "consistentHash", consistent_hash.is_some()),
        (LoadBalancerType::BackendUtilization, "backendUtilization", backend_utilization.is_some()),
        (LoadBalancerType::DynamicModule, "dynamicModule", dynamic_module.is_some()),
    ];
    for (kind, field, given) in members {
        let message = format!("`{field}` goes with its own type alone");
        rules.demand(!given || kind == *balancer_type, "foreign-member", (field, &message));
        let message = format!("the type needs `{field}`");
        let needed = kind == *balancer_type && kind != LoadBalancerType::BackendUtilization;
        rules.demand(given || !needed, "missing-field", ("", &message));
    }
    compatible(rules, balancer);
    rules.optional("consistentHash", consistent_hash.as_ref(), consistent_hash_rules);
    rules.optional("endpointOverride", balancer.endpoint_override.as_ref(), |rules, from| {
        rules.count("extractFrom", from.extract_from.len(), 1..=10);
        rules.each("extractFrom", &from.extract_from, |rules, from| {
            let message = "the required field `header` is missing";
            rules.demand(from.header.is_some(), "missing-field", ("", message));
            if let Some(name) = &from.header {
                header_name(rules, "header", name);
            }
        });
    });
}

/// Which settings go with which type.
fn compatible(rules: &mut Rules, balancer: &LoadBalancer) {
    use LoadBalancerType as Type;
    let LoadBalancer { balancer_type, slow_start, zone_aware, endpoint_override, .. } = balancer;
    let starts = !matches!(balancer_type, Type::Random | Type::ConsistentHash | Type::DynamicModule);
    let message = "`slowStart` goes with LeastRequest, RoundRobin and BackendUtilization";
    rules.demand(slow_start.is_none() || starts, "load-balancer-type", ("slowStart", message));
    let module = *balancer_type == Type::DynamicModule;
    let message = "a DynamicModule takes no such setting";
    rules.demand(!module || endpoint_override.is_none(), "load-balancer-type", ("endpointOverride", message));
    rules.demand(!module || zone_aware.is_none(), "load-balancer-type", ("zoneAware", message));
    let Some(ZoneAware { prefer_local, weighted_zones }) = zone_aware else { return };
    rules.field("zoneAware", |rules| {
        let hashes = matches!(balancer_type, Type::ConsistentHash | Type::BackendUtilization);
        let message = "`preferLocal` goes neither with ConsistentHash nor with BackendUtilization";
        rules.demand(prefer_local.is_none() || !hashes, "load-balancer-type", ("preferLocal", message));
        let both = prefer_local.is_some() && !weighted_zones.is_empty();
        let message = "expected at most one of `preferLocal` and `weightedZones`";
        rules.demand(!both, "at-most-one-of", ("weightedZones", message));
        rules.unique("duplicate-entry", "weightedZones", weighted_zones.iter().map(|zone| Some(&zone.zone)));
        rules.optional("preferLocal", prefer_local.as_ref(), |rules, local| {
            rules.range("percentageEnabled", local.percentage_enabled, 0..=100);
        });
    });
}

fn consistent_hash_rules(rules: &mut Rules, hash: &ConsistentHash) {
    let ConsistentHash { hash_type, header, headers, cookie, query_params, table_size } = hash;
    let members = [
        (ConsistentHashType::Header, "header", header.is_some()),
        (ConsistentHashType::Headers, "headers", !headers.is_empty()),
        (ConsistentHashType::Cookie, "cookie", cookie.is_some()),
        (ConsistentHashType::QueryParams, "queryParams", !query_params.is_empty()),
    ];
    for (kind, field, given) in members {
        let message = format!("`{field}` goes with its own type, which needs it");
        let code = if given { "foreign-member" } else { "missing-field" };
        rules.demand(given == (kind == *hash_type), code, (if given { field } else { "" }, &message));
    }
    rules.range("tableSize", *table_size, 2..=5_000_011);
    rules.demand(is_prime(*table_size), "not-prime", ("tableSize", "expected a prime number such as 65537"));
    rules.optional("header", header.as_ref(), |rules, header| header_name(rules, "name", &header.name));
    rules.each("headers", headers, |rules, header| header_name(rules, "name", &header.name));
    rules.each("queryParams", query_params, |rules, param| rules.length("name", &param.name, 1..=256));
    rules.optional("cookie", cookie.as_ref(), |rules, cookie| rules.length("name", &cookie.name, 1..=256));
}

/// True also for numbers that are out of range anyway.
fn is_prime(number: u32) -> bool {
    number < 2 || (2..).take_while(|d| d * d <= number.min(5_000_011)).all(|d| !number.is_multiple_of(d))
}
