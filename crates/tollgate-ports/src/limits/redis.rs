use std::{
    fmt,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::RedisError;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tollgate_limit::{Claim, Decision, Settlement, Store, TryReserve, UnixMillis};
use tollgate_types::Secret;

use super::{
    connect::{Connection, InvalidRedisUrl, Target},
    leases::{Failure, Leases, Write},
};

#[expect(clippy::disallowed_types, reason = "held for some microseconds, never across an await")]
type Lock<T> = std::sync::Mutex<T>;

/// How to reach Redis, and what to do when it cannot be reached.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// See [`InvalidRedisUrl`] for its forms.
    pub url: Secret,
    /// Longest wait of one request. Envoy Gateway has 20 ms.
    pub timeout: Duration,
    /// What happens to requests meanwhile.
    pub outage: Outage,
}

/// What happens while Redis cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outage {
    /// Requests pass, up to the limits as far as this process knows and counts them.
    #[default]
    Open,
    /// Requests are refused as [`Decision::unavailable`].
    Closed,
}

/// Counters in Redis, in keys that envoyproxy/ratelimit would use; see `docs/limits.md` for what is exact and when.
pub struct RedisLimits {
    target: Target,
    timeout: Duration,
    outage: Outage,
    leases: Lock<Leases>,
    /// `None` while Redis is down: then nobody waits for it.
    connection: ArcSwapOption<Connection>,
    /// Failures in a row.
    failures: AtomicU32,
    /// There is something to write, or to connect.
    wake: Notify,
    woken: AtomicBool,
    round_trips: AtomicU64,
}

// === impl RedisLimits ===

impl RedisLimits {
    /// Failures in a row before nobody waits any more.
    const PATIENCE: u32 = 3;
    /// Between two attempts to reach a Redis that is down, and between two sweeps' halves.
    const PAUSE: Duration = Duration::from_millis(100);
    /// Debts are gathered this long.
    const GATHER: Duration = Duration::from_millis(10);
    /// How long a write in the background may take.
    const BACKGROUND: Duration = Duration::from_millis(500);
    const SWEEP: Duration = Duration::from_secs(1);

    /// Not connected yet; [`Self::run`] connects.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`]
    pub fn new(config: &RedisConfig) -> Result<Arc<Self>, InvalidRedisUrl> {
        Ok(Arc::new(Self {
            target: Target::parse(&config.url)?,
            timeout: config.timeout,
            outage: config.outage,
            leases: Lock::default(),
            connection: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            wake: Notify::new(),
            woken: AtomicBool::new(false),
            round_trips: AtomicU64::new(0),
        }))
    }

    /// Connects, reconnects, writes what is owed and fetches leases, for ever. `clock` tells the time.
    pub async fn run(self: Arc<Self>, clock: impl Fn() -> UnixMillis + Send) {
        let mut swept = Instant::now();
        loop {
            if self.connection.load().is_none() {
                self.connect().await;
            }
            let wait = if self.is_up() { Self::SWEEP } else { Self::PAUSE };
            let _ = timeout(wait, self.wake.notified()).await;
            sleep(Self::GATHER).await;
            self.woken.store(false, Relaxed);
            if swept.elapsed() >= Self::SWEEP {
                swept = Instant::now();
                let is_up = self.is_up();
                self.locked(|leases| leases.sweep(is_up, clock()));
            }
            self.write(clock()).await;
        }
    }

    /// Waits for [`Self::run`] to connect, but no longer than this; true where it has. A process that serves before knows
    /// nothing of what others have counted.
    pub async fn connected(&self, patience: Duration) -> bool {
        let connected = async {
            while self.connection.load().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(patience, connected).await.is_ok()
    }

    /// Writes what is owed and gives leases back; for the end of a process.
    pub async fn finish(&self, now: UnixMillis) {
        let later = UnixMillis(now.0.saturating_add(2000));
        self.write(now).await;
        self.locked(|leases| leases.sweep(true, later));
        self.write(now).await;
    }

    /// True while Redis answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.connection.load().is_some()
    }

