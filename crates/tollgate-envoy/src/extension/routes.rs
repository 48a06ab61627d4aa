//! Routes: which of them are ours, and which filters are on for them.
use std::collections::{BTreeMap, BTreeSet};

use super::{
    budgets,
    fields::{cluster, route, route_action, route_config, virtual_host},
    filters,
    metadata::{self, ROUTE},
    plan::{Key, Plan},
    pools::Pool,
    proto::{self, UInt64Value},
    quotas, retries,
    settings::Settings,
    upgrades,
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

/// What a request may have, in bytes, so that it can be tried again: Envoy keeps what it has sent.
const BUFFER_LIMIT: u64 = 50 << 20;

/// What the filter chains of a route configuration have to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// A route of an AIGatewayRoute.
    pub(super) processor: bool,
    /// A route whose backends have quotas.
    pub(super) quotas: bool,
    /// In order, so that chains come out the same every time.
    pub(super) pools: BTreeSet<Pool>,
}

/// What there is to know beside the routes.
#[derive(Clone, Copy)]
pub(super) struct Know<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a Settings,
    pub(super) pools: &'a Pools,
}

/// Pools by the name of their cluster.
pub(super) type Pools = BTreeMap<String, Pool>;

/// The pools that clusters say they are.
pub(super) fn pools(clusters: &[Message]) -> Result<Pools, Malformed> {
    let mut found = Pools::new();
    for one in clusters {
        if let Some(pool) = Pool::of(one, cluster::METADATA)? {
            found.insert(one.text(cluster::NAME).to_owned(), pool);
        }
    }
    Ok(found)
}

/// The Gateways that route configurations are of.
pub(super) fn gateways(configs: &[Message]) -> Result<BTreeSet<Key>, Malformed> {
    let mut found = BTreeSet::new();
    for config in configs {
        for host in config.messages(route_config::VIRTUAL_HOSTS) {
            let origins = metadata::origins(&host?, virtual_host::METADATA)?;
            let gateways = origins.into_iter().filter(|origin| origin.is("Gateway"));
            found.extend(gateways.map(|origin| (origin.namespace.into(), origin.name.into())));
        }
    }
    Ok(found)
}

/// Switches our filters on for our routes, and says what chains they need. No other route is touched: the
/// configuration as a whole says that our filters let pass what does not ask for them.
pub(super) fn modify(know: Know<'_>, config: &mut Message) -> Result<Wants, Malformed> {
    let mut wants = Wants::default();
    config.edit_each(route_config::VIRTUAL_HOSTS, |_, host| {
        host.edit_each(virtual_host::ROUTES, |_, own| one(know, own, &mut wants))?;
        upgrades::admit(know.plan, host)
    })?;
    if wants.processor {
        config.set_entry(route_config::PER_FILTER, filters::FILTER, filters::skipped())?;
    }
    for pool in &wants.pools {
        config.set_entry(route_config::PER_FILTER, &pool.filter_name(), filters::skipped())?;
    }
    Ok(wants)
}

fn one(know: Know<'_>, own: &mut Message, wants: &mut Wants) -> Result<(), Malformed> {
    let Know { plan, pools, settings } = know;
    if let Some(pool) = pool(pools, own)? {
        own.set_entry(route::PER_FILTER, &pool.filter_name(), filters::enabled())?;
        wants.pools.insert(pool);
    }
    let Some(origin) = metadata::ours(plan, own, route::METADATA)? else { return Ok(()) };
    wants.processor = true;
    own.set_entry(route::PER_FILTER, filters::FILTER, filters::enabled())?;
    let known = plan.route(&origin.namespace, &origin.name).map(|route| &route.source);
    let source = known.map_or(format!("{}/{}", origin.namespace, origin.name), |(namespace, name)| {
        format!("{namespace}/{name}")
    });
    metadata::put(own, route::METADATA, ROUTE, &source)?;
    if !own.has(route::ACTION) {
        return Ok(());
    }
    budgets::modify(own)?;
    if !own.has(route::BUFFER_LIMIT) && !own.has(route::BODY_BUFFER_LIMIT) {
        own.set_bytes(route::BODY_BUFFER_LIMIT, proto::bytes(&UInt64Value { value: BUFFER_LIMIT }));
    }
    let Some(rule) = plan.rule_of_route(own.text(route::NAME)) else { return Ok(()) };
    let limits = settings.quota.as_ref().and_then(|_| quotas::of_rule(plan, rule));
    if let Some(limits) = limits {
        own.set_entry(route::PER_FILTER, quotas::FILTER, limits)?;
        wants.quotas = true;
    }
    if let Some(attempts) = &rule.attempts {
        own.edit(route::ACTION, |action| retries::modify(attempts, action))?;
    }
    let Some(idle) = rule.stream_idle else { return Ok(()) };
    own.edit(route::ACTION, |action| {
        action.edit(route_action::RETRY_POLICY, |retry| {
            retry.set_bytes(route_action::PER_TRY_IDLE, filters::idle(idle));
            Ok(())
        })
    })
}

/// The pool that a route goes to, by its own word or by its cluster's.
fn pool(pools: &Pools, own: &Message) -> Result<Option<Pool>, Malformed> {
    if let Some(pool) = Pool::of(own, route::METADATA)? {
        return Ok(Some(pool));
    }
    Ok(clusters(own)?.iter().find_map(|name| pools.get(name)).cloned())
}

/// The clusters that a route goes to.
pub(super) fn clusters(own: &Message) -> Result<Vec<String>, Malformed> {
    let Some(action) = own.message(route::ACTION)? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    let only = action.text(route_action::CLUSTER);
    if !only.is_empty() {
        names.push(only.to_owned());
    }
    let weighted = action.message(route_action::WEIGHTED_CLUSTERS)?.unwrap_or_default();
    for one in weighted.messages(route_action::CLUSTERS) {
        names.push(one?.text(route_action::WEIGHTED_NAME).to_owned());
    }
    Ok(names)
}
