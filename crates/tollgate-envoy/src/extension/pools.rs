//! InferencePools: an endpoint picker chooses the pod, and Envoy follows.
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::{
    fields::{cluster, route, route_action},
    filters::{self, BUFFERED, DUPLEX, SEND},
    metadata::{self, POOL},
    plan::Plan,
    proto::{
        Address, Any, Cluster, CommonLbConfig, CommonTlsContext, Duration, Empty, ExternalProcessor,
        HealthCheck, LoadBalancingPolicy, MetadataKey, MetadataNamespaces, MetadataOptions,
        OriginalDstLbConfig, OverrideHost, OverrideHostSource, PathSegment, Percent, Policy, ProcessingMode,
        RoundRobin, TransportSocket, TypedExtensionConfig, UInt32Value, UpstreamTlsContext, bytes,
    },
    wire::{Malformed, Message},
};

mod resource;
#[cfg(test)]
mod tests;

/// The header in which an endpoint picker says which pods to ask, in order.
const DESTINATION: &str = "x-gateway-destination-endpoint";
/// The dynamic metadata in which it says the same.
const LB: &str = "envoy.lb";
/// How long an endpoint picker may take for a message, in seconds; it may queue requests.
const PICKER_TIMEOUT: i64 = 300;
/// Windows of connections to endpoint pickers, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// How often an endpoint picker that requests may do without is looked at, in seconds.
const CHECK_INTERVAL: i64 = 2;
/// `Cluster.LbPolicy`
const LEAST_REQUEST: i32 = 1;

/// What of a pool Envoy has to know. It travels as metadata of the pool's routes and clusters, since the hooks that
/// name pools are others than the one that can add filters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pool {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The Service of the endpoint picker.
    picker: String,
    port: u16,
    body: BodyMode,
    mode_override: bool,
    failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BodyMode {
    Duplex,
    Buffered,
}

/// What becomes of requests that no endpoint picker answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Failure {
    /// Any pod will do.
    FailOpen,
    /// They fail.
    #[default]
    FailClose,
}

/// The InferencePool among the resources that a route or cluster refers to. Of several nobody could say which of them
/// a request is for, so there is none.
pub(super) fn find<'a>(resources: impl IntoIterator<Item = &'a Bytes>) -> Option<Found> {
    let mut pools = resources.into_iter().filter_map(resource::read);
    let first = pools.next()?;
    if let Some(second) = pools.next() {
        let (a, b) = (&first.pool, &second.pool);
        tracing::error!(
            "a rule refers to InferencePools {}/{} and {}/{}: give each a rule of its own",
            a.namespace,
            a.name,
            b.namespace,
            b.name
        );
        return None;
    }
    Some(first)
}

/// A pool with what only its cluster has to know.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) pool: Pool,
    labels: BTreeMap<String, String>,
    ports: Vec<u16>,
    h2: bool,
}

// === impl Found ===

impl Found {
    /// Makes the cluster of a pool follow the endpoint picker. Where the pods are known they are the cluster's own, so
    /// that a list is walked in its order and there is somebody to ask when the picker does not answer; where they are
    /// not, Envoy goes where the header says.
    pub(super) fn cluster(&self, plan: &Plan, own: &mut Message) -> Result<(), Malformed> {
        let pods = plan.pods(&self.pool.namespace, &self.labels);
        let addresses = pods.iter().flat_map(|pod| self.ports.iter().map(|port| (*pod, *port)));
        let endpoints: Vec<_> =
            addresses.map(|(pod, port)| filters::endpoint(Address::socket(&pod.to_string(), port))).collect();
        for field in [cluster::EDS, cluster::CLUSTER_TYPE, cluster::LOAD_BALANCING, cluster::LOAD_ASSIGNMENT]
        {
            own.remove(field);
        }
        own.set_bytes(cluster::CONNECT_TIMEOUT, bytes(&Duration::seconds(filters::CONNECT_TIMEOUT)));
        if endpoints.is_empty() {
            let original =
                OriginalDstLbConfig { use_http_header: true, http_header_name: DESTINATION.to_owned() };
            own.set_uint(cluster::TYPE, cluster::ORIGINAL_DST_TYPE);
            own.set_uint(cluster::LB_POLICY, cluster::CLUSTER_PROVIDED);
            own.set_bytes(cluster::ORIGINAL_DST, bytes(&original));
        } else {
            let name = own.text(cluster::NAME).to_owned();
            own.set_uint(cluster::TYPE, cluster::STATIC);
            own.remove(cluster::LB_POLICY);
            own.set_bytes(cluster::LOAD_ASSIGNMENT, bytes(&filters::assignment(&name, endpoints)));
            own.set_bytes(cluster::LOAD_BALANCING, bytes(&following()));
        }
        if self.h2 {
            let options = filters::http2(STREAM_WINDOW, CONNECTION_WINDOW);
            own.set_entry(cluster::PROTOCOL_OPTIONS, filters::HTTP_OPTIONS, bytes(&options))?;
        }
        metadata::put(own, cluster::METADATA, POOL, &self.pool.write())
    }

