use crate::{finding::Finding, kinds as k};

/// A kind's rules, those of its CRD: its schema and its CEL expressions.
pub(crate) trait Validate {
    fn validate(&self, rules: &mut Rules<'_>);
}

/// Collects broken rules, each at its field.
pub(crate) struct Rules<'a> {
    pub(crate) version: &'a str,
    pub(crate) path: String,
    pub(crate) findings: Vec<Finding>,
}

pub(crate) fn check<T: Validate>(spec: &T, version: &str, prefix: &str) -> Vec<Finding> {
    let mut rules = Rules { version, path: prefix.to_owned(), findings: Vec::new() };
    spec.validate(&mut rules);
    rules.findings
}

/// A DNS subdomain as Kubernetes has it (RFC 1123), lower case, at most 253 characters.
pub(crate) fn is_subdomain(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.split('.').all(is_dns_label)
}

/// A DNS label as Kubernetes has it (RFC 1123), lower case, at most 63 characters.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_label(text)
}

fn is_dns_label(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !text.is_empty()
        && text.bytes().all(|b| word(b) || b == b'-')
        && text.bytes().next().is_some_and(word)
        && text.bytes().last().is_some_and(word)
}

macro_rules! nothing { ($($t:ty),*) => { $(impl Validate for $t { fn validate(&self, _: &mut Rules<'_>) {} })* } }
nothing!(
    k::GatewayClass,
    k::Gateway,
    k::HttpRoute,
    k::ReferenceGrant,
    k::ConfigMapData,
    k::Service,
    k::EndpointSlice,
    k::Namespace,
    k::Backend,
    k::BackendTlsPolicy,
    k::HttpRouteFilter,
    k::AiGatewayRoute,
    k::AiServiceBackend,
    k::BackendSecurityPolicy,
    k::GatewayConfig
);
