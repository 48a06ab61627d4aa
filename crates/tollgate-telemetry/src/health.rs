use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tollgate_balance::Standing;
use tollgate_core::Live;

use crate::metric::Exposition;

/// One backend. Under several policies it has several entries of one id, which are one series.
#[derive(Default)]
struct Row {
    /// True where an entry is not asked.
    ejected: bool,
    ejections: u64,
    /// Endpoints that some entry does not use.
    unfit: usize,
    overflows: u64,
}

/// The wall clock, unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Whether each backend of the snapshot in service is in service.
pub(crate) fn write(live: Option<&Live>, out: &mut Exposition) {
    let Some(live) = live else { return };
    let rows = rows(live, unix_ms());
    let mut family = |name, help, kind, value: &dyn Fn(&Row) -> u64| {
        out.family(name, help, kind);
        for (id, row) in &rows {
            out.sample(name, &[("backend", id)], value(row));
        }
    };
    family(
        "tollgate_backend_ejected",
        "1 while a backend that failed too often is not asked, or only probed.",
        "gauge",
        &|row| u64::from(row.ejected),
    );
    family(
        "tollgate_backend_ejections_total",
        "How often a backend was taken out of service.",
        "counter",
        &|row| row.ejections,
    );
    family(
        "tollgate_backend_unfit_endpoints",
        "Endpoints that a health check or their answers have taken out.",
        "gauge",
        &|row| row.unfit as u64,
    );
    family(
        "tollgate_backend_overflows_total",
        "Requests and retries that were refused because too many were under way.",
        "counter",
        &|row| row.overflows,
    );
}

fn rows(live: &Live, now: u64) -> BTreeMap<&str, Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let states = live.health.iter().zip(&live.clusters);
    for (backend, (health, cluster)) in live.snapshot.backends.iter().zip(states) {
        let row = rows.entry(backend.id.as_str()).or_default();
        row.ejected |= live.standing(backend, now) != Standing::Up;
        row.ejections += health.ejections();
        row.unfit = row.unfit.max(cluster.endpoints().iter().filter(|one| !one.is_fit(now)).count());
        row.overflows += u64::from(cluster.overflows());
    }
    rows
}
