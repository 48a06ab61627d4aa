use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    ClientAuth, suites,
    upstream_tls::{Version, versions},
};

/// One provider for all TLS of the process.
pub(crate) static CRYPTO: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Why TLS material cannot be used. Never contains any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// The certificate text has no PEM certificate in it.
    #[error("no certificate in the pem text")]
    NoCertificate,
    /// A certificate is not valid PEM or DER.
    #[error("certificate {position} of the pem text cannot be read")]
    BadCertificate {
        /// Counted from 1.
        position: usize,
    },
    /// There is no private key, or one that cannot be read.
    #[error("no usable private key in the pem text")]
    BadKey,
    /// The key is of a kind we do not support.
    #[error("private key is of an unsupported kind")]
    UnsupportedKey,
    /// The key does not belong to the first certificate.
    #[error("private key does not belong to the certificate")]
    Mismatch,
    /// There is no authority to verify peers with.
    #[error("no usable certificate authority: {reason}")]
    NoAuthority {
        /// What was missing.
        reason: &'static str,
    },
    /// The lowest TLS version is above the highest.
    #[error("no tls version is allowed")]
    NoVersion,
    /// None of the cipher suites is one that we speak.
    #[error("no known tls 1.2 cipher suite in the list")]
    NoCipher,
    /// None of the key exchange groups is one that we speak.
    #[error("no known key exchange group in the list")]
    NoCurve,
    /// A list of revoked certificates cannot be read.
    #[error("a certificate revocation list cannot be read")]
    BadRevocationList,
    /// Tickets cannot be made.
    #[error("no session tickets: the system gives no randomness")]
    NoTickets,
    /// A name that cannot be verified.
    #[error("{name} is not a valid server name")]
    BadName {
        /// The name as it was given.
        name: Box<str>,
    },
}

/// Which certificate a client gets: those of the exact name, of the longest wildcard, or the defaults; among
/// several the first that is valid for the name and of a kind the client can verify.
#[derive(Clone, Default)]
pub struct CertTable {
    exact: HashMap<Box<str>, Keys>,
    wildcard: HashMap<Box<str>, Keys>,
    fallback: Keys,
}

/// A chain and its key, checked, as a server shows them.
pub type ServerKey = CertifiedKey;

/// Never empty in a map.
type Keys = Vec<Arc<CertifiedKey>>;

/// TLS settings of a listener.
#[derive(Clone, Debug, Default)]
pub struct ServerTls {
    /// Certificates by server name.
    pub certs: CertTable,
    /// What is asked of client certificates; none: clients are not asked for one.
    pub clients: Option<ClientAuth>,
    /// Lowest version. TLS 1.2.
    pub min_version: Version,
    /// Highest version. TLS 1.3.
    pub max_version: Option<Version>,
    /// Suites of TLS 1.2 by their OpenSSL or IANA name, the preferred first; empty: ours.
    pub ciphers: Vec<Arc<str>>,
    /// Key exchange groups by name, the preferred first; empty: ours.
    pub curves: Vec<Arc<str>>,
    /// Protocols that are offered, the preferred first; `None`: `h2` and `http/1.1`; empty: no ALPN.
    pub alpn: Option<Vec<Arc<str>>>,
    /// Which sessions can be resumed.
    pub resumption: Resumption,
}

/// Which TLS sessions can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Those that the client keeps in a ticket.
    pub stateless: bool,
    /// Those that are remembered here, 256 of them. On.
    pub stateful: bool,
}

/// Builds the pair that a server shows to clients.
///
/// # Errors
/// Says which of the two cannot be used, and why.
pub fn certified_key(cert_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, CertError> {
    let chain = certificates(cert_pem)?;
    let key = private_key(key_pem)?;
    CertifiedKey::from_der(chain, key, &CRYPTO).map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => CertError::Mismatch,
        rustls::Error::InvalidCertificate(_) => CertError::BadCertificate { position: 1 },
        _ => CertError::UnsupportedKey,
    })
}

pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertError::BadKey)
}

pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let mut chain = Vec::new();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        chain.push(certificate.map_err(|_| CertError::BadCertificate { position: index + 1 })?);
    }
    if chain.is_empty() { Err(CertError::NoCertificate) } else { Ok(chain) }
}

pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, CertError> {
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates(pem)?.into_iter().enumerate() {
        store.add(certificate).map_err(|_| CertError::BadCertificate { position: index + 1 })?;
    }
    Ok(store)
}

// === impl CertTable ===

impl CertTable {
    /// Shows `key` to clients that ask for `name`: a host name, `*.` and a host name (any depth below it), or the
    /// empty string for everybody else. Several entries may have the same name.
    pub fn insert(&mut self, name: &str, key: Arc<CertifiedKey>) {
        let name = name.to_ascii_lowercase();
        let keys = match name.strip_prefix("*.") {
            Some(suffix) => self.wildcard.entry(suffix.into()).or_default(),
            None if name.is_empty() => &mut self.fallback,
            None => self.exact.entry(name.into()).or_default(),
        };
        keys.push(key);
    }

    /// The certificate for a client that asked for `name` (lower case) or for nothing.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        self.choose(name, |_| true)
    }

    fn choose(
        &self,
        name: Option<&str>,
        verifiable: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<&Arc<CertifiedKey>> {
        let keys = name
            .and_then(|name| self.exact.get(name).or_else(|| self.find_wildcard(name)))
            .unwrap_or(&self.fallback);
        // Most names have one certificate, which is shown whatever is in it.
        let [_, _, ..] = &keys[..] else { return keys.first() };
        let fits = |key: &&Arc<CertifiedKey>| name.is_none_or(|name| is_valid_for(key, name));
        let usable = || keys.iter().filter(|key| verifiable(key));
        usable().find(fits).or_else(|| usable().next()).or_else(|| keys.first())
    }

    fn find_wildcard(&self, name: &str) -> Option<&Keys> {
        let mut rest = name;
        while let Some((_, suffix)) = rest.split_once('.') {
            if let Some(keys) = self.wildcard.get(suffix) {
                return Some(keys);
            }
            rest = suffix;
        }
        None
    }
}

fn is_valid_for(key: &CertifiedKey, name: &str) -> bool {
    let (Some(leaf), Ok(name)) = (key.cert.first(), ServerName::try_from(name)) else { return false };
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
}

impl fmt::Debug for CertTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertTable")
            .field("exact", &self.exact.keys())
            .field("wildcard", &self.wildcard.keys())
            .field("fallback", &self.fallback.len())
            .finish()
    }
}

impl ResolvesServerCert for CertTable {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        self.choose(hello.server_name(), |key| key.key.choose_scheme(schemes).is_some()).cloned()
    }
}

// === impl Resumption ===

impl Default for Resumption {
    fn default() -> Self {
        Self { stateless: false, stateful: true }
    }
}

pub(crate) fn server_config(tls: ServerTls) -> Result<Arc<ServerConfig>, CertError> {
    let ServerTls { certs, clients, min_version, max_version, ciphers, curves, alpn, resumption } = tls;
    let builder = ServerConfig::builder_with_provider(suites::provider(&ciphers, &curves)?)
        .with_protocol_versions(versions(min_version, max_version)?)
        .map_err(|_| CertError::NoVersion)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients.verifier()?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certs));
    config.alpn_protocols = match alpn {
        None => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Some(alpn) => alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
    };
    if !resumption.stateful {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    if resumption.stateless {
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|_| CertError::NoTickets)?;
        config.send_tls13_tickets = 2;
    }
    Ok(Arc::new(config))
}
