use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use tollgate_net::{Overrides, PoolSettings, ServerSettings};
use tollgate_ports::{Clouds, limits::Limits};

/// How the native host runs; nothing here comes from resources.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that serve, each with its own runtime, sockets and pools.
    pub cores: NonZeroUsize,
    /// The address that every listener binds.
    pub bind: IpAddr,
    /// Gateway ports that are served on another local port; 0 takes a free one.
    pub port_map: HashMap<u16, u16>,
    /// Names that are resolved locally.
    pub overrides: Arc<Overrides>,
    /// Limits of client connections.
    pub server: ServerSettings,
    /// Limits of upstream connections.
    pub pool: PoolSettings,
    /// Counters of rate limits.
    pub limits: Arc<Limits>,
    /// What the machine says of the clouds whose tokens providers want.
    pub clouds: Clouds,
    /// How long a body that is held for routing may take to arrive. 120 s.
    pub body_timeout: Duration,
    /// Between two pieces of a reply where the route says nothing, and between two bytes of a tunnel. 5 min.
    pub stream_idle: Duration,
    /// How long a copy for a mirror may take. 15 s.
    pub mirror_timeout: Duration,
    /// Copies for mirrors under way at once, per core; further ones are left out. 256.
    pub max_mirrors: usize,
    /// How long connections of a listener that is gone may live on. 60 s.
    pub retire_patience: Duration,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            cores: NonZeroUsize::MIN,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_map: HashMap::new(),
            overrides: Arc::default(),
            server: ServerSettings::default(),
            pool: PoolSettings::default(),
            limits: Arc::default(),
            clouds: Clouds::default(),
            body_timeout: Duration::from_secs(120),
            stream_idle: Duration::from_secs(300),
            mirror_timeout: Duration::from_secs(15),
            max_mirrors: 256,
            retire_patience: Duration::from_secs(60),
        }
    }
}
