use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    Algorithm, Balancing, Endpoint, Outcome, Turn,
    maglev::{mix, narrow, table},
    zones::ZoneMap,
};

/// The endpoints of one backend under one policy. Shared by all cores.
pub struct Cluster {
    policy: Balancing,
    endpoints: Box<[Arc<Endpoint>]>,
    table: Option<Arc<[u32]>>,
    zones: Option<ZoneMap>,
    next: AtomicUsize,
    counts: Arc<Counts>,
}

/// What is under way; kept over reloads, since leases may be.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU32,
    retries: AtomicU32,
    overflows: AtomicU32,
}

/// One request that wants an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Unix milliseconds.
    pub now: u64,
    /// 64 random bits.
    pub random: u64,
    /// What the request hashes to, where the policy looks at it.
    pub hash: Option<u64>,
    /// Positions that were tried; asked again only where there is nobody else.
    pub avoid: &'a [usize],
    /// Names of endpoints that the request itself asks for, the first that can be had goes before all others.
    pub wanted: &'a [&'a str],
}

/// Why no endpoint was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpicked {
    /// There is none, or none that is fit.
    NoneFit,
    /// Too many requests are under way.
    Overflow,
}

/// One request under way to one endpoint; dropping it gives its counts back.
#[derive(Debug)]
pub struct Lease {
    /// Where the endpoint stands in the backend's list of addresses.
    pub position: usize,
    /// `None` where the policy needs no counts.
    cluster: Option<Arc<Cluster>>,
}

/// One retry under way; dropping it gives its count back.
#[derive(Debug)]
pub struct Retrying(Arc<Counts>);

