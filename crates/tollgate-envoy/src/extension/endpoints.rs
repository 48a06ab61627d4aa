//! Endpoints of AI backends: each says whose it is, and the backends are asked by priority.
use std::net::IpAddr;

use super::{
    fields::{assignment, endpoint, locality, metadata as metadata_fields},
    metadata::{self, BACKEND, UPSTREAM_HOST},
    plan::{Place, Plan, Ref},
    proto::{self, Address},
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

/// Where an endpoint says its proxy.
const PROXY: &str = "envoy.http11_proxy_transport_socket.proxy_address";

/// Marks a load assignment that goes to Envoy by itself (EDS); what is not ours stays as it is.
pub(super) fn modify(plan: &Plan, load: &mut Message) -> Result<(), Malformed> {
    let cluster = load.text(assignment::CLUSTER).to_owned();
    let Some(place) = plan.cluster(&cluster) else { return Ok(()) };
    stamp(place, &cluster, load)?;
    // Nobody says for which Gateway this is.
    match plan.only_proxy(place.route) {
        Some((host, port)) => through(&Address::socket(host, *port), load),
        None => Ok(()),
    }
}

/// Says to every endpoint through which proxy it is reached. Envoy before 1.37 knows no proxy of a cluster, and would go
/// around it without a word.
pub(super) fn through(address: &Address, load: &mut Message) -> Result<(), Malformed> {
    let any = proto::any(address);
    load.edit_each(assignment::LOCALITIES, |_, group| {
        group.edit_each(locality::ENDPOINTS, |_, one| {
            one.edit(endpoint::METADATA, |all| all.set_entry(metadata_fields::TYPED, PROXY, any.clone()))
        })
    })
}

/// Marks every endpoint of a cluster with its backend. Localities are known by their names and not by where they
/// stand, since backends without endpoints, zones and weights of zero change their number.
pub(super) fn stamp(place: Place<'_>, cluster: &str, load: &mut Message) -> Result<(), Malformed> {
    load.edit_each(assignment::LOCALITIES, |_, group| {
        let region = group.message(locality::LOCALITY)?.unwrap_or_default();
        let Some(own) = backend(place, cluster, region.text(locality::REGION)) else { return Ok(()) };
        // In a cluster of its own a backend has nobody to stand behind.
        if place.backend.is_none() && group.uint(locality::PRIORITY) != u64::from(own.priority) {
            group.set_uint(locality::PRIORITY, u64::from(own.priority));
        }
        group.edit_each(locality::ENDPOINTS, |_, one| {
            metadata::put(one, endpoint::METADATA, BACKEND, &own.identity)?;
            match host(one)? {
                Some(host) => metadata::put(one, endpoint::METADATA, UPSTREAM_HOST, &host),
                None => Ok(()),
            }
        })
    })
}

/// The backend whose locality this is: `{cluster}/backend/{k}`, or any one in a cluster that has no other. Nobody's
/// endpoint stays without a mark, and the processor refuses what goes there: better than another's credentials.
fn backend<'a>(place: Place<'a>, cluster: &str, region: &str) -> Option<&'a Ref> {
    let Place { rule, backend, .. } = place;
    if let Some(index) = backend {
        return rule.refs.get(index);
    }
    let index = region.strip_prefix(cluster).and_then(|rest| rest.strip_prefix("/backend/"));
    match index {
        Some(index) => rule.refs.get(index.parse::<usize>().ok()?),
        None => rule.only(),
    }
}

/// The host name of an endpoint.
fn host(one: &Message) -> Result<Option<String>, Malformed> {
    let Some(inner) = one.message(endpoint::ENDPOINT)? else { return Ok(None) };
    let given = inner.text(endpoint::HOSTNAME);
    if !given.is_empty() {
        return Ok(Some(given.to_owned()));
    }
    let address = inner.message(endpoint::ADDRESS)?.unwrap_or_default();
    let socket = address.message(endpoint::SOCKET)?.unwrap_or_default();
    let name = socket.text(endpoint::SOCKET_ADDRESS);
    let named = !name.is_empty() && name.parse::<IpAddr>().is_err();
    Ok(named.then(|| name.to_owned()))
}
