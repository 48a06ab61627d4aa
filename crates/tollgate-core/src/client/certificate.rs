use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_snapshot::{CertificateDetails, ForwardedCertificate};
use tollgate_types::ClientCertificateFacts;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Decides what backends are told of client certificates, the client's own and those that proxies saw.
pub(super) fn forward(
    rule: ForwardedCertificate,
    shown: Option<&ClientCertificateFacts>,
    headers: &mut HeaderMap,
) {
    match (rule, shown) {
        (ForwardedCertificate::AlwaysForward, _) | (ForwardedCertificate::ForwardOnly, Some(_)) => {}
        // Looking at each name costs less than looking up one that is seldom there.
        (ForwardedCertificate::Sanitize, _) | (_, None) => {
            if headers.keys().any(|name| *name == FORWARDED) {
                headers.remove(FORWARDED);
            }
        }
        (ForwardedCertificate::AppendForward(details), Some(shown)) => {
            if let Ok(own) = HeaderValue::try_from(element(details, shown)) {
                headers.append(FORWARDED, own);
            }
        }
        (ForwardedCertificate::SanitizeSet(details), Some(shown)) => {
            headers.remove(FORWARDED);
            if let Ok(own) = HeaderValue::try_from(element(details, shown)) {
                headers.insert(FORWARDED, own);
            }
        }
    }
}

/// One element, in the notation of Envoy's `x-forwarded-client-cert`.
fn element(details: CertificateDetails, shown: &ClientCertificateFacts) -> String {
    let mut text = format!("Hash={}", shown.hash);
    if details.certificate {
        escaped(&mut text, "Cert", &shown.pem);
    }
    if details.chain {
        escaped(&mut text, "Chain", &shown.chain);
    }
    if details.subject {
        text.push_str(";Subject=");
        quoted(&mut text, &shown.subject);
    }
    if details.uri {
        for uri in &shown.uris {
            text.push_str(";URI=");
            value(&mut text, uri);
        }
    }
    if details.dns {
        for name in &shown.dns_names {
            text.push_str(";DNS=");
            value(&mut text, name);
        }
    }
    text
}

/// Quoted where it has to be, so that a name cannot end its own element and begin another.
fn value(out: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | ';' | '=' | '"' | '\\');
    if text.chars().all(plain) { out.push_str(text) } else { quoted(out, text) }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            // No other character can be sent in a header.
            _ => out.push('?'),
        }
    }
    out.push('"');
}

fn escaped(out: &mut String, key: &str, text: &str) {
    let _infallible = write!(out, ";{key}=\"");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rule: ForwardedCertificate, shown: Option<&ClientCertificateFacts>) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, HeaderValue::from_static("Hash=old"));
        forward(rule, shown, &mut headers);
        headers.get_all(FORWARDED).iter().map(|v| v.to_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn only_who_showed_a_certificate_may_speak_of_one() {
        use ForwardedCertificate::{AlwaysForward, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
        let shown = ClientCertificateFacts {
            hash: "ab".to_owned(),
            subject: "CN=\"x\",O=y".to_owned(),
            dns_names: vec!["a.example".to_owned(), "b;Hash=forged".to_owned()],
            pem: "a+b\n".to_owned(),
            ..ClientCertificateFacts::default()
        };
        let none = CertificateDetails::default();
        let all = CertificateDetails { subject: true, certificate: true, chain: false, dns: true, uri: true };
        let full =
            "Hash=ab;Cert=\"a%2Bb%0A\";Subject=\"CN=\\\"x\\\",O=y\";DNS=a.example;DNS=\"b;Hash=forged\"";
        for (rule, with, without) in [
            (Sanitize, &[][..], &[][..]),
            (ForwardOnly, &["Hash=old"], &[]),
            (AppendForward(none), &["Hash=old", "Hash=ab"], &[]),
            (SanitizeSet(all), &[full], &[]),
            (AlwaysForward, &["Hash=old"], &["Hash=old"]),
        ] {
            assert_eq!(after(rule, Some(&shown)), with, "{rule:?}");
            assert_eq!(after(rule, None), without, "{rule:?}");
        }
    }
}