    /// How often a request has waited for Redis.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Relaxed)
    }

    async fn connect(&self) {
        let connecting = async {
            let connection = self.target.connect().await?;
            connection.probe().await?;
            Ok::<_, RedisError>(connection)
        };
        match timeout(Self::BACKGROUND * 2, connecting).await {
            Ok(Ok(connection)) => {
                self.failures.store(0, Relaxed);
                self.connection.store(Some(Arc::new(connection)));
                tracing::info!("Redis answers, limits are shared");
            }
            Ok(Err(error)) => tracing::debug!(kind = ?error.kind(), "Redis cannot be reached"),
            Err(_) => tracing::debug!("Redis does not answer"),
        }
    }

    /// Sends everything that waits to be sent in one pipeline.
    async fn write(&self, now: UnixMillis) {
        let Some(connection) = self.connection.load_full() else { return };
        let writes = self.locked(|leases| leases.drain(now));
        if writes.is_empty() {
            return;
        }
        let counts = self.ask(&connection, &writes, Self::BACKGROUND).await;
        self.locked(|leases| {
            for (index, write) in writes.iter().enumerate() {
                let count = match &counts {
                    Ok(counts) => counts.get(index).copied().ok_or(Failure::Unknown),
                    Err(failure) => Err(*failure),
                };
                leases.written(write, count, now);
            }
        });
    }

    async fn ask(
        &self,
        connection: &Connection,
        writes: &[Write],
        wait: Duration,
    ) -> Result<Vec<i64>, Failure> {
        let failure = match timeout(wait, connection.count(writes)).await {
            Ok(Ok(counts)) => {
                self.failures.store(0, Relaxed);
                return Ok(counts);
            }
            Ok(Err(error)) => {
                let broken =
                    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error();
                if broken {
                    self.lose();
                }
                // An answer such as OOM or READONLY means that nothing was written.
                if broken { Failure::Unknown } else { Failure::Refused }
            }
            Err(_) => Failure::Unknown,
        };
        if self.failures.fetch_add(1, Relaxed) + 1 >= Self::PATIENCE {
            self.lose();
        }
        Err(failure)
    }

    /// From here on nobody waits, until [`Self::run`] has reached it again.
    fn lose(&self) {
        if self.connection.swap(None).is_some() {
            tracing::warn!(outage = ?self.outage, "Redis is lost, limits are those of this process");
        }
        self.wake();
    }

    fn wake(&self) {
        if !self.woken.swap(true, Relaxed) {
            self.wake.notify_one();
        }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Leases) -> T) -> T {
        work(&mut self.leases.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fall_back(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        self.locked(|leases| leases.fall_back(claims, self.outage == Outage::Open, now))
    }
}

impl fmt::Debug for RedisLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimits")
            .field("outage", &self.outage)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

impl Store for RedisLimits {
    fn try_reserve(&self, claims: &[Claim], now: UnixMillis) -> TryReserve {
        let (decision, has_work) = self.locked(|leases| (leases.serve(claims, now), leases.has_work()));
        if has_work {
            self.wake();
        }
        if let Some(decision) = decision {
            return TryReserve::Done(decision);
        }
        match self.is_up() {
            true => TryReserve::Ask,
            false => TryReserve::Done(self.fall_back(claims, now)),
        }
    }

    async fn reserve(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        let Some(connection) = self.connection.load_full() else { return self.fall_back(claims, now) };
        self.round_trips.fetch_add(1, Relaxed);
        let writes = self.locked(|leases| leases.begin(claims, now));
        let mut asking = Asking { store: self, claims, writes, now, done: false };
        let answer = self.ask(&connection, &asking.writes, self.timeout).await;
        asking.done = true;
        let writes = &asking.writes;
        let decision = match answer {
            Ok(counts) if counts.len() == claims.len() => {
                self.locked(|leases| leases.finish(claims, writes, &counts, now))
            }
            answer => {
                let failure = answer.err().unwrap_or(Failure::Unknown);
                // What nobody knows of is lost where the request is refused anyway.
                if failure == Failure::Refused || self.outage == Outage::Open {
                    self.locked(|leases| leases.undo(claims, writes, failure, now));
                }
                self.fall_back(claims, now)
            }
        };
        self.wake();
        decision
    }

    fn look(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        self.locked(|leases| leases.look(claims, now))
    }

    fn is_sure(&self, claims: &[Claim], now: UnixMillis) -> bool {
        !self.is_up() || self.locked(|leases| leases.is_sure(claims, now))
    }

    fn hold(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        let may = self.is_up() || self.outage == Outage::Open;
        let decision = self.locked(|leases| leases.fall_back(claims, may, now));
        self.wake();
        decision
    }

    fn settle(&self, settlements: &[Settlement], now: UnixMillis) {
        self.locked(|leases| leases.settle(settlements, now));
        self.wake();
    }
}

/// A question under way; where nobody waits for the answer any more, its charge is given back.
struct Asking<'a> {
    store: &'a RedisLimits,
    claims: &'a [Claim],
    writes: Vec<Write>,
    now: UnixMillis,
    done: bool,
}

// === impl Asking ===

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.store.locked(|leases| leases.give_back(self.claims, &self.writes, self.now));
            self.store.wake();
        }
    }
}

#[cfg(test)]
mod tests;
