//! What this process knows of counters in Redis: hits paid in advance, holds, and what is still owed.
//!
//! A lease is charged in Redis first and used here afterwards, so processes can never exceed a limit by their leases;
//! they can only keep hits from each other for a while.

use std::{collections::HashMap, hash::BuildHasherDefault};

use smallvec::SmallVec;
use tollgate_limit::{Claim, Counter, Decision, Limit, Low, Mode, Settlement, Standing, UnixMillis};

mod lease;

pub(super) use self::lease::Write;
use self::lease::{Lease, positive, signed};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Leases {
    entries: HashMap<u128, Lease, BuildHasherDefault<Low>>,
    /// Those that [`Self::drain`] has to look at.
    noted: Vec<u128>,
}

/// Why a write has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Redis did not do it.
    Refused,
    /// Nobody knows. It counts as done: nothing is charged twice.
    Unknown,
}

// === impl Leases ===

impl Leases {
    /// Counters known at most.
    const ROOM: usize = 1 << 16;
    /// How long a refusal by Redis is believed, in ms.
    const BELIEVED: u64 = 50;
    /// How long an answer of Redis is as good as a new one for somebody who only looks, in ms.
    const FRESH: u64 = 10;
    /// When an unused lease is given back, in ms.
    const IDLE: u64 = 1000;

    /// Decides without Redis where leases cover the claims; `None`: ask.
    pub(super) fn serve(&mut self, claims: &[Claim], now: UnixMillis) -> Option<Decision> {
        let mut covered = true;
        for claim in claims {
            match self.known(claim, now) {
                Some(lease) if claim.mode == Mode::Enforced && lease.is_refusing(claim, now) => {
                    return Some(self.decide(claims, now, |lease, claim| lease.is_refusing(claim, now)));
                }
                Some(lease) => covered &= lease.covers(claim),
                None => covered &= claim.mode == Mode::Shadow,
            }
        }
        if !covered {
            return None;
        }
        let decision = self.decide(claims, now, |_, _| false);
        self.take(claims, now);
        Some(decision)
    }

    /// What has to be written so that Redis can decide. Uses up leases for it.
    pub(super) fn begin(&mut self, claims: &[Claim], now: UnixMillis) -> Vec<Write> {
        let write = |claim: &Claim| {
            let lease = self.lease(&claim.counter, claim.limit, now);
            let need = claim.hits.saturating_add(claim.hold);
            let from_lease = need.min(lease.prepaid);
            lease.prepaid -= from_lease;
            lease.need = need;
            lease.write(signed(need - from_lease), 0)
        };
        claims.iter().map(write).collect()
    }

    /// Redis has answered: its counts, one for each claim.
    pub(super) fn finish(
        &mut self,
        claims: &[Claim],
        writes: &[Write],
        counts: &[i64],
        now: UnixMillis,
    ) -> Decision {
        let mut standings = SmallVec::new();
        for ((claim, write), count) in claims.iter().zip(writes).zip(counts) {
            let lease = self.lease(&claim.counter, claim.limit, now);
            let count = u64::try_from(*count).unwrap_or(0);
            let need = claim.hits.saturating_add(claim.hold);
            if lease.window == write.window {
                (lease.seen, lease.seen_at) = (Some(count), now);
            }
            let others = count.saturating_sub(need).saturating_sub(lease.prepaid);
            standings.push(Standing::of(claim, others.saturating_add(positive(lease.owed)), 0, now));
        }
        let decision = Decision::from_standings(claims, standings);
        if decision.is_admitted() {
            self.keep(claims, writes, now);
        } else {
            for (claim, standing) in claims.iter().zip(&decision.standings) {
                let lease = self.lease(&claim.counter, claim.limit, now);
                if standing.over {
                    lease.refused = Some((now, claim.hits));
                }
            }
            self.give_back(claims, writes, now);
        }
        decision
    }

