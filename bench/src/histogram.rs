use std::time::Duration;

/// Steps per doubling: values are kept to within 0.8 %.
const STEPS: u32 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of durations, fine enough for p99.9, of constant size.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
    least: u64,
    most: u64,
}

// === impl Histogram ===

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; (64 * STEPS) as usize], total: 0, least: u64::MAX, most: 0 }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.counts[index(nanos)] += 1;
        self.total += 1;
        self.least = self.least.min(nanos);
        self.most = self.most.max(nanos);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (have, more) in self.counts.iter_mut().zip(&other.counts) {
            *have += more;
        }
        self.total += other.total;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.total
    }

    pub(crate) fn min(&self) -> Duration {
        Duration::from_nanos(if self.total == 0 { 0 } else { self.least })
    }

    pub(crate) const fn max(&self) -> Duration {
        Duration::from_nanos(self.most)
    }

    /// The duration that `permille` of a thousand do not exceed.
    pub(crate) fn quantile(&self, permille: u64) -> Duration {
        let rank = (self.total * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Duration::from_nanos(middle(index).clamp(self.min_nanos(), self.most));
            }
        }
        Duration::ZERO
    }

    const fn min_nanos(&self) -> u64 {
        if self.least < self.most { self.least } else { self.most }
    }
}

const fn index(nanos: u64) -> usize {
    let exponent = nanos.ilog2();
    if exponent < STEP_BITS {
        return nanos as usize;
    }
    let step = (nanos >> (exponent - STEP_BITS)) & (STEPS as u64 - 1);
    ((exponent - STEP_BITS + 1) * STEPS) as usize + step as usize
}

const fn middle(index: usize) -> u64 {
    let (group, step) = ((index as u32) / STEPS, (index as u64) % STEPS as u64);
    if group == 0 {
        return step;
    }
    let shift = group - 1;
    ((STEPS as u64 + step) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_hundredth() {
        let mut histogram = Histogram::new();
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (permille, want) in [(500, 5_000.0), (900, 9_000.0), (990, 9_900.0), (1000, 10_000.0)] {
            let got = histogram.quantile(permille).as_secs_f64() * 1e6;
            assert!((got - want).abs() / want < 0.01, "{permille}: {got}");
        }
        assert_eq!((histogram.min(), histogram.count()), (Duration::from_micros(1), 10_000));
    }

    #[test]
    fn every_duration_has_a_place() {
        for nanos in [1, 63, 64, 65, 127, 128, 1 << 40, u64::MAX] {
            let index = index(nanos);
            assert!(index < (64 * STEPS) as usize);
            assert!((middle(index) as f64 / nanos as f64 - 1.0).abs() < 0.02, "{nanos}");
        }
    }
}
