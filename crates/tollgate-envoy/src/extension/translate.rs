//! The hooks as functions from bytes to bytes.
use std::collections::BTreeSet;

use bytes::Bytes;
use tollgate_types::Diagnostics;

use super::{
    check, clusters, endpoints, fallback,
    fields::route_config,
    filters, listeners,
    listeners::{Insert, Wanted},
    messages::Translation,
    plan::Plan,
    pools, quotas,
    routes::{self, Know},
    settings::Settings,
    wire::{Malformed, Message},
};

#[cfg(test)]
mod graph;
#[cfg(test)]
mod tests;

/// Makes the cluster of a backend that Envoy Gateway does not know; `None` where it stays as it is.
///
/// # Errors
/// Where the cluster is no protobuf message.
pub fn post_cluster<'a>(
    plan: &Plan,
    cluster: &Bytes,
    resources: impl IntoIterator<Item = &'a Bytes>,
) -> Result<Option<Bytes>, Malformed> {
    let Some(found) = pools::find(resources) else { return Ok(None) };
    let mut own = Message::parse(cluster.clone())?;
    found.cluster(plan, &mut own)?;
    Ok(Some(own.encode()))
}

/// Marks the route to a backend that Envoy Gateway does not know; `None` where it stays as it is.
///
/// # Errors
/// Where the route is no protobuf message.
pub fn post_route<'a>(
    route: &Bytes,
    resources: impl IntoIterator<Item = &'a Bytes>,
) -> Result<Option<Bytes>, Malformed> {
    let Some(found) = pools::find(resources) else { return Ok(None) };
    let mut own = Message::parse(route.clone())?;
    found.route(&mut own)?;
    Ok(own.is_changed().then(|| own.encode()))
}

/// Marks endpoints that go to Envoy by themselves; `None` where they stay as they are.
///
/// # Errors
/// Where the endpoints are no protobuf message.
pub fn post_endpoints(plan: &Plan, load: &Bytes) -> Result<Option<Bytes>, Malformed> {
    let mut own = Message::parse(load.clone())?;
    endpoints::modify(plan, &mut own)?;
    Ok(own.is_changed().then(|| own.encode()))
}

/// Makes everything else: all resources of one or more Gateways go in and come out, those that are not ours unchanged
/// and in their places. Also says what is wrong with the outcome.
///
/// # Errors
/// Where a resource is no protobuf message.
pub fn post_translate(
    plan: &Plan,
    settings: &Settings,
    all: Translation,
) -> Result<(Translation, Diagnostics), Malformed> {
    let mut clusters = parse(all.clusters)?;
    let mut configs = parse(all.routes)?;
    let mut listeners = parse(all.listeners)?;
    let here = routes::gateways(&configs)?;
    for cluster in &mut clusters {
        clusters::modify(plan, &here, cluster)?;
    }
    fallback::modify(plan, &mut clusters, &mut configs)?;
    let pools = routes::pools(&clusters)?;
    let know = Know { plan, settings, pools: &pools };
    let mut wanted = Wanted::new();
    for config in &mut configs {
        let wants = routes::modify(know, config)?;
        wanted.insert(config.text(route_config::NAME).to_owned(), wants);
    }
    let insert = Insert { know, wanted: &wanted };
    for listener in &mut listeners {
        insert.listener(listener)?;
    }
    let pickers: BTreeSet<_> = wanted.values().flat_map(|wants| &wants.pools).chain(pools.values()).collect();
    for pool in pickers {
        clusters::add(&mut clusters, pool.cluster(plan))?;
    }
    if let (true, Some(service)) = (wanted.values().any(|wants| wants.quotas), &settings.quota) {
        clusters::add(&mut clusters, quotas::cluster(service))?;
    }
    if needs_processor(&clusters, &listeners)? {
        clusters::add(&mut clusters, filters::processor_cluster(settings))?;
    }
    let notes = check::check(
        plan,
        &check::Outcome { clusters: &clusters, configs: &configs, listeners: &listeners },
    )?;
    let made = Translation {
        clusters: encode(&clusters),
        secrets: all.secrets,
        listeners: encode(&listeners),
        routes: encode(&configs),
    };
    Ok((made, notes))
}

/// Gateways without any AI route are left alone.
fn needs_processor(clusters: &[Message], listeners: &[Message]) -> Result<bool, Malformed> {
    for cluster in clusters {
        if clusters::is_processed(cluster)? {
            return Ok(true);
        }
    }
    for listener in listeners {
        for (_, manager) in listeners::managers(listener)? {
            if listeners::names(&manager)?.iter().any(|name| name == filters::FILTER) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn parse(all: Vec<Bytes>) -> Result<Vec<Message>, Malformed> {
    all.into_iter().map(Message::parse).collect()
}

fn encode(all: &[Message]) -> Vec<Bytes> {
    all.iter().map(Message::encode).collect()
}
