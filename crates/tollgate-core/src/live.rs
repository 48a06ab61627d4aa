use std::{collections::HashMap, sync::Arc};

use tollgate_balance::{Cluster, Health};
use tollgate_snapshot::{AddressHost, Backend, Snapshot};

use crate::{Capture, Sampler};

/// A snapshot in service, with what it learns while it serves. Loaded once per request.
#[derive(Debug)]
pub struct Live {
    /// What the resources say.
    pub snapshot: Snapshot,
    /// How each backend fares, at its `index`.
    pub health: Vec<Arc<Health>>,
    /// The endpoints of each backend, at its `index`; in the order of its addresses.
    pub clusters: Vec<Arc<Cluster>>,
    /// Which traces are kept; `None` where we take no part in traces and hand on what the client sent.
    pub sampler: Option<Sampler>,
    /// What is kept of prompts and replies; `None` for nothing.
    pub capture: Option<Capture>,
}

// === impl Live ===

impl Live {
    /// Puts a snapshot into service; backends that `before` knew keep their health.
    #[must_use]
    pub fn new(snapshot: Snapshot, before: Option<&Self>) -> Self {
        // One backend under two policies has two entries of one id: each keeps to its own.
        let known: HashMap<_, _> = before
            .into_iter()
            .flat_map(|live| live.snapshot.backends.iter().zip(live.health.iter().zip(&live.clusters)))
            .flat_map(|(backend, state)| {
                [((&backend.id, Some(&backend.traffic)), state), ((&backend.id, None), state)]
            })
            .collect();
        let find = |backend: &Arc<Backend>| {
            known
                .get(&(&backend.id, Some(&backend.traffic)))
                .or_else(|| known.get(&(&backend.id, None)))
                .copied()
        };
        let health = snapshot
            .backends
            .iter()
            .map(|b| find(b).map(|(health, _)| Arc::clone(health)).unwrap_or_default());
        let clusters = snapshot.backends.iter().map(|b| cluster(b, find(b).map(|(_, cluster)| &**cluster)));
        let (health, clusters) = (health.collect(), clusters.collect());
        Self { snapshot, health, clusters, sampler: None, capture: None }
    }

    /// Takes part in traces, where there is a sampler.
    #[must_use]
    pub fn sampling(self, sampler: Option<Sampler>) -> Self {
        Self { sampler, ..self }
    }

    /// Keeps prompts and replies of traces that are kept.
    #[must_use]
    pub fn capturing(self, capture: Option<Capture>) -> Self {
        Self { capture, ..self }
    }
}

fn cluster(backend: &Backend, before: Option<&Cluster>) -> Arc<Cluster> {
    let name = |host: &AddressHost, port: u16| match host {
        AddressHost::Name(name) => format!("{name}:{port}"),
        AddressHost::Ip(ip) => std::net::SocketAddr::new(*ip, port).to_string(),
    };
    let names: Vec<String> =
        backend.upstream.addresses.iter().map(|address| name(&address.host, address.port)).collect();
    Arc::new(Cluster::new(backend.traffic.balancing.clone(), &names, before))
}
