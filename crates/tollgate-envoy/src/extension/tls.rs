use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// There is none in the text.
    #[error("no certificate in PEM")]
    NoCertificate,
    /// There is none in the text.
    #[error("no private key in PEM")]
    NoKey,
    /// Both do not belong together, or are of a kind that nobody uses any more.
    #[error("the certificate cannot be served: {0}")]
    Refused(#[from] rustls::Error),
}

/// TLS for the extension server from a certificate chain and its key, both in PEM.
///
/// # Errors
/// Where either is missing, or they do not belong together.
pub fn tls(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, BadCertificate> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| BadCertificate::NoCertificate)?;
    if chain.is_empty() {
        return Err(BadCertificate::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadCertificate::NoKey)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_needs_its_own_key() {
        let own = rcgen::generate_simple_self_signed(["extension".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let chain = own.cert.pem();
        let config = tls(chain.as_bytes(), own.signing_key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2"]);
        let refused = tls(chain.as_bytes(), other.serialize_pem().as_bytes());
        assert!(matches!(refused, Err(BadCertificate::Refused(_))));
        assert!(matches!(tls(b"", b""), Err(BadCertificate::NoCertificate)));
        assert!(matches!(tls(chain.as_bytes(), b""), Err(BadCertificate::NoKey)));
    }
}
