//! The filters, clusters and per-route settings that are ours, ready to be put into Envoy's resources.
use std::time::Duration as Time;

use bytes::Bytes;

use super::{
    metadata::{BACKEND, OURS, UPSTREAM_HOST},
    proto::{
        Address, Any, BoolValue, CircuitBreakers, Cluster, ClusterLoadAssignment, Duration,
        EarlyHeaderMutation, Empty, Endpoint, EnvoyGrpc, ExplicitHttpConfig, ExtProcPerRoute,
        ExternalProcessor, FilterConfig, GrpcService, HeaderEdit, HeaderMutationRules, HeaderRule,
        HeaderToMetadata, Http2ProtocolOptions, HttpFilter, HttpProtocolOptions, Keepalive, KeyValuePair,
        LbEndpoint, LocalityLbEndpoints, MetadataNamespaces, MetadataOptions, Pipe, ProcessingMode,
        Thresholds, TypedExtensionConfig, UInt32Value, UpstreamCodec, any, bytes,
    },
    settings::{Processor, Settings},
};
use crate::level;

/// The external processor's filter, in listeners and in clusters.
pub(super) const FILTER: &str = "envoy.filters.http.ext_proc/aigateway";
/// The external processor's cluster.
pub(super) const PROCESSOR: &str = "ai-gateway-extproc-uds";
/// Hands headers to the access log.
pub(super) const LOG_FILTER: &str = "envoy.filters.http.header_to_metadata/aigateway";
/// Takes from clients what only we may set.
pub(super) const EARLY_FILTER: &str = "envoy.http.early_header_mutation/aigateway";
/// The filter that sends an upstream request.
pub(super) const CODEC: &str = "envoy.filters.http.upstream_codec";
/// The key of HTTP settings among a cluster's options.
pub(super) const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// Dynamic metadata that the processor writes for access logs and rate limits.
pub(super) const METADATA: &str = "io.envoy.ai_gateway";
/// Dynamic metadata in which the processor carries a request from the router's level to the upstream level.
const CARRIED: &str = "dev.tollgate.request";

/// `ProcessingMode.HeaderSendMode`
pub(super) const SEND: i32 = 1;
pub(super) const SKIP: i32 = 2;
/// `ProcessingMode.BodySendMode`
pub(super) const NONE: i32 = 0;
pub(super) const BUFFERED: i32 = 2;
pub(super) const DUPLEX: i32 = 4;
/// `HealthStatus`
pub(super) const HEALTHY: i32 = 1;
/// `RoutingPriority`
const PRIORITIES: [i32; 2] = [0, 1];

/// How long the processor may take for one message.
const MESSAGE_TIMEOUT: i64 = 10;
/// To connect, whatever it is.
pub(super) const CONNECT_TIMEOUT: i64 = 10;
/// Windows of the connections to the processor, in bytes. A stream carries one body, a connection all of a thread's.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// How often a connection to the processor is asked whether somebody is there, and how long the answer may take, in
/// seconds. Where bodies stream both ways Envoy has no timeout for messages: without this a processor that has
/// stopped would hold every request until the timeout of idle streams, which is 5 minutes.
const PING: i64 = 5;
const PONG: i64 = 5;
/// What a connection to the processor may hold back, in bytes.
const BUFFER_LIMIT: u32 = 50 << 20;

/// Headers by which requests are routed, or by which the processor's two levels and endpoint pickers speak: from a
/// client they are forgeries.
const FORGEABLE: [&str; 10] = [
    "x-ai-eg-model",
    "x-ai-eg-original-path",
    "x-ai-eg-internal-req-id",
    "x-ai-eg-upstream-host",
    "x-ai-eg-mcp-backend",
    "x-ai-eg-mcp-backend-subset",
    "x-ai-eg-mcp-route",
    "x-envoy-original-path",
    "x-gateway-destination-endpoint",
    "x-gateway-destination-endpoint-subset",
];

