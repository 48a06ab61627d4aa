use tollgate_limit::{Claim, Counter, Limit, Mode, Standing, UnixMillis};

use super::Leases;

/// One counter in its current window.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) counter: Counter,
    pub(super) limit: Limit,
    /// First unix second.
    pub(super) window: u64,
    /// Redis's count after it was last asked; `None` where it was not in this window.
    pub(super) seen: Option<u64>,
    /// When that was.
    pub(super) seen_at: UnixMillis,
    /// Charged in Redis and not used here yet.
    pub(super) prepaid: u64,
    /// Set aside by requests in flight here; charged in Redis too, as far as it is not owed.
    pub(super) held: u64,
    /// To be charged in Redis, or to be given back.
    pub(super) owed: i64,
    /// What a request took last.
    pub(super) need: u64,
    pub(super) used_at: UnixMillis,
    /// A request was admitted since the lease was last brought to its size.
    pub(super) wanted: bool,
    /// When Redis last had too little for such a need.
    pub(super) refused: Option<(UnixMillis, u64)>,
    pub(super) noted: bool,
    /// A write is under way.
    pub(super) writing: bool,
    /// The debts in it.
    pub(super) unwritten: i64,
}

/// One write to Redis.
#[derive(Clone, Debug)]
pub(in crate::limits) struct Write {
    pub(super) id: u128,
    pub(super) window: u64,
    /// The key's `INCRBY`.
    pub(in crate::limits) key: String,
    pub(in crate::limits) delta: i64,
    /// Seconds for its `EXPIRE`.
    pub(in crate::limits) expire: u64,
    /// The part of `delta` that becomes a lease.
    pub(super) lease: u64,
}

// === impl Lease ===

impl Lease {
    pub(super) const fn new(counter: Counter, limit: Limit, now: UnixMillis) -> Self {
        Self {
            counter,
            limit,
            window: limit.unit.window(now),
            seen: None,
            seen_at: now,
            prepaid: 0,
            held: 0,
            owed: 0,
            need: 0,
            used_at: now,
            wanted: false,
            refused: None,
            noted: false,
            writing: false,
            unwritten: 0,
        }
    }

    /// Moves to the window of this moment; a clock that goes back by less than a window changes nothing. Holds go
    /// along and are charged anew; leases and debts stay behind.
    pub(super) fn roll(&mut self, now: UnixMillis) {
        let window = self.limit.unit.window(now);
        let back = self.window.saturating_sub(window);
        if window == self.window || (1..=self.limit.unit.seconds()).contains(&back) {
            return;
        }
        self.window = window;
        (self.seen, self.refused, self.prepaid, self.unwritten) = (None, None, 0, 0);
        self.owed = signed(self.held);
    }

    /// Charged by anybody in this window, as far as it is known here: holds included, this process's lease not.
    pub(super) fn used(&self) -> u64 {
        let owed = self.owed.saturating_add(self.unwritten);
        self.seen.unwrap_or(0).saturating_sub(self.prepaid).saturating_add(positive(owed))
    }

    /// Nobody knows whether Redis has counted this. It is taken for counted.
    pub(super) fn assume(&mut self, delta: i64) {
        self.seen = Some(self.seen.unwrap_or(0).saturating_add_signed(delta));
    }

    pub(super) fn standing(&self, claim: &Claim, now: UnixMillis) -> Standing {
        Standing::of(claim, self.used(), 0, now)
    }

    pub(super) fn covers(&self, claim: &Claim) -> bool {
        let need = claim.hits.saturating_add(claim.hold).max(1);
        claim.mode == Mode::Shadow || (self.prepaid >= need && claim.limit.amount > 0)
    }

    pub(super) fn is_fresh(&self, now: UnixMillis) -> bool {
        self.seen.is_some() && now.0.abs_diff(self.seen_at.0) < Leases::FRESH
    }

    pub(super) fn is_refusing(&self, claim: &Claim, now: UnixMillis) -> bool {
        self.refused.is_some_and(|(at, hits)| now.0.abs_diff(at.0) < Leases::BELIEVED && claim.hits >= hits)
    }

    pub(super) fn pay(&mut self, amount: u64) {
        let from_lease = amount.min(self.prepaid);
        self.prepaid -= from_lease;
        self.owed = self.owed.saturating_add(signed(amount - from_lease));
    }

    /// A hundredth of what is left; for few and large requests four of them, but no more than a tenth.
    pub(super) fn size(&self) -> u64 {
        let left = self.limit.amount.saturating_sub(self.used().saturating_add(self.prepaid));
        (left / 100).max((left / 10).min(self.need.max(1).saturating_mul(4)))
    }

    pub(super) fn is_low(&self) -> bool {
        self.seen.is_some() && self.prepaid < self.size() / 2 + 1
    }

    /// The write that brings Redis up to date, and the lease to its size.
    pub(super) fn settle_up(&mut self) -> Option<Write> {
        let size = self.size();
        let too_much = self.prepaid.saturating_sub(size.saturating_mul(2));
        self.prepaid -= too_much;
        let wanted = std::mem::take(&mut self.wanted);
        let lease = if wanted && self.is_low() { size.saturating_sub(self.prepaid) } else { 0 };
        let debt = std::mem::take(&mut self.owed).saturating_sub(signed(too_much));
        let delta = debt.saturating_add(signed(lease));
        if delta == 0 && lease == 0 {
            return None;
        }
        self.writing = true;
        self.unwritten = debt;
        Some(self.write(delta, lease))
    }

    pub(super) fn write(&self, delta: i64, lease: u64) -> Write {
        let id = self.counter.id();
        // envoyproxy/ratelimit spreads expiry over up to 300 s; the id is as good as chance.
        let jitter = u64::try_from(id % 300).unwrap_or(0);
        let expire = self.limit.unit.seconds().saturating_add(jitter);
        Write { id, window: self.window, key: self.counter.key(self.window), delta, expire, lease }
    }
}

pub(super) fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

pub(super) fn positive(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}
