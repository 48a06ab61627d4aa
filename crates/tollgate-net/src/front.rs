use std::{collections::HashMap, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::{
    CertError, ServerTls,
    certs::server_config,
    server::Local,
    watch::{LINGER, Limits},
};

/// Bytes of a read from a client, and of what waits for it to be written, unless a head may be longer. What a long
/// prompt was read into stays with its connection as long as the answer lasts.
const MOST_BUFFERED: usize = 64 * 1024;

/// Limits and deadlines of a server's connections; the defaults suit the open internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Open connections over all servers that share the [`Drain`](crate::Drain); more are closed. 50,000.
    pub max_connections: usize,
    /// How long a connection beyond them stays open before it is closed. At once.
    pub close_delay: Duration,
    /// Whether connections begin with a PROXY header. No.
    pub proxy_protocol: ProxyProtocol,
    /// PROXY header, and the first bytes that tell the protocol or the server name. 10 s.
    pub inspection_timeout: Duration,
    /// The rest of a TLS handshake. 10 s.
    pub handshake_timeout: Duration,
    /// A whole HTTP/1 request head, from its first byte; the first head from the start of the connection. 10 s.
    pub header_timeout: Duration,
    /// A whole request, from the end of its head. Without limit.
    pub request_timeout: Option<Duration>,
    /// A connection on which nothing is asked. 1 h.
    pub idle_timeout: Duration,
    /// Between two pieces of a request body. 5 min.
    pub body_idle_timeout: Duration,
    /// A client that takes no byte although some wait for it. 5 min.
    pub write_timeout: Duration,
    /// After this a connection is asked to end. Without limit.
    pub max_duration: Option<Duration>,
    /// After this many requests a connection is asked to end. Without limit.
    pub max_requests: Option<u32>,
    /// Bytes of a request head; more is a 431. 60 KiB.
    pub max_header_bytes: u32,
    /// Header fields of an HTTP/1 request; more is a 431. 100.
    pub max_headers: usize,
    /// Concurrent requests on one HTTP/2 connection. 100.
    pub max_streams: u32,
    /// Bytes one HTTP/2 request body may be ahead of us. 64 KiB.
    pub stream_window: u32,
    /// Bytes all HTTP/2 request bodies of one connection may be ahead of us. 1 MiB.
    pub connection_window: u32,
    /// Whether an HTTP/2 client is probed with a ping, and after how much silence. 30 s.
    pub ping_interval: Option<Duration>,
    /// How long its answer may take. 20 s.
    pub ping_timeout: Duration,
    /// Probes of a silent transport. None.
    pub keepalive: Option<Keepalive>,
}

/// The PROXY protocol, by which a proxy tells whom it speaks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Not spoken
    #[default]
    Off,
    /// Read where a connection begins with it: whoever connects may claim any address
    Optional,
    /// Connections without it are closed
    Required,
}

/// Probes of a silent transport; `None` is the system's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Option<Duration>,
    /// Between two probes.
    pub interval: Option<Duration>,
    /// Probes without an answer after which the connection is dead.
    pub probes: Option<u32>,
}

// === impl Keepalive ===

impl Keepalive {
    pub(crate) fn apply(self, socket: &TcpStream) -> io::Result<()> {
        let Self { idle, interval, probes } = self;
        let mut probing = TcpKeepalive::new();
        probing = idle.into_iter().fold(probing, TcpKeepalive::with_time);
        probing = interval.into_iter().fold(probing, TcpKeepalive::with_interval);
        probing = probes.into_iter().fold(probing, TcpKeepalive::with_retries);
        SockRef::from(socket).set_tcp_keepalive(&probing)
    }
}

/// What connections of a port get.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// As long as no server name is known, and for good where none of `named` is asked for.
    pub settings: ServerSettings,
    /// TLS; `None` on plain ports.
    pub tls: Option<ServerTls>,
    /// What clients get that ask for certain server names.
    pub named: Vec<Named>,
}

/// What clients get that ask for a server name.
#[derive(Clone, Debug)]
pub struct Named {
    /// A host name, or `*.` and a host name for any depth below it.
    pub name: Box<str>,
    /// Their limits.
    pub settings: ServerSettings,
    /// Their TLS.
    pub tls: ServerTls,
}

/// The front in force, which can be replaced while connections live: those keep what they began with.
#[derive(Clone, Debug)]
pub struct FrontHandle(Arc<ArcSwap<Faces>>);

/// A front, ready for connections.
#[derive(Debug)]
pub(crate) struct Faces {
    pub(crate) common: Arc<Terms>,
    exact: HashMap<Box<str>, Arc<Terms>>,
    wildcard: HashMap<Box<str>, Arc<Terms>>,
    /// How often deadlines are looked at.
    pub(crate) tick: Duration,
}

