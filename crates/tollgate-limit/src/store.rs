use std::future::Future;

use smallvec::SmallVec;

use crate::{Claim, Limit, Mode, Settlement, UnixMillis};

/// Where counters are kept. Reservations are all or nothing: a refused request is charged nowhere.
pub trait Store: Send + Sync {
    /// Decides at once if that is possible; otherwise nothing has happened yet, and [`Self::reserve`] decides.
    fn try_reserve(&self, claims: &[Claim], now: UnixMillis) -> TryReserve;

    /// Decides, if need be by asking somebody else. Never waits longer than the store's own deadline.
    /// May be dropped while it waits: then nothing stays reserved.
    fn reserve(&self, claims: &[Claim], now: UnixMillis) -> impl Future<Output = Decision> + Send;

    /// What a reservation would get, as far as that is known here and now. Reserves nothing.
    fn look(&self, claims: &[Claim], now: UnixMillis) -> Decision;

    /// True where asking somebody else would hardly change what [`Self::look`] says.
    fn is_sure(&self, claims: &[Claim], now: UnixMillis) -> bool;

    /// Reserves by what is known here and now, without asking: others learn of it soon.
    fn hold(&self, claims: &[Claim], now: UnixMillis) -> Decision;

    /// Releases holds and charges costs. Never waits.
    fn settle(&self, settlements: &[Settlement], now: UnixMillis);
}

/// An answer, or where to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryReserve {
    /// Decided.
    Done(Decision),
    /// Another process has to be asked: call [`Store::reserve`].
    Ask,
}

/// What became of a request's claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// One for each claim, in their order.
    pub standings: SmallVec<[Standing; 4]>,
    /// Position of the claim that refused the request; `None`: admitted, and every claim has to be settled.
    pub refused: Option<usize>,
    /// The store cannot be asked and is told to refuse then. Nothing is reserved; this is nobody's limit.
    pub unavailable: bool,
}

/// How a counter stands after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: Limit,
    /// Hits left in this window; holds of others are not taken off.
    pub remaining: u64,
    /// Seconds until the window ends.
    pub reset: u64,
    /// Too little was left for this request, whether or not that refused it.
    pub over: bool,
}

// === impl Decision ===

impl Decision {
    /// True where the request may go on.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.refused.is_none() && !self.unavailable
    }

    /// Decides from the standings of all claims.
    #[must_use]
    pub fn from_standings(claims: &[Claim], standings: SmallVec<[Standing; 4]>) -> Self {
        let refused = refusing(claims, &standings);
        Self { standings, refused, unavailable: false }
    }
}

// === impl Standing ===

impl Standing {
    /// `committed` and `held`: what others have been charged and have set aside in this window.
    #[must_use]
    pub fn of(claim: &Claim, committed: u64, held: u64, now: UnixMillis) -> Self {
        let Limit { amount, unit } = claim.limit;
        // At exactly the limit a request that charges nothing now still passes, as with envoyproxy/ratelimit.
        let after = committed.saturating_add(claim.hits);
        let over = amount == 0 || after.saturating_add(held) > amount;
        let remaining = if over { 0 } else { amount.saturating_sub(after) };
        Self { limit: claim.limit, remaining, reset: unit.reset(now), over }
    }
}

/// The enforced claim that takes longest to recover; else, if every shared one is over, the first to recover.
fn refusing(claims: &[Claim], standings: &[Standing]) -> Option<usize> {
    let by_mode = |mode| {
        let of_mode = move |(_, (claim, _)): &(usize, (&Claim, &Standing))| claim.mode == mode;
        claims.iter().zip(standings).enumerate().filter(of_mode)
    };
    let enforced = by_mode(Mode::Enforced)
        .filter(|(_, (_, standing))| standing.over)
        .max_by_key(|(_, (_, standing))| standing.reset);
    if let Some((index, _)) = enforced {
        return Some(index);
    }
    if by_mode(Mode::Shared).any(|(_, (_, standing))| !standing.over) {
        return None;
    }
    by_mode(Mode::Shared).min_by_key(|(_, (_, standing))| standing.reset).map(|(index, _)| index)
}