/// The processor in a listener's chain. It is off there; [`enabled`] and [`skipped`] say where it is on. `last` where
/// nobody behind it changes bodies: then what the processor says of one holds for the attempts too.
pub(super) fn router_level(last: bool) -> Bytes {
    let processor = ExternalProcessor {
        grpc_service: Some(grpc(PROCESSOR, if last { level::LAST_ROUTER } else { level::ROUTER })),
        processing_mode: Some(ProcessingMode {
            request_header_mode: SEND,
            response_header_mode: SEND,
            request_body_mode: DUPLEX,
            response_body_mode: DUPLEX,
            request_trailer_mode: SEND,
            response_trailer_mode: SEND,
        }),
        request_attributes: words(&[
            "source.address",
            "destination.port",
            "xds.filter_chain_name",
            "xds.virtual_host_name",
            "request.protocol",
        ]),
        response_attributes: [
            words(&["response.code_details", "upstream.address"]),
            vec![
                leaf("upstream_host", BACKEND),
                leaf("cluster", BACKEND),
                leaf("upstream_host", UPSTREAM_HOST),
            ],
        ]
        .concat(),
        ..processor()
    };
    bytes(&HttpFilter { name: FILTER.to_owned(), typed_config: Some(Any::of(&processor)), disabled: true })
}

/// The processor in a cluster's chain, before its codec: once more for each attempt.
pub(super) fn upstream_level() -> Bytes {
    let processor = ExternalProcessor {
        grpc_service: Some(grpc(PROCESSOR, level::ATTEMPT)),
        processing_mode: Some(ProcessingMode {
            request_header_mode: SEND,
            response_header_mode: SKIP,
            // Where the body stays as it is the processor asks for none of it. That this has to be said keeps bodies
            // with credentials: a processor that knows nothing of it still reads them all. Not streamed, since Envoy 1.40 ends with a segmentation fault where a body streams there that is larger than its windows.
            request_body_mode: BUFFERED,
            response_body_mode: NONE,
            request_trailer_mode: SKIP,
            response_trailer_mode: SKIP,
        }),
        // Leaves only: whole metadata comes as a text that no two versions write alike.
        request_attributes: [
            vec![
                format!("metadata.filter_metadata['{CARRIED}']['head']"),
                format!("metadata.filter_metadata['{CARRIED}']['changed']"),
                leaf("upstream_host", BACKEND),
                leaf("cluster", BACKEND),
                leaf("upstream_host", UPSTREAM_HOST),
            ],
            words(&["upstream.address", "upstream.request_attempt_count"]),
        ]
        .concat(),
        allow_mode_override: true,
        ..processor()
    };
    filter(FILTER, Any::of(&processor))
}

/// The filter that ends a cluster's chain.
pub(super) fn codec() -> Bytes {
    filter(CODEC, Any::of(&UpstreamCodec {}))
}

/// What both levels have.
fn processor() -> ExternalProcessor {
    ExternalProcessor {
        message_timeout: Some(Duration::seconds(MESSAGE_TIMEOUT)),
        mutation_rules: Some(HeaderMutationRules {
            allow_all_routing: Some(BoolValue { value: true }),
            allow_envoy: Some(BoolValue { value: true }),
        }),
        metadata_options: Some(MetadataOptions {
            forwarding_namespaces: None,
            receiving_namespaces: Some(MetadataNamespaces { untyped: words(&[METADATA, CARRIED]) }),
        }),
        ..ExternalProcessor::default()
    }
}

pub(super) fn grpc(cluster: &str, authority: &str) -> GrpcService {
    let envoy_grpc = EnvoyGrpc { cluster_name: cluster.to_owned(), authority: authority.to_owned() };
    GrpcService { envoy_grpc: Some(envoy_grpc), timeout: None }
}

pub(super) fn filter(name: &str, config: Any) -> Bytes {
    bytes(&HttpFilter { name: name.to_owned(), typed_config: Some(config), disabled: false })
}

/// For a route: an `ext_proc` filter that is off in the chain is on here.
pub(super) fn enabled() -> Bytes {
    per_route(&ExtProcPerRoute { disabled: false, overrides: Some(Empty {}) })
}

/// For the routes of a configuration that say nothing else: the filter is in the chain, since another filter may yet
/// choose another route, and lets the request pass.
pub(super) fn skipped() -> Bytes {
    per_route(&ExtProcPerRoute { disabled: true, overrides: None })
}

fn per_route(settings: &ExtProcPerRoute) -> Bytes {
    any(&FilterConfig { config: Some(Any::of(settings)) })
}

/// Takes from clients what only we may set, before a route is chosen.
pub(super) fn early_headers() -> Bytes {
    let mutations = FORGEABLE.iter().map(|name| HeaderEdit { remove: (*name).to_owned() });
    let mutation = EarlyHeaderMutation { mutations: mutations.collect() };
    bytes(&TypedExtensionConfig { name: EARLY_FILTER.to_owned(), typed_config: Some(Any::of(&mutation)) })
}

