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
            pub(crate) struct $message {
                $($(#[$field_doc])* #[prost($($prost)*)] pub(crate) $field: $type,)*
            }
        )*
    };
}

mod cluster;
mod common;
mod filter;
mod route;

pub(super) use self::{
    cluster::{
        AggregateConfig, CircuitBreakers, Cluster, ClusterLoadAssignment, CommonLbConfig, CommonTlsContext,
        CustomClusterType, Endpoint, ExplicitHttpConfig, HealthCheck, Http2ProtocolOptions, Http11Proxy,
        HttpProtocolOptions, Keepalive, LbEndpoint, LoadBalancingPolicy, LocalityLbEndpoints,
        OriginalDstLbConfig, OverrideHost, OverrideHostSource, Policy, RoundRobin, Thresholds,
        UpstreamTlsContext,
    },
    common::{
        Address, Any, BoolValue, Duration, Empty, EnvoyGrpc, GrpcService, MetadataKey, PathSegment, Percent,
        Pipe, SocketAddress, TransportSocket, TypedExtensionConfig, UInt32Value, UInt64Value,
    },
    filter::{
        EarlyHeaderMutation, ExternalProcessor, HeaderEdit, HeaderMutationRules, HeaderRule,
        HeaderToMetadata, HttpFilter, KeyValuePair, MetadataNamespaces, MetadataOptions, ProcessingMode,
        RateLimitFilter, RateLimitService, UpstreamCodec,
    },
    route::{
        Action, ExtProcPerRoute, FilterConfig, GenericKey, HeaderMatcher, HeaderValueMatch, HitsAddend,
        MetadataAction, PreviousHosts, PreviousPriorities, RateLimit, RateLimitPerRoute, RegexMatcher,
        RequestHeaders, RetryBackOff, RetryPlugin, RetryPolicy, RouteMatch, StringMatcher,
    },
};

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
