use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use crate::upstream_tls::{Version, versions};

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

/// Never empty in a map.
type Keys = Vec<Arc<CertifiedKey>>;

/// TLS settings of a listener.
#[derive(Clone, Debug, Default)]
pub struct ServerTls {
    /// Certificates by server name.
    pub certs: CertTable,
    /// Authorities (PEM) that client certificates must come from; none: clients are not asked for one.
    pub client_ca: Option<Arc<[u8]>>,
    /// Lowest version. TLS 1.2.
    pub min_version: Version,
    /// Highest version. TLS 1.3.
    pub max_version: Option<Version>,
}

/// The TLS settings in force, which can be replaced while connections live: those keep what they began with.
#[derive(Clone)]
pub struct TlsHandle(Arc<ArcSwap<ServerConfig>>);

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

// === impl TlsHandle ===

impl TlsHandle {
    /// # Errors
    /// When the client authorities or the versions cannot be used.
    pub fn new(tls: ServerTls) -> Result<Self, CertError> {
        Ok(Self(Arc::new(ArcSwap::new(server_config(tls)?))))
    }

    /// New connections get these settings; on an error the old ones stay.
    ///
    /// # Errors
    /// As for [`TlsHandle::new`].
    pub fn replace(&self, tls: ServerTls) -> Result<(), CertError> {
        self.0.store(server_config(tls)?);
        Ok(())
    }

    pub(crate) fn load(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

impl fmt::Debug for TlsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsHandle")
    }
}

fn server_config(tls: ServerTls) -> Result<Arc<ServerConfig>, CertError> {
    let ServerTls { certs, client_ca, min_version, max_version } = tls;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&CRYPTO))
        .with_protocol_versions(versions(min_version, max_version)?)
        .map_err(|_| CertError::NoVersion)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&pem)?), Arc::clone(&CRYPTO))
                    .build()
                    .map_err(|_| CertError::NoAuthority { reason: "none for clients" })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(certs));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
