use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{Outlier, Turn};

/// Requests of one interval below which a share of failures says nothing, as with Envoy.
const VOLUME: u32 = 50;
const LONGEST: Duration = Duration::from_secs(300);

/// What one address of a backend is like: shared by all cores, kept over reloads. Times are unix milliseconds.
#[derive(Debug, Default)]
pub struct Endpoint {
    name: Box<str>,
    pub(crate) in_flight: AtomicU32,
    /// An active check says that it must not be used.
    unfit: AtomicBool,
    /// When it came into service, for slow start.
    pub(crate) since: AtomicU64,
    /// When it may come back; in the past or 0: it is in.
    ejected_until: AtomicU64,
    ejections: AtomicU32,
    server_errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_failures: AtomicU32,
    /// Number of the interval that the next two are counted in.
    interval: AtomicU64,
    good: AtomicU32,
    bad: AtomicU32,
}

/// What a request to an endpoint came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reply that says nothing against the endpoint.
    Good,
    /// 5xx but for the next.
    ServerError,
    /// 502, 503 or 504.
    GatewayError,
    /// No reply: not reached, timed out, broken off.
    LocalFailure,
}

// === impl Outcome ===

impl Outcome {
    /// Of a reply's status.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            502..=504 => Self::GatewayError,
            500..=599 => Self::ServerError,
            _ => Self::Good,
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// In service since somebody looks at it first.
    pub(crate) const NEW: u64 = u64::MAX;

    pub(crate) fn new(name: &str, since: u64) -> Self {
        Self { name: name.into(), since: AtomicU64::new(since), ..Self::default() }
    }

    /// Another one that knows the same, without the requests under way; what checks say is its own checks' to find out.
    pub(crate) fn copied(&self) -> Self {
        let ejections = AtomicU32::new(self.ejections.load(Relaxed));
        let until = AtomicU64::new(self.ejected_until.load(Relaxed));
        Self { ejected_until: until, ejections, ..Self::new(&self.name, self.since.load(Relaxed)) }
    }

    /// What it is known by: address and port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests under way, where they are counted.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// May it be used?
    #[must_use]
    pub fn is_fit(&self, now: u64) -> bool {
        !self.unfit.load(Relaxed) && !self.is_ejected(now)
    }

    /// When it may be used again as far as is known: the end of its ejection, or now.
    pub(crate) fn back_at(&self, now: u64) -> u64 {
        self.ejected_until.load(Relaxed).max(now)
    }

    /// Taken out for what it answered?
    #[must_use]
    pub fn is_ejected(&self, now: u64) -> bool {
        now < self.ejected_until.load(Relaxed)
    }

    /// What an active check says; true where that is news.
    pub fn checked(&self, fit: bool, now: u64) -> bool {
        let news = self.unfit.swap(!fit, Relaxed) == fit;
        if news && fit {
            self.since.store(now, Relaxed);
        }
        news
    }

    /// Counts; true where the counts say that it should go.
    pub(crate) fn suspect(&self, outcome: Outcome, outlier: &Outlier, now: u64) -> bool {
        let split = outlier.local_failures.is_some();
        let (server, gateway) = match outcome {
            Outcome::Good => (false, false),
            Outcome::ServerError => (true, false),
            Outcome::GatewayError => (true, true),
            Outcome::LocalFailure => (!split, !split),
        };
        let local = split && outcome == Outcome::LocalFailure;
        // A reply, good or bad, says that the endpoint can be reached; no reply says nothing of its errors.
        let silent = split && local;
        let full = [
            !silent && reached(&self.server_errors, server, outlier.server_errors),
            !silent && reached(&self.gateway_errors, gateway, outlier.gateway_errors),
            split && reached(&self.local_failures, local, outlier.local_failures.unwrap_or_default()),
        ];
        let share = outlier.failure_percent.is_some_and(|percent| self.share(outcome, outlier, percent, now));
        share || full.contains(&true)
    }

    /// Is the share of failures of the interval that has just ended too large?
    fn share(&self, outcome: Outcome, outlier: &Outlier, percent: u32, now: u64) -> bool {
        let number = now / millis(outlier.interval).max(1);
        let over = self.interval.swap(number, Relaxed) != number;
        let (good, bad) = if over { (self.good.swap(0, Relaxed), self.bad.swap(0, Relaxed)) } else { (0, 0) };
        let count = if outcome == Outcome::Good { &self.good } else { &self.bad };
        count.fetch_add(1, Relaxed);
        let all = u64::from(good) + u64::from(bad);
        all >= u64::from(VOLUME) && u64::from(bad) * 100 >= all * u64::from(percent)
    }

    pub(crate) fn eject(&self, outlier: &Outlier, now: u64) -> Turn {
        let until = self.ejected_until.load(Relaxed);
        let calm = now.saturating_sub(until) / millis(outlier.interval).max(1);
        let before = self.ejections.load(Relaxed);
        let number = before.saturating_sub(u32::try_from(calm).unwrap_or(u32::MAX)).saturating_add(1);
        self.ejections.store(number, Relaxed);
        let pause = outlier.base.saturating_mul(number).min(LONGEST.max(outlier.base));
        let until = now.saturating_add(millis(pause));
        self.ejected_until.store(until, Relaxed);
        self.since.store(until, Relaxed);
        for count in [&self.server_errors, &self.gateway_errors, &self.local_failures] {
            count.store(0, Relaxed);
        }
        Turn::Ejected(pause)
    }

    /// The share of its full load that it takes now, in percent; at least 10.
    pub(crate) fn warmth(&self, window: Option<Duration>, now: u64) -> u32 {
        let Some(window) = window else { return 100 };
        if self.since.load(Relaxed) == Self::NEW {
            self.since.store(now, Relaxed);
        }
        let passed = now.saturating_sub(self.since.load(Relaxed));
        let percent = passed.saturating_mul(100) / millis(window).max(1);
        u32::try_from(percent.clamp(10, 100)).unwrap_or(100)
    }
}

/// Counts one more in a row, or begins anew; true where the row is long enough.
fn reached(count: &AtomicU32, bad: bool, most: u32) -> bool {
    if !bad {
        // Reads first: in the steady state no cache line is written.
        if count.load(Relaxed) != 0 {
            count.store(0, Relaxed);
        }
        return false;
    }
    most > 0 && count.fetch_add(1, Relaxed).saturating_add(1) >= most
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
