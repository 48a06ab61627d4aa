use std::{
    cell::Cell,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tollgate_core::Now;

/// How old the pair of clocks may be before the wall clock is read again, so that its corrections are followed.
const REFRESH_MS: u64 = 1000;

/// Both clocks for the price of one: the wall clock is read once a second and follows the monotonic one between.
#[derive(Debug)]
pub struct Clock {
    base: Cell<Now>,
}

// === impl Clock ===

impl Default for Clock {
    fn default() -> Self {
        Self { base: Cell::new(read(Instant::now())) }
    }
}

impl Clock {
    /// What both say now.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        let base = self.base.get();
        let passed = instant.saturating_duration_since(base.instant).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        if passed >= REFRESH_MS {
            let fresh = read(instant);
            self.base.set(fresh);
            return fresh;
        }
        Now { instant, unix_ms: base.unix_ms + passed }
    }
}

fn read(instant: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { instant, unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
}
