use std::sync::Arc;

use tollgate_resources::{
    BackendTls, BackendTlsPolicy, BackendTlsValidation, LocalObjectRef, Meta, Object, SecretData, SecretRef,
    SubjectAltNameType,
};
use tollgate_snapshot::{CaCertificates, Certificate, ClientCertificate, UpstreamTls};

use crate::{
    Fault,
    grants::Party,
    guards,
    notes::{At, Notes},
    world::{World, group},
};

/// Keys of a `kubernetes.io/tls` Secret.
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Key of a bundle of authorities.
pub(crate) const CA: &str = "ca.crt";

/// What a backend's TLS settings are looked up by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsTarget<'a> {
    pub(crate) group: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) meta: &'a Meta,
    /// The part of it: a Service's port by name, a Backend's port by number.
    pub(crate) section: Option<&'a str>,
    /// All the parts that it has.
    pub(crate) sections: &'a [&'a str],
}

/// `Backend.spec.tls` and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct OwnTls<'a> {
    pub(crate) tls: &'a BackendTls,
    pub(crate) at: At<'a>,
}

/// Who names the authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authority {
    Backend,
    Policy,
}

/// TLS towards a backend: authorities and names from a BackendTLSPolicy, the rest from `Backend.spec.tls`. A policy
/// that was meant for the backend and cannot be applied never leaves it with plain text.
pub(crate) fn upstream(
    world: &World<'_>,
    target: TlsTarget<'_>,
    own: Option<OwnTls<'_>>,
    notes: &mut Notes,
) -> Result<Option<UpstreamTls>, Fault> {
    let policy = policy(world, target, notes);
    let authority = if policy.is_some() { Authority::Policy } else { Authority::Backend };
    let mut tls = match own {
        Some(own) => Some(from_backend(world, target, &own, authority, notes)?),
        None => None,
    };
    if let Some(policy) = policy {
        let client = tls.take().and_then(|tls| tls.client);
        tls = Some(UpstreamTls { client, ..from_policy(world, policy)? });
    }
    let astray = astray(world, target, notes);
    if tls.is_none() {
        let TlsTarget { kind, meta, .. } = target;
        let refused = guards::refused(world, "BackendTLSPolicy", (kind, meta)).map(|policy| &policy.meta);
        if let Some(policy) = astray.or(refused) {
            let message = format!(
                "BackendTLSPolicy {}/{} for {kind} {} is broken, and plain text will not do instead",
                policy.namespace, policy.name, meta.name
            );
            return Err(Fault::new("no-tls", message));
        }
    }
    Ok(tls)
}

/// True where a policy names the target, and this section of it.
fn is_for(
    policy: &Object<BackendTlsPolicy>,
    target: TlsTarget<'_>,
    section: impl Fn(Option<&str>) -> bool,
) -> bool {
    policy.meta.namespace == target.meta.namespace
        && policy.spec.target_refs.iter().any(|t| {
            t.group == target.group
                && t.kind == target.kind
                && t.name == *target.meta.name
                && section(t.section_name.as_deref())
        })
}

/// The policy for a target: one for its section before one for all of it, the oldest of several.
fn policy<'a>(
    world: &World<'a>,
    target: TlsTarget<'_>,
    notes: &mut Notes,
) -> Option<&'a Object<BackendTlsPolicy>> {
    let of = |wanted: Option<&str>| {
        let all = world.set.backend_tls_policies.iter();
        let mut policies: Vec<_> =
            all.filter(|policy| is_for(policy, target, |section| section == wanted)).collect();
        policies.sort_by_key(|policy| policy.meta.created.unwrap_or(i64::MAX));
        policies
    };
    let policies = match target.section.map(|section| of(Some(section))).filter(|found| !found.is_empty()) {
        Some(found) => found,
        None => of(None),
    };
    let (first, later) = policies.split_first()?;
    let TlsTarget { kind, meta, .. } = target;
    for policy in later {
        let message = format!(
            "{kind} {}/{} has BackendTLSPolicy {} already",
            meta.namespace, meta.name, first.meta.name
        );
        notes.error(&At::new(*policy, "spec.targetRefs"), Fault::new("conflicted-policy", message));
    }
    Some(first)
}

