//! Numbers of the fields that are read or changed in Envoy's own resources (API v3), by message.

/// `google.protobuf.Any`
pub(super) mod any {
    pub(crate) const TYPE_URL: u32 = 1;
    pub(crate) const VALUE: u32 = 2;
}

/// `google.protobuf.Struct`, `Value` and `ListValue`
pub(super) mod json {
    pub(crate) const FIELDS: u32 = 1;
    pub(crate) const STRING: u32 = 3;
    pub(crate) const STRUCT: u32 = 5;
    pub(crate) const LIST: u32 = 6;
    pub(crate) const VALUES: u32 = 1;
}

/// `envoy.config.core.v3.Metadata`
pub(super) mod metadata {
    pub(crate) const FILTER_METADATA: u32 = 1;
    pub(crate) const TYPED: u32 = 2;
}

/// `envoy.config.cluster.v3.Cluster`
pub(super) mod cluster {
    pub(crate) const NAME: u32 = 1;
    pub(crate) const TYPE: u32 = 2;
    pub(crate) const EDS: u32 = 3;
    pub(crate) const CONNECT_TIMEOUT: u32 = 4;
    pub(crate) const LB_POLICY: u32 = 6;
    pub(crate) const CIRCUIT_BREAKERS: u32 = 10;
    pub(crate) const TRANSPORT_SOCKET: u32 = 24;
    pub(crate) const METADATA: u32 = 25;
    pub(crate) const LOAD_ASSIGNMENT: u32 = 33;
    pub(crate) const ORIGINAL_DST: u32 = 34;
    pub(crate) const PROTOCOL_OPTIONS: u32 = 36;
    pub(crate) const CLUSTER_TYPE: u32 = 38;
    pub(crate) const LOAD_BALANCING: u32 = 41;
    pub(crate) const SOCKET_MATCHES: u32 = 43;

    /// `Cluster.DiscoveryType`
    pub(crate) const STATIC: u64 = 0;
    pub(crate) const ORIGINAL_DST_TYPE: u64 = 4;
    /// `Cluster.LbPolicy`
    pub(crate) const CLUSTER_PROVIDED: u64 = 6;
}

/// `envoy.config.cluster.v3.Cluster.TransportSocketMatch`
pub(super) mod socket_match {
    pub(crate) const TRANSPORT_SOCKET: u32 = 3;
}

/// `envoy.config.core.v3.TransportSocket`
pub(super) mod transport_socket {
    pub(crate) const NAME: u32 = 1;
}

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`
pub(super) mod assignment {
    pub(crate) const CLUSTER: u32 = 1;
    pub(crate) const LOCALITIES: u32 = 2;
}

/// `envoy.config.endpoint.v3.LocalityLbEndpoints`
pub(super) mod locality {
    pub(crate) const LOCALITY: u32 = 1;
    pub(crate) const ENDPOINTS: u32 = 2;
    pub(crate) const PRIORITY: u32 = 5;
    /// In `envoy.config.core.v3.Locality`.
    pub(crate) const REGION: u32 = 1;
}

/// `envoy.config.endpoint.v3.LbEndpoint` and `Endpoint`
pub(super) mod endpoint {
    pub(crate) const ENDPOINT: u32 = 1;
    pub(crate) const METADATA: u32 = 3;
    /// In `Endpoint`.
    pub(crate) const ADDRESS: u32 = 1;
    /// In `Endpoint`.
    pub(crate) const HOSTNAME: u32 = 3;
    /// In `envoy.config.core.v3.Address`.
    pub(crate) const SOCKET: u32 = 1;
    /// In `envoy.config.core.v3.SocketAddress`.
    pub(crate) const SOCKET_ADDRESS: u32 = 2;
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`
pub(super) mod protocol_options {
    pub(crate) const EXPLICIT: u32 = 3;
    pub(crate) const DOWNSTREAM: u32 = 4;
    pub(crate) const AUTO: u32 = 5;
    pub(crate) const HTTP_FILTERS: u32 = 6;
}

/// `envoy.config.listener.v3.Listener`
pub(super) mod listener {
    pub(crate) const FILTER_CHAINS: u32 = 3;
    pub(crate) const DEFAULT_FILTER_CHAIN: u32 = 25;
}

/// `envoy.config.listener.v3.FilterChain`
pub(super) mod filter_chain {
    pub(crate) const FILTERS: u32 = 3;
}

