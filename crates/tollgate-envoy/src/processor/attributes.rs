//! What Envoy tells beside heads, as the filters ask for it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use http::Version;
use serde_json::{Map, Value as Json};
use tollgate_snapshot::Snapshot;

use super::{
    carry::{CHANGED, HEAD},
    heads::Entry,
};
use crate::proto::{ext_proc::ProcessingRequest, value::Struct};

/// Under which attributes come, whatever the filter is called.
const FILTER: &str = "envoy.filters.http.ext_proc";

/// Where the backend stands that Envoy chose: at the endpoint, else at its cluster.
const BACKEND: [&str; 2] = [
    "xds.upstream_host_metadata.filter_metadata['aigateway.envoy.io']['per_route_rule_backend_name']",
    "xds.cluster_metadata.filter_metadata['aigateway.envoy.io']['per_route_rule_backend_name']",
];
const HOST: &str = "xds.upstream_host_metadata.filter_metadata['aigateway.envoy.io']['upstream_host']";

/// Ports below this one are moved by Envoy Gateway, so that Envoy needs no privilege.
const PRIVILEGED: u16 = 1024;
/// By how much.
const SHIFT: u16 = 10_000;

/// The attributes of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes(Struct, HashMap<String, Struct>);

// === impl Attributes ===

impl Attributes {
    pub(crate) fn take(request: &mut ProcessingRequest) -> Self {
        let attributes = request.attributes.remove(FILTER).unwrap_or_default();
        let metadata = request.metadata_context.take().unwrap_or_default();
        Self(attributes, metadata.filter_metadata)
    }

    /// What filters of Envoy found out about the request, by namespace, as far as the filter forwards it.
    pub(crate) fn found(&self) -> Option<Map<String, Json>> {
        let found =
            self.1.iter().map(|(namespace, own)| (namespace.clone(), Json::Object(own.clone().into())));
        (!self.1.is_empty()).then(|| found.collect())
    }

    /// True at the upstream level, which is told the endpoint.
    pub(crate) fn is_upstream(&self) -> bool {
        self.0.fields.contains_key(UPSTREAM_ONLY) || self.backend().is_some()
    }

    /// Which backend Envoy chose.
    pub(crate) fn backend(&self) -> Option<&str> {
        BACKEND.iter().find_map(|key| self.0.text(key))
    }

    /// The name of the endpoint, else its address.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.0.text(HOST).or_else(|| self.0.text("upstream.address"))
    }

    /// The address of the endpoint that answered.
    pub(crate) fn address(&self) -> Option<&str> {
        self.0.text("upstream.address")
    }

    /// Why Envoy answers as it does.
    pub(crate) fn details(&self) -> Option<&str> {
        self.0.text("response.code_details")
    }

    /// What the router level left.
    pub(crate) fn left(&self) -> Option<&str> {
        self.0.text(&metadata(HEAD))
    }

    /// The names that earlier attempts changed.
    pub(crate) fn changed(&self) -> impl Iterator<Item = String> {
        let names = self.0.text(&metadata(CHANGED)).unwrap_or_default();
        names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    /// Where the request came in.
    pub(crate) fn entry(&self, snapshot: &Snapshot, host: &str) -> Entry {
        let peer = self.0.text("source.address").and_then(|text| text.parse().ok());
        let version = match self.0.text("request.protocol") {
            Some("HTTP/2") => Version::HTTP_2,
            Some("HTTP/3") => Version::HTTP_3,
            Some("HTTP/1.0") => Version::HTTP_10,
            _ => Version::HTTP_11,
        };
        Entry {
            port: self.port(snapshot, host),
            peer: peer.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
            version,
        }
    }

    /// The Gateway's port: by the listener in Envoy Gateway's names, else by Envoy's own port, else the first one that
    /// claims the host.
    fn port(&self, snapshot: &Snapshot, host: &str) -> u16 {
        let names = ["xds.filter_chain_name", "xds.virtual_host_name"];
        let by_name = names.iter().find_map(|key| {
            let name = self.0.text(key)?;
            let end = name.match_indices('/').nth(2).map_or(name.len(), |(at, _)| at);
            let listener = name.get(..end)?;
            let ports = snapshot.ports.iter();
            let mut found = ports.filter(|port| port.listeners.iter().any(|one| one.id.as_str() == listener));
            found.next()
        });
        let by_number = || {
            let own = self.0.number("destination.port")?;
            let is = |number: u16| f64::from(number) == own;
            let moved = |number: u16| number < PRIVILEGED && is(number + SHIFT);
            snapshot.ports.iter().find(|port| is(port.number) || moved(port.number))
        };
        let by_host = || snapshot.ports.iter().find(|port| port.listener(host).is_some());
        let port = by_name.or_else(by_number).or_else(by_host).or(snapshot.ports.first());
        port.map(|port| port.number).unwrap_or_default()
    }
}

/// Is there with every upstream-level stream.
const UPSTREAM_ONLY: &str = "upstream.request_attempt_count";

fn metadata(key: &str) -> String {
    format!("metadata.filter_metadata['{}']['{key}']", super::carry::NAMESPACE)
}