    /// Marks the route of a pool. Its host is the client's: what a picker names are addresses.
    pub(super) fn route(&self, own: &mut Message) -> Result<(), Malformed> {
        if !own.has(route::ACTION) {
            return Ok(());
        }
        own.edit(route::ACTION, |action| {
            action.remove(route_action::AUTO_HOST_REWRITE);
            Ok(())
        })?;
        metadata::put(own, route::METADATA, POOL, &self.pool.write())
    }
}

/// The pods that the picker names, in its order; any other where it names none that is there.
fn following() -> LoadBalancingPolicy {
    let in_metadata =
        MetadataKey { key: LB.to_owned(), path: vec![PathSegment { key: DESTINATION.to_owned() }] };
    let policy = OverrideHost {
        override_host_sources: vec![
            OverrideHostSource { header: DESTINATION.to_owned(), metadata: None },
            OverrideHostSource { header: String::new(), metadata: Some(in_metadata) },
        ],
        fallback_policy: Some(only("envoy.load_balancing_policies.round_robin", Any::of(&RoundRobin {}))),
    };
    only("envoy.load_balancing_policies.override_host", Any::of(&policy))
}

fn only(name: &str, config: Any) -> LoadBalancingPolicy {
    let extension = TypedExtensionConfig { name: name.to_owned(), typed_config: Some(config) };
    LoadBalancingPolicy { policies: vec![Policy { typed_extension_config: Some(extension) }] }
}

// === impl Pool ===

impl Pool {
    /// The pool of a route or cluster.
    pub(super) fn of(holder: &Message, field: u32) -> Result<Option<Self>, Malformed> {
        Ok(metadata::get(holder, field, POOL)?.and_then(|text| Self::read(&text)))
    }

