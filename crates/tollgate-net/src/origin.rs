use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use crate::{Keepalive, Naming, PoolSettings, UpstreamTls, Via};

/// Where requests go and how: one connection pool per distinct origin and core. Cloning is cheap, and so is looking
/// up its pool, since the hash is computed once.
#[derive(Clone)]
pub struct Origin(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    hash: u64,
    host: Box<str>,
    port: u16,
    protocol: Protocol,
    tls: Option<UpstreamTls>,
    tuning: Tuning,
    introduction: Option<Introduction>,
}

/// A PROXY header, with which each connection begins: connections of an origin are of one client then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Introduction {
    /// Which version is written.
    pub version: ProxyVersion,
    /// Whom we speak for, and where it connected to; `None` where we speak for ourselves.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text
    V1,
    /// Bytes
    V2,
}

/// What differs from the pool's settings for one origin. `None` is the pool's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// In place of [`PoolSettings::connect_timeout`].
    pub connect_timeout: Option<Duration>,
    /// In place of [`PoolSettings::idle_timeout`].
    pub idle_timeout: Option<Duration>,
    /// In place of [`PoolSettings::max_lifetime`].
    pub max_lifetime: Option<Duration>,
    /// In place of [`PoolSettings::max_connections`].
    pub max_connections: Option<usize>,
    /// In place of [`PoolSettings::max_waiting`].
    pub max_waiting: Option<usize>,
    /// In place of [`PoolSettings::max_requests`].
    pub max_requests: Option<u32>,
    /// In place of [`PoolSettings::max_streams`].
    pub max_streams: Option<usize>,
    /// In place of [`PoolSettings::stream_window`].
    pub stream_window: Option<u32>,
    /// In place of [`PoolSettings::connection_window`].
    pub connection_window: Option<u32>,
    /// In place of [`PoolSettings::ping_interval`].
    pub ping_interval: Option<Duration>,
    /// In place of [`PoolSettings::ping_timeout`].
    pub ping_timeout: Option<Duration>,
    /// In place of [`PoolSettings::keepalive`].
    pub keepalive: Option<Keepalive>,
    /// How its name is looked up.
    pub naming: Naming,
    /// A proxy that connections go through, and that resolves the name.
    pub via: Option<Arc<Via>>,
}

/// Which HTTP to speak to an origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Over TLS what the upstream prefers (ALPN), else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone; without TLS with prior knowledge (h2c).
    Http2,
}

// === impl Origin ===

impl Origin {
    /// `host` is a name or an IP address (IPv6 with or without brackets); without `tls` it is plain text.
    #[must_use]
    pub fn new(host: &str, port: u16, protocol: Protocol, tls: Option<UpstreamTls>) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host: Box<str> = bare.to_ascii_lowercase().into();
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((&host, port, protocol, &tls));
        let tuning = Tuning::default();
        Self(Arc::new(Inner { hash, host, port, protocol, tls, tuning, introduction: None }))
    }

    /// The same origin with connections of its own.
    #[must_use]
    pub fn tuned(&self, tuning: Tuning) -> Self {
        let Inner { hash, introduction, .. } = &*self.0;
        self.with(*hash, tuning, *introduction)
    }

    /// The same origin with connections that begin with this PROXY header.
    #[must_use]
    pub fn introducing(&self, introduction: Introduction) -> Self {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((self.0.hash, introduction));
        self.with(hash, self.0.tuning.clone(), Some(introduction))
    }

    fn with(&self, hash: u64, tuning: Tuning, introduction: Option<Introduction>) -> Self {
        let Inner { host, port, protocol, tls, .. } = &*self.0;
        let (host, port, protocol, tls) = (host.clone(), *port, *protocol, tls.clone());
        Self(Arc::new(Inner { hash, host, port, protocol, tls, tuning, introduction }))
    }

    /// The pool's settings as they are for this origin.
    pub(crate) fn settings(&self, pool: &PoolSettings) -> PoolSettings {
        let Tuning {
            connect_timeout,
            idle_timeout,
            max_lifetime,
            max_connections,
            max_waiting,
            max_requests,
            max_streams,
            stream_window,
            connection_window,
            ping_interval,
            ping_timeout,
            keepalive,
            naming: _,
            via: _,
        } = self.0.tuning;
        PoolSettings {
            connect_timeout: connect_timeout.unwrap_or(pool.connect_timeout),
            idle_timeout: idle_timeout.unwrap_or(pool.idle_timeout),
            max_lifetime: max_lifetime.unwrap_or(pool.max_lifetime),
            max_connections: max_connections.unwrap_or(pool.max_connections),
            max_waiting: max_waiting.unwrap_or(pool.max_waiting),
            max_requests: max_requests.unwrap_or(pool.max_requests),
            max_streams: max_streams.unwrap_or(pool.max_streams),
            stream_window: stream_window.unwrap_or(pool.stream_window),
            connection_window: connection_window.unwrap_or(pool.connection_window),
            ping_interval: ping_interval.unwrap_or(pool.ping_interval),
            ping_timeout: ping_timeout.unwrap_or(pool.ping_timeout),
            keepalive: keepalive.unwrap_or(pool.keepalive),
            ..pool.clone()
        }
    }

    /// How its name is looked up.
    pub(crate) fn naming(&self) -> &Naming {
        &self.0.tuning.naming
    }

    /// What each connection begins with.
    pub(crate) fn introduction(&self) -> Option<&Introduction> {
        self.0.introduction.as_ref()
    }

    /// The name or address, without brackets, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Which HTTP is spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// The proxy that connections go through, where they do.
    pub(crate) fn via(&self) -> Option<&Via> {
        self.0.tuning.via.as_deref()
    }

    /// The TLS settings, where it is not plain text.
    #[must_use]
    pub fn tls(&self) -> Option<&UpstreamTls> {
        self.0.tls.as_ref()
    }

    /// `host[:port]` as a `Host` header has it: without the port where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.0.tls.is_some() { 443 } else { 80 };
        let host =
            if self.0.host.contains(':') { format!("[{}]", self.0.host) } else { self.0.host.to_string() };
        if self.0.port == usual { host } else { format!("{host}:{}", self.0.port) }
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({}:{}, {:?}", self.0.host, self.0.port, self.0.protocol)?;
        f.write_str(if self.0.tls.is_some() { ", tls)" } else { ")" })
    }
}

// === impl Protocol ===

impl Protocol {
    pub(crate) fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
        }
    }
}
