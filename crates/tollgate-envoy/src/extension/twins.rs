//! Backends at one address. Envoy keeps one endpoint of each address that comes by itself (EDS), and forgets the others
//! with the backends that they are of: none of those would ever be asked. Where the endpoints are the cluster's own it
//! keeps all of them, so that is where such go.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    endpoints,
    fields::{assignment, cluster, endpoint, locality},
    metadata::{self, BACKEND},
    plan::Plan,
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

/// Load assignments with twins, by cluster: the hook that can change clusters does not see endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Twins(BTreeMap<String, Bytes>);

/// What is known of a cluster: its load assignment, as it goes to Envoy, if there are twins in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    cluster: String,
    twins: Option<Bytes>,
}

/// Looks for twins in a load assignment of ours.
pub(super) fn look(plan: &Plan, load: &Bytes) -> Result<Seen, Malformed> {
    let mut own = Message::parse(load.clone())?;
    let cluster = own.text(assignment::CLUSTER).to_owned();
    if plan.cluster(&cluster).is_none() {
        return Ok(Seen { cluster, twins: None });
    }
    endpoints::modify(plan, &mut own)?;
    let twins = has_twins(&own)?.then(|| own.encode());
    Ok(Seen { cluster, twins })
}

// === impl Twins ===

impl Twins {
    /// With what was seen last of a cluster; `None` where nothing is new.
    pub(super) fn after(&self, Seen { cluster, twins }: &Seen) -> Option<Self> {
        if self.0.get(cluster) == twins.as_ref() {
            return None;
        }
        let mut after = self.clone();
        match twins {
            Some(load) => after.0.insert(cluster.clone(), load.clone()),
            None => after.0.remove(cluster),
        };
        Some(after)
    }

    /// Without what no route of ours leads to any more.
    pub(super) fn known(&self, plan: &Plan) -> Self {
        let known = self.0.iter().filter(|(name, _)| plan.cluster(name).is_some());
        Self(known.map(|(name, load)| (name.clone(), load.clone())).collect())
    }

    /// Gives the clusters of twins their endpoints.
    pub(super) fn settle(&self, clusters: &mut [Bytes]) -> Result<(), Malformed> {
        if self.0.is_empty() {
            return Ok(());
        }
        for bytes in clusters {
            let mut own = Message::parse(bytes.clone())?;
            if let Some(load) = self.0.get(own.text(cluster::NAME)).filter(|_| own.has(cluster::EDS)) {
                own.remove(cluster::EDS);
                own.set_uint(cluster::TYPE, cluster::STATIC);
                own.set_bytes(cluster::LOAD_ASSIGNMENT, load.clone());
                *bytes = own.encode();
            }
        }
        Ok(())
    }
}

/// Whether one address is of two backends.
fn has_twins(load: &Message) -> Result<bool, Malformed> {
    let mut owners: BTreeMap<Vec<u8>, Option<String>> = BTreeMap::new();
    for group in load.messages(assignment::LOCALITIES) {
        for one in group?.messages(locality::ENDPOINTS) {
            let one = one?;
            let inner = one.message(endpoint::ENDPOINT)?.unwrap_or_default();
            let address = inner.message(endpoint::ADDRESS)?.unwrap_or_default();
            let owner = metadata::get(&one, endpoint::METADATA, BACKEND)?;
            let before = owners.entry(address.encode().to_vec()).or_insert_with(|| owner.clone());
            if *before != owner {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
