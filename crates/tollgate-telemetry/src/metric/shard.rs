use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    family::{Buckets, Family, Kind},
    names::Names,
};
use crate::lock::Slot;

/// Values of a series' labels, in the order of its family's.
pub(crate) type Labels = Arc<[Arc<str>]>;

/// Every series that one core thread writes. The scraper reads them while they are written: each cell is whole,
/// and a scrape may fall between two cells of one request.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    series: Slot<Vec<Series>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) family: Family,
    pub(crate) labels: Labels,
    pub(crate) cells: Arc<[AtomicU64]>,
}

/// The writing side of a shard: finds series by their names, which outlive a reload. The shard owns them, and forgets
/// those that nobody holds and nobody can ask for any more.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    shard: Arc<Shard>,
    known: HashMap<(Family, Labels), Weak<[AtomicU64]>, foldhash::fast::RandomState>,
}

/// A number that only goes up. Written by one thread.
#[derive(Clone, Debug)]
pub(crate) struct Counter(Arc<[AtomicU64]>);

/// A distribution. Written by one thread.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    cells: Arc<[AtomicU64]>,
    buckets: Buckets,
}

// === impl Shard ===

impl Shard {
    /// Every series so far.
    pub(crate) fn series(&self) -> Vec<Series> {
        self.series.with(|series| series.clone())
    }

    /// Forgets series that these names do not cover, where no handle can write them any more.
    pub(crate) fn forget(&self, names: &Names) {
        self.series.with(|all| {
            all.retain(|series| {
                Arc::strong_count(&series.cells) > 1 || names.knows(series.family, &series.labels)
            });
        });
    }
}

// === impl Registry ===

impl Registry {
    pub(crate) fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }

    pub(crate) fn counter(&mut self, family: Family, labels: &[Arc<str>]) -> Counter {
        Counter(self.cells(family, labels))
    }

    /// # Panics
    /// Never: the family's kind is fixed in `Family::spec`; one that is no histogram gets no buckets.
    pub(crate) fn histogram(&mut self, family: Family, labels: &[Arc<str>]) -> Histogram {
        let buckets = match family.spec().kind {
            Kind::Histogram(buckets) => buckets,
            Kind::Counter | Kind::Gauge => Buckets { bounds: &[], per_base: 1.0 },
        };
        Histogram { cells: self.cells(family, labels), buckets }
    }

    fn cells(&mut self, family: Family, labels: &[Arc<str>]) -> Arc<[AtomicU64]> {
        let labels: Labels = labels.into();
        let known = self.known.entry((family, Arc::clone(&labels)));
        // Taken and forgotten under the same lock: what is handed out here stays in the shard.
        self.shard.series.with(|all| {
            if let Entry::Occupied(known) = &known
                && let Some(cells) = known.get().upgrade()
            {
                return cells;
            }
            let cells: Arc<[AtomicU64]> =
                (0..family.spec().kind.cells()).map(|_| AtomicU64::new(0)).collect();
            known.insert_entry(Arc::downgrade(&cells));
            all.push(Series { family, labels, cells: Arc::clone(&cells) });
            cells
        })
    }

    /// Lets go of what the shard has forgotten.
    pub(crate) fn tidy(&mut self) {
        self.known.retain(|_, cells| cells.strong_count() > 0);
    }
}

// === impl Counter ===

impl Counter {
    pub(crate) fn add(&self, number: u64) {
        add(&self.0, 0, number);
    }

    /// For gauges, whose shards add up by wrapping.
    pub(crate) fn subtract(&self, number: u64) {
        add(&self.0, 0, number.wrapping_neg());
    }
}

// === impl Histogram ===

impl Histogram {
    /// Counts a value in the family's whole units (nanoseconds, tokens).
    pub(crate) fn record(&self, value: u64) {
        let bounds = self.buckets.bounds;
        // One after the other: most values are in front, and halving a list this short is no quicker behind.
        let bucket = bounds.iter().position(|bound| *bound >= value).unwrap_or(bounds.len());
        add(&self.cells, bucket, 1);
        add(&self.cells, bounds.len() + 1, value);
    }
}

/// One writer per cell, so a load and a store do: no locked instruction.
fn add(cells: &[AtomicU64], position: usize, number: u64) {
    if let Some(cell) = cells.get(position) {
        cell.store(cell.load(Relaxed).wrapping_add(number), Relaxed);
    }
}
