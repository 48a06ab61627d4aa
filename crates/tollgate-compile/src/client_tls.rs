use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regex::Regex;
use tollgate_resources::{
    ClientAltNames, ClientTlsSettings, ClientValidation, ClientValidationMode, RevocationLists, SecretRef,
    StringMatch, StringMatchType, TlsVersion as Version,
};
use tollgate_snapshot::{
    ClientCertificates, ClientTls, Problem, Revocation, SanMatch, TlsVersion, Verification,
};

use crate::{
    Fault,
    grants::Party,
    making::Making,
    matches::whole,
    notes::At,
    tls::{CA, holds, keys_of},
    world::{World, group},
};

/// Key of a list of revoked certificates.
const CRL: &str = "ca.crl";
/// Suites of TLS 1.2 that are spoken, by their OpenSSL names.
const SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
/// Key exchange groups that are spoken.
const CURVES: [&str; 6] = ["X25519", "P-256", "secp256r1", "P-384", "secp384r1", "X25519MLKEM768"];

pub(crate) fn tls(
    made: &mut ClientTls,
    spec: &ClientTlsSettings,
    at: &At<'_>,
    making: &mut Making<'_, '_, '_>,
) -> Result<(), Arc<Problem>> {
    let ClientTlsSettings {
        min_version,
        max_version,
        ciphers,
        ecdh_curves,
        signature_algorithms,
        alpn_protocols,
        client_validation,
        session,
        fingerprints,
    } = spec;
    let idle = [
        ("signatureAlgorithms", !signature_algorithms.is_empty()),
        ("fingerprints", !fingerprints.is_empty()),
    ];
    making.unserved(at, &idle);
    let resumption = session.and_then(|session| session.resumption).unwrap_or_default();
    made.stateless_resumption = resumption.stateless.is_some();
    made.stateful_resumption = resumption.stateful.is_some();
    made.alpn = alpn_protocols.as_ref().map(|names| names.iter().map(|name| name.as_str().into()).collect());
    if let Some(spec) = client_validation {
        let clients = clients(spec, making);
        made.clients = Some(clients.map_err(|fault| making.notes.error(&at.to(".clientValidation"), fault))?);
    }
    if matches!(min_version, Some(Version::V1_0 | Version::V1_1)) {
        let fault = Fault::new("tls-too-old", "TLS 1.0 and 1.1 are not spoken; 1.2 is the oldest version");
        making.notes.warning(&at.to(".minVersion"), fault);
    }
    made.min_version = min_version.and_then(version);
    made.max_version = max_version.and_then(version);
    let suites = |name: &str| SUITES.contains(&name) || name.starts_with("TLS_ECDHE_");
    made.ciphers = known(ciphers, suites, &at.to(".ciphers"), making)?;
    let curves = |name: &str| CURVES.iter().any(|known| known.eq_ignore_ascii_case(name));
    made.curves = known(ecdh_curves, curves, &at.to(".ecdhCurves"), making)?;
    Ok(())
}

const fn version(version: Version) -> Option<TlsVersion> {
    match version {
        // A policy whose newest version is older than 1.2 has been refused.
        Version::Auto | Version::V1_0 | Version::V1_1 => None,
        Version::V1_2 => Some(TlsVersion::Tls12),
        Version::V1_3 => Some(TlsVersion::Tls13),
    }
}

/// The names that we know; the others are told, and one has to be left where any is given.
fn known(
    names: &[String],
    is_known: impl Fn(&str) -> bool,
    at: &At<'_>,
    making: &mut Making<'_, '_, '_>,
) -> Result<Vec<Arc<str>>, Arc<Problem>> {
    // Envoy writes names of equal rank as `[a|b]`.
    let all: Vec<&str> = names.iter().flat_map(|name| name.trim_matches(['[', ']']).split('|')).collect();
    let (good, bad): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| is_known(name));
    if !bad.is_empty() {
        let fault = Fault::new("unknown-tls-name", format!("not spoken: {}", bad.join(", ")));
        if good.is_empty() {
            return Err(making.notes.error(at, fault.help("remove the field, or name one that is")));
        }
        making.notes.warning(at, fault);
    }
    Ok(good.into_iter().map(Arc::from).collect())
}

