use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tollgate_types::BackendId;

use super::exposition::Exposition;
use crate::lock::Slot;

/// Connections of one pool to one backend. Each core's pool has its own; a scrape adds them up.
#[derive(Debug, Default)]
pub struct PoolGauge {
    /// Connections that are up, idle ones included.
    pub open: Gauge,
    /// Connections that nobody uses at the moment.
    pub idle: Gauge,
    /// Requests that wait for a connection.
    pub pending: Gauge,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// Gauges that hosts fill.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pools: Slot<Vec<(BackendId, Weak<PoolGauge>)>>,
}

// === impl Gauge ===

impl Gauge {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less; stays at zero.
    pub fn down(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |number| Some(number.saturating_sub(1)));
    }

    /// This many.
    pub fn set(&self, number: u64) {
        self.0.store(number, Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl Gauges ===

impl Gauges {
    pub(crate) fn pool(&self, backend: &BackendId) -> Arc<PoolGauge> {
        let gauge = Arc::new(PoolGauge::default());
        self.pools.with(|pools| {
            pools.retain(|(_, gauge)| gauge.strong_count() > 0);
            pools.push((backend.clone(), Arc::downgrade(&gauge)));
        });
        gauge
    }

    /// Open, idle and pending by backend.
    pub(crate) fn pools(&self) -> BTreeMap<BackendId, [u64; 3]> {
        let pools = self.pools.with(|pools| pools.clone());
        let mut sums: BTreeMap<BackendId, [u64; 3]> = BTreeMap::new();
        for (backend, gauge) in pools {
            let Some(gauge) = gauge.upgrade() else { continue };
            let sum = sums.entry(backend).or_default();
            for (total, gauge) in sum.iter_mut().zip([&gauge.open, &gauge.idle, &gauge.pending]) {
                *total += gauge.get();
            }
        }
        sums
    }

    pub(crate) fn write(&self, out: &mut Exposition) {
        let pools = self.pools();
        let families = [
            ("tollgate_pool_connections_open", "Connections to a backend that are up, idle ones included."),
            ("tollgate_pool_connections_idle", "Connections to a backend that nobody uses at the moment."),
            ("tollgate_pool_requests_pending", "Requests that wait for a connection to a backend."),
        ];
        for (position, (name, help)) in families.into_iter().enumerate() {
            out.family(name, help, "gauge");
            for (backend, numbers) in &pools {
                out.sample(name, &[("backend", backend.as_str())], numbers[position]);
            }
        }
    }
}
