use std::{collections::HashMap, hash::BuildHasherDefault, sync::PoisonError};

use smallvec::SmallVec;

use crate::{Claim, Decision, Limit, Standing, UnixMillis, kept::Kept, table::Low};

#[expect(clippy::disallowed_types, reason = "held for under a microsecond, never across an await")]
type Lock<T> = std::sync::Mutex<T>;

/// The token buckets of local rate limits: one process, in memory, refilled evenly over time.
///
/// A bucket holds `amount` tokens and a whole one is refilled in one unit. Claims' holds have no meaning here.
#[derive(Debug)]
pub struct Buckets {
    state: Kept<Lock<State>>,
    room: usize,
}

type State = HashMap<u128, Bucket, BuildHasherDefault<Low>>;

/// What is missing, in tokens times the unit's milliseconds, so that refilling needs no fractions.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    missing: u128,
    limit: Limit,
    seen: UnixMillis,
}

// === impl Buckets ===

impl Buckets {
    /// Buckets tracked at most by default, as Envoy Gateway has it for each rule.
    pub const ROOM: usize = 10_000;

    /// When it is full, full buckets are forgotten first (which loses nothing), then the fullest.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { state: Kept::new(), room: room.max(1) }
    }

    /// Goes on with the buckets of another one, and takes from them together with it. Has to come before the first
    /// request. Buckets are known by their counters: those of rules that changed their selectors are left alone.
    pub fn go_on_from(&self, before: &Self) {
        self.state.go_on_from(&before.state);
    }

    /// Takes each claim's hits from its bucket, or nothing at all where one has too few.
    #[must_use]
    pub fn take(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        let mut state = self.state.get().lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = |state: &State, claim: &Claim| {
            let known = state.get(&claim.counter.id()).copied();
            known.unwrap_or(Bucket::full(claim.limit, now)).at(claim.limit, now)
        };
        let standings: SmallVec<[Standing; 4]> =
            claims.iter().map(|claim| bucket(&state, claim).standing(claim)).collect();
        let decision = Decision::from_standings(claims, standings);
        for claim in claims {
            let known = state.contains_key(&claim.counter.id());
            let mut bucket = bucket(&state, claim);
            if decision.is_admitted() {
                bucket.take(claim.hits);
            } else if !known {
                continue;
            }
            if !known && state.len() >= self.room {
                make_room(&mut state, self.room, now);
            }
            // Also where nothing was taken: it has to know of a clock that went back.
            state.insert(claim.counter.id(), bucket);
        }
        decision
    }

    /// How many buckets are tracked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.get().lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True where none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self::new(Self::ROOM)
    }
}

// === impl Bucket ===

impl Bucket {
    const fn full(limit: Limit, now: UnixMillis) -> Self {
        Self { missing: 0, limit, seen: now }
    }

    /// Refilled for the time since it was last seen. A clock that goes back refills nothing.
    fn at(self, limit: Limit, now: UnixMillis) -> Self {
        let passed = now.0.saturating_sub(self.seen.0);
        let refilled = u128::from(passed) * u128::from(self.limit.amount);
        // Its rule may have a limit of another size by now; the unit is part of the bucket's id.
        let missing = self.missing.saturating_sub(refilled);
        Self { missing: missing.min(size(limit)), limit, seen: now }
    }

    fn take(&mut self, hits: u64) {
        let taken = u128::from(hits) * unit_ms(self.limit);
        self.missing = self.missing.saturating_add(taken).min(size(self.limit));
    }

    fn standing(self, claim: &Claim) -> Standing {
        let left = size(self.limit) - self.missing;
        let wanted = u128::from(claim.hits) * unit_ms(self.limit);
        let over = wanted > left || claim.limit.amount == 0;
        let tokens = left.saturating_sub(wanted) / unit_ms(self.limit);
        let remaining = if over { 0 } else { u64::try_from(tokens).unwrap_or(u64::MAX) };
        // Until enough is there for this request; a whole unit where it never will be.
        let short = wanted.saturating_sub(left).div_ceil(u128::from(claim.limit.amount.max(1)));
        let wait =
            u64::try_from(short.div_ceil(1000)).unwrap_or(u64::MAX).clamp(1, claim.limit.unit.seconds());
        Standing { limit: claim.limit, remaining, reset: wait, over }
    }
}

const fn unit_ms(limit: Limit) -> u128 {
    limit.unit.seconds() as u128 * 1000
}

const fn size(limit: Limit) -> u128 {
    limit.amount as u128 * unit_ms(limit)
}

fn make_room(state: &mut State, room: usize, now: UnixMillis) {
    state.retain(|_, bucket| bucket.at(bucket.limit, now).missing > 0);
    if state.len() < room {
        return;
    }
    let mut fullest: Vec<(u128, u128)> = state.iter().map(|(id, bucket)| (bucket.missing, *id)).collect();
    fullest.sort_unstable();
    for (_, id) in fullest.into_iter().take((room / 8).max(1)) {
        state.remove(&id);
    }
}

#[cfg(test)]
mod tests;