// === impl Cluster ===

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("endpoints", &self.endpoints.len()).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Endpoints by name, in the order of the backend's addresses; those that `before` knew keep their state.
    #[must_use]
    pub fn new(policy: Balancing, names: &[String], before: Option<&Self>) -> Self {
        let counts = before.map(|one| Arc::clone(&one.counts)).unwrap_or_default();
        Self::build((policy, counts), names, before, Arc::clone)
    }

    /// The same endpoints under a policy of their own: they begin with what `other` knows of them, and count for
    /// themselves.
    #[must_use]
    pub fn beside(policy: Balancing, names: &[String], other: &Self) -> Self {
        Self::build((policy, Arc::default()), names, Some(other), |one| Arc::new(one.copied()))
    }

    fn build(
        (policy, counts): (Balancing, Arc<Counts>),
        names: &[String],
        before: Option<&Self>,
        keep: impl Fn(&Arc<Endpoint>) -> Arc<Endpoint>,
    ) -> Self {
        let known: HashMap<_, _> =
            before.iter().flat_map(|one| one.endpoints.iter()).map(|one| (one.name(), one)).collect();
        // Those that are there from the beginning have no warm ones beside them to grow up with.
        let since = if before.is_some() { Endpoint::NEW } else { 0 };
        let endpoints = names
            .iter()
            .map(|name| {
                known
                    .get(name.as_str())
                    .map_or_else(|| Arc::new(Endpoint::new(name, since)), |&one| keep(one))
            })
            .collect();
        let table = match policy.algorithm {
            Algorithm::Maglev { table_size } => {
                let same = before.filter(|one| {
                    one.policy.algorithm == policy.algorithm
                        && one.endpoints.iter().map(|one| one.name()).eq(names.iter().map(String::as_str))
                });
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Some(match same.and_then(|one| one.table.as_ref()) {
                    Some(table) => Arc::clone(table),
                    None => table(&names, table_size).into(),
                })
            }
            Algorithm::RoundRobin | Algorithm::LeastRequest | Algorithm::Random => None,
        };
        Self { policy, endpoints, table, zones: None, next: AtomicUsize::new(0), counts }
    }

    /// The same with the zone of each endpoint, in the order of the backend's addresses.
    #[must_use]
    pub fn in_zones(self, zones: &[Option<Arc<str>>]) -> Self {
        let zones = ZoneMap::new(&self.policy.zones, zones);
        Self { zones, ..self }
    }

    /// Each endpoint, in the order of the backend's addresses.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// When one of its endpoints may be used again; `None` where one may be used now, or where there are none.
    #[must_use]
    pub fn out_until(&self, now: u64) -> Option<u64> {
        if self.endpoints.iter().any(|one| one.is_fit(now)) {
            return None;
        }
        self.endpoints.iter().map(|one| one.back_at(now)).min()
    }

    /// Requests and retries that were refused because too many were under way.
    #[must_use]
    pub fn overflows(&self) -> u32 {
        self.counts.overflows.load(Relaxed)
    }

    /// An endpoint for one request.
    ///
    /// # Errors
    /// [`Unpicked`] where there is none to be had.
    pub fn pick(self: &Arc<Self>, ask: &Ask<'_>) -> Result<Lease, Unpicked> {
        let counted = self.policy.limits.counts();
        if counted && !take(&self.counts.requests, self.policy.limits.requests) {
            self.counts.overflows.fetch_add(1, Relaxed);
            return Err(Unpicked::Overflow);
        }
        let chosen = self.choose(ask);
        let Ok(position) = chosen else {
            if counted {
                self.counts.requests.fetch_sub(1, Relaxed);
            }
            return Err(chosen.err().unwrap_or(Unpicked::NoneFit));
        };
        if self.counts_endpoints()
            && let Some(endpoint) = self.endpoints.get(position)
        {
            endpoint.in_flight.fetch_add(1, Relaxed);
        }
        let watched = counted || self.counts_endpoints() || self.policy.outlier.is_some();
        Ok(Lease { position, cluster: watched.then(|| Arc::clone(self)) })
    }

    /// The right to repeat a request.
    #[must_use]
    pub fn retry(&self) -> Option<Retrying> {
        let most = self.policy.limits.retries(self.counts.requests.load(Relaxed));
        if take(&self.counts.retries, most) {
            return Some(Retrying(Arc::clone(&self.counts)));
        }
        self.counts.overflows.fetch_add(1, Relaxed);
        None
    }

    fn counts_endpoints(&self) -> bool {
        self.policy.algorithm == Algorithm::LeastRequest || self.policy.limits.per_endpoint.is_some()
    }

    fn choose(&self, ask: &Ask<'_>) -> Result<usize, Unpicked> {
        let all = self.endpoints.len();
        let fit = self.endpoints.iter().filter(|one| one.is_fit(ask.now)).count();
        let share = u32::try_from(fit * 100 / all.max(1)).unwrap_or(100);
        let panic = share < self.policy.panic_percent;
        if all == 0 || (fit == 0 && !panic) {
            return Err(Unpicked::NoneFit);
        }
        let most = self.policy.limits.per_endpoint;
        let usable = |at: usize| {
            self.endpoints.get(at).is_some_and(|one| {
                (panic || one.is_fit(ask.now)) && most.is_none_or(|most| one.in_flight() < most)
            })
        };
        let open = |at: usize| usable(at) && !ask.avoid.contains(&at);
        self.named(ask, &open)
            .or_else(|| self.nearby(ask, &open))
            .or_else(|| self.among(ask, &open))
            .or_else(|| if ask.avoid.is_empty() { None } else { self.among(ask, &usable) })
            .ok_or_else(|| {
                self.counts.overflows.fetch_add(1, Relaxed);
                Unpicked::Overflow
            })
    }

    /// What the request itself asks for.
    fn named(&self, ask: &Ask<'_>, open: &dyn Fn(usize) -> bool) -> Option<usize> {
        ask.wanted.iter().find_map(|wanted| {
            let named = self.endpoints.iter().enumerate().filter(|(_, one)| one.name() == *wanted);
            named.map(|(at, _)| at).find(|at| open(*at))
        })
    }

    /// One of the zone to which the request is to go.
    fn nearby(&self, ask: &Ask<'_>, open: &dyn Fn(usize) -> bool) -> Option<usize> {
        let zones = self.zones.as_ref()?;
        let within = zones.choose(&self.policy.zones, ask, open)?;
        self.among(ask, &|at| open(at) && zones.allows(within, at))
    }

    /// One of those that are open, by the algorithm.
    fn among(&self, ask: &Ask<'_>, open: &dyn Fn(usize) -> bool) -> Option<usize> {
        let indices = || (0..self.endpoints.len()).filter(|&at| open(at));
        let count = indices().count();
        if count <= 1 {
            return indices().next();
        }
        let any = |random| indices().nth(narrow(random, count));
        match self.policy.algorithm {
            Algorithm::Maglev { .. } => self.hashed(ask, open).or_else(|| any(ask.random)),
            Algorithm::LeastRequest => {
                let first = narrow(ask.random, count);
                let second = (first + 1 + narrow(mix(ask.random), count - 1)) % count;
                let (first, second) = (indices().nth(first)?, indices().nth(second)?);
                Some(if self.load(second, ask.now) < self.load(first, ask.now) { second } else { first })
            }
            Algorithm::Random => self.warm(ask, |round| any(mix(ask.random.wrapping_add(round)))),
            // A core that races another one skips an endpoint now and then; the shares stay even.
            Algorithm::RoundRobin => {
                self.warm(ask, |_| indices().nth(self.next.fetch_add(1, Relaxed) % count))
            }
        }
    }

    /// By the table; where that one is out, by the places that further hashes of the same request point to.
    fn hashed(&self, ask: &Ask<'_>, open: &dyn Fn(usize) -> bool) -> Option<usize> {
        let (table, hash) = (self.table.as_ref()?, ask.hash?);
        let mut at = hash;
        for _ in 0..32 {
            let position = *table.get(narrow(at, table.len()))? as usize;
            if open(position) {
                return Some(position);
            }
            at = mix(at.wrapping_add(1));
        }
        None
    }

    /// Requests under way, as they weigh on an endpoint that is still growing.
    fn load(&self, at: usize, now: u64) -> u64 {
        self.endpoints.get(at).map_or(u64::MAX, |one| {
            (u64::from(one.in_flight()) + 1) * 100 / u64::from(one.warmth(self.policy.slow_start, now))
        })
    }

    /// Passes an endpoint that is still growing over, as often as it is short of its full share.
    fn warm(&self, ask: &Ask<'_>, mut pick: impl FnMut(u64) -> Option<usize>) -> Option<usize> {
        let mut picked = pick(0)?;
        for round in 1..4 {
            let warmth = self.endpoints.get(picked)?.warmth(self.policy.slow_start, ask.now);
            if warmth >= 100 || narrow(mix(ask.random ^ round), 100) < warmth as usize {
                break;
            }
            picked = pick(round)?;
        }
        Some(picked)
    }

    fn report(&self, position: usize, outcome: Outcome, now: u64) -> Option<Turn> {
        let outlier = self.policy.outlier.as_ref()?;
        let endpoint = self.endpoints.get(position)?;
        if !endpoint.suspect(outcome, outlier, now) || endpoint.is_ejected(now) {
            return None;
        }
        let out = self.endpoints.iter().filter(|one| one.is_ejected(now)).count();
        let share = (out + 1) * 100 / self.endpoints.len();
        let allowed = share <= outlier.max_percent as usize || (out == 0 && outlier.always_one);
        allowed.then(|| endpoint.eject(outlier, now))
    }
}

// === impl Lease ===

impl Lease {
    /// A request that somebody else has led to this endpoint: nothing is counted here.
    #[must_use]
    pub const fn uncounted(position: usize) -> Self {
        Self { position, cluster: None }
    }

    /// Says what the request came to.
    pub fn report(&self, outcome: Outcome, now: u64) -> Option<Turn> {
        self.cluster.as_ref()?.report(self.position, outcome, now)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(cluster) = &self.cluster else { return };
        if cluster.policy.limits.counts() {
            cluster.counts.requests.fetch_sub(1, Relaxed);
        }
        if cluster.counts_endpoints()
            && let Some(endpoint) = cluster.endpoints.get(self.position)
        {
            endpoint.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

// === impl Retrying ===

impl Drop for Retrying {
    fn drop(&mut self) {
        self.0.retries.fetch_sub(1, Relaxed);
    }
}

/// Counts one more, unless that would be too many. Exact: of two who race for the last place one gets it.
fn take(count: &AtomicU32, most: Option<u32>) -> bool {
    let Some(most) = most else {
        count.fetch_add(1, Relaxed);
        return true;
    };
    count.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1)).is_ok()
}

#[cfg(test)]
mod tests;