/// A policy that names a section which the target does not have.
fn astray<'a>(world: &World<'a>, target: TlsTarget<'_>, notes: &mut Notes) -> Option<&'a Meta> {
    let TlsTarget { kind, meta, sections, .. } = target;
    let unknown = |section: Option<&str>| section.is_some_and(|section| !sections.contains(&section));
    let policy = world.set.backend_tls_policies.iter().find(|policy| is_for(policy, target, unknown))?;
    let message = format!("{kind} {}/{} has no port of that sectionName", meta.namespace, meta.name);
    let help = format!("its ports are {}", sections.join(", "));
    let fault = Fault::new("section-not-found", message).help(help);
    notes.warning(&At::new(policy, "spec.targetRefs"), fault);
    Some(&policy.meta)
}

fn from_policy(world: &World<'_>, policy: &Object<BackendTlsPolicy>) -> Result<UpstreamTls, Fault> {
    let BackendTlsPolicy { target_refs: _, validation, options: _ } = &policy.spec;
    let BackendTlsValidation { ca_certificate_refs, well_known_ca_certificates, hostname, subject_alt_names } =
        validation;
    let ca = match well_known_ca_certificates {
        Some(_) => CaCertificates::System,
        None => authorities(world, &policy.meta.namespace, ca_certificate_refs)?,
    };
    let mut names = Vec::new();
    for name in subject_alt_names {
        match (name.name_type, &name.hostname) {
            (SubjectAltNameType::Hostname, Some(hostname)) => names.push(hostname.as_str().into()),
            (SubjectAltNameType::Hostname, None) | (SubjectAltNameType::Uri, _) => {
                let policy = format!("{}/{}", policy.meta.namespace, policy.meta.name);
                return Err(Fault::not_served(format!(
                    "a URI in subjectAltNames (BackendTLSPolicy {policy})"
                )));
            }
        }
    }
    Ok(UpstreamTls { sni: Some(hostname.as_str().into()), ca, subject_alt_names: names, client: None })
}

fn from_backend(
    world: &World<'_>,
    target: TlsTarget<'_>,
    own: &OwnTls<'_>,
    authority: Authority,
    notes: &mut Notes,
) -> Result<UpstreamTls, Fault> {
    let BackendTls {
        ca_certificate_refs,
        well_known_ca_certificates,
        insecure_skip_verify,
        sni,
        auto_sni_from_endpoint_hostname: _,
        client_certificate_ref,
        min_version,
        max_version,
        ciphers,
        ecdh_curves,
        signature_algorithms,
        alpn_protocols,
    } = own.tls;
    let tuned = [
        ("minVersion", min_version.is_some()),
        ("maxVersion", max_version.is_some()),
        ("ciphers", !ciphers.is_empty()),
        ("ecdhCurves", !ecdh_curves.is_empty()),
        ("signatureAlgorithms", !signature_algorithms.is_empty()),
        ("alpnProtocols", !alpn_protocols.is_empty()),
    ];
    for (field, _) in tuned.into_iter().filter(|(_, is_set)| *is_set) {
        notes.warning(&own.at.to(format!(".{field}")), Fault::not_served(format!("tls.{field}")));
    }
    let ca = if *insecure_skip_verify {
        let message =
            "the backend's certificate is not checked: anybody on the way can read the traffic and the key";
        notes.warning(&own.at.to(".insecureSkipVerify"), Fault::new("unverified-backend", message));
        CaCertificates::Unverified
    } else if well_known_ca_certificates.is_some() || authority == Authority::Policy {
        CaCertificates::System
    } else {
        authorities(world, &target.meta.namespace, ca_certificate_refs)?
    };
    let client = match client_certificate_ref {
        Some(secret) => Some(client(world, target, secret)?),
        None => None,
    };
    Ok(UpstreamTls { sni: sni.as_deref().map(Arc::from), ca, subject_alt_names: Vec::new(), client })
}

