use std::{collections::HashMap, num::NonZeroU64, sync::Arc};

use tollgate_balance::{Admission, Cluster, Health, Pace, Standing};
use tollgate_snapshot::{AddressHost, Backend, Bandwidth, Rule, Snapshot};

use crate::{Capture, Places, Sampler, limit};

/// A snapshot in service, with what it learns while it serves. Loaded once per request.
#[derive(Debug)]
pub struct Live {
    /// What the resources say.
    pub snapshot: Snapshot,
    /// How each backend fares, at its `index`.
    pub health: Vec<Arc<Health>>,
    /// The endpoints of each backend, at its `index`; in the order of its addresses.
    pub clusters: Vec<Arc<Cluster>>,
    /// How the requests of each rule have fared, at its `index`, where its policy looks at that.
    admissions: Vec<Option<Arc<Admission>>>,
    /// How fast the bodies of each rule go, at its `index`, where its policy limits that.
    paces: Vec<Option<Paces>>,
    /// Who gave which id to files and batches.
    pub places: Arc<Places>,
    /// Which traces are kept; `None` where we take no part in traces and hand on what the client sent.
    pub sampler: Option<Sampler>,
    /// What is kept of prompts and replies; `None` for nothing.
    pub capture: Option<Capture>,
    /// Who leads requests to their backends.
    pub(crate) leads: Leads,
}

/// Who picks endpoints, tries again and judges backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leads {
    /// This gateway.
    #[default]
    Here,
    /// The proxy in front of it; here requests are only made, and replies only read.
    Elsewhere,
}

/// How fast bodies go.
#[derive(Clone, Debug)]
pub struct Paces {
    /// Those of requests.
    pub request: Option<Arc<Pace>>,
    /// Those of replies.
    pub response: Option<Arc<Pace>>,
    limit: Bandwidth,
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
        let admissions = admissions(&snapshot, before);
        let paces = paces(&snapshot, before);
        let places = before.map(|before| Arc::clone(&before.places)).unwrap_or_default();
        let (sampler, capture, leads) = (None, None, Leads::Here);
        Self { snapshot, health, clusters, admissions, paces, places, sampler, capture, leads }
    }

    /// Beside a proxy that picks endpoints, tries again and judges backends itself: nothing of that is done here,
    /// and request ids are the proxy's.
    #[must_use]
    pub fn led_elsewhere(self) -> Self {
        Self { leads: Leads::Elsewhere, ..self }
    }

    /// How the requests of a rule have fared, where its policy looks at that.
    pub(crate) fn admission(&self, rule: &Rule) -> Option<&Admission> {
        self.admissions.get(rule.index as usize)?.as_deref()
    }

    /// How fast the bodies of a rule go, where its policy limits that.
    pub(crate) fn paces(&self, rule: &Rule) -> Option<&Paces> {
        self.paces.get(rule.index as usize)?.as_ref()
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
        if backend.traffic.judges_endpoints() || self.leads == Leads::Elsewhere {
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
                let cluster = Cluster::beside(policy, &names, cluster).in_zones(&zones(backend));
                (Arc::new(health.copied()), Arc::new(cluster))
            }
            None => {
                let cluster = Cluster::new(policy, &names, None).in_zones(&zones(backend));
                (Arc::default(), Arc::new(cluster))
            }
        }
    }
}

// === impl Entry ===

impl Entry<'_> {
    fn hand_on(&mut self, backend: &Backend) -> State {
        self.taken = true;
        let policy = backend.traffic.balancing.clone();
        let cluster = Cluster::new(policy, &names(backend), Some(self.cluster)).in_zones(&zones(backend));
        (Arc::clone(self.health), Arc::new(cluster))
    }
}

/// A rule that is judged as it was before keeps what is known of it.
fn admissions(snapshot: &Snapshot, before: Option<&Live>) -> Vec<Option<Arc<Admission>>> {
    let made = |rule: &Arc<Rule>| {
        let control = rule.traffic.admission.as_ref()?;
        let known = before.and_then(|live| {
            let same = live.snapshot.rules.iter().find(|known| known.id == rule.id)?;
            let known = live.admissions.get(same.index as usize)?.as_ref()?;
            (*known.rule() == control.rule).then(|| Arc::clone(known))
        });
        Some(known.unwrap_or_else(|| Arc::new(Admission::new(control.rule))))
    };
    snapshot.rules.iter().map(made).collect()
}

/// A rule whose limit has not changed goes on at the pace that its bodies have now.
fn paces(snapshot: &Snapshot, before: Option<&Live>) -> Vec<Option<Paces>> {
    let pace = |rate: Option<NonZeroU64>| rate.map(|rate| Arc::new(Pace::new(rate)));
    let made = |rule: &Arc<Rule>| {
        let limit = rule.traffic.bandwidth?;
        let known = before.and_then(|live| {
            let same = live.snapshot.rules.iter().find(|known| known.id == rule.id)?;
            live.paces(same).filter(|known| known.limit == limit).cloned()
        });
        let Bandwidth { request, response } = limit;
        Some(known.unwrap_or_else(|| Paces { request: pace(request), response: pace(response), limit }))
    };
    snapshot.rules.iter().map(made).collect()
}

/// What the endpoints of a backend are known by.
fn names(backend: &Backend) -> Vec<String> {
    let name = |host: &AddressHost, port: u16| match host {
        AddressHost::Name(name) => format!("{name}:{port}"),
        AddressHost::Ip(ip) => std::net::SocketAddr::new(*ip, port).to_string(),
    };
    backend.upstream.addresses.iter().map(|address| name(&address.host, address.port)).collect()
}

/// Where the endpoints of a backend stand.
fn zones(backend: &Backend) -> Vec<Option<Arc<str>>> {
    backend.upstream.addresses.iter().map(|address| address.zone.clone()).collect()
}

#[cfg(test)]
mod tests;
