//! Messages of Envoy's API that are made here as a whole, with the fields that are set; names and numbers as the API
//! (v3) has them.
use bytes::Bytes;
use prost::Message;

use super::wire;

/// What has a type of its own inside an `Any`.
pub(super) trait Typed: Message {
    /// The message's full name.
    const NAME: &'static str;
}

/// Declares messages with the types of their fields.
macro_rules! messages {
    ($($(#[$doc:meta])* $message:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = [$($prost:tt)*],)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, prost::Message)]
            pub(super) struct $message {
                $($(#[$field_doc])* #[prost($($prost)*)] pub(super) $field: $type,)*
            }
        )*
    };
}

messages! {
    /// `google.protobuf.Any`
    Any {
        type_url: String = [string, tag = "1"],
        value: Bytes = [bytes = "bytes", tag = "2"],
    }
    /// `google.protobuf.Duration`
    Duration {
        seconds: i64 = [int64, tag = "1"],
        nanos: i32 = [int32, tag = "2"],
    }
    /// `google.protobuf.UInt32Value`
    UInt32Value {
        value: u32 = [uint32, tag = "1"],
    }
    /// `google.protobuf.UInt64Value`
    UInt64Value {
        value: u64 = [uint64, tag = "1"],
    }
    /// `google.protobuf.BoolValue`
    BoolValue {
        value: bool = [bool, tag = "1"],
    }
    /// `envoy.type.v3.Percent`
    Percent {
        value: f64 = [double, tag = "1"],
    }
    /// A message without any field set.
    Empty {}

    /// `envoy.config.core.v3.GrpcService`
    GrpcService {
        envoy_grpc: Option<EnvoyGrpc> = [message, optional, tag = "1"],
        timeout: Option<Duration> = [message, optional, tag = "3"],
    }
    /// `envoy.config.core.v3.GrpcService.EnvoyGrpc`
    EnvoyGrpc {
        cluster_name: String = [string, tag = "1"],
        authority: String = [string, tag = "2"],
    }
    /// `envoy.config.core.v3.TransportSocket`
    TransportSocket {
        name: String = [string, tag = "1"],
        typed_config: Option<Any> = [message, optional, tag = "3"],
    }
    /// `envoy.config.core.v3.TypedExtensionConfig`
    TypedExtensionConfig {
        name: String = [string, tag = "1"],
        typed_config: Option<Any> = [message, optional, tag = "2"],
    }
    /// `envoy.config.core.v3.Address`
    Address {
        socket_address: Option<SocketAddress> = [message, optional, tag = "1"],
        pipe: Option<Pipe> = [message, optional, tag = "2"],
    }
    /// `envoy.config.core.v3.SocketAddress`
    SocketAddress {
        address: String = [string, tag = "2"],
        port_value: u32 = [uint32, tag = "3"],
    }
    /// `envoy.config.core.v3.Pipe`
    Pipe {
        path: String = [string, tag = "1"],
    }
    /// `envoy.config.core.v3.HeaderValueOption`
    HeaderValueOption {
        header: Option<HeaderValue> = [message, optional, tag = "1"],
        /// `HeaderAppendAction`: 1 is `ADD_IF_ABSENT`.
        append_action: i32 = [int32, tag = "3"],
    }
    /// `envoy.config.core.v3.HeaderValue`
    HeaderValue {
        key: String = [string, tag = "1"],
        value: String = [string, tag = "2"],
    }
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
    /// `envoy.type.metadata.v3.MetadataKey`
    MetadataKey {
        key: String = [string, tag = "1"],
        path: Vec<PathSegment> = [message, repeated, tag = "2"],
    }
    /// `envoy.type.metadata.v3.MetadataKey.PathSegment`
    PathSegment {
        key: String = [string, tag = "1"],
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

    /// `…http_connection_manager.v3.HttpFilter`
    HttpFilter {
        name: String = [string, tag = "1"],
        typed_config: Option<Any> = [message, optional, tag = "4"],
        disabled: bool = [bool, tag = "7"],
    }
    /// `envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor`
    ExternalProcessor {
        grpc_service: Option<GrpcService> = [message, optional, tag = "1"],
        failure_mode_allow: bool = [bool, tag = "2"],
        processing_mode: Option<ProcessingMode> = [message, optional, tag = "3"],
        request_attributes: Vec<String> = [string, repeated, tag = "5"],
        response_attributes: Vec<String> = [string, repeated, tag = "6"],
        message_timeout: Option<Duration> = [message, optional, tag = "7"],
        mutation_rules: Option<HeaderMutationRules> = [message, optional, tag = "9"],
        allow_mode_override: bool = [bool, tag = "14"],
        metadata_options: Option<MetadataOptions> = [message, optional, tag = "16"],
    }
    /// `envoy.extensions.filters.http.ext_proc.v3.ProcessingMode`; headers: 1 is `SEND`, 2 is `SKIP`; bodies: 0 is
    /// `NONE`, 2 is `BUFFERED`, 4 is `FULL_DUPLEX_STREAMED`
    ProcessingMode {
        request_header_mode: i32 = [int32, tag = "1"],
        response_header_mode: i32 = [int32, tag = "2"],
        request_body_mode: i32 = [int32, tag = "3"],
        response_body_mode: i32 = [int32, tag = "4"],
        request_trailer_mode: i32 = [int32, tag = "5"],
        response_trailer_mode: i32 = [int32, tag = "6"],
    }
    /// `envoy.config.common.mutation_rules.v3.HeaderMutationRules`
    HeaderMutationRules {
        allow_all_routing: Option<BoolValue> = [message, optional, tag = "1"],
        allow_envoy: Option<BoolValue> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.filters.http.ext_proc.v3.MetadataOptions`
    MetadataOptions {
        forwarding_namespaces: Option<MetadataNamespaces> = [message, optional, tag = "1"],
        receiving_namespaces: Option<MetadataNamespaces> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.filters.http.ext_proc.v3.MetadataOptions.MetadataNamespaces`
    MetadataNamespaces {
        untyped: Vec<String> = [string, repeated, tag = "1"],
    }
    /// `envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute`
    ExtProcPerRoute {
        disabled: bool = [bool, tag = "1"],
        overrides: Option<Empty> = [message, optional, tag = "2"],
    }
    /// `envoy.config.route.v3.FilterConfig`
    FilterConfig {
        config: Option<Any> = [message, optional, tag = "1"],
    }
    /// `envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`
    HeaderMutation {
        mutations: Option<Mutations> = [message, optional, tag = "1"],
    }
    /// `envoy.extensions.filters.http.header_mutation.v3.Mutations`
    Mutations {
        request_mutations: Vec<HeaderEdit> = [message, repeated, tag = "1"],
    }
    /// `envoy.config.common.mutation_rules.v3.HeaderMutation`; either of its fields
    HeaderEdit {
        remove: Option<String> = [string, optional, tag = "1"],
        append: Option<HeaderValueOption> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation`
    EarlyHeaderMutation {
        mutations: Vec<HeaderEdit> = [message, repeated, tag = "1"],
    }
    /// `envoy.extensions.filters.http.ratelimit.v3.RateLimit`
    RateLimitFilter {
        domain: String = [string, tag = "1"],
        stage: u32 = [uint32, tag = "2"],
        timeout: Option<Duration> = [message, optional, tag = "4"],
        failure_mode_deny: bool = [bool, tag = "5"],
        rate_limit_service: Option<RateLimitService> = [message, optional, tag = "7"],
        /// `XRateLimitHeadersRFCVersion`: 1 is `DRAFT_VERSION_03`.
        enable_x_ratelimit_headers: i32 = [int32, tag = "8"],
        disable_x_envoy_ratelimited_header: bool = [bool, tag = "9"],
    }
    /// `envoy.config.ratelimit.v3.RateLimitServiceConfig`
    RateLimitService {
        grpc_service: Option<GrpcService> = [message, optional, tag = "2"],
        /// `ApiVersion`: 2 is `V3`.
        transport_api_version: i32 = [int32, tag = "4"],
    }
    /// `envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute`
    RateLimitPerRoute {
        rate_limits: Vec<RateLimit> = [message, repeated, tag = "3"],
        domain: String = [string, tag = "4"],
    }
    /// `envoy.config.route.v3.RateLimit`
    RateLimit {
        actions: Vec<Action> = [message, repeated, tag = "3"],
        hits_addend: Option<HitsAddend> = [message, optional, tag = "5"],
        apply_on_stream_done: bool = [bool, tag = "6"],
    }
    /// `envoy.config.route.v3.RateLimit.HitsAddend`
    HitsAddend {
        number: Option<UInt64Value> = [message, optional, tag = "1"],
        format: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RateLimit.Action`; one of its fields
    Action {
        request_headers: Option<RequestHeaders> = [message, optional, tag = "3"],
        generic_key: Option<GenericKey> = [message, optional, tag = "5"],
        header_value_match: Option<HeaderValueMatch> = [message, optional, tag = "6"],
        metadata: Option<MetadataAction> = [message, optional, tag = "8"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.RequestHeaders`
    RequestHeaders {
        header_name: String = [string, tag = "1"],
        descriptor_key: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.GenericKey`
    GenericKey {
        descriptor_value: String = [string, tag = "1"],
        descriptor_key: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.HeaderValueMatch`
    HeaderValueMatch {
        descriptor_value: String = [string, tag = "1"],
        expect_match: Option<BoolValue> = [message, optional, tag = "2"],
        headers: Vec<HeaderMatcher> = [message, repeated, tag = "3"],
        descriptor_key: String = [string, tag = "4"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.MetaData`, of the request
    MetadataAction {
        descriptor_key: String = [string, tag = "1"],
        metadata_key: Option<MetadataKey> = [message, optional, tag = "2"],
    }
    /// `envoy.config.route.v3.HeaderMatcher`
    HeaderMatcher {
        name: String = [string, tag = "1"],
        string_match: Option<StringMatcher> = [message, optional, tag = "13"],
    }
    /// `envoy.type.matcher.v3.StringMatcher`; one of its fields
    StringMatcher {
        exact: Option<String> = [string, optional, tag = "1"],
        safe_regex: Option<RegexMatcher> = [message, optional, tag = "5"],
    }
    /// `envoy.type.matcher.v3.RegexMatcher`
    RegexMatcher {
        regex: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RetryPolicy`
    RetryPolicy {
        retry_on: String = [string, tag = "1"],
        num_retries: Option<UInt32Value> = [message, optional, tag = "2"],
        per_try_timeout: Option<Duration> = [message, optional, tag = "3"],
        retry_priority: Option<RetryPlugin> = [message, optional, tag = "4"],
        retry_host_predicate: Vec<RetryPlugin> = [message, repeated, tag = "5"],
        host_selection_retry_max_attempts: i64 = [int64, tag = "6"],
        retriable_status_codes: Vec<u32> = [uint32, repeated, tag = "7"],
        retry_back_off: Option<RetryBackOff> = [message, optional, tag = "8"],
    }
    /// `envoy.config.route.v3.RetryPolicy.RetryPriority` and `RetryHostPredicate`
    RetryPlugin {
        name: String = [string, tag = "1"],
        typed_config: Option<Any> = [message, optional, tag = "3"],
    }
    /// `envoy.config.route.v3.RetryPolicy.RetryBackOff`
    RetryBackOff {
        base_interval: Option<Duration> = [message, optional, tag = "1"],
        max_interval: Option<Duration> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig`
    PreviousPriorities {
        update_frequency: i32 = [int32, tag = "1"],
    }
    /// `envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`, nothing set
    PreviousHosts {}
    /// `envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec`, nothing set
    UpstreamCodec {}
    /// `envoy.extensions.filters.http.header_to_metadata.v3.Config`
    HeaderToMetadata {
        request_rules: Vec<HeaderRule> = [message, repeated, tag = "1"],
    }
    /// `envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule`
    HeaderRule {
        header: String = [string, tag = "1"],
        on_header_present: Option<KeyValuePair> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.filters.http.header_to_metadata.v3.Config.KeyValuePair`
    KeyValuePair {
        metadata_namespace: String = [string, tag = "1"],
        key: String = [string, tag = "2"],
    }
}

/// The names of messages that go into an `Any`.
macro_rules! typed {
    ($($message:ident = $name:literal;)*) => {
        $(impl Typed for $message {
            const NAME: &'static str = $name;
        })*
    };
}

typed! {
    Address = "envoy.config.core.v3.Address";
    AggregateConfig = "envoy.extensions.clusters.aggregate.v3.ClusterConfig";
    OverrideHost = "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost";
    RoundRobin = "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin";
    PreviousPriorities = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig";
    PreviousHosts = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
    RateLimitFilter = "envoy.extensions.filters.http.ratelimit.v3.RateLimit";
    RateLimitPerRoute = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute";
    HttpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    UpstreamTlsContext = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    Http11Proxy = "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport";
    ExternalProcessor = "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor";
    ExtProcPerRoute = "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute";
    FilterConfig = "envoy.config.route.v3.FilterConfig";
    HeaderMutation = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    EarlyHeaderMutation = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";
    UpstreamCodec = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
    HeaderToMetadata = "envoy.extensions.filters.http.header_to_metadata.v3.Config";
}

// === impl Any ===

impl Any {
    pub(super) fn of<T: Typed>(message: &T) -> Self {
        Self { type_url: type_url::<T>(), value: message.encode_to_vec().into() }
    }
}

// === impl Duration ===

impl Duration {
    pub(super) fn of(time: std::time::Duration) -> Self {
        // Both fit: resources hold times of at most days, and nanoseconds are below a thousand million.
        let nanos = i32::try_from(time.subsec_nanos()).unwrap_or_default();
        Self { seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), nanos }
    }

    pub(super) const fn seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }
}

// === impl Address ===

impl Address {
    pub(super) fn socket(host: &str, port: u16) -> Self {
        let socket = SocketAddress { address: host.to_owned(), port_value: u32::from(port) };
        Self { socket_address: Some(socket), pipe: None }
    }
}

/// The type URL of a message in an `Any`.
pub(super) fn type_url<T: Typed>() -> String {
    format!("type.googleapis.com/{}", T::NAME)
}

/// The bytes of a message as a field's value.
pub(super) fn bytes(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// The bytes of a message inside an `Any`.
pub(super) fn any<T: Typed>(message: &T) -> Bytes {
    bytes(&Any::of(message))
}

/// The message in an `Any` that says it holds one of this type.
///
/// # Errors
/// Where it holds something else that is no message.
pub(super) fn held<T: Typed>(any: &wire::Message) -> Result<Option<wire::Message>, wire::Malformed> {
    if !is::<T>(any) {
        return Ok(None);
    }
    any.message(super::fields::any::VALUE).map(Option::unwrap_or_default).map(Some)
}

/// True where an `Any` says that it holds this type; hosts in type URLs differ.
pub(super) fn is<T: Typed>(any: &wire::Message) -> bool {
    any.text(super::fields::any::TYPE_URL).rsplit('/').next() == Some(T::NAME)
}