fn client(world: &World<'_>, target: TlsTarget<'_>, secret: &SecretRef) -> Result<ClientCertificate, Fault> {
    let from = Party { group: target.group, kind: target.kind, namespace: &target.meta.namespace };
    let Certificate { name: _, chain, key } = certificate(world, from, secret)?;
    Ok(ClientCertificate { chain, key })
}

/// Bundles of authorities, joined; each has to be there and to hold a certificate.
fn authorities(world: &World<'_>, namespace: &str, refs: &[LocalObjectRef]) -> Result<CaCertificates, Fault> {
    let mut pem = Vec::new();
    for LocalObjectRef { group: _, kind, name } in refs {
        let bundle = match kind.as_str() {
            "ConfigMap" => {
                world.config_maps.get(namespace, name)?.spec.data.get(CA).map(|text| text.as_bytes().to_vec())
            }
            "Secret" => {
                let data = &world.secrets.get(namespace, name)?.spec.data;
                data.get(CA).or_else(|| data.get(CHAIN)).map(|bytes| bytes.expose().to_vec())
            }
            other => return Err(Fault::not_served(format!("a reference to authorities in {other} {name}"))),
        };
        let bundle = bundle.filter(|bundle| holds(bundle, "CERTIFICATE")).ok_or_else(|| {
            Fault::new("invalid-ca", format!("{kind} {namespace}/{name} has no PEM certificate under {CA}"))
        })?;
        pem.extend(bundle);
        pem.push(b'\n');
    }
    if pem.is_empty() {
        return Err(Fault::new("no-ca", "TLS is on, but nothing says which authorities to trust")
            .help("set wellKnownCACertificates: System, or caCertificateRefs"));
    }
    Ok(CaCertificates::Pem(pem.into()))
}

/// A certificate and its key from a Secret.
pub(crate) fn certificate(
    world: &World<'_>,
    from: Party<'_>,
    secret: &SecretRef,
) -> Result<Certificate, Fault> {
    let SecretRef { group, kind, name, namespace } = secret;
    if group != group::CORE || kind != "Secret" {
        return Err(Fault::new("invalid-certificate-ref", format!("{kind} {name} is no Secret")));
    }
    let namespace = namespace.as_deref().unwrap_or(from.namespace);
    world.grants.check(from, Party { group: group::CORE, kind: "Secret", namespace }, name)?;
    let secret = world.secrets.get(namespace, name)?;
    let part = |key: &str, label: &str| {
        secret.spec.data.get(key).filter(|pem| holds(pem.expose(), label)).ok_or_else(|| {
            let message =
                format!("Secret {namespace}/{name} has no PEM {} under {key}", label.to_lowercase());
            Fault::new("invalid-certificate-ref", message).help(keys_of(&secret.spec))
        })
    };
    let (chain, key) = (part(CHAIN, "CERTIFICATE")?, part(KEY, "PRIVATE KEY")?);
    Ok(Certificate {
        name: format!("{namespace}/{name}").into(),
        chain: chain.expose().into(),
        key: key.clone(),
    })
}

/// Names the keys of a Secret, never their values.
pub(crate) fn keys_of(secret: &SecretData) -> String {
    let keys: Vec<_> = secret.data.keys().map(String::as_str).collect();
    if keys.is_empty() { "it is empty".to_owned() } else { format!("its keys are {}", keys.join(", ")) }
}

/// True where there is a PEM block with this label: `-----BEGIN EC PRIVATE KEY-----` holds `PRIVATE KEY`.
pub(crate) fn holds(pem: &[u8], label: &str) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.lines().any(|line| {
        line.trim()
            .strip_prefix("-----BEGIN ")
            .and_then(|l| l.strip_suffix("-----"))
            .is_some_and(|l| l.ends_with(label))
    })
}
