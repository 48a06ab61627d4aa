//! Where the counters of rate limits are kept: in memory, in a directory, or in Redis.
use std::{
    env, fmt, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tollgate_limit::UnixMillis;
use tollgate_ports::limits::{Limits, Outage, RedisConfig, RedisLimits};
use tollgate_types::Secret;

/// The variable that stands for `--redis-url`, so that a password need not stand on the command line.
const REDIS_URL: &str = "TOLLGATE_REDIS_URL";
/// How long the start may wait for Redis.
const CONNECT: Duration = Duration::from_secs(2);

/// Where counters are kept.
#[derive(Clone, clap::Args)]
pub(crate) struct CounterArgs {
    /// Keep counters of limits in Redis, shared with other gateways: redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss for
    /// TLS, redis+cluster://HOST,HOST, redis+sentinel://HOST,HOST/MASTER; also from TOLLGATE_REDIS_URL
    #[arg(long, value_name = "URL", conflicts_with = "state_dir")]
    redis_url: Option<String>,
    /// What requests get while Redis cannot be reached
    #[arg(long, value_name = "MODE", value_enum, default_value_t = OutageArg::Open)]
    redis_outage: OutageArg,
    /// How long one request may wait for Redis, in milliseconds; after that it gets what --redis-outage says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000), default_value_t = 20)]
    redis_timeout: u64,
    /// Keep counters of limits in this directory across restarts
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OutageArg {
    /// They pass, counted as well as this process can
    Open,
    /// 500
    Closed,
}

/// The store, and what has to be kept running for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) limits: Arc<Limits>,
    redis: Option<Arc<RedisLimits>>,
}

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

// === impl CounterArgs ===

impl CounterArgs {
    /// Opens the store.
    ///
    /// # Errors
    /// Where the URL is none, or the directory cannot be used.
    pub(crate) fn open(self) -> io::Result<Counters> {
        let Self { redis_url, redis_outage, redis_timeout, state_dir } = self;
        if let Some(dir) = state_dir {
            let limits = Limits::in_directory(&dir, now())
                .map_err(|error| io::Error::other(format!("--state-dir {}: {error}", dir.display())))?;
            return Ok(Counters { limits: Arc::new(limits), redis: None });
        }
        let Some(url) = redis_url.or_else(|| env::var(REDIS_URL).ok().filter(|url| !url.is_empty())) else {
            return Ok(Counters::default());
        };
        let outage = match redis_outage {
            OutageArg::Open => Outage::Open,
            OutageArg::Closed => Outage::Closed,
        };
        let timeout = Duration::from_millis(redis_timeout);
        let config = RedisConfig { url: Secret::new(url.into_bytes()), timeout, outage };
        let redis =
            RedisLimits::new(&config).map_err(|error| io::Error::other(format!("--redis-url: {error}")))?;
        Ok(Counters { limits: Arc::new(Limits::in_redis(Arc::clone(&redis))), redis: Some(redis) })
    }
}

impl fmt::Debug for CounterArgs {
    /// Without the URL, which may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterArgs").field("state_dir", &self.state_dir).finish_non_exhaustive()
    }
}

// === impl Counters ===

impl Counters {
    /// Writes and fetches in the background, where there is anything to; returns once that has begun.
    pub(crate) async fn start(&self) {
        let Some(redis) = &self.redis else { return };
        tokio::spawn(Arc::clone(redis).run(now));
        if !redis.connected(CONNECT).await {
            tracing::warn!("Redis cannot be reached yet; --redis-outage says what requests get meanwhile");
        }
    }

    /// Writes what is owed.
    pub(crate) async fn finish(&self) {
        if let Some(redis) = &self.redis {
            redis.finish(now()).await;
        }
    }
}