    /// Decides by what is known here, or not at all: Redis has not answered, or is told afterwards. Nothing may have
    /// been written yet.
    pub(super) fn fall_back(&mut self, claims: &[Claim], open: bool, now: UnixMillis) -> Decision {
        let mut decision = self.look(claims, now);
        decision.unavailable = !open;
        if decision.is_admitted() {
            self.take(claims, now);
        }
        decision
    }

    /// What was begun has failed.
    pub(super) fn undo(&mut self, claims: &[Claim], writes: &[Write], failure: Failure, now: UnixMillis) {
        for (claim, write) in claims.iter().zip(writes) {
            let lease = self.lease(&claim.counter, claim.limit, now);
            let need = signed(claim.hits.saturating_add(claim.hold));
            // Where nobody knows, all of it is paid for; otherwise only what came from the lease.
            let paid = match failure {
                Failure::Refused => need.saturating_sub(write.delta),
                Failure::Unknown => need,
            };
            if lease.window == write.window {
                lease.prepaid = lease.prepaid.saturating_add(positive(paid));
                if failure == Failure::Unknown {
                    lease.assume(write.delta);
                }
            }
        }
    }

    /// The request was refused, or its client left: what Redis charged for it is given back.
    pub(super) fn give_back(&mut self, claims: &[Claim], writes: &[Write], now: UnixMillis) {
        for (claim, write) in claims.iter().zip(writes) {
            let lease = self.lease(&claim.counter, claim.limit, now);
            if lease.window == write.window {
                lease.owed = lease.owed.saturating_sub(signed(claim.hits.saturating_add(claim.hold)));
                self.note(claim.counter.id());
            }
        }
    }

    pub(super) fn settle(&mut self, settlements: &[Settlement], now: UnixMillis) {
        for Settlement { counter, limit, hold, cost } in settlements {
            let lease = self.lease(counter, *limit, now);
            // Of a hold that is not known any more nothing is in Redis either.
            let hold = (*hold).min(lease.held);
            lease.held -= hold;
            if hold >= *cost {
                lease.prepaid = lease.prepaid.saturating_add(hold - cost);
            } else {
                lease.pay(cost - hold);
            }
            self.note(counter.id());
        }
    }

    /// What is known here of the claims.
    pub(super) fn look(&mut self, claims: &[Claim], now: UnixMillis) -> Decision {
        self.decide(claims, now, |lease, claim| lease.standing(claim, now).over)
    }

    /// True where leases cover the claims, or Redis was asked just now.
    pub(super) fn is_sure(&mut self, claims: &[Claim], now: UnixMillis) -> bool {
        let mut all = claims.iter();
        all.all(|claim| {
            self.known(claim, now).is_some_and(|lease| lease.covers(claim) || lease.is_fresh(now))
        })
    }

    /// What has to be written now: debts, leases that run low, leases that are too large.
    pub(super) fn drain(&mut self, now: UnixMillis) -> Vec<Write> {
        let mut writes = Vec::new();
        for id in std::mem::take(&mut self.noted) {
            let Some(lease) = self.entries.get_mut(&id) else { continue };
            lease.noted = false;
            if lease.writing {
                self.note(id);
                continue;
            }
            lease.roll(now);
            writes.extend(lease.settle_up());
        }
        writes
    }

    /// True where [`Self::drain`] has something to look at.
    pub(super) fn has_work(&self) -> bool {
        !self.noted.is_empty()
    }

    /// A write of [`Self::drain`] is done.
    pub(super) fn written(&mut self, write: &Write, result: Result<i64, Failure>, now: UnixMillis) {
        let Some(lease) = self.entries.get_mut(&write.id) else { return };
        lease.writing = false;
        if lease.window != write.window {
            return;
        }
        lease.unwritten = 0;
        match result {
            Ok(count) => {
                let count = u64::try_from(count).unwrap_or(0);
                lease.seen = Some(count);
                lease.seen_at = now;
                if write.lease > 0 && count > lease.limit.amount {
                    // Others were faster: the lease may not be used.
                    lease.owed = lease.owed.saturating_sub(signed(write.lease));
                    self.note(write.id);
                } else {
                    lease.prepaid = lease.prepaid.saturating_add(write.lease);
                }
            }
            Err(Failure::Refused) => {
                lease.owed = lease.owed.saturating_add(write.delta.saturating_sub(signed(write.lease)));
                self.note(write.id);
            }
            Err(Failure::Unknown) => lease.assume(write.delta),
        }
    }

