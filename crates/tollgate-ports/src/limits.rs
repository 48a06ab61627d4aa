//! Where limit counters are kept: in this process, in this process and a directory, or in Redis.

mod connect;
mod journal;
mod keeper;
mod leases;
mod redis;

use std::{path::Path, sync::Arc};

use tollgate_limit::{Claim, Decision, Embedded, Settlement, Store, TryReserve, UnixMillis};

use self::keeper::Keeper;
pub use self::{
    connect::InvalidRedisUrl,
    keeper::StateError,
    redis::{Outage, RedisConfig, RedisLimits},
};

/// One of the stores.
#[derive(Debug)]
pub struct Limits(Kind);

#[derive(Debug)]
enum Kind {
    Embedded { store: Arc<Embedded>, _keeper: Option<Keeper> },
    Redis(Arc<RedisLimits>),
}

// === impl Limits ===

impl Limits {
    /// In memory: exact for one process, forgotten when it ends.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Kind::Embedded { store: Arc::default(), _keeper: None })
    }

    /// In memory, and kept in `dir` by a thread: a killed process loses less than the last second's charges and
    /// charges nothing twice; one that ends by dropping this loses nothing.
    ///
    /// # Errors
    /// [`StateError`] where the directory cannot be used. Corrupt files are reported and set aside instead.
    pub fn in_directory(dir: &Path, now: UnixMillis) -> Result<Self, StateError> {
        let (store, keeper) = Keeper::open(dir, Embedded::ROOM, now)?;
        Ok(Self(Kind::Embedded { store, _keeper: Some(keeper) }))
    }

    /// In Redis, shared by all processes that use it. Needs [`RedisLimits::run`] to be polled by somebody.
    #[must_use]
    pub const fn in_redis(store: Arc<RedisLimits>) -> Self {
        Self(Kind::Redis(store))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::in_memory()
    }
}

impl Store for Limits {
    fn try_reserve(&self, claims: &[Claim], now: UnixMillis) -> TryReserve {
        match &self.0 {
            Kind::Embedded { store, .. } => store.try_reserve(claims, now),
            Kind::Redis(store) => store.try_reserve(claims, now),
        }
    }

    async fn reserve(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        match &self.0 {
            Kind::Embedded { store, .. } => store.decide(claims, now),
            Kind::Redis(store) => store.reserve(claims, now).await,
        }
    }

    fn look(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        match &self.0 {
            Kind::Embedded { store, .. } => store.look(claims, now),
            Kind::Redis(store) => store.look(claims, now),
        }
    }

    fn is_sure(&self, claims: &[Claim], now: UnixMillis) -> bool {
        match &self.0 {
            Kind::Embedded { store, .. } => store.is_sure(claims, now),
            Kind::Redis(store) => store.is_sure(claims, now),
        }
    }

    fn hold(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        match &self.0 {
            Kind::Embedded { store, .. } => store.hold(claims, now),
            Kind::Redis(store) => store.hold(claims, now),
        }
    }

    fn settle(&self, settlements: &[Settlement], now: UnixMillis) {
        match &self.0 {
            Kind::Embedded { store, .. } => store.settle(settlements, now),
            Kind::Redis(store) => store.settle(settlements, now),
        }
    }
}
