use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::{Claim, Settlement, Standing, Unit, UnixMillis, embedded::Row};

/// Some of the counters of one process, without any lock.
#[derive(Debug)]
pub(crate) struct Table {
    entries: HashMap<u128, Entry, BuildHasherDefault<Low>>,
    /// No more than this many, holds aside.
    room: usize,
    /// Sweep when there are this many.
    sweep_at: usize,
    /// Counters that changed since they were last drained; `None` where nobody keeps them.
    changed: Option<Vec<u128>>,
}

/// One counter.
#[derive(Clone, Copy, Debug)]
struct Entry {
    unit: Unit,
    /// First unix second of the window that `committed` belongs to.
    window: u64,
    committed: u64,
    /// Set aside by requests in flight, whenever they came: their costs fall into the window they end in.
    held: u64,
    /// The window before, in case the clock jumped and comes back.
    before: (u64, u64),
    /// It is among `changed`.
    noted: bool,
}

/// For maps by [`crate::Counter::id`], which is a hash already: its lower half is what the map goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Low(u64);

// === impl Table ===

impl Table {
    const FIRST_SWEEP: usize = 256;

    pub(crate) fn new(room: usize, keep_changes: bool) -> Self {
        let changed = keep_changes.then(Vec::new);
        let room = room.max(1);
        Self { entries: HashMap::default(), room, sweep_at: Self::FIRST_SWEEP.min(room), changed }
    }

    pub(crate) fn standing(&self, claim: &Claim, now: UnixMillis) -> Standing {
        let (committed, held) = match self.entries.get(&claim.counter.id()) {
            Some(entry) => {
                let mut entry = *entry;
                entry.roll(now);
                (entry.committed, entry.held)
            }
            None => (0, 0),
        };
        Standing::of(claim, committed, held, now)
    }

    /// Charges the hits and sets the hold aside.
    pub(crate) fn take(&mut self, claim: &Claim, now: UnixMillis) {
        let entry = self.entry(claim.counter.id(), claim.limit.unit, now);
        entry.held = entry.held.saturating_add(claim.hold);
        self.charge(claim.counter.id(), claim.hits);
    }

    /// Releases the hold, and charges the cost to the current window: where the reply took longer than the window,
    /// that is a later one than the request's own, as with envoyproxy/ratelimit.
    pub(crate) fn settle(&mut self, settlement: &Settlement, now: UnixMillis) {
        let id = settlement.counter.id();
        let entry = self.entry(id, settlement.limit.unit, now);
        // The hold may be gone: the process was restarted, or the store changed.
        entry.held = entry.held.saturating_sub(settlement.hold);
        self.charge(id, settlement.cost);
    }

    /// Drops what is over, and what can be spared where that leaves too much.
    pub(crate) fn sweep(&mut self, now: UnixMillis) {
        self.entries.retain(|_, entry| entry.held > 0 || !entry.is_over(now));
        if self.entries.len() >= self.room {
            self.evict();
        }
        // Never at once again, even where requests in flight hold more than there is room for.
        let soonest = self.entries.len() + self.room / 8 + 1;
        let latest = self.room.max(soonest);
        self.sweep_at = (self.entries.len() * 2).max(Self::FIRST_SWEEP).max(soonest).min(latest);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The counters that changed since the last call, as they are now.
    pub(crate) fn drain_changes(&mut self, rows: &mut Vec<Row>) {
        for id in self.changed.iter_mut().flat_map(|changed| changed.drain(..)) {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.noted = false;
                rows.push(entry.row(id));
            }
        }
    }

    pub(crate) fn rows(&self, rows: &mut Vec<Row>) {
        rows.extend(self.entries.iter().map(|(id, entry)| entry.row(*id)));
    }

    /// Takes over what was kept.
    pub(crate) fn restore(&mut self, row: &Row) {
        let Row { id, unit, window, committed } = *row;
        if self.entries.len() < self.room || self.entries.contains_key(&id) {
            self.entries.insert(id, Entry { window, committed, ..Entry::new(unit) });
        }
    }

    fn charge(&mut self, id: u128, hits: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if hits == 0 {
            return;
        }
        entry.committed = entry.committed.saturating_add(hits);
        if let Some(changed) = self.changed.as_mut().filter(|_| !entry.noted) {
            entry.noted = true;
            changed.push(id);
        }
    }

    fn entry(&mut self, id: u128, unit: Unit, now: UnixMillis) -> &mut Entry {
        if self.entries.len() >= self.sweep_at && !self.entries.contains_key(&id) {
            self.sweep(now);
        }
        let entry =
            self.entries.entry(id).or_insert_with(|| Entry { window: unit.window(now), ..Entry::new(unit) });
        entry.roll(now);
        entry
    }

    /// Makes an eighth free by forgetting what was charged least; what requests in flight hold stays.
    fn evict(&mut self) {
        let mut spare: Vec<(u64, u128)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.held == 0)
            .map(|(id, entry)| (entry.committed, *id))
            .collect();
        let count = (self.entries.len() + self.room / 8).saturating_sub(self.room).max(1).min(spare.len());
        if count < spare.len() {
            spare.select_nth_unstable(count);
        }
        for (_, id) in spare.into_iter().take(count) {
            self.entries.remove(&id);
        }
    }
}

// === impl Entry ===

impl Entry {
    const fn new(unit: Unit) -> Self {
        Self { unit, window: 0, committed: 0, held: 0, before: (0, 0), noted: false }
    }

    /// Moves to the window of this moment. A clock that goes back loses no charge: by up to one window (clocks of
    /// two threads around a boundary) the later window goes on; by more, what was charged moves back as well.
    fn roll(&mut self, now: UnixMillis) {
        let window = self.unit.window(now);
        if window > self.window {
            self.before = (self.window, self.committed);
            self.window = window;
            self.committed = 0;
        } else if self.window - window > self.unit.seconds() {
            let (before, charged) = self.before;
            if before == window {
                self.committed = self.committed.saturating_add(charged);
            }
            self.before = (0, 0);
            self.window = window;
        }
    }

    fn is_over(&self, now: UnixMillis) -> bool {
        self.unit.window(now) > self.window
    }

    const fn row(&self, id: u128) -> Row {
        Row { id, unit: self.unit, window: self.window, committed: self.committed }
    }
}

// === impl Low ===

impl Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        // The low half: the high half chose the shard.
        self.0 = id as u64;
    }
}

#[cfg(test)]
mod tests;
