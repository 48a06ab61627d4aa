use std::{
    num::NonZeroU64,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Microseconds for which silence is made up for: as much as goes in this time may go at once.
const BURST: u64 = 1_000_000;

/// Pieces that a second's bytes are cut into, so that bodies that share a pace take turns.
const PIECES: u64 = 20;

/// Bytes that are worth a piece of their own.
const LEAST: u64 = 64;

/// `bandwidthLimit`: how fast bytes go. All bodies that have it share it, on all cores.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second.
    rate: NonZeroU64,
    began: OnceLock<Instant>,
    /// Microseconds from `began`, and [`BURST`] more, that the bytes of before take.
    booked: AtomicU64,
}

// === impl Pace ===

impl Pace {
    /// So many bytes a second.
    #[must_use]
    pub const fn new(rate: NonZeroU64) -> Self {
        Self { rate, began: OnceLock::new(), booked: AtomicU64::new(0) }
    }

    /// Bytes that are to be booked at once, at most.
    #[must_use]
    pub fn piece(&self) -> usize {
        usize::try_from((self.rate.get() / PIECES).max(LEAST)).unwrap_or(usize::MAX)
    }

    /// Takes the turn of these bytes: they may go when this time has passed.
    pub fn book(&self, bytes: usize, now: Instant) -> Duration {
        let began = *self.began.get_or_init(|| now);
        let now = micros(now.saturating_duration_since(began));
        let cost = (bytes as u64).saturating_mul(1_000_000) / self.rate;
        // What lies further back than the burst is not made up for: `booked` is ahead of the clock by it.
        let after = |booked: u64| booked.max(now).saturating_add(cost);
        let mut booked = self.booked.load(Relaxed);
        while let Err(other) = self.booked.compare_exchange_weak(booked, after(booked), Relaxed, Relaxed) {
            booked = other;
        }
        Duration::from_micros(after(booked).saturating_sub(now.saturating_add(BURST)))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(rate: u64) -> Pace {
        Pace::new(NonZeroU64::new(rate).unwrap())
    }

    #[test]
    fn a_seconds_bytes_go_at_once_and_the_rest_in_their_time() {
        let (pace, t0) = (pace(1000), Instant::now());
        assert_eq!(pace.book(1000, t0), Duration::ZERO);
        assert_eq!(pace.book(500, t0), SECOND / 2);
        assert_eq!(pace.book(500, t0), SECOND, "whoever asks next waits for those before");
        assert_eq!(pace.book(0, t0 + SECOND), Duration::ZERO);
    }

    #[test]
    fn silence_is_made_up_for_by_one_second_and_no_more() {
        let (pace, t0) = (pace(1000), Instant::now());
        pace.book(1000, t0);
        let later = t0 + 60 * SECOND;
        assert_eq!(pace.book(1000, later), Duration::ZERO);
        assert_eq!(pace.book(100, later), SECOND / 10);
    }

    #[test]
    fn pieces_are_a_twentieth_of_a_second_long_but_never_tiny() {
        assert_eq!(pace(1_000_000).piece(), 50_000);
        assert_eq!(pace(1).piece(), 64);
    }
}
