use std::collections::BTreeMap;

use serde::Deserialize;

use super::common::{LabelSelector, ObjectReference, SecretRef};
use crate::object::Object;

/// `gateway.networking.k8s.io` `GatewayClass`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClass {
    /// Who serves Gateways of this class.
    pub controller_name: String,
    /// Settings of the controller.
    pub parameters_ref: Option<ObjectReference>,
    /// For people.
    pub description: Option<String>,
}

/// `gateway.networking.k8s.io` `Gateway`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// The class.
    pub gateway_class_name: String,
    /// What it listens on.
    pub listeners: Vec<Listener>,
    /// Addresses asked for.
    #[serde(default)]
    pub addresses: Vec<GatewayAddress>,
    /// What is stamped on generated objects.
    pub infrastructure: Option<GatewayInfrastructure>,
    /// TLS for all listeners.
    pub tls: Option<GatewayTls>,
    /// Which ListenerSets may attach.
    pub allowed_listeners: Option<AllowedListeners>,
    /// Which routes take this Gateway for a default.
    pub default_scope: Option<String>,
}

/// One listener of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name, unique in the Gateway.
    pub name: String,
    /// The host it serves, `*.` in front for any name below; all hosts unless given.
    pub hostname: Option<String>,
    /// Port.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or an implementation's own.
    pub protocol: String,
    /// Certificates.
    pub tls: Option<ListenerTls>,
    /// Which routes may attach.
    #[serde(default)]
    pub allowed_routes: AllowedRoutes,
}

/// TLS of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// Who ends TLS.
    #[serde(default)]
    pub mode: TlsMode,
    /// Secrets of type `kubernetes.io/tls`.
    #[serde(default)]
    pub certificate_refs: Vec<SecretRef>,
    /// Client certificates, as early versions of Gateway API had them here.
    pub frontend_validation: Option<FrontendValidation>,
    /// An implementation's own settings.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Who ends TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TlsMode {
    /// The listener.
    #[default]
    Terminate,
    /// The backend.
    Passthrough,
}

/// Which routes may attach to a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedRoutes {
    /// From which namespaces.
    #[serde(default)]
    pub namespaces: RouteNamespaces,
    /// Of which kinds; those of the protocol unless given.
    #[serde(default)]
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may attach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteNamespaces {
    /// Which.
    #[serde(default)]
    pub from: FromNamespaces,
    /// Those with these labels, for `Selector`.
    pub selector: Option<LabelSelector>,
}

/// Which namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum FromNamespaces {
    /// The Gateway's own.
    #[default]
    Same,
    /// Every one.
    All,
    /// Those that a selector chooses.
    Selector,
    /// No namespace at all.
    None,
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteGroupKind {
    /// API group.
    #[serde(default = "gateway_group")]
    pub group: String,
    /// Kind.
    pub kind: String,
}

/// An address that a Gateway asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayAddress {
    /// `IPAddress` unless given, or `Hostname`.
    #[serde(rename = "type", default = "ip_address")]
    pub address_type: String,
    /// The address.
    pub value: Option<String>,
}

/// What is stamped on objects that a controller generates for a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayInfrastructure {
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Settings of the controller, for example an EnvoyProxy.
    pub parameters_ref: Option<super::common::LocalObjectRef>,
}

/// TLS of a whole Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayTls {
    /// Towards backends.
    pub backend: Option<GatewayBackendTls>,
    /// Towards clients.
    pub frontend: Option<GatewayFrontendTls>,
}

/// A Gateway's TLS towards backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayBackendTls {
    /// The certificate to show.
    pub client_certificate_ref: Option<SecretRef>,
}

/// A Gateway's TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayFrontendTls {
    /// For every port.
    pub default: Option<FrontendTls>,
    /// For one port, in place of the default.
    #[serde(default)]
    pub per_port: Vec<FrontendTlsPort>,
}

/// TLS towards clients on one port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTlsPort {
    /// The port.
    pub port: u16,
    /// Its settings.
    pub tls: FrontendTls,
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTls {
    /// How client certificates are checked.
    pub validation: Option<FrontendValidation>,
}

/// How client certificates are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendValidation {
    /// Authorities, in ConfigMaps under `ca.crt`.
    #[serde(default)]
    pub ca_certificate_refs: Vec<ObjectReference>,
    /// What happens to a client without a valid one.
    #[serde(default)]
    pub mode: ClientCertificateMode,
}

/// What happens to a client without a valid certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ClientCertificateMode {
    /// It is refused.
    #[default]
    AllowValidOnly,
    /// It is let in.
    AllowInsecureFallback,
}

/// Which ListenerSets may attach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedListeners {
    /// From which namespaces; none unless given.
    pub namespaces: Option<RouteNamespaces>,
}

/// `gateway.networking.k8s.io` `ReferenceGrant`: who may refer to objects of this namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrant {
    /// Who may.
    pub from: Vec<GrantFrom>,
    /// To what.
    pub to: Vec<GrantTo>,
}

/// Who may refer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantFrom {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
}

/// What may be referred to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantTo {
    /// API group; empty is core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// One object; all of the kind unless given.
    pub name: Option<String>,
}

/// One end of a reference between namespaces.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// API group; empty is core.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace.
    pub namespace: &'a str,
}

// === impl ReferenceGrant ===

impl Object<ReferenceGrant> {
    /// True where it lets objects like `from` refer to the object of `to` that has this name.
    #[must_use]
    pub fn allows(&self, from: Party<'_>, to: Party<'_>, name: &str) -> bool {
        let ReferenceGrant { from: froms, to: tos } = &self.spec;
        *self.meta.namespace == *to.namespace
            && froms
                .iter()
                .any(|f| f.group == from.group && f.kind == from.kind && f.namespace == from.namespace)
            && tos.iter().any(|t| {
                t.group == to.group && t.kind == to.kind && t.name.as_deref().is_none_or(|only| only == name)
            })
    }
}

fn gateway_group() -> String {
    "gateway.networking.k8s.io".to_owned()
}

fn ip_address() -> String {
    "IPAddress".to_owned()
}
