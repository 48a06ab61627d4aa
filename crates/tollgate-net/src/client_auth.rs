use std::{fmt, sync::Arc};

use regex::Regex;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{
    CertError,
    certs::{CRYPTO, roots},
    client_facts::{names, sha256},
};

/// What is asked of client certificates. The default takes the authorities' word for those that have to be shown.
#[derive(Clone, Debug, Default)]
pub struct ClientAuth {
    /// Authorities (PEM).
    pub authorities: Arc<[u8]>,
    /// A handshake without a certificate goes on.
    pub optional: bool,
    /// Any certificate will do: the client is asked for one, and nobody judges it.
    pub unverified: bool,
    /// SHA-256 of public keys; none: any.
    pub spki_hashes: Vec<[u8; 32]>,
    /// SHA-256 of certificates; one that is here need not have its key in `spki_hashes`. None: any.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// Alternative names, one of which has to match; none: any.
    pub names: Vec<ClientName>,
    /// Lists of revoked certificates (PEM).
    pub revoked: Option<Arc<[u8]>>,
    /// Only the client's own certificate is looked up there.
    pub revoked_leaf_only: bool,
    /// A certificate that has expired is good still.
    pub allow_expired: bool,
}

/// A pattern of one kind of alternative name.
#[derive(Clone, Debug)]
pub enum ClientName {
    /// A host name
    Dns(Regex),
    /// An e-mail address
    Email(Regex),
    /// An IP address
    Ip(Regex),
    /// A URI
    Uri(Regex),
}

struct Judge {
    auth: ClientAuth,
    /// Nobody where certificates are not judged.
    authority: Option<Arc<dyn ClientCertVerifier>>,
}

// === impl ClientAuth ===

impl ClientAuth {
    pub(crate) fn verifier(self) -> Result<Arc<dyn ClientCertVerifier>, CertError> {
        let authority = if self.unverified { None } else { Some(self.authority()?) };
        Ok(Arc::new(Judge { auth: self, authority }))
    }

    fn authority(&self) -> Result<Arc<dyn ClientCertVerifier>, CertError> {
        let roots = Arc::new(roots(&self.authorities)?);
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&CRYPTO));
        if let Some(lists) = &self.revoked {
            let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(lists).collect();
            let lists = lists.ok().filter(|lists| !lists.is_empty()).ok_or(CertError::BadRevocationList)?;
            builder = builder.with_crls(lists);
            if self.revoked_leaf_only {
                builder = builder.only_check_end_entity_revocation();
            }
        }
        builder.build().map_err(|error| match error {
            rustls::server::VerifierBuilderError::InvalidCrl(_) => CertError::BadRevocationList,
            _ => CertError::NoAuthority { reason: "none for clients" },
        })
    }

    /// Whether the certificate is one of those that are meant, beyond being vouched for.
    fn is_meant(&self, leaf: &CertificateDer<'_>) -> bool {
        self.is_pinned(leaf) && self.is_named(leaf)
    }

    fn is_pinned(&self, leaf: &CertificateDer<'_>) -> bool {
        if self.spki_hashes.is_empty() && self.certificate_hashes.is_empty() {
            return true;
        }
        let key = || Some(sha256(&ParsedCertificate::try_from(leaf).ok()?.subject_public_key_info()));
        (!self.certificate_hashes.is_empty() && self.certificate_hashes.contains(&sha256(leaf)))
            || (!self.spki_hashes.is_empty() && key().is_some_and(|key| self.spki_hashes.contains(&key)))
    }

    fn is_named(&self, leaf: &CertificateDer<'_>) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return false };
        names(&leaf).iter().any(|name| self.names.iter().any(|meant| meant.matches(name)))
    }
}

// === impl ClientName ===

impl ClientName {
    fn matches(&self, name: &GeneralName<'_>) -> bool {
        match (self, name) {
            (Self::Dns(pattern), GeneralName::DNSName(name))
            | (Self::Email(pattern), GeneralName::RFC822Name(name))
            | (Self::Uri(pattern), GeneralName::URI(name)) => pattern.is_match(name),
            (Self::Ip(pattern), GeneralName::IPAddress(bytes)) => {
                let four = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
                let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from));
                address.is_ok_and(|address| pattern.is_match(&address.to_string()))
            }
            _ => false,
        }
    }
}

// === impl Judge ===

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("unverified", &self.auth.unverified).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Judge {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        !self.auth.optional
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.as_ref().map_or(&[], |authority| authority.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Some(authority) = &self.authority else { return Ok(ClientCertVerified::assertion()) };
        let verified = match authority.verify_client_cert(leaf, chain, now) {
            // Judged by the moment at which it was good last.
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }))
                if self.auth.allow_expired =>
            {
                authority.verify_client_cert(leaf, chain, not_after)?
            }
            verdict => verdict?,
        };
        if self.auth.is_meant(leaf) {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &CRYPTO.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &CRYPTO.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        CRYPTO.signature_verification_algorithms.supported_schemes()
    }
}