    fn write(&self) -> String {
        let Self { namespace, name, picker, port, body, mode_override, failure } = self;
        let body = match body {
            BodyMode::Duplex => "duplex",
            BodyMode::Buffered => "buffered",
        };
        let failure = match failure {
            Failure::FailOpen => "open",
            Failure::FailClose => "close",
        };
        format!("{namespace}/{name}/{picker}/{port}/{body}/{mode_override}/{failure}")
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('/').collect();
        let [namespace, name, picker, port, body, mode_override, failure] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
            picker: (*picker).to_owned(),
            port: port.parse().ok()?,
            body: if *body == "buffered" { BodyMode::Buffered } else { BodyMode::Duplex },
            mode_override: *mode_override == "true",
            failure: if *failure == "open" { Failure::FailOpen } else { Failure::FailClose },
        })
    }

    /// The filter that asks the endpoint picker.
    pub(super) fn filter_name(&self) -> String {
        format!("envoy.filters.http.ext_proc/endpointpicker/{}_{}_ext_proc", self.name, self.namespace)
    }

    /// The endpoint picker's cluster.
    pub(super) fn cluster_name(&self) -> String {
        format!("envoy.clusters.endpointpicker_{}_{}_ext_proc", self.name, self.namespace)
    }

    /// Where the endpoint picker is.
    fn host(&self) -> String {
        format!("{}.{}.svc", self.picker, self.namespace)
    }

    /// The filter, which is off in the chain.
    pub(super) fn filter(&self) -> Bytes {
        let body = match self.body {
            BodyMode::Duplex => DUPLEX,
            BodyMode::Buffered => BUFFERED,
        };
        let processor = ExternalProcessor {
            grpc_service: Some(filters::grpc(
                &self.cluster_name(),
                &format!("{}:{}", self.host(), self.port),
            )),
            failure_mode_allow: self.failure == Failure::FailOpen,
            processing_mode: Some(ProcessingMode {
                request_header_mode: SEND,
                response_header_mode: SEND,
                request_body_mode: body,
                response_body_mode: body,
                request_trailer_mode: SEND,
                response_trailer_mode: SEND,
            }),
            message_timeout: Some(Duration::seconds(PICKER_TIMEOUT)),
            allow_mode_override: self.mode_override,
            metadata_options: Some(MetadataOptions {
                forwarding_namespaces: Some(namespaces(&[LB, "envoy.lb.subset_hint"])),
                receiving_namespaces: Some(namespaces(&[LB])),
            }),
            response_attributes: vec!["upstream.address".to_owned()],
            ..ExternalProcessor::default()
        };
        let config = Any::of(&processor);
        bytes(&super::proto::HttpFilter {
            name: self.filter_name(),
            typed_config: Some(config),
            disabled: true,
        })
    }

    /// The endpoint picker's cluster. Its addresses are those of its pods where EndpointSlices tell them.
    pub(super) fn cluster(&self, plan: &Plan) -> Bytes {
        let name = self.cluster_name();
        let known = plan.service(&self.namespace, &self.picker, self.port);
        let pods =
            known.iter().map(|(pod, port)| filters::endpoint(Address::socket(&pod.to_string(), *port)));
        let mut endpoints: Vec<_> = pods.collect();
        let kind = if endpoints.is_empty() { filters::STRICT_DNS } else { filters::STATIC };
        if endpoints.is_empty() {
            endpoints.push(filters::endpoint(Address::socket(&self.host(), self.port)));
        }
        let plain = plan.is_plain_h2(&self.namespace, &self.picker, self.port);
        let open = self.failure == Failure::FailOpen;
        let http2 = filters::http2(STREAM_WINDOW, CONNECTION_WINDOW);
        bytes(&Cluster {
            discovery_type: Some(kind),
            connect_timeout: Some(Duration::seconds(filters::CONNECT_TIMEOUT)),
            lb_policy: LEAST_REQUEST,
            // A body that is on its way to a picker that is gone is lost. Without a healthy one Envoy does not try.
            health_checks: if open { vec![check()] } else { Vec::new() },
            common_lb_config: open.then(never_panic),
            circuit_breakers: Some(filters::no_limits()),
            transport_socket: (!plain).then(tls),
            load_assignment: Some(filters::assignment(&name, endpoints)),
            typed_extension_protocol_options: [(filters::HTTP_OPTIONS.to_owned(), http2)].into(),
            name,
            ..Cluster::default()
        })
    }
}

fn namespaces(names: &[&str]) -> MetadataNamespaces {
    MetadataNamespaces { untyped: names.iter().map(|name| (*name).to_owned()).collect() }
}

/// Pickers sign their own certificates, and the API has no place to say which one to expect.
fn tls() -> TransportSocket {
    let common =
        CommonTlsContext { validation_context: Some(Empty {}), alpn_protocols: vec!["h2".to_owned()] };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        typed_config: Some(Any::of(&UpstreamTlsContext { common_tls_context: Some(common) })),
    }
}

/// Whether somebody listens; pickers answer health checks on another port than this one.
fn check() -> HealthCheck {
    HealthCheck {
        timeout: Some(Duration::seconds(1)),
        interval: Some(Duration::seconds(CHECK_INTERVAL)),
        unhealthy_threshold: Some(UInt32Value { value: 1 }),
        healthy_threshold: Some(UInt32Value { value: 1 }),
        tcp_health_check: Some(Empty {}),
        no_traffic_interval: Some(Duration::seconds(CHECK_INTERVAL)),
    }
}

/// With nobody healthy Envoy would ask the unhealthy.
fn never_panic() -> CommonLbConfig {
    CommonLbConfig { healthy_panic_threshold: Some(Percent { value: 0.0 }) }
}
