//! Clusters, and how they are reached.
use bytes::Bytes;

use super::{
    Address, Any, Duration, Empty, MetadataKey, Percent, TransportSocket, TypedExtensionConfig, UInt32Value,
};

messages! {
    /// `envoy.config.core.v3.HealthCheck`
    HealthCheck {
        timeout: Option<Duration> = [message, optional, tag = "1"],
        interval: Option<Duration> = [message, optional, tag = "2"],
        unhealthy_threshold: Option<UInt32Value> = [message, optional, tag = "4"],
        healthy_threshold: Option<UInt32Value> = [message, optional, tag = "5"],
        tcp_health_check: Option<Empty> = [message, optional, tag = "9"],
        no_traffic_interval: Option<Duration> = [message, optional, tag = "12"],
    }
    /// `envoy.config.cluster.v3.Cluster`
    Cluster {
        name: String = [string, tag = "1"],
        discovery_type: Option<i32> = [int32, optional, tag = "2"],
        connect_timeout: Option<Duration> = [message, optional, tag = "4"],
        per_connection_buffer_limit_bytes: Option<UInt32Value> = [message, optional, tag = "5"],
        /// `LbPolicy`: 1 is `LEAST_REQUEST`.
        lb_policy: i32 = [int32, tag = "6"],
        health_checks: Vec<HealthCheck> = [message, repeated, tag = "8"],
        circuit_breakers: Option<CircuitBreakers> = [message, optional, tag = "10"],
        transport_socket: Option<TransportSocket> = [message, optional, tag = "24"],
        common_lb_config: Option<CommonLbConfig> = [message, optional, tag = "27"],
        load_assignment: Option<ClusterLoadAssignment> = [message, optional, tag = "33"],
        typed_extension_protocol_options: std::collections::BTreeMap<String, Any>
            = [btree_map = "string, message", tag = "36"],
    }
    /// `envoy.config.cluster.v3.Cluster.CustomClusterType`
    CustomClusterType {
        name: String = [string, tag = "1"],
        typed_config: Option<Any> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.clusters.aggregate.v3.ClusterConfig`
    AggregateConfig {
        clusters: Vec<String> = [string, repeated, tag = "1"],
    }
    /// `envoy.config.cluster.v3.Cluster.CommonLbConfig`
    CommonLbConfig {
        healthy_panic_threshold: Option<Percent> = [message, optional, tag = "1"],
    }
    /// `envoy.config.cluster.v3.Cluster.OriginalDstLbConfig`
    OriginalDstLbConfig {
        use_http_header: bool = [bool, tag = "1"],
        http_header_name: String = [string, tag = "2"],
    }
    /// `envoy.config.cluster.v3.CircuitBreakers`
    CircuitBreakers {
        thresholds: Vec<Thresholds> = [message, repeated, tag = "1"],
    }
    /// `envoy.config.cluster.v3.CircuitBreakers.Thresholds`
    Thresholds {
        /// `RoutingPriority`: 0 is `DEFAULT`, 1 is `HIGH`.
        priority: i32 = [int32, tag = "1"],
        max_connections: Option<UInt32Value> = [message, optional, tag = "2"],
        max_pending_requests: Option<UInt32Value> = [message, optional, tag = "3"],
        max_requests: Option<UInt32Value> = [message, optional, tag = "4"],
        max_retries: Option<UInt32Value> = [message, optional, tag = "5"],
    }
    /// `envoy.config.cluster.v3.LoadBalancingPolicy`
    LoadBalancingPolicy {
        policies: Vec<Policy> = [message, repeated, tag = "1"],
    }
    /// `envoy.config.cluster.v3.LoadBalancingPolicy.Policy`
    Policy {
        typed_extension_config: Option<TypedExtensionConfig> = [message, optional, tag = "4"],
    }
    /// `envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost`
    OverrideHost {
        override_host_sources: Vec<OverrideHostSource> = [message, repeated, tag = "1"],
        fallback_policy: Option<LoadBalancingPolicy> = [message, optional, tag = "3"],
    }
    /// `…override_host.v3.OverrideHost.OverrideHostSource`
    OverrideHostSource {
        header: String = [string, tag = "1"],
        metadata: Option<MetadataKey> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin`, nothing set
    RoundRobin {}
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    ClusterLoadAssignment {
        cluster_name: String = [string, tag = "1"],
        endpoints: Vec<LocalityLbEndpoints> = [message, repeated, tag = "2"],
    }
    /// `envoy.config.endpoint.v3.LocalityLbEndpoints`
    LocalityLbEndpoints {
        lb_endpoints: Vec<LbEndpoint> = [message, repeated, tag = "2"],
    }
    /// `envoy.config.endpoint.v3.LbEndpoint`
    LbEndpoint {
        endpoint: Option<Endpoint> = [message, optional, tag = "1"],
        /// `HealthStatus`: 1 is `HEALTHY`.
        health_status: i32 = [int32, tag = "2"],
    }
    /// `envoy.config.endpoint.v3.Endpoint`
    Endpoint {
        address: Option<Address> = [message, optional, tag = "1"],
    }
    /// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`
    HttpProtocolOptions {
        explicit_http_config: Option<ExplicitHttpConfig> = [message, optional, tag = "3"],
    }
    /// `…HttpProtocolOptions.ExplicitHttpConfig`
    ExplicitHttpConfig {
        http_protocol_options: Option<Empty> = [message, optional, tag = "1"],
        http2_protocol_options: Option<Http2ProtocolOptions> = [message, optional, tag = "2"],
    }
    /// `envoy.config.core.v3.Http2ProtocolOptions`
    Http2ProtocolOptions {
        initial_stream_window_size: Option<UInt32Value> = [message, optional, tag = "3"],
        initial_connection_window_size: Option<UInt32Value> = [message, optional, tag = "4"],
        connection_keepalive: Option<Keepalive> = [message, optional, tag = "15"],
    }
    /// `envoy.config.core.v3.KeepaliveSettings`
    Keepalive {
        interval: Option<Duration> = [message, optional, tag = "1"],
        timeout: Option<Duration> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`
    UpstreamTlsContext {
        common_tls_context: Option<CommonTlsContext> = [message, optional, tag = "1"],
    }
    /// `envoy.extensions.transport_sockets.tls.v3.CommonTlsContext`
    CommonTlsContext {
        validation_context: Option<Empty> = [message, optional, tag = "3"],
        alpn_protocols: Vec<String> = [string, repeated, tag = "4"],
    }
    /// `envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport`
    Http11Proxy {
        transport_socket: Option<Bytes> = [bytes = "bytes", optional, tag = "1"],
        default_proxy_address: Option<Address> = [message, optional, tag = "2"],
    }
}
