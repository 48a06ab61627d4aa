//! An InferencePool as Envoy Gateway hands it on: JSON of Kubernetes.
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::{BodyMode, Failure, Found, Pool};

/// Where an endpoint picker listens unless the pool says otherwise.
const PICKER_PORT: u16 = 9002;
/// `processing-body-mode`
const BODY_MODE: &str = "aigateway.envoyproxy.io/processing-body-mode";
/// `allow-mode-override`
const MODE_OVERRIDE: &str = "aigateway.envoyproxy.io/allow-mode-override";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    api_version: String,
    kind: String,
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    selector: Selector,
    #[serde(default)]
    target_ports: Vec<Port>,
    app_protocol: Option<String>,
    #[serde(default)]
    endpoint_picker_ref: PickerRef,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Port {
    number: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PickerRef {
    #[serde(default)]
    name: String,
    port: Option<Port>,
    #[serde(default)]
    failure_mode: Failure,
}

/// Reads one; `None` where it is something else.
pub(super) fn read(json: &Bytes) -> Option<Found> {
    let resource: Resource = match serde_json::from_slice(json) {
        Ok(resource) => resource,
        Err(error) => {
            tracing::warn!(%error, "Envoy Gateway handed on a resource that is no Kubernetes object");
            return None;
        }
    };
    let Resource { api_version, kind, metadata, spec } = resource;
    if kind != "InferencePool" || !api_version.starts_with("inference.networking.k8s.io/") {
        return None;
    }
    let says = |key, value| metadata.annotations.get(key).is_some_and(|given| given == value);
    let PickerRef { name: picker, port, failure_mode } = spec.endpoint_picker_ref;
    let pool = Pool {
        body: if says(BODY_MODE, "buffered") { BodyMode::Buffered } else { BodyMode::Duplex },
        mode_override: says(MODE_OVERRIDE, "true"),
        namespace: if metadata.namespace.is_empty() { "default".to_owned() } else { metadata.namespace },
        name: metadata.name,
        picker,
        port: port.map_or(PICKER_PORT, |port| port.number),
        failure: failure_mode,
    };
    Some(Found {
        pool,
        labels: spec.selector.match_labels,
        ports: spec.target_ports.into_iter().map(|port| port.number).collect(),
        h2: spec.app_protocol.as_deref() == Some("kubernetes.io/h2c"),
    })
}
