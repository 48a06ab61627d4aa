use std::{net::SocketAddr, sync::Arc, time::Instant};

use http::{HeaderMap, Method, Uri, Version};
use tollgate_types::ClientCertificateFacts;

/// A request without its body, as it came off the wire.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Target: origin form on HTTP/1, absolute on HTTP/2.
    pub uri: Uri,
    /// HTTP version the client speaks.
    pub version: Version,
    /// Every header.
    pub headers: HeaderMap,
    /// The Gateway's port (before `--port-map`) on which it came.
    pub port: u16,
    /// Server name of the TLS handshake, lower case; `None` on plain ports and without SNI.
    pub server_name: Option<Arc<str>>,
    /// True where the connection is TLS.
    pub secure: bool,
    /// The certificate that the client showed.
    pub certificate: Option<Arc<ClientCertificateFacts>>,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// The moment at which a stage runs.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For durations.
    pub instant: Instant,
    /// Unix time in milliseconds, for everything that outlives the process.
    pub unix_ms: u64,
}

// === impl Now ===

impl Now {
    /// Unix time in whole seconds.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.unix_ms / 1000
    }
}
