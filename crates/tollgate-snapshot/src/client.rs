//! What a listener asks of its clients and their connections: ClientTrafficPolicy, compiled.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use crate::Problem;

mod address;
mod heads;
mod tls;

pub use self::{
    address::ClientAddress,
    heads::{
        CertificateDetails, ClientHeaderEdit, EscapedSlashes, ForwardedCertificate, HeadRules, Http10,
        NameMatch, RequestIds, Underscores,
    },
    tls::{ClientCertificates, ClientTls, Revocation, SanMatch, TlsVersion, Verification},
};

/// What holds for the connections and requests of one listener. The default is what the gateway does without a
/// policy; [`ClientSettings::envoy_gateway`] is where a ClientTrafficPolicy begins.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// The policy that says so, for people; `None` for the gateway's own settings.
    pub source: Option<Arc<str>>,
    /// The policy is broken: every request is answered with a 500 that names it.
    pub problem: Option<Arc<Problem>>,
    /// Who the client is.
    pub address: ClientAddress,
    /// Rules for request and response heads.
    pub heads: HeadRules,
    /// How long to wait.
    pub timeouts: ClientTimeouts,
    /// Limits of connections.
    pub connection: ConnectionRules,
    /// TLS, beside the certificates.
    pub tls: ClientTls,
    /// HTTP/1.
    pub http1: Http1Rules,
    /// HTTP/2.
    pub http2: Http2Rules,
    /// Whether connections begin with a PROXY header, which names the client's address.
    pub proxy_protocol: ProxyProtocol,
    /// Keep-alive of the transport; `None` leaves it off.
    pub keepalive: Option<TcpKeepalive>,
    /// Answered by the gateway itself: 200, and 503 while it drains.
    pub health_path: Option<Box<str>>,
}

/// Deadlines. `None` is the host's own, zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// PROXY header, and the bytes that tell the protocol and the server name; then the connection is closed.
    pub inspection: Option<Duration>,
    /// The TLS handshake; then the connection is closed.
    pub handshake: Option<Duration>,
    /// All of a request's head, on HTTP/1; then a 408.
    pub head: Option<Duration>,
    /// All of a request, from its head to the end of its body; then a 408.
    pub request: Option<Duration>,
    /// A connection on which nothing is asked.
    pub idle: Option<Duration>,
    /// Between two pieces of a request or a reply.
    pub stream_idle: Option<Duration>,
}

/// Limits of connections. `None` is the host's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRules {
    /// Open connections of the port.
    pub limit: Option<usize>,
    /// How long a connection beyond the limit stays open before it is closed.
    pub close_delay: Duration,
    /// After this a connection is asked to end.
    pub max_duration: Option<Duration>,
    /// After this many requests a connection is asked to end.
    pub max_requests: Option<u32>,
    /// A request and its reply together; then a 504, or the reply breaks off.
    pub max_stream: Option<Duration>,
    /// Bytes of a request body that are held for routing; more is a 413.
    pub buffer: Option<usize>,
}

/// HTTP/1 of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http1Rules {
    /// Trailers of replies are passed on to clients that take them, where the reply's head announces them.
    pub trailers: bool,
    /// Names of header fields are sent to the client with the letter case in which they came. Not in force yet:
    /// compile says so.
    pub preserve_case: bool,
}

/// HTTP/2 of clients, or of connections to backends. `None` is the host's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Http2Rules {
    /// Bytes one body that is sent to us may be ahead.
    pub stream_window: Option<u32>,
    /// Bytes all such bodies of a connection may be ahead.
    pub connection_window: Option<u32>,
    /// Concurrent requests of a connection.
    pub max_streams: Option<u32>,
    /// Silence after which the other side is probed with a ping.
    pub ping_interval: Option<Duration>,
    /// How long its answer may take.
    pub ping_timeout: Option<Duration>,
}

/// The PROXY protocol, versions 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Not spoken
    #[default]
    Off,
    /// Read where a connection begins with it. Anybody who reaches the port can then claim any address.
    Optional,
    /// Connections without it are closed
    Required,
}

/// Probes of a silent transport. `None` is the system's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpKeepalive {
    /// Probes without an answer after which the connection is dead.
    pub probes: Option<u32>,
    /// Silence before the first probe.
    pub idle: Option<Duration>,
    /// Between two probes.
    pub interval: Option<Duration>,
}

static NO_POLICY: LazyLock<Arc<ClientSettings>> = LazyLock::new(Arc::default);

// === impl ClientTimeouts ===

impl ClientTimeouts {
    /// What holds where a route says nothing: `None` is the host's own.
    #[must_use]
    pub fn stream_idle(&self) -> Option<Duration> {
        self.stream_idle.map(|limit| Self::or_host(Some(limit), limit))
    }

    /// The limit in force: `host` where none is set, and one that is never reached for zero.
    #[must_use]
    pub fn or_host(limit: Option<Duration>, host: Duration) -> Duration {
        match limit {
            None => host,
            Some(Duration::ZERO) => Duration::MAX,
            Some(limit) => limit,
        }
    }
}

// === impl ClientSettings ===

impl ClientSettings {
    /// What holds where no policy does; cloning it costs no memory.
    #[must_use]
    pub fn none() -> &'static Arc<Self> {
        &NO_POLICY
    }

    /// Where an Envoy Gateway policy that says nothing stands: stricter about heads than we are without a policy.
    #[must_use]
    pub fn envoy_gateway() -> Self {
        Self {
            heads: HeadRules::envoy_gateway(),
            tls: ClientTls::envoy_gateway(),
            timeouts: ClientTimeouts {
                inspection: Some(Duration::from_secs(15)),
                ..ClientTimeouts::default()
            },
            ..Self::default()
        }
    }
}
