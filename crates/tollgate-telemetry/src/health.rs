use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tollgate_balance::Standing;
use tollgate_core::Live;

use crate::metric::Exposition;

/// The wall clock, unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Whether each backend of the snapshot in service is in service.
pub(crate) fn write(live: Option<&Live>, out: &mut Exposition) {
    let Some(live) = live else { return };
    let now = unix_ms();
    let backends = || live.snapshot.backends.iter().zip(&live.health);
    let ejected = "tollgate_backend_ejected";
    out.family(ejected, "1 while a backend that failed too often is not asked, or only probed.", "gauge");
    for (backend, health) in backends() {
        let out_of_service = health.standing(now) != Standing::Up;
        out.sample(ejected, &[("backend", backend.id.as_str())], u8::from(out_of_service));
    }
    let ejections = "tollgate_backend_ejections_total";
    out.family(ejections, "How often a backend was taken out of service.", "counter");
    for (backend, health) in backends() {
        out.sample(ejections, &[("backend", backend.id.as_str())], health.ejections());
    }
}
