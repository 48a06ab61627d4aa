//! `loadBalancer` of a BackendTrafficPolicy: which endpoint is next.

use std::{fmt::Write, sync::Arc};

use http::HeaderValue;
use tollgate_balance::{Algorithm, LocalZone, Zones};
use tollgate_resources::{
    ConsistentHash, ConsistentHashType, EndpointOverride, HashCookie, HashName, LoadBalancer,
    LoadBalancerType, PreferLocal, ZoneAware,
};
use tollgate_snapshot::{HashOn, Problem, StickyCookie, Traffic};

use crate::{Fault, making::Making, matches, notes::At};

pub(crate) fn load_balancing(
    spec: &LoadBalancer,
    traffic: &mut Traffic,
    at: &At<'_>,
    making: &mut Making<'_, '_, '_>,
) -> Result<(), Arc<Problem>> {
    let LoadBalancer {
        balancer_type,
        consistent_hash,
        backend_utilization: _,
        dynamic_module: _,
        slow_start,
        zone_aware,
        endpoint_override,
    } = spec;
    traffic.balancing.slow_start = slow_start.as_ref().map(|slow| slow.window);
    traffic.balancing.algorithm = match balancer_type {
        LoadBalancerType::RoundRobin => Algorithm::RoundRobin,
        LoadBalancerType::LeastRequest => Algorithm::LeastRequest,
        LoadBalancerType::Random => Algorithm::Random,
        LoadBalancerType::ConsistentHash => {
            let table_size = consistent_hash.as_ref().map_or(65_537, |hash| hash.table_size);
            Algorithm::Maglev { table_size }
        }
        LoadBalancerType::BackendUtilization | LoadBalancerType::DynamicModule => {
            let fault = Fault::not_served(format!("load balancer {balancer_type:?}"));
            making.notes.warning(&at.to(".type"), fault.help("LeastRequest is used instead"));
            Algorithm::LeastRequest
        }
    };
    if let Some(hash) = consistent_hash {
        let at = at.to(".consistentHash");
        hashing(hash, traffic).map_err(|fault| making.notes.error(&at, fault))?;
    }
    if let Some(spec) = zone_aware {
        traffic.balancing.zones = zones(spec, &at.to(".zoneAware"), making);
    }
    if let Some(EndpointOverride { extract_from }) = endpoint_override {
        let names = extract_from.iter().filter_map(|from| from.header.as_deref()).map(matches::header_name);
        let names = names.collect::<Result<_, _>>();
        traffic.endpoints_in =
            names.map_err(|fault| making.notes.error(&at.to(".endpointOverride"), fault))?;
    }
    Ok(())
}

fn hashing(spec: &ConsistentHash, traffic: &mut Traffic) -> Result<(), Fault> {
    let ConsistentHash { hash_type, header, headers, cookie, query_params, table_size: _ } = spec;
    let header_name = |named: &HashName| matches::header_name(&named.name).ok().map(HashOn::Header);
    traffic.hash_on = match hash_type {
        ConsistentHashType::SourceIp => vec![HashOn::SourceIp],
        ConsistentHashType::Header => header.iter().filter_map(header_name).collect(),
        ConsistentHashType::Headers => headers.iter().filter_map(header_name).collect(),
        ConsistentHashType::Cookie => {
            traffic.sticky = cookie.as_ref().and_then(|cookie| sticky(cookie).transpose()).transpose()?;
            cookie.iter().map(|cookie| HashOn::Cookie(cookie.name.as_str().into())).collect()
        }
        ConsistentHashType::QueryParams => {
            query_params.iter().map(|param| HashOn::Query(param.name.as_str().into())).collect()
        }
    };
    Ok(())
}

/// The cookie that clients get; none without a `ttl`.
fn sticky(spec: &HashCookie) -> Result<Option<StickyCookie>, Fault> {
    let HashCookie { name, ttl, attributes } = spec;
    let Some(ttl) = ttl else { return Ok(None) };
    let mut text = String::new();
    if !ttl.is_zero() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "; Max-Age={}", ttl.as_secs().max(1));
    }
    for (attribute, value) in attributes {
        let _ = match value.as_str() {
            "" => write!(text, "; {attribute}"),
            value => write!(text, "; {attribute}={value}"),
        };
    }
    if !attributes.keys().any(|attribute| attribute.eq_ignore_ascii_case("HttpOnly")) {
        text.push_str("; HttpOnly");
    }
    let written = |text: &str| !text.contains([';', ',', ' ', '=']);
    let fits = written(name)
        && attributes.iter().all(|(attribute, value)| written(attribute) && !value.contains(';'))
        && HeaderValue::from_str(&format!("{name}{text}")).is_ok();
    if !fits {
        return Err(Fault::new("invalid-cookie", format!("no cookie can be written as {name}{text}")));
    }
    Ok(Some(StickyCookie { name: name.as_str().into(), attributes: text.into() }))
}

fn zones(spec: &ZoneAware, at: &At<'_>, making: &mut Making<'_, '_, '_>) -> Zones {
    let ZoneAware { prefer_local, weighted_zones } = spec;
    let Some(local) = prefer_local else {
        let weights = weighted_zones.iter().map(|zone| (zone.zone.as_str().into(), zone.weight)).collect();
        return Zones::Weighted(weights);
    };
    let PreferLocal { min_endpoints_threshold, percentage_enabled, force } = local;
    let Some(zone) = making.world.zone else {
        let fault = Fault::new("unknown-zone", "it is not known in which zone the gateway runs")
            .help("start it with --zone, or with TOLLGATE_ZONE set; until then zones do not count");
        making.notes.warning(&at.to(".preferLocal"), fault);
        return Zones::Ignored;
    };
    Zones::Local(LocalZone {
        zone: Arc::clone(zone),
        min_endpoints: *min_endpoints_threshold,
        percent: *percentage_enabled,
        force: force.as_ref().map(|force| force.min_endpoints_in_zone_threshold),
    })
}
