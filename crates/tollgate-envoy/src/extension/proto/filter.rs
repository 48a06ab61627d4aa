//! Filters of HTTP.
use super::{Any, BoolValue, Duration, GrpcService};

messages! {
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
    /// `envoy.config.common.mutation_rules.v3.HeaderMutation` that removes one
    HeaderEdit {
        remove: String = [string, tag = "1"],
    }
    /// `envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation`
    EarlyHeaderMutation {
        mutations: Vec<HeaderEdit> = [message, repeated, tag = "1"],
    }
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
}