fn clients(spec: &ClientValidation, making: &Making<'_, '_, '_>) -> Result<ClientCertificates, Fault> {
    let ClientValidation {
        optional,
        mode,
        ca_certificate_refs,
        spki_hashes,
        certificate_hashes,
        subject_alt_names,
        crl,
        allow_expired_certificate,
    } = spec;
    let verification = match (mode, optional) {
        (Some(ClientValidationMode::Request), _) => Verification::Request,
        (Some(ClientValidationMode::RequireAny), _) => Verification::RequireAny,
        (Some(ClientValidationMode::VerifyIfGiven), _) | (None, true) => Verification::VerifyIfGiven,
        (Some(ClientValidationMode::RequireAndVerify), _) | (None, false) => Verification::RequireAndVerify,
    };
    let verifies = matches!(verification, Verification::VerifyIfGiven | Verification::RequireAndVerify);
    if verifies && ca_certificate_refs.is_empty() {
        let message = "clients are to be verified, but nothing says which authorities to trust";
        return Err(Fault::new("no-ca", message).help("set caCertificateRefs"));
    }
    let decode = |text: &String| STANDARD.decode(text).ok();
    let revocation = match crl {
        None => None,
        Some(RevocationLists { refs, only_verify_leaf_certificate }) => Some(Revocation {
            lists: bundles(refs, (CRL, "X509 CRL"), making)?,
            leaf_only: *only_verify_leaf_certificate,
        }),
    };
    Ok(ClientCertificates {
        verification,
        authorities: bundles(ca_certificate_refs, (CA, "CERTIFICATE"), making)?,
        spki_hashes: hashes(spki_hashes, "base64", decode)?,
        certificate_hashes: hashes(certificate_hashes, "hexadecimal", |text| hex(text))?,
        names: subject_alt_names.as_ref().map_or_else(|| Ok(Vec::new()), names)?,
        revocation,
        allow_expired: *allow_expired_certificate,
    })
}

/// PEM bundles, joined; each has to be there and to hold what is looked for.
fn bundles(
    refs: &[SecretRef],
    sought: (&str, &str),
    making: &Making<'_, '_, '_>,
) -> Result<Arc<[u8]>, Fault> {
    let from = Party { group: group::ENVOY, kind: "ClientTrafficPolicy", namespace: making.namespace };
    let mut pem = Vec::new();
    for reference in refs {
        pem.extend(bundle(making.world, from, reference, sought)?);
        pem.push(b'\n');
    }
    Ok(pem.into())
}

/// A PEM bundle from a ConfigMap or a Secret, under this key and with this label.
pub(crate) fn bundle(
    world: &World<'_>,
    from: Party<'_>,
    SecretRef { group, kind, name, namespace }: &SecretRef,
    (key, label): (&str, &str),
) -> Result<Vec<u8>, Fault> {
    let namespace = namespace.as_deref().unwrap_or(from.namespace);
    if group != group::CORE || !matches!(kind.as_str(), "Secret" | "ConfigMap") {
        let what = format!("a reference to certificates in {kind} {name}");
        return Err(Fault::not_served(what).help("ConfigMap and Secret are served"));
    }
    world.grants.check(from, Party { group: group::CORE, kind, namespace }, name)?;
    let (found, help) = if kind == "Secret" {
        let secret = &world.secrets.get(namespace, name)?.spec;
        (secret.data.get(key).map(|bytes| bytes.expose().to_vec()), keys_of(secret))
    } else {
        let map = &world.config_maps.get(namespace, name)?.spec;
        let keys: Vec<_> = map.data.keys().map(String::as_str).collect();
        (map.data.get(key).map(|text| text.as_bytes().to_vec()), format!("its keys are {}", keys.join(", ")))
    };
    found.filter(|bundle| holds(bundle, label)).ok_or_else(|| {
        let message = format!("{kind} {namespace}/{name} has no PEM {} under {key}", label.to_lowercase());
        Fault::new("invalid-ca", message).help(help)
    })
}

fn hashes(
    texts: &[String],
    form: &str,
    decode: impl Fn(&String) -> Option<Vec<u8>>,
) -> Result<Vec<[u8; 32]>, Fault> {
    let hash = |text: &String| {
        decode(text)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(|| Fault::new("invalid-hash", format!("{text:?} is no SHA-256 in {form}")))
    };
    texts.iter().map(hash).collect()
}

/// Pairs of digits, with or without colons between them.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn names(spec: &ClientAltNames) -> Result<Vec<SanMatch>, Fault> {
    let ClientAltNames { dns_names, email_addresses, ip_addresses, uris, other_names } = spec;
    if !other_names.is_empty() {
        // Leaving it out would take every name where there is no other matcher.
        return Err(Fault::not_served("subjectAltNames.otherNames"));
    }
    let mut names = Vec::new();
    let mut add = |list: &[StringMatch], make: fn(Regex) -> SanMatch| {
        list.iter().try_for_each(|text| pattern(text).map(|pattern| names.push(make(pattern))))
    };
    add(dns_names, SanMatch::Dns)?;
    add(email_addresses, SanMatch::Email)?;
    add(ip_addresses, SanMatch::Ip)?;
    add(uris, SanMatch::Uri)?;
    Ok(names)
}

fn pattern(spec: &StringMatch) -> Result<Regex, Fault> {
    let StringMatch { match_type, value } = spec;
    let escaped = regex::escape(value);
    match match_type {
        StringMatchType::Exact => whole(&escaped),
        StringMatchType::Prefix => whole(&format!("{escaped}.*")),
        StringMatchType::Suffix => whole(&format!(".*{escaped}")),
        StringMatchType::RegularExpression => whole(value),
    }
}
