use std::sync::PoisonError;

use smallvec::SmallVec;

use crate::{Claim, Decision, Settlement, Standing, Store, TryReserve, Unit, UnixMillis, table::Table};

#[expect(clippy::disallowed_types, reason = "held for under a microsecond, never across an await")]
type Shard = std::sync::Mutex<Table>;
type Guard<'a> = std::sync::MutexGuard<'a, Table>;

/// The counters of one process: exact over all its threads, in memory.
#[derive(Debug)]
pub struct Embedded {
    shards: Box<[Shard]>,
}

/// One counter as it is kept over a restart: the absolute count, so that reading a row twice charges nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// [`crate::Counter::id`]
    pub id: u128,
    /// How long its windows are.
    pub unit: Unit,
    /// First unix second of its window.
    pub window: u64,
    /// Hits charged in that window.
    pub committed: u64,
}

// === impl Embedded ===

impl Embedded {
    /// Counters kept at most by default, about 100 bytes each.
    pub const ROOM: usize = 1 << 20;
    /// A power of two, at most 64.
    const SHARDS: usize = 64;

    /// In memory only; when it is full the counters that were charged least are forgotten.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self::with(room, false)
    }

    /// Starts with what was kept, and remembers what changes for [`Self::drain_changes`].
    #[must_use]
    pub fn restored(room: usize, rows: impl IntoIterator<Item = Row>, now: UnixMillis) -> Self {
        let embedded = Self::with(room, true);
        for row in rows {
            // What is over is left out; what lies ahead may be due to a clock that was set back.
            if row.window >= row.unit.window(now) {
                embedded.lock(shard_of(row.id)).restore(&row);
            }
        }
        embedded
    }

    fn with(room: usize, keep_changes: bool) -> Self {
        let shard = |_| Shard::new(Table::new(room / Self::SHARDS, keep_changes));
        Self { shards: (0..Self::SHARDS).map(shard).collect() }
    }

    /// The counters that changed since the last call, as they are now.
    pub fn drain_changes(&self, rows: &mut Vec<Row>) {
        for index in 0..Self::SHARDS {
            self.lock(index).drain_changes(rows);
        }
    }

    /// All counters. Changes made meanwhile are in the next [`Self::drain_changes`].
    pub fn rows(&self, rows: &mut Vec<Row>) {
        for index in 0..Self::SHARDS {
            self.lock(index).rows(rows);
        }
    }

    /// Drops counters whose windows are over.
    pub fn sweep(&self, now: UnixMillis) {
        for index in 0..Self::SHARDS {
            self.lock(index).sweep(now);
        }
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        (0..Self::SHARDS).map(|index| self.lock(index).len()).sum()
    }

    /// True where nothing has been counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reserves all or nothing.
    #[must_use]
    pub fn decide(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        let mut locked = self.lock_all(claims);
        let standings = locked.standings(claims, now);
        let decision = Decision::from_standings(claims, standings);
        if decision.is_admitted() {
            for claim in claims {
                if let Some(table) = locked.table(claim) {
                    table.take(claim, now);
                }
            }
        }
        decision
    }

    fn lock(&self, index: usize) -> Guard<'_> {
        // The mask keeps it inside; a panic elsewhere leaves whole numbers behind.
        #[expect(clippy::indexing_slicing, reason = "there are SHARDS shards and the mask is below that")]
        self.shards[index & (Self::SHARDS - 1)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the shards of all claims, always in the same order.
    fn lock_all(&self, claims: &[Claim]) -> Locked<'_> {
        let set = claims.iter().fold(0_u64, |set, claim| set | 1 << shard_of(claim.counter.id()));
        let mut left = set;
        let mut guards = SmallVec::new();
        while left != 0 {
            guards.push(self.lock(left.trailing_zeros() as usize));
            left &= left - 1;
        }
        Locked { set, guards }
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new(Self::ROOM)
    }
}

impl Store for Embedded {
    fn try_reserve(&self, claims: &[Claim], now: UnixMillis) -> TryReserve {
        TryReserve::Done(self.decide(claims, now))
    }

    fn reserve(&self, claims: &[Claim], now: UnixMillis) -> impl Future<Output = Decision> + Send {
        std::future::ready(self.decide(claims, now))
    }

    fn look(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        let standings = self.lock_all(claims).standings(claims, now);
        Decision::from_standings(claims, standings)
    }

    fn is_sure(&self, _: &[Claim], _: UnixMillis) -> bool {
        true
    }

    fn hold(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        self.decide(claims, now)
    }

    fn settle(&self, settlements: &[Settlement], now: UnixMillis) {
        for settlement in settlements {
            self.lock(shard_of(settlement.counter.id())).settle(settlement, now);
        }
    }
}

/// The shards of one reservation.
struct Locked<'a> {
    /// One bit for each shard that is locked.
    set: u64,
    /// In the order of the bits.
    guards: SmallVec<[Guard<'a>; 8]>,
}

// === impl Locked ===

impl Locked<'_> {
    fn standings(&mut self, claims: &[Claim], now: UnixMillis) -> SmallVec<[Standing; 4]> {
        claims
            .iter()
            .map(|claim| match self.table(claim) {
                Some(table) => table.standing(claim, now),
                None => Standing::of(claim, 0, 0, now),
            })
            .collect()
    }

    fn table(&mut self, claim: &Claim) -> Option<&mut Table> {
        let below = (1_u64 << shard_of(claim.counter.id())) - 1;
        let rank = (self.set & below).count_ones() as usize;
        self.guards.get_mut(rank).map(|guard| &mut **guard)
    }
}

/// The topmost six bits: the map inside uses the lower half.
const fn shard_of(id: u128) -> usize {
    (id >> 122) as usize
}

#[cfg(test)]
mod tests;
