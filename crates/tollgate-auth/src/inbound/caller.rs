use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, Method, Version};
use serde_json::{Map, Value};
use tollgate_types::ClientCertificateFacts;

/// Longest realm told to a client, in bytes.
const MAX_REALM: usize = 256;

/// What a request shows of the one who sent it. Header names that only the gateway may set are stripped already.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The method.
    pub method: &'a Method,
    /// True where it came over TLS.
    pub secure: bool,
    /// Host and port as the client named them.
    pub host: &'a str,
    /// Path without query; normalised, where the listener normalises.
    pub path: &'a str,
    /// Query without `?`, where there is one.
    pub query: Option<&'a str>,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The client's address, found as the listener's policy says.
    pub client_ip: IpAddr,
    /// How it came here.
    pub arrival: Arrival<'a>,
}

/// How a request came here, for those who judge by that too.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    /// Who opened the connection.
    pub peer: SocketAddr,
    /// The Gateway's port on which it came.
    pub port: u16,
    /// The HTTP version that the client speaks.
    pub version: Version,
    /// Server name of the TLS handshake.
    pub server_name: Option<&'a str>,
    /// The certificate that the client showed.
    pub certificate: Option<&'a ClientCertificateFacts>,
    /// Names the request (`x-request-id`).
    pub id: &'a str,
    /// When it came, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What the policy's external service says of the request (its dynamic metadata), where it was asked.
    pub vetted: Option<&'a Map<String, Value>>,
}

/// A point in time: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

// === impl Caller ===

impl Caller<'_> {
    /// The realm of a challenge: the URL without its query, cut at 256 bytes. Characters that would end the quoted
    /// string are left out.
    #[must_use]
    pub fn realm(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let url = [scheme, "://", self.host, self.path].into_iter().flat_map(str::chars);
        url.filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).take(MAX_REALM).collect()
    }
}

impl fmt::Debug for Caller<'_> {
    /// Without headers and query: they carry credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({} {}{} from {})", self.method, self.host, self.path, self.client_ip)
    }
}

impl fmt::Debug for Arrival<'_> {
    /// Without what others say of the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrival({} from {} on port {})", self.id, self.peer, self.port)
    }
}
