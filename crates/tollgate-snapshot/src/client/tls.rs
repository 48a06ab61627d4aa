use std::sync::Arc;

use regex::Regex;

/// TLS of a listener, beside its certificates.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Lowest version. TLS 1.2, which is also the lowest we speak.
    pub min_version: Option<TlsVersion>,
    /// Highest version. TLS 1.3.
    pub max_version: Option<TlsVersion>,
    /// Cipher suites of TLS 1.2 by their OpenSSL or IANA name, the preferred first; empty: the library's choice.
    pub ciphers: Vec<Arc<str>>,
    /// Key exchange groups by name (`X25519`, `P-256` …), the preferred first; empty: the library's choice.
    pub curves: Vec<Arc<str>>,
    /// Protocols that are offered, the preferred first; `None`: `h2` and `http/1.1`; empty: no ALPN.
    pub alpn: Option<Vec<Arc<str>>>,
    /// What is asked of client certificates; `None`: nothing, and clients are not asked for one.
    pub clients: Option<ClientCertificates>,
    /// Sessions are resumed with tickets that the client keeps.
    pub stateless_resumption: bool,
    /// Sessions are resumed from what the gateway remembers.
    pub stateful_resumption: bool,
}

/// A version of TLS that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

/// What is asked of client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// None has to be shown, and any will do
    Request,
    /// One has to be shown, and any will do
    RequireAny,
    /// None has to be shown, but what is shown has to be right
    VerifyIfGiven,
    /// One has to be shown, and has to be right
    RequireAndVerify,
}

/// How client certificates are judged.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    /// What is asked.
    pub verification: Verification,
    /// Authorities (PEM) that vouch for clients.
    pub authorities: Arc<[u8]>,
    /// SHA-256 of the public key (`SubjectPublicKeyInfo`); any of them will do. Empty: any key.
    pub spki_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the certificate; any of them will do, also beside `spki_hashes`. Empty: any certificate.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// Alternative names, one of which has to match. Empty: any name.
    pub names: Vec<SanMatch>,
    /// Lists of revoked certificates.
    pub revocation: Option<Revocation>,
    /// A certificate that was right once is right still.
    pub allow_expired: bool,
}

/// A subject alternative name; patterns match as a whole, and compile puts the anchors around them.
#[derive(Clone, Debug)]
pub enum SanMatch {
    /// A DNS name
    Dns(Regex),
    /// An e-mail address
    Email(Regex),
    /// An IP address
    Ip(Regex),
    /// A URI, such as a SPIFFE id
    Uri(Regex),
}

/// Lists of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// `ca.crl`, PEM.
    pub lists: Arc<[u8]>,
    /// Only the client's own certificate is looked up, not those of its chain.
    pub leaf_only: bool,
}

// === impl ClientTls ===

impl ClientTls {
    /// Where an Envoy Gateway policy that says nothing stands: sessions are not resumed.
    #[must_use]
    pub fn envoy_gateway() -> Self {
        Self { stateful_resumption: false, ..Self::default() }
    }
}

impl Default for ClientTls {
    fn default() -> Self {
        Self {
            min_version: None,
            max_version: None,
            ciphers: Vec::new(),
            curves: Vec::new(),
            alpn: None,
            clients: None,
            stateless_resumption: false,
            stateful_resumption: true,
        }
    }
}
