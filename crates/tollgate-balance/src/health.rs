use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Failures in a row before a backend is ejected (Envoy's `consecutive5XxErrors`).
const FAILURES: u32 = 5;
/// First ejection; the next ones take this long times their number, up to [`LONGEST`].
const BASE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(300);

/// What one backend's last answers were like. Shared by all cores; every read and write is one atomic.
///
/// A backend that fails [`FAILURES`] times in a row is ejected. When its time is over, one request may probe it:
/// success brings it back, failure ejects it for longer. Times are unix milliseconds.
#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU32,
    ejections: AtomicU32,
    /// 0 while it is in service.
    ejected_until: AtomicU64,
    /// When the last probe was let through, so that only one goes out at a time.
    probed_at: AtomicU64,
    /// Never reset, for metrics.
    ejected_in_all: AtomicU64,
}

/// May this backend be asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Up,
    /// Its ejection is over and nobody is probing it: one request may.
    Probe,
    /// Not before this moment, unix milliseconds.
    Ejected(u64),
}

/// A change of standing, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It was taken out, for this long.
    Ejected(Duration),
    /// It came back.
    Returned,
}

// === impl Health ===

impl Health {
    /// How long a probe may take before another one is let through.
    const PROBE_PATIENCE: u64 = 10_000;

    /// Another one that knows the same, and goes its own way from here on.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self {
            failures: AtomicU32::new(self.failures.load(Relaxed)),
            ejections: AtomicU32::new(self.ejections.load(Relaxed)),
            ejected_until: AtomicU64::new(self.ejected_until.load(Relaxed)),
            // What was counted is told by the one that counted it.
            ..Self::default()
        }
    }

    /// What to think of it now.
    #[must_use]
    pub fn standing(&self, now: u64) -> Standing {
        match self.ejected_until.load(Relaxed) {
            0 => Standing::Up,
            until if now < until => Standing::Ejected(until),
            until => match self.probed_at.load(Relaxed) + Self::PROBE_PATIENCE {
                patience if now < patience => Standing::Ejected(until.max(patience)),
                _ => Standing::Probe,
            },
        }
    }

    /// How often it was taken out since it is known.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.ejected_in_all.load(Relaxed)
    }

    /// Says that a request goes out to it now.
    pub fn asked(&self, now: u64) {
        if self.ejected_until.load(Relaxed) != 0 {
            self.probed_at.store(now, Relaxed);
        }
    }

    /// It answered well.
    pub fn succeeded(&self) -> Option<Turn> {
        // Reads first: in the steady state no cache line is written.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.ejected_until.load(Relaxed) == 0 {
            return None;
        }
        self.ejections.store(0, Relaxed);
        self.probed_at.store(0, Relaxed);
        (self.ejected_until.swap(0, Relaxed) != 0).then_some(Turn::Returned)
    }

    /// It failed: could not be reached, broke off, or answered with a server error.
    pub fn failed(&self, now: u64) -> Option<Turn> {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let probing = self.ejected_until.load(Relaxed) != 0;
        if !probing && failures < FAILURES {
            return None;
        }
        let number = self.ejections.fetch_add(1, Relaxed).saturating_add(1);
        self.eject(now, LONGEST.min(BASE.saturating_mul(number)))
    }

    /// It asked to be left alone (`retry-after`); takes at most [`LONGEST`].
    pub fn rests(&self, now: u64, pause: Duration) -> Option<Turn> {
        self.eject(now, LONGEST.min(pause))
    }

    fn eject(&self, now: u64, pause: Duration) -> Option<Turn> {
        let until = now.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        let before = self.ejected_until.fetch_max(until, Relaxed);
        self.probed_at.store(0, Relaxed);
        if before >= until || pause.is_zero() {
            return None;
        }
        self.ejected_in_all.fetch_add(1, Relaxed);
        Some(Turn::Ejected(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_700_000_000_000;

    #[test]
    fn five_failures_in_a_row_eject_and_a_success_between_starts_over() {
        let health = Health::default();
        for _ in 0..4 {
            assert_eq!(health.failed(T0), None);
        }
        assert_eq!(health.succeeded(), None);
        for _ in 0..4 {
            assert_eq!(health.failed(T0), None);
        }
        assert_eq!(health.failed(T0), Some(Turn::Ejected(BASE)));
        assert_eq!(health.standing(T0 + 29_999), Standing::Ejected(T0 + 30_000));
    }

    #[test]
    fn one_probe_at_a_time_decides_about_the_return() {
        let health = Health::default();
        health.rests(T0, Duration::from_secs(1));
        let t1 = T0 + 1_000;
        assert_eq!(health.standing(t1), Standing::Probe);
        health.asked(t1);
        assert!(matches!(health.standing(t1), Standing::Ejected(_)));
        assert_eq!(health.failed(t1), Some(Turn::Ejected(BASE)));
        assert_eq!(health.standing(t1 + 30_000), Standing::Probe);
        assert_eq!(health.succeeded(), Some(Turn::Returned));
        assert_eq!(health.standing(t1 + 30_000), Standing::Up);
    }
}