/// Hands headers to the access log; `None` where none are wanted.
pub(super) fn log_headers(settings: &Settings) -> Option<Bytes> {
    let mut wanted = settings.log_attributes.clone();
    wanted.sort();
    let rules = wanted.into_iter().map(|(header, attribute)| HeaderRule {
        header,
        on_header_present: Some(KeyValuePair { metadata_namespace: METADATA.to_owned(), key: attribute }),
    });
    let config = HeaderToMetadata { request_rules: rules.collect() };
    (!config.request_rules.is_empty()).then(|| filter(LOG_FILTER, Any::of(&config)))
}

/// The processor's cluster.
pub(super) fn processor_cluster(settings: &Settings) -> Bytes {
    let (discovery_type, address) = match &settings.processor {
        Processor::Unix(path) => {
            (STATIC, Address { socket_address: None, pipe: Some(Pipe { path: path.clone() }) })
        }
        Processor::Tcp { host, port } => {
            let kind = if host.parse::<std::net::IpAddr>().is_ok() { STATIC } else { STRICT_DNS };
            (kind, Address::socket(host, *port))
        }
    };
    bytes(&Cluster {
        name: PROCESSOR.to_owned(),
        discovery_type: Some(discovery_type),
        connect_timeout: Some(Duration::seconds(CONNECT_TIMEOUT)),
        per_connection_buffer_limit_bytes: Some(UInt32Value { value: BUFFER_LIMIT }),
        circuit_breakers: Some(no_limits()),
        load_assignment: Some(assignment(PROCESSOR, vec![endpoint(address)])),
        typed_extension_protocol_options: [(
            HTTP_OPTIONS.to_owned(),
            watched(http2_options(STREAM_WINDOW, CONNECTION_WINDOW)),
        )]
        .into(),
        ..Cluster::default()
    })
}

/// `Cluster.DiscoveryType`
pub(super) const STATIC: i32 = 0;
pub(super) const STRICT_DNS: i32 = 1;

/// No bounds: each request holds streams for as long as a reply takes, and Envoy's 1024 would be the gateway's limit.
pub(super) fn no_limits() -> CircuitBreakers {
    let most = || Some(UInt32Value { value: u32::MAX });
    let thresholds = PRIORITIES.iter().map(|priority| Thresholds {
        priority: *priority,
        max_connections: most(),
        max_pending_requests: most(),
        max_requests: most(),
        max_retries: most(),
    });
    CircuitBreakers { thresholds: thresholds.collect() }
}

/// Ends the connections of a processor that has stopped, and with them what waits for it. Not for endpoint pickers:
/// gRPC in Go takes such questions for an attack.
fn watched(options: Http2ProtocolOptions) -> Any {
    let connection_keepalive =
        Some(Keepalive { interval: Some(Duration::seconds(PING)), timeout: Some(Duration::seconds(PONG)) });
    speak(Http2ProtocolOptions { connection_keepalive, ..options })
}

pub(super) fn http2(stream: u32, connection: u32) -> Any {
    speak(http2_options(stream, connection))
}

fn http2_options(stream: u32, connection: u32) -> Http2ProtocolOptions {
    Http2ProtocolOptions {
        initial_stream_window_size: Some(UInt32Value { value: stream }),
        initial_connection_window_size: Some(UInt32Value { value: connection }),
        connection_keepalive: None,
    }
}

fn speak(options: Http2ProtocolOptions) -> Any {
    Any::of(&HttpProtocolOptions {
        explicit_http_config: Some(ExplicitHttpConfig {
            http_protocol_options: None,
            http2_protocol_options: Some(options),
        }),
    })
}

pub(super) fn assignment(cluster: &str, lb_endpoints: Vec<LbEndpoint>) -> ClusterLoadAssignment {
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints }],
    }
}

pub(super) fn endpoint(address: Address) -> LbEndpoint {
    LbEndpoint { endpoint: Some(Endpoint { address: Some(address) }), health_status: HEALTHY }
}

pub(super) fn idle(time: Time) -> Bytes {
    bytes(&Duration::of(time))
}

/// A leaf of static metadata as an attribute.
fn leaf(of: &str, key: &str) -> String {
    format!("xds.{of}_metadata.filter_metadata['{OURS}']['{key}']")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
