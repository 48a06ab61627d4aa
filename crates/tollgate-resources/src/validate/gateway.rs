use std::fmt;

use super::{
    Rules, Validate,
    shared::{HOSTNAME, group_and_kind, local_ref, namespace, secret_ref, section_name},
    text,
};
use crate::kinds::{
    FromNamespaces, Gateway, GatewayClass, GatewayInfrastructure, GrantFrom, GrantTo, Listener, ListenerTls,
    ReferenceGrant, TlsMode,
};

impl Validate for GatewayClass {
    fn validate(&self, rules: &mut Rules) {
        let Self { controller_name, parameters_ref: _, description } = self;
        let holds = text::is_controller_name(controller_name);
        let expected = "a domain and a path such as gateway.example/controller";
        rules.form("invalid-controller-name", ("controllerName", controller_name), (holds, expected));
        rules.length("description", description.as_deref().unwrap_or_default(), 0..=64);
    }
}

impl Validate for Gateway {
    fn validate(&self, rules: &mut Rules) {
        let Self { gateway_class_name, listeners, addresses, infrastructure, tls, .. } = self;
        rules.length("gatewayClassName", gateway_class_name, 1..=253);
        rules.count("listeners", listeners.len(), 1..=64);
        rules.unique(
            "duplicate-listener-name",
            "listeners",
            listeners.iter().map(|listener| Some(&listener.name)),
        );
        rules.unique(
            "duplicate-listener",
            "listeners",
            listeners.iter().map(|listener| Some(Place::of(listener))),
        );
        rules.each("listeners", listeners, listener_rules);
        rules.count("addresses", addresses.len(), 0..=16);
        rules.optional("infrastructure", infrastructure.as_ref(), |rules, infrastructure| {
            let GatewayInfrastructure { labels, annotations, parameters_ref } = infrastructure;
            rules.count("labels", labels.len(), 0..=8);
            rules.count("annotations", annotations.len(), 0..=8);
            rules.optional("parametersRef", parameters_ref.as_ref(), local_ref);
        });
        let client = tls.as_ref().and_then(|tls| tls.backend.as_ref()?.client_certificate_ref.as_ref());
        rules.field("tls", |rules| {
            rules.field("backend", |rules| rules.optional("clientCertificateRef", client, secret_ref));
        });
    }
}

/// What no two listeners of a Gateway may share.
#[derive(PartialEq, Eq, Hash)]
struct Place<'a> {
    port: u16,
    protocol: &'a str,
    hostname: &'a str,
}

impl<'a> Place<'a> {
    fn of(listener: &'a Listener) -> Self {
        let hostname = listener.hostname.as_deref().unwrap_or_default();
        Self { port: listener.port, protocol: &listener.protocol, hostname }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, protocol, hostname } = self;
        let hostname = if hostname.is_empty() { "any host" } else { hostname };
        write!(f, "a listener for {protocol} on port {port} and {hostname}")
    }
}

fn listener_rules(rules: &mut Rules, listener: &Listener) {
    let Listener { name, hostname, port, protocol, tls, allowed_routes } = listener;
    section_name(rules, "name", name);
    rules.port("port", Some(*port));
    rules.length("protocol", protocol, 1..=255);
    let hostname = hostname.as_deref().filter(|name| !name.is_empty());
    if let Some(name) = hostname {
        rules.form("invalid-hostname", ("hostname", name), (text::is_hostname(name), HOSTNAME));
    }
    let raw = matches!(protocol.as_str(), "TCP" | "UDP");
    rules.demand(
        !raw || hostname.is_none(),
        "hostname-not-allowed",
        ("hostname", "TCP and UDP know no host"),
    );
    let plain = raw || protocol == "HTTP";
    rules.demand(
        !plain || tls.is_none(),
        "tls-not-allowed",
        ("tls", "HTTP, TCP and UDP listeners have no `tls`"),
    );
    let missing = protocol == "TLS" && tls.is_none();
    rules.demand(!missing, "tls-missing", ("", "a TLS listener needs `tls` with a `mode`"));
    rules.optional("tls", tls.as_ref(), |rules, tls| listener_tls(rules, protocol, tls));
    rules.field("allowedRoutes", |rules| {
        rules.count("kinds", allowed_routes.kinds.len(), 0..=8);
        rules.each("kinds", &allowed_routes.kinds, |rules, kind| {
            group_and_kind(rules, &kind.group, &kind.kind)
        });
        let none = allowed_routes.namespaces.from == FromNamespaces::None;
        let message = "expected Same, All or Selector: a listener always allows some namespace";
        rules.field("namespaces", |rules| rules.demand(!none, "unknown-value", ("from", message)));
    });
}

fn listener_tls(rules: &mut Rules, protocol: &str, tls: &ListenerTls) {
    let ListenerTls { mode, certificate_refs, frontend_validation: _, options } = tls;
    let ends = *mode == TlsMode::Terminate;
    rules.demand(
        protocol != "HTTPS" || ends,
        "https-passthrough",
        ("mode", "an HTTPS listener ends TLS: `mode: Terminate`"),
    );
    let certified = !certificate_refs.is_empty() || !options.is_empty();
    let message = "a listener that ends TLS needs `certificateRefs` (or `options`)";
    rules.demand(!ends || certified, "certificate-missing", ("", message));
    rules.count("certificateRefs", certificate_refs.len(), 0..=64);
    rules.each("certificateRefs", certificate_refs, secret_ref);
    rules.count("options", options.len(), 0..=16);
}

impl Validate for ReferenceGrant {
    fn validate(&self, rules: &mut Rules) {
        let Self { from, to } = self;
        rules.count("from", from.len(), 1..=16);
        rules.each("from", from, |rules, GrantFrom { group, kind, namespace: space }| {
            group_and_kind(rules, group, kind);
            namespace(rules, Some(space));
        });
        rules.count("to", to.len(), 1..=16);
        rules.each("to", to, |rules, GrantTo { group, kind, name }| {
            group_and_kind(rules, group, kind);
            rules.optional("name", name.as_ref(), |rules, name| rules.length("", name, 1..=253));
        });
    }
}
