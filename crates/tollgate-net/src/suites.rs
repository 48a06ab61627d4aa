use std::sync::Arc;

use rustls::{
    CipherSuite, NamedGroup, SupportedCipherSuite,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
};

use crate::{CertError, certs::CRYPTO};

/// The names that OpenSSL has for suites of TLS 1.2 that we speak.
const SUITES: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Groups under the names that people give them.
const GROUPS: [(&str, NamedGroup); 6] = [
    ("X25519", NamedGroup::X25519),
    ("P-256", NamedGroup::secp256r1),
    ("secp256r1", NamedGroup::secp256r1),
    ("P-384", NamedGroup::secp384r1),
    ("secp384r1", NamedGroup::secp384r1),
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
];

/// What TLS is spoken with: all that we know, or what of it is named. Names that we do not know are left out; suites
/// of TLS 1.3 cannot be chosen.
pub(crate) fn provider(ciphers: &[Arc<str>], curves: &[Arc<str>]) -> Result<Arc<CryptoProvider>, CertError> {
    if ciphers.is_empty() && curves.is_empty() {
        return Ok(Arc::clone(&CRYPTO));
    }
    let mut provider = aws_lc_rs::default_provider();
    if !ciphers.is_empty() {
        provider.cipher_suites = chosen_suites(ciphers, &provider.cipher_suites)?;
    }
    if !curves.is_empty() {
        provider.kx_groups = chosen_groups(curves, aws_lc_rs::ALL_KX_GROUPS)?;
    }
    Ok(Arc::new(provider))
}

fn chosen_suites(
    names: &[Arc<str>],
    known: &[SupportedCipherSuite],
) -> Result<Vec<SupportedCipherSuite>, CertError> {
    // Envoy writes suites of equal rank as `[A|B]`.
    let names = names.iter().flat_map(|name| name.trim_matches(['[', ']']).split('|'));
    let mut old: Vec<SupportedCipherSuite> = Vec::new();
    for name in names {
        let by_name = |suite: &&SupportedCipherSuite| {
            let id = suite.suite();
            suite.tls13().is_none()
                && (id.as_str() == Some(name)
                    || SUITES.iter().any(|(other, its)| *other == name && *its == id))
        };
        old.extend(known.iter().find(by_name));
    }
    if old.is_empty() {
        return Err(CertError::NoCipher);
    }
    Ok(known.iter().copied().filter(|suite| suite.tls13().is_some()).chain(old).collect())
}

fn chosen_groups(
    names: &[Arc<str>],
    known: &[&'static dyn SupportedKxGroup],
) -> Result<Vec<&'static dyn SupportedKxGroup>, CertError> {
    let mut chosen = Vec::new();
    for name in names {
        let group =
            GROUPS.iter().find(|(other, _)| name.eq_ignore_ascii_case(other)).map(|(_, group)| *group);
        chosen.extend(known.iter().copied().find(|known| Some(known.name()) == group));
    }
    if chosen.is_empty() { Err(CertError::NoCurve) } else { Ok(chosen) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn suites_keep_the_order_in_which_they_are_named() {
        let both = ["[ECDHE-RSA-AES256-GCM-SHA384|AES128-SHA]", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        let provider = provider(&names(&both), &[]).unwrap();
        let old: Vec<_> =
            provider.cipher_suites.iter().filter(|s| s.tls13().is_none()).map(|s| s.suite()).collect();
        let want = [
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ];
        assert_eq!(old, want);
        assert_eq!(provider_error(&["AES128-SHA"], &[]), Some(CertError::NoCipher));
    }

    #[test]
    fn groups_keep_the_order_in_which_they_are_named() {
        let provider = provider(&[], &names(&["P-384", "x25519", "P-521"])).unwrap();
        let groups: Vec<_> = provider.kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups, [NamedGroup::secp384r1, NamedGroup::X25519]);
        assert_eq!(provider_error(&[], &["P-521"]), Some(CertError::NoCurve));
    }

    fn provider_error(ciphers: &[&str], curves: &[&str]) -> Option<CertError> {
        provider(&names(ciphers), &names(curves)).err()
    }
}
