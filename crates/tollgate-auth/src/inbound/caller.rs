use std::{fmt, net::IpAddr};

use http::{HeaderMap, Method};

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
