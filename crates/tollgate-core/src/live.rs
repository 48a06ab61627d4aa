use std::{collections::HashMap, sync::Arc};

use tollgate_balance::{Cluster, Health, Standing};
use tollgate_snapshot::{AddressHost, Backend, Snapshot};

use crate::{Capture, Sampler, limit};

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

/// What is known of the backends that were served before.
#[derive(Default)]
struct Known<'a> {
    /// By id; several where one backend is under several policies.
    entries: HashMap<&'a str, Vec<Entry<'a>>>,
}

struct Entry<'a> {
    backend: &'a Backend,
    health: &'a Arc<Health>,
    cluster: &'a Arc<Cluster>,
    /// Handed on to an entry of the new snapshot: to one only, since each counts for itself.
    taken: bool,
}

type State = (Arc<Health>, Arc<Cluster>);

// === impl Live ===

impl Live {
    /// Puts a snapshot into service; backends that `before` knew keep their health, and rules what their limits have
    /// learnt.
    #[must_use]
    pub fn new(snapshot: Snapshot, before: Option<&Self>) -> Self {
        if let Some(before) = before {
            limit::go_on_from(&snapshot, &before.snapshot);
        }
        let mut known = before.map(Known::of).unwrap_or_default();
        // Those whose policy has not changed go first, so that no other entry of their id takes their place.
        let same: Vec<Option<State>> = snapshot.backends.iter().map(|backend| known.same(backend)).collect();
        let states = snapshot
            .backends
            .iter()
            .zip(same)
            .map(|(backend, same)| same.unwrap_or_else(|| known.like(backend)));
        let (health, clusters) = states.unzip();
        Self { snapshot, health, clusters, sampler: None, capture: None }
    }

    /// Takes part in traces, where there is a sampler.
    #[must_use]
    pub fn sampling(self, sampler: Option<Sampler>) -> Self {
        Self { sampler, ..self }
    }

    /// Whether a backend may be asked: what the gateway thinks of it, and whether any of its endpoints is fit.
    #[must_use]
    pub fn standing(&self, backend: &Backend, unix_ms: u64) -> Standing {
        let cluster = self.clusters.get(backend.index as usize);
        if let Some(until) = cluster.and_then(|cluster| cluster.out_until(unix_ms)) {
            return Standing::Ejected(until);
        }
        self.health_of(backend).map_or(Standing::Up, |health| health.standing(unix_ms))
    }

    /// What the gateway thinks of a backend, unless a policy judges its endpoints.
    pub(crate) fn health_of(&self, backend: &Backend) -> Option<&Health> {
        if backend.traffic.judges_endpoints() {
            return None;
        }
        self.health.get(backend.index as usize).map(|health| &**health)
    }

    /// Keeps prompts and replies of traces that are kept.
    #[must_use]
    pub fn capturing(self, capture: Option<Capture>) -> Self {
        Self { capture, ..self }
    }
}

// === impl Known ===

impl<'a> Known<'a> {
    fn of(live: &'a Live) -> Self {
        let mut entries: HashMap<&str, Vec<Entry<'_>>> = HashMap::new();
        for (backend, (health, cluster)) in
            live.snapshot.backends.iter().zip(live.health.iter().zip(&live.clusters))
        {
            let entry = Entry { backend, health, cluster, taken: false };
            entries.entry(backend.id.as_str()).or_default().push(entry);
        }
        Self { entries }
    }

    /// What was known of this backend under this very policy.
    fn same(&mut self, backend: &Backend) -> Option<State> {
        let mut entries = self.entries.get_mut(backend.id.as_str())?.iter_mut();
        let entry = entries.find(|entry| !entry.taken && entry.backend.traffic == backend.traffic)?;
        Some(entry.hand_on(backend))
    }

    /// What is known of this backend under another policy: the one it had before, or one that it has besides.
    fn like(&mut self, backend: &Backend) -> State {
        let entries = self.entries.get_mut(backend.id.as_str()).map_or(&mut [][..], Vec::as_mut_slice);
        if let Some(entry) = entries.iter_mut().find(|entry| !entry.taken) {
            return entry.hand_on(backend);
        }
        let (policy, names) = (backend.traffic.balancing.clone(), names(backend));
        match entries.first() {
            Some(Entry { health, cluster, .. }) => {
                (Arc::new(health.copied()), Arc::new(Cluster::beside(policy, &names, cluster)))
            }
            None => (Arc::default(), Arc::new(Cluster::new(policy, &names, None))),
        }
    }
}

// === impl Entry ===

impl Entry<'_> {
    fn hand_on(&mut self, backend: &Backend) -> State {
        self.taken = true;
        let policy = backend.traffic.balancing.clone();
        let cluster = Cluster::new(policy, &names(backend), Some(self.cluster));
        (Arc::clone(self.health), Arc::new(cluster))
    }
}

/// What the endpoints of a backend are known by.
fn names(backend: &Backend) -> Vec<String> {
    let name = |host: &AddressHost, port: u16| match host {
        AddressHost::Name(name) => format!("{name}:{port}"),
        AddressHost::Ip(ip) => std::net::SocketAddr::new(*ip, port).to_string(),
    };
    backend.upstream.addresses.iter().map(|address| name(&address.host, address.port)).collect()
}

#[cfg(test)]
mod tests;
