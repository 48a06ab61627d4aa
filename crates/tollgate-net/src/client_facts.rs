use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::CertificateDer;
use tollgate_types::ClientCertificateFacts;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// What the client's certificate says of it. One that cannot be read still has a hash.
pub(crate) fn facts(chain: &[CertificateDer<'_>]) -> Option<ClientCertificateFacts> {
    let leaf = chain.first()?;
    let mut facts = ClientCertificateFacts {
        hash: sha256(leaf).iter().map(|byte| format!("{byte:02x}")).collect(),
        pem: pem(leaf),
        chain: chain.iter().map(|certificate| pem(certificate)).collect(),
        ..ClientCertificateFacts::default()
    };
    if let Ok((_, leaf)) = X509Certificate::from_der(leaf) {
        // RFC 2253 writes the last part first.
        let parts: Vec<String> = leaf.subject().iter_rdn().map(part).collect();
        facts.subject = parts.into_iter().rev().collect::<Vec<_>>().join(",");
        for name in names(&leaf) {
            match name {
                GeneralName::DNSName(name) => facts.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => facts.uris.push((*uri).to_owned()),
                _ => {}
            }
        }
    }
    Some(facts)
}

/// The alternative names of a certificate.
pub(crate) fn names<'a>(leaf: &'a X509Certificate<'_>) -> &'a [GeneralName<'a>] {
    let found = leaf.subject_alternative_name().ok().flatten();
    found.map_or(&[], |extension| &extension.value.general_names)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in
        hash.iter_mut().zip(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    hash
}

fn part(part: &x509_parser::x509::RelativeDistinguishedName<'_>) -> String {
    let pairs = part.iter().map(|pair| {
        let value = pair.as_str().unwrap_or("?");
        format!("{}={}", key(&pair.attr_type().to_id_string()), escaped(value))
    });
    pairs.collect::<Vec<_>>().join("+")
}

fn key(id: &str) -> &str {
    match id {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    }
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificate_tells_its_names_and_subject() {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://a/b".try_into().unwrap()));
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, "x, y");
        params.distinguished_name.push(DnType::CommonName, "me");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let facts = facts(&[certificate.der().clone()]).unwrap();
        assert_eq!(facts.subject, "CN=me,O=x\\, y");
        assert_eq!(facts.dns_names, ["a.example"]);
        assert_eq!(facts.uris, ["spiffe://a/b"]);
        assert_eq!(facts.hash.len(), 64);
        assert_eq!(facts.pem, certificate.pem().replace("\r\n", "\n"));
        assert_eq!(facts.chain, facts.pem);
    }

    #[test]
    fn what_cannot_be_read_has_a_hash_all_the_same() {
        let facts = facts(&[CertificateDer::from(vec![1, 2, 3])]).unwrap();
        assert_eq!((facts.hash.len(), facts.subject.as_str()), (64, ""));
        assert!(super::facts(&[]).is_none());
    }
}
