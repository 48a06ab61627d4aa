use std::collections::BTreeMap;

use serde::Deserialize;
use tollgate_types::Secret;

use crate::formats;

/// Core `Secret`, both of its maps as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretData {
    /// `Opaque`, `kubernetes.io/tls` …
    #[serde(rename = "type")]
    pub secret_type: Option<String>,
    /// The values, decoded; `stringData` wins over `data`, as in Kubernetes.
    #[serde(default, deserialize_with = "formats::base64_map")]
    pub data: BTreeMap<String, Secret>,
    /// Empty once loaded: merged into `data`.
    #[serde(default, deserialize_with = "formats::plain_map")]
    pub(crate) string_data: BTreeMap<String, Secret>,
}

/// Core `ConfigMap`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapData {
    /// Text values.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// Binary values, decoded.
    #[serde(default, deserialize_with = "formats::binary_map")]
    pub binary_data: BTreeMap<String, Vec<u8>>,
}

/// Core `Service`; its pods are found through EndpointSlices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// `ClusterIP` (the default), `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(rename = "type")]
    pub service_type: Option<String>,
    /// Ports.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
    /// The virtual address, or `None` for a headless Service.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// The name behind an `ExternalName` Service.
    pub external_name: Option<String>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Name; EndpointSlices refer to it.
    pub name: Option<String>,
    /// The Service's own port.
    pub port: u16,
    /// The pods' port; the same unless given.
    pub target_port: Option<PortRef>,
    /// `TCP` unless given.
    pub protocol: Option<String>,
    /// `kubernetes.io/h2c` and the like.
    pub app_protocol: Option<String>,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// `discovery.k8s.io` `EndpointSlice`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// What the addresses are.
    pub address_type: AddressType,
    /// The pods.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Their ports.
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

/// What an EndpointSlice's addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum AddressType {
    /// IPv4 addresses.
    IPv4,
    /// IPv6 addresses.
    IPv6,
    /// Host names.
    #[serde(rename = "FQDN")]
    Fqdn,
}

/// One pod of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its addresses, all the same pod's.
    pub addresses: Vec<String>,
    /// Whether it can be used.
    #[serde(default)]
    pub conditions: EndpointConditions,
    /// Its host name, where it has one.
    pub hostname: Option<String>,
    /// The zone in which it is.
    pub zone: Option<String>,
}

/// Whether an endpoint can be used; absent means yes (`terminating`: no).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointConditions {
    /// Takes new requests.
    pub ready: Option<bool>,
    /// Answers, even if on its way out.
    pub serving: Option<bool>,
    /// On its way out.
    pub terminating: Option<bool>,
}

/// A port that all pods of an EndpointSlice listen on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointPort {
    /// The Service port's name; absent is the unnamed one.
    pub name: Option<String>,
    /// The number.
    pub port: Option<u16>,
    /// `TCP` unless given.
    pub protocol: Option<String>,
    /// `kubernetes.io/h2c` and the like.
    pub app_protocol: Option<String>,
}

/// Core `Namespace`; only its labels matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Namespace {}
