use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};
use tollgate_types::Secret;

use crate::{
    CertError, Protocol,
    certs::{CRYPTO, certificates, private_key, roots},
};

/// How to speak TLS to an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// The name to ask for (SNI) and to verify; none: the host of the origin.
    pub server_name: Option<Arc<str>>,
    /// Names the certificate may have instead of `server_name` (subject alternative names); none: `server_name`.
    pub verify_names: Vec<Arc<str>>,
    /// Whom to believe.
    pub trust: Trust,
    /// Our own certificate, where the upstream asks for one.
    pub identity: Option<Arc<ClientIdentity>>,
    /// Lowest version. TLS 1.2.
    pub min_version: Version,
    /// Highest version; none: TLS 1.3.
    pub max_version: Option<Version>,
}

/// Which certificates are believed.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The authorities of the operating system.
    #[default]
    System,
    /// These authorities (PEM) and no others.
    Pem(Arc<[u8]>),
    /// Anything: the connection is encrypted, and nobody knows to whom.
    InsecureSkipVerify,
}

/// A client certificate and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The chain, leaf first.
    pub chain: Arc<[u8]>,
    /// The key of the leaf.
    pub key: Secret,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.2
    #[default]
    Tls12,
    /// TLS 1.3
    Tls13,
}

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// Read once: parsing some 150 certificates takes milliseconds and they are the same for everybody.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "system certificate authorities not read");
    }
    store.add_parsable_certificates(found.certs);
    Arc::new(store)
});

// === impl UpstreamTls ===

impl UpstreamTls {
    /// # Errors
    /// What is wrong with the settings, as the first connection would find out.
    pub fn check(&self) -> Result<(), CertError> {
        self.server_name.as_deref().map_or(Ok(()), |name| parse_name(name).map(drop))?;
        self.client_config(Protocol::Auto).map(drop)
    }

    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, CertError> {
        parse_name(self.server_name.as_deref().unwrap_or(host))
    }

    pub(crate) fn client_config(&self, protocol: Protocol) -> Result<Arc<ClientConfig>, CertError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&CRYPTO))
            .with_protocol_versions(versions(self.min_version, self.max_version)?)
            .map_err(|_| CertError::NoVersion)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(self.verifier()?);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(certificates(&identity.chain)?, private_key(identity.key.expose())?)
                .map_err(|_| CertError::Mismatch)?,
        };
        config.alpn_protocols = protocol.alpn();
        Ok(Arc::new(config))
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, CertError> {
        let authorities = match &self.trust {
            Trust::InsecureSkipVerify => return Ok(Arc::new(Anyone)),
            Trust::Pem(pem) => Arc::new(roots(pem)?),
            Trust::System if SYSTEM.is_empty() => {
                return Err(CertError::NoAuthority { reason: "the system has none" });
            }
            Trust::System => Arc::clone(&SYSTEM),
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(&CRYPTO))
            .build()
            .map_err(|_| CertError::NoAuthority { reason: "none given" })?;
        if self.verify_names.is_empty() {
            return Ok(verifier);
        }
        let names = self.verify_names.iter().map(|name| parse_name(name)).collect::<Result<_, _>>()?;
        Ok(Arc::new(AnyName { verifier, names }))
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, CertError> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| CertError::BadName { name: name.into() })
}

pub(crate) fn versions(
    min: Version,
    max: Option<Version>,
) -> Result<&'static [&'static SupportedProtocolVersion], CertError> {
    match (min, max.unwrap_or(Version::Tls13)) {
        (Version::Tls12, Version::Tls13) => Ok(BOTH),
        (Version::Tls12, Version::Tls12) => Ok(ONLY_12),
        (Version::Tls13, Version::Tls13) => Ok(ONLY_13),
        (Version::Tls13, Version::Tls12) => Err(CertError::NoVersion),
    }
}

// === impl Trust ===

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Pem(_) => "Pem",
            Self::InsecureSkipVerify => "InsecureSkipVerify",
        })
    }
}

// === impl ClientIdentity ===

impl std::hash::Hash for ClientIdentity {
    // The key is left out: equal identities have equal chains, and a hash must tell nothing about a key.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.chain.hash(state);
    }
}

/// Verifies the chain against the authorities and the leaf against any of several names.
#[derive(Debug)]
struct AnyName {
    verifier: Arc<WebPkiServerVerifier>,
    names: Vec<ServerName<'static>>,
}

// === impl AnyName ===

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked_for: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut outcome = Err(rustls::Error::General("no name to verify".into()));
        for name in &self.names {
            outcome = self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Believes any certificate, as long as its holder has the key to it.
#[derive(Debug)]
struct Anyone;

// === impl Anyone ===

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &CRYPTO.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &CRYPTO.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        CRYPTO.signature_verification_algorithms.supported_schemes()
    }
}
