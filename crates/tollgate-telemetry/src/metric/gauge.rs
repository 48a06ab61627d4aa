use std::collections::BTreeMap;

use tollgate_types::BackendId;

use super::exposition::Exposition;
use crate::lock::Slot;

/// A core's connections to one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Connections that are up or being dialled, idle ones included.
    pub open: usize,
    /// Connections that nobody uses at the moment.
    pub idle: usize,
    /// Requests that wait for a connection.
    pub pending: usize,
}

/// What each core said last of its pools.
#[derive(Debug, Default)]
pub(crate) struct Pools(Slot<BTreeMap<usize, Vec<(BackendId, PoolCounts)>>>);

// === impl Pools ===

impl Pools {
    /// Takes the place of all that this core said before.
    pub(crate) fn tell(&self, core: usize, pools: Vec<(BackendId, PoolCounts)>) {
        self.0.with(|cores| cores.insert(core, pools));
    }

    /// All cores added up.
    pub(crate) fn sums(&self) -> BTreeMap<BackendId, PoolCounts> {
        let mut sums: BTreeMap<BackendId, PoolCounts> = BTreeMap::new();
        self.0.with(|cores| {
            for (backend, counts) in cores.values().flatten() {
                let PoolCounts { open, idle, pending } = counts;
                let sum = sums.entry(backend.clone()).or_default();
                sum.open += open;
                sum.idle += idle;
                sum.pending += pending;
            }
        });
        sums
    }

    pub(crate) fn write(&self, out: &mut Exposition) {
        type Take = fn(&PoolCounts) -> usize;
        let families: [(&str, &str, Take); 3] = [
            (
                "tollgate_pool_connections_open",
                "Connections to a backend that are up, idle ones included.",
                |pool| pool.open,
            ),
            (
                "tollgate_pool_connections_idle",
                "Connections to a backend that nobody uses at the moment.",
                |pool| pool.idle,
            ),
            ("tollgate_pool_requests_pending", "Requests that wait for a connection to a backend.", |pool| {
                pool.pending
            }),
        ];
        let pools = self.sums();
        for (name, help, take) in families {
            out.family(name, help, "gauge");
            for (backend, counts) in &pools {
                out.sample(name, &[("backend", backend.as_str())], take(counts));
            }
        }
    }
}