/// `envoy.config.listener.v3.Filter`
pub(super) mod network_filter {
    pub(crate) const CONFIG: u32 = 4;
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`
pub(super) mod hcm {
    pub(crate) const RDS: u32 = 3;
    pub(crate) const ROUTE_CONFIG: u32 = 4;
    pub(crate) const HTTP_FILTERS: u32 = 5;
    pub(crate) const SCHEME_TRANSFORMATION: u32 = 48;
    pub(crate) const EARLY_HEADER_MUTATION: u32 = 52;
    /// In `Rds`.
    pub(crate) const ROUTE_CONFIG_NAME: u32 = 2;
    /// In `envoy.config.core.v3.SchemeHeaderTransformation`.
    pub(crate) const MATCH_UPSTREAM: u32 = 2;
}

/// `…http_connection_manager.v3.HttpFilter`
pub(super) mod http_filter {
    pub(crate) const NAME: u32 = 1;
    pub(crate) const CONFIG: u32 = 4;
}

/// `envoy.config.core.v3.TypedExtensionConfig`
pub(super) mod extension {
    pub(crate) const NAME: u32 = 1;
}

/// `envoy.config.route.v3.RouteConfiguration`
pub(super) mod route_config {
    pub(crate) const NAME: u32 = 1;
    pub(crate) const VIRTUAL_HOSTS: u32 = 2;
    pub(crate) const PER_FILTER: u32 = 16;
}

/// `envoy.config.route.v3.VirtualHost`
pub(super) mod virtual_host {
    pub(crate) const ROUTES: u32 = 3;
    pub(crate) const METADATA: u32 = 24;
}

/// `envoy.config.route.v3.Route`
pub(super) mod route {
    pub(crate) const MATCH: u32 = 1;
    pub(crate) const ACTION: u32 = 2;
    pub(crate) const METADATA: u32 = 4;
    pub(crate) const PER_FILTER: u32 = 13;
    pub(crate) const NAME: u32 = 14;
    /// What `BODY_BUFFER_LIMIT` was called before Envoy 1.36.
    pub(crate) const BUFFER_LIMIT: u32 = 16;
    pub(crate) const BODY_BUFFER_LIMIT: u32 = 20;
}

/// `envoy.config.route.v3.RouteAction`
pub(super) mod route_action {
    pub(crate) const CLUSTER: u32 = 1;
    pub(crate) const WEIGHTED_CLUSTERS: u32 = 3;
    pub(crate) const AUTO_HOST_REWRITE: u32 = 7;
    pub(crate) const RETRY_POLICY: u32 = 9;
    pub(crate) const UPGRADES: u32 = 25;
    pub(crate) const RATE_LIMITS: u32 = 13;
    /// In `WeightedCluster`.
    pub(crate) const CLUSTERS: u32 = 1;
    /// In `WeightedCluster.ClusterWeight`.
    pub(crate) const WEIGHTED_NAME: u32 = 1;
    /// In `RetryPolicy`.
    pub(crate) const PER_TRY: u32 = 3;
    /// In `RetryPolicy`.
    pub(crate) const PER_TRY_IDLE: u32 = 13;
}

/// `envoy.config.route.v3.RateLimit`
pub(super) mod rate_limit {
    pub(crate) const ACTIONS: u32 = 3;
    pub(crate) const HITS_ADDEND: u32 = 5;
    /// In `RateLimit.Action`.
    pub(crate) const GENERIC_KEY: u32 = 5;
    /// In `RateLimit.Action.GenericKey`.
    pub(crate) const KEY: u32 = 2;
    /// In `envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute`.
    pub(crate) const PER_ROUTE_LIMITS: u32 = 3;
}

/// `envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor`
pub(super) mod ext_proc {
    pub(crate) const GRPC_SERVICE: u32 = 1;
    pub(crate) const METADATA_OPTIONS: u32 = 16;
    /// In `MetadataOptions`.
    pub(crate) const FORWARDING: u32 = 1;
    /// In `MetadataOptions.MetadataNamespaces`.
    pub(crate) const UNTYPED: u32 = 1;
    /// In `envoy.config.core.v3.GrpcService`.
    pub(crate) const ENVOY_GRPC: u32 = 1;
    /// In `GrpcService.EnvoyGrpc`.
    pub(crate) const CLUSTER_NAME: u32 = 1;
}