/// What one connection goes by.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) settings: ServerSettings,
    pub(crate) limits: Limits,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<Local>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

// === impl ServerSettings ===

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 50_000,
            close_delay: Duration::ZERO,
            proxy_protocol: ProxyProtocol::Off,
            inspection_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            request_timeout: None,
            idle_timeout: Duration::from_secs(3600),
            body_idle_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(300),
            max_duration: None,
            max_requests: None,
            max_header_bytes: 60 * 1024,
            max_headers: 100,
            max_streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(20),
            keepalive: None,
        }
    }
}

impl ServerSettings {
    /// How often deadlines are looked at: fine enough for the shortest, at most every second.
    fn tick(&self) -> Duration {
        let fixed = [
            self.inspection_timeout,
            self.handshake_timeout,
            self.header_timeout,
            self.idle_timeout,
            self.write_timeout,
        ];
        let shortest = fixed.into_iter().chain(self.max_duration).min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }

    fn limits(&self, tick: Duration) -> Limits {
        let of = |limit| Limits::milliseconds(limit, tick);
        Limits {
            inspection: of(self.inspection_timeout),
            handshake: of(self.handshake_timeout),
            head: of(self.header_timeout),
            idle: of(self.idle_timeout),
            write: of(self.write_timeout),
            linger: of(LINGER),
            life: self.max_duration.map_or(u32::MAX, of),
            requests: self.max_requests.unwrap_or(u32::MAX),
        }
    }

    fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        // The reaper keeps the deadlines: one timer a core instead of one a request.
        builder.header_read_timeout(None);
        // The transport sees for itself that its client leaves.
        builder.half_close(true);
        builder.max_headers(self.max_headers);
        let head = usize::try_from(self.max_header_bytes).unwrap_or(usize::MAX);
        builder.max_header_size(head);
        builder.max_buf_size(head.max(MOST_BUFFERED));
        builder
    }

    fn http2(&self) -> http2::Builder<Local> {
        let mut builder = http2::Builder::new(Local);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(self.max_header_bytes)
            .initial_stream_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .max_send_buf_size(64 * 1024)
            .keep_alive_interval(self.ping_interval)
            .keep_alive_timeout(self.ping_timeout);
        builder
    }
}

// === impl Front ===

impl From<ServerSettings> for Front {
    fn from(settings: ServerSettings) -> Self {
        Self { settings, ..Self::default() }
    }
}

// === impl FrontHandle ===

impl FrontHandle {
    /// # Errors
    /// When a part of the TLS settings cannot be used.
    pub fn new(front: Front) -> Result<Self, CertError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(Faces::new(front)?))))
    }

    /// New connections get this; on an error they get what they got before.
    ///
    /// # Errors
    /// As for [`FrontHandle::new`].
    pub fn replace(&self, front: Front) -> Result<(), CertError> {
        self.0.store(Arc::new(Faces::new(front)?));
        Ok(())
    }

    pub(crate) fn load(&self) -> Arc<Faces> {
        self.0.load_full()
    }
}

// === impl Faces ===

impl Faces {
    fn new(front: Front) -> Result<Self, CertError> {
        let Front { settings, tls, named } = front;
        let all = named.iter().map(|named| &named.settings).chain([&settings]);
        let tick = all.map(ServerSettings::tick).min().unwrap_or_default();
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for Named { name, settings, tls } in named {
            let terms = Arc::new(Terms::new(settings, Some(tls), tick)?);
            let name = name.to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(suffix) => wildcard.insert(Box::from(suffix), terms),
                None => exact.insert(Box::from(name), terms),
            };
        }
        Ok(Self { common: Arc::new(Terms::new(settings, tls, tick)?), exact, wildcard, tick })
    }

    /// What a client gets that asks for this server name (lower case), or for none.
    pub(crate) fn terms(&self, name: Option<&str>) -> &Arc<Terms> {
        let Some(name) = name else { return &self.common };
        if let Some(terms) = self.exact.get(name) {
            return terms;
        }
        let mut rest = name;
        while let Some((_, suffix)) = rest.split_once('.') {
            if let Some(terms) = self.wildcard.get(suffix) {
                return terms;
            }
            rest = suffix;
        }
        &self.common
    }
}

// === impl Terms ===

impl Terms {
    fn new(settings: ServerSettings, tls: Option<ServerTls>, tick: Duration) -> Result<Self, CertError> {
        Ok(Self {
            limits: settings.limits(tick),
            http1: settings.http1(),
            http2: settings.http2(),
            tls: tls.map(server_config).transpose()?,
            settings,
        })
    }
}
