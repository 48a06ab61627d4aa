use std::{net::IpAddr, sync::Arc};

use tollgate_auth::Credential;
use tollgate_llm::Target;
use tollgate_types::{BackendId, Secret};

use crate::Traffic;

/// Something that answers: an AIServiceBackend, or a plain Service or Backend.
#[derive(Debug)]
pub struct Backend {
    /// Position in [`Snapshot::backends`](crate::Snapshot::backends); health and metrics are kept by it.
    pub index: u32,
    /// Stable over edits; health survives a reload by it.
    pub id: BackendId,
    /// How to speak to it, for LLM backends.
    pub target: Option<Target>,
    /// What to sign with, for LLM backends that have a BackendSecurityPolicy.
    pub credential: Option<Credential>,
    /// Where it is.
    pub upstream: Upstream,
    /// What connections to it go through, where they do.
    pub proxy: Option<Arc<ForwardProxy>>,
    /// How its endpoints are treated. The same backend under two policies has two entries, of one id.
    pub traffic: Arc<Traffic>,
}

/// Where a backend is and how connections to it are made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Where it listens; requests go round robin. Empty: no ready endpoints, answered with 503.
    pub addresses: Vec<Address>,
    /// TLS to it, or plain.
    pub tls: Option<UpstreamTls>,
    /// What to speak.
    pub protocol: UpstreamProtocol,
}

/// A proxy that connections to a backend go through, by `CONNECT` (`GatewayConfig.spec.forwardProxy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardProxy {
    /// Name or address, IPv6 without brackets.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// A user and a password, where it wants them.
    pub user: Option<(Secret, Secret)>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Name or address.
    pub host: AddressHost,
    /// Port.
    pub port: u16,
    /// `endpoints[].hostname`: what goes into `host` and, without an explicit SNI, into the handshake.
    pub hostname: Option<Arc<str>>,
    /// Where it stands, for load balancers that prefer what is near.
    pub zone: Option<Arc<str>>,
}

/// Name or address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AddressHost {
    /// Resolved, and resolved again, while it is in use
    Name(Arc<str>),
    /// As it is
    Ip(IpAddr),
}

/// What is spoken to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/2 where TLS negotiates it, HTTP/1.1 otherwise
    Auto,
    /// HTTP/1.1 only
    Http1,
    /// HTTP/2 only, with prior knowledge where there is no TLS
    Http2,
}

/// TLS towards a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// Name for SNI and for verification; `None` takes each endpoint's own name.
    pub sni: Option<Arc<str>>,
    /// Who vouches for the backend.
    pub ca: CaCertificates,
    /// Names to accept instead of the SNI's, where there are any.
    pub subject_alt_names: Vec<Arc<str>>,
    /// What we show of ourselves.
    pub client: Option<ClientCertificate>,
}

/// Who vouches for a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CaCertificates {
    /// The machine's trust store
    System,
    /// These, PEM
    Pem(Arc<[u8]>),
    /// Nobody: `insecureSkipVerify`
    Unverified,
}

/// A client certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain.
    pub chain: Arc<[u8]>,
    /// The key.
    pub key: Secret,
}

// === impl ForwardProxy ===

impl std::hash::Hash for ForwardProxy {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // User and password are left out: a hash of them would be a trace of a secret.
        (&self.host, self.port).hash(state);
    }
}

// === impl Address ===

impl Address {
    /// `host[:port]` as a `Host` header has it: without the port where it is the scheme's own.
    #[must_use]
    pub fn authority(&self, secure: bool) -> String {
        let name = match (&self.hostname, &self.host) {
            (Some(name), _) | (None, AddressHost::Name(name)) => name.to_string(),
            (None, AddressHost::Ip(ip @ IpAddr::V4(_))) => ip.to_string(),
            (None, AddressHost::Ip(ip @ IpAddr::V6(_))) => format!("[{ip}]"),
        };
        if self.port == if secure { 443 } else { 80 } { name } else { format!("{name}:{}", self.port) }
    }
}

// === impl ClientCertificate ===

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl Eq for ClientCertificate {}

impl std::hash::Hash for ClientCertificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // The key is left out: a hash of it would be a trace of a secret.
        self.chain.hash(state);
    }
}