    /// Gives back what lies idle, and forgets what is over, or what Redis can be asked for again.
    pub(super) fn sweep(&mut self, is_up: bool, now: UnixMillis) {
        let mut idle = Vec::new();
        self.entries.retain(|id, lease| {
            let quiet = now.0.abs_diff(lease.used_at.0) > Self::IDLE;
            if !quiet || lease.held > 0 || lease.writing {
                return true;
            }
            lease.roll(now);
            if lease.prepaid > 0 || lease.owed != 0 {
                lease.owed = lease.owed.saturating_sub(signed(lease.prepaid));
                lease.prepaid = 0;
                lease.wanted = false;
                idle.push(*id);
                return true;
            }
            !is_up && lease.seen.is_some()
        });
        for id in idle {
            self.note(id);
        }
    }

    /// Uses leases up, and owes what they do not cover.
    fn take(&mut self, claims: &[Claim], now: UnixMillis) {
        for claim in claims {
            let lease = self.lease(&claim.counter, claim.limit, now);
            let need = claim.hits.saturating_add(claim.hold);
            lease.held = lease.held.saturating_add(claim.hold);
            lease.need = need;
            lease.wanted = true;
            lease.pay(need);
            if lease.owed != 0 || lease.is_low() {
                self.note(claim.counter.id());
            }
        }
    }

    /// Redis has admitted: remembers the holds, and that a lease is wanted for next time.
    fn keep(&mut self, claims: &[Claim], writes: &[Write], now: UnixMillis) {
        for (claim, write) in claims.iter().zip(writes) {
            let lease = self.lease(&claim.counter, claim.limit, now);
            lease.held = lease.held.saturating_add(claim.hold);
            lease.wanted = true;
            if lease.window != write.window {
                // The hold was charged to a window that is over.
                lease.owed = lease.owed.saturating_add(signed(claim.hold));
            }
            self.note(claim.counter.id());
        }
    }

    fn decide(
        &mut self,
        claims: &[Claim],
        now: UnixMillis,
        over: impl Fn(&Lease, &Claim) -> bool,
    ) -> Decision {
        let standing = |claim: &Claim| match self.known(claim, now) {
            Some(lease) => {
                let over = over(lease, claim) || claim.limit.amount == 0;
                Standing { over, ..lease.standing(claim, now) }
            }
            None => Standing::of(claim, 0, 0, now),
        };
        let standings = claims.iter().map(standing).collect();
        Decision::from_standings(claims, standings)
    }

    fn known(&mut self, claim: &Claim, now: UnixMillis) -> Option<&mut Lease> {
        let lease = self.entries.get_mut(&claim.counter.id())?;
        lease.limit = claim.limit;
        lease.roll(now);
        Some(lease)
    }

    fn lease(&mut self, counter: &Counter, limit: Limit, now: UnixMillis) -> &mut Lease {
        if self.entries.len() >= Self::ROOM && !self.entries.contains_key(&counter.id()) {
            // Their leases are lost until their windows end; nothing that is owed or held is.
            self.entries.retain(|_, lease| lease.held > 0 || lease.owed != 0 || lease.writing);
        }
        let fresh = || Lease::new(counter.clone(), limit, now);
        let lease = self.entries.entry(counter.id()).or_insert_with(fresh);
        lease.limit = limit;
        lease.used_at = now;
        lease.roll(now);
        lease
    }

    fn note(&mut self, id: u128) {
        if let Some(lease) = self.entries.get_mut(&id).filter(|lease| !lease.noted) {
            lease.noted = true;
            self.noted.push(id);
        }
    }
}

#[cfg(test)]
mod tests;
