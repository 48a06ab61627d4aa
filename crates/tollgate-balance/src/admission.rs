use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::maglev::{mix, narrow};

/// Parts of a window; the oldest is forgotten as a whole.
const PARTS: usize = 10;

/// `admissionControl`: when requests are turned away because too many before them failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdmissionRule {
    /// `samplingWindow`: how far back is looked. 30 s.
    pub window: Duration,
    /// `minSuccessRate`: with at least this share of successes nobody is turned away. 95 %.
    pub min_success: u32,
    /// `rejectionAggression`: 1 turns as many away as there are too few successes, more turns away sooner. 1.
    pub aggression: u32,
    /// `minRequestRate`: with fewer requests a second nobody is turned away. 0.
    pub min_rate: u32,
    /// `maxRejectionPercent`: never more than this share. 80 %.
    pub max_percent: u32,
}

/// How requests of one rule have fared lately. Shared by all cores; a core that races another one at the turn of a
/// part may lose a count.
#[derive(Debug)]
pub struct Admission {
    rule: AdmissionRule,
    parts: [Part; PARTS],
}

#[derive(Debug, Default)]
struct Part {
    /// Which it is, counted from 1970.
    number: AtomicU64,
    all: AtomicU32,
    good: AtomicU32,
}

// === impl AdmissionRule ===

impl Default for AdmissionRule {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), min_success: 95, aggression: 1, min_rate: 0, max_percent: 80 }
    }
}

// === impl Admission ===

impl Admission {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(rule: AdmissionRule) -> Self {
        Self { rule, parts: Default::default() }
    }

    /// By what it decides.
    #[must_use]
    pub const fn rule(&self) -> &AdmissionRule {
        &self.rule
    }

    /// Counts what a request came to.
    pub fn report(&self, success: bool, now: u64) {
        let number = self.number(now);
        let Some(part) = self.parts.get(usize::try_from(number % PARTS as u64).unwrap_or_default()) else {
            return;
        };
        if part.number.swap(number, Relaxed) != number {
            part.all.store(0, Relaxed);
            part.good.store(0, Relaxed);
        }
        part.all.fetch_add(1, Relaxed);
        if success {
            part.good.fetch_add(1, Relaxed);
        }
    }

    /// Is this request to be turned away?
    #[must_use]
    pub fn rejects(&self, now: u64, random: u64) -> bool {
        let number = self.number(now);
        let recent = |part: &&Part| part.number.load(Relaxed) + PARTS as u64 > number;
        let (all, good) = self.parts.iter().filter(recent).fold((0_u64, 0_u64), |(all, good), part| {
            (all + u64::from(part.all.load(Relaxed)), good + u64::from(part.good.load(Relaxed)))
        });
        let drawn = u32::try_from(narrow(mix(random ^ 5), 1_000_000)).unwrap_or(u32::MAX);
        f64::from(drawn) < self.share(all, good) * 1_000_000.0
    }

    /// The share of requests that is turned away: as many as there would have to be fewer for the successes to be
    /// enough.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    fn share(&self, all: u64, good: u64) -> f64 {
        let AdmissionRule { window, min_success, aggression, min_rate, max_percent } = self.rule;
        if (all as f64) < f64::from(min_rate) * window.as_secs_f64() {
            return 0.0;
        }
        let enough = good as f64 * 100.0 / f64::from(min_success.max(1));
        let short = ((all as f64 - enough) / (all as f64 + 1.0)).max(0.0);
        short.powf(1.0 / f64::from(aggression.max(1))).min(f64::from(max_percent) / 100.0)
    }

    fn number(&self, now: u64) -> u64 {
        let width = u64::try_from(self.rule.window.as_millis()).unwrap_or(u64::MAX) / PARTS as u64;
        // Never 0, which is what a part is that was never used.
        now / width.max(1) + PARTS as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_700_000_000_000;

    fn after(rule: AdmissionRule, good: usize, bad: usize) -> Admission {
        let admission = Admission::new(rule);
        (0..good).for_each(|_| admission.report(true, T0));
        (0..bad).for_each(|_| admission.report(false, T0));
        admission
    }

    /// Of a thousand requests.
    fn rejected(admission: &Admission, now: u64) -> usize {
        (0..1000_u64).filter(|n| admission.rejects(now, mix(*n))).count()
    }

    #[test]
    fn nobody_is_turned_away_while_enough_succeed() {
        assert_eq!(rejected(&after(AdmissionRule::default(), 0, 0), T0), 0);
        assert_eq!(rejected(&after(AdmissionRule::default(), 95, 5), T0), 0);
    }

    #[test]
    fn the_share_grows_with_the_failures_up_to_its_bound() {
        let half = rejected(&after(AdmissionRule::default(), 500, 500), T0);
        assert!((430..520).contains(&half), "{half}");
        let all = rejected(&after(AdmissionRule::default(), 0, 1000), T0);
        assert!((760..840).contains(&all), "{all}");
        let eager = AdmissionRule { aggression: 4, max_percent: 100, ..AdmissionRule::default() };
        let eager = rejected(&after(eager, 500, 500), T0);
        assert!((780..880).contains(&eager), "{eager}");
    }

    #[test]
    fn few_requests_and_old_ones_say_nothing() {
        let rule = AdmissionRule { min_rate: 10, ..AdmissionRule::default() };
        assert_eq!(rejected(&after(rule, 0, 299), T0), 0);
        assert!(rejected(&after(rule, 0, 300), T0) > 0);
        let admission = after(AdmissionRule::default(), 0, 1000);
        assert!(rejected(&admission, T0 + 26_000) > 0);
        assert_eq!(rejected(&admission, T0 + 33_000), 0);
    }
}
