//! Backends that fall back to each other and have clusters of their own. Envoy Gateway gives each backend of a rule its
//! own cluster where some have host names and others addresses, and spreads requests over them by weight, whatever
//! their priority. An aggregate of the clusters, in the order of the priorities, is what was asked for.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    clusters,
    fields::{cluster, route, route_action, route_config, virtual_host},
    plan::Plan,
    proto::{self, AggregateConfig, Any, CustomClusterType},
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

const AGGREGATE: &str = "envoy.clusters.aggregate";

/// Makes routes with weighted clusters that should fall back to each other go to an aggregate, and adds it.
pub(super) fn modify(
    plan: &Plan,
    clusters: &mut Vec<Message>,
    configs: &mut [Message],
) -> Result<(), Malformed> {
    let mut wanted = BTreeMap::new();
    for config in configs {
        config.edit_each(route_config::VIRTUAL_HOSTS, |_, host| {
            host.edit_each(virtual_host::ROUTES, |_, own| {
                if own.has(route::ACTION) {
                    own.edit(route::ACTION, |action| {
                        if let Some((name, members)) = aggregate(plan, clusters, action)? {
                            action.remove(route_action::WEIGHTED_CLUSTERS);
                            action.set_bytes(route_action::CLUSTER, name.clone());
                            wanted.insert(name, members);
                        }
                        Ok(())
                    })?;
                }
                Ok(())
            })
        })?;
    }
    for (name, members) in wanted {
        let limits = members
            .first()
            .and_then(|first| find(clusters, first))
            .map(|first| first.all(cluster::CIRCUIT_BREAKERS).cloned().collect::<Vec<_>>());
        let made = made(plan, &name, members, limits.unwrap_or_default())?;
        clusters::add(clusters, made)?;
    }
    Ok(())
}

/// The name of the aggregate and its clusters, first priority first; `None` where weights are what was asked for, or
/// an aggregate could not say all that the weights say.
fn aggregate(
    plan: &Plan,
    clusters: &[Message],
    action: &Message,
) -> Result<Option<(String, Vec<String>)>, Malformed> {
    let Some(weighted) = action.message(route_action::WEIGHTED_CLUSTERS)? else { return Ok(None) };
    let mut members = BTreeMap::new();
    let mut base = None;
    for one in weighted.messages(route_action::CLUSTERS) {
        let one = one?;
        let name = one.text(route_action::WEIGHTED_NAME);
        let place = plan.cluster(name).filter(|place| place.rule.has_fallback());
        let own = place.and_then(|place| place.rule.refs.get(place.backend?));
        let prefix = name.rsplit_once("/backend/").map(|(prefix, _)| prefix.to_owned());
        let (Some(own), Some(prefix)) = (own, prefix) else { return Ok(None) };
        // Headers and hosts of one backend alone have no place in an aggregate, and neither has a share.
        let plain = one.numbers().all(|number| PLAIN.contains(&number));
        let first = base.get_or_insert_with(|| prefix.clone());
        if !plain || *first != prefix || find(clusters, name).is_none() {
            return Ok(None);
        }
        if members.insert(own.priority, name.to_owned()).is_some() {
            return Ok(None);
        }
    }
    Ok(base.filter(|_| members.len() > 1).map(|base| (base, members.into_values().collect())))
}

/// Name and weight.
const PLAIN: [u32; 2] = [1, 2];

fn find<'a>(clusters: &'a [Message], name: &str) -> Option<&'a Message> {
    clusters.iter().find(|own| own.text(cluster::NAME) == name)
}

fn made(plan: &Plan, name: &str, clusters: Vec<String>, limits: Vec<Bytes>) -> Result<Bytes, Malformed> {
    let kind = CustomClusterType {
        name: AGGREGATE.to_owned(),
        typed_config: Some(Any::of(&AggregateConfig { clusters })),
    };
    let mut own = Message::default();
    own.set_bytes(cluster::NAME, name.to_owned());
    own.set_uint(cluster::LB_POLICY, cluster::CLUSTER_PROVIDED);
    // Of an aggregate itself only the number of retries is looked at.
    limits.into_iter().for_each(|limits| own.push(cluster::CIRCUIT_BREAKERS, limits));
    own.set_bytes(cluster::CLUSTER_TYPE, proto::bytes(&kind));
    // The chain of every attempt is the aggregate's, whichever of its clusters the endpoint is from.
    clusters::processed(plan, &mut own)?;
    Ok(own.encode())
}
