use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{
    backend_settings::{Http2Settings, TcpKeepalive},
    client_heads::{ClientIpDetection, HeaderSettings, PathSettings, StringMatch},
    client_tls::ClientTlsSettings,
    policy::{PolicyTarget, PolicyTargets, TargetSelector},
};
use crate::{formats, quantity};

/// `gateway.envoyproxy.io` `ClientTrafficPolicy`: what holds for clients and their connections.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTrafficPolicy {
    /// What it is attached to; deprecated in favour of the list.
    pub target_ref: Option<PolicyTarget>,
    /// What it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTarget>,
    /// What it is attached to, by label.
    #[serde(default)]
    pub target_selectors: Vec<TargetSelector>,
    /// Probes of silent connections; none unless given.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Connections begin with a PROXY header; deprecated in favour of `proxyProtocol`.
    pub enable_proxy_protocol: Option<bool>,
    /// Connections begin with a PROXY header.
    pub proxy_protocol: Option<ClientProxyProtocol>,
    /// How the client's address is found.
    #[serde(rename = "clientIPDetection")]
    pub client_ip_detection: Option<ClientIpDetection>,
    /// TLS.
    pub tls: Option<ClientTlsSettings>,
    /// How paths are read.
    pub path: Option<PathSettings>,
    /// How headers are read and written.
    pub headers: Option<HeaderSettings>,
    /// How long things may take.
    pub timeout: Option<ClientTimeout>,
    /// How much at once.
    pub connection: Option<ClientConnection>,
    /// HTTP/1.
    pub http1: Option<ClientHttp1>,
    /// HTTP/2.
    pub http2: Option<Http2Settings>,
    /// HTTP/3. Not read any further, since it is not served.
    pub http3: Option<Value>,
    /// gRPC.
    pub grpc: Option<ClientGrpc>,
    /// A path that the gateway answers itself.
    pub health_check: Option<ClientHealthCheck>,
    /// The scheme that backends are told.
    pub scheme: Option<SchemeTransform>,
}

/// The PROXY protocol, versions 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientProxyProtocol {
    /// Whether connections without the header are taken too.
    #[serde(default)]
    pub optional: bool,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTimeout {
    /// Connections.
    pub tcp: Option<ClientTcpTimeout>,
    /// Requests.
    pub http: Option<ClientHttpTimeout>,
}

/// How long connections may take. Zero is without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTcpTimeout {
    /// Silence of a TCP or TLS route's connection, 1 h unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub idle_timeout: Option<Duration>,
    /// The TLS handshake.
    #[serde(default, deserialize_with = "formats::duration")]
    pub tls_handshake_timeout: Option<Duration>,
    /// The bytes that tell the protocol and the server name, 15 s unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub connection_inspection_timeout: Option<Duration>,
}

/// How long requests may take. Zero is without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHttpTimeout {
    /// Until all of a request is there.
    #[serde(default, deserialize_with = "formats::duration")]
    pub request_received_timeout: Option<Duration>,
    /// Until all of its head is there.
    #[serde(default, deserialize_with = "formats::duration")]
    pub request_headers_received_timeout: Option<Duration>,
    /// A connection without requests, 1 h unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub idle_timeout: Option<Duration>,
    /// Silence of a request, 5 min unless given.
    #[serde(default, deserialize_with = "formats::duration")]
    pub stream_idle_timeout: Option<Duration>,
}

/// How much at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientConnection {
    /// Limits of connections.
    pub connection_limit: Option<ConnectionLimit>,
    /// Bytes that are held of a connection, and so of a request's body, 32 768 unless given.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub buffer_limit: Option<u64>,
    /// Bytes of the system's own buffers.
    #[serde(default, deserialize_with = "quantity::bytes")]
    pub socket_buffer_limit: Option<u64>,
    /// Connections that are taken at once, 1 unless given; 0 is as many as there are.
    pub max_accept_per_socket_event: Option<u32>,
}

/// Limits of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionLimit {
    /// How many may be open.
    pub value: Option<u64>,
    /// How long one more is kept before it is closed.
    #[serde(default, deserialize_with = "formats::duration")]
    pub close_delay: Option<Duration>,
    /// How long one may last.
    #[serde(default, deserialize_with = "formats::duration")]
    pub max_connection_duration: Option<Duration>,
    /// How many requests one may carry.
    pub max_requests_per_connection: Option<u32>,
    /// How long a request and its reply may last.
    #[serde(default, deserialize_with = "formats::duration")]
    pub max_stream_duration: Option<Duration>,
}

/// HTTP/1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHttp1 {
    /// Whether trailers are passed on.
    #[serde(default)]
    pub enable_trailers: bool,
    /// Whether header names keep their letter case.
    #[serde(default)]
    pub preserve_header_case: bool,
    /// HTTP/1.0, which is refused unless this is given.
    pub http10: Option<ClientHttp10>,
    /// Whether an old connection is closed at once, and not at its next request.
    #[serde(default)]
    pub disable_safe_max_connection_duration: bool,
    /// Upgrades that are taken for ordinary requests.
    #[serde(default)]
    pub ignored_upgrade_types: Vec<StringMatch>,
}

/// HTTP/1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHttp10 {
    /// Whether a request without a host is for that of the listener.
    #[serde(default)]
    pub use_default_host: bool,
}

/// gRPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientGrpc {
    /// Whether gRPC-Web becomes gRPC; unless given, on listeners with gRPC routes.
    pub enable_web: Option<bool>,
}

/// A path that the gateway answers itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHealthCheck {
    /// The path, byte for byte.
    pub path: String,
}

/// The scheme that backends are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SchemeTransform {
    /// The client's.
    #[default]
    Preserve,
    /// That of the connection to the backend.
    MatchBackend,
}

// === impl ClientTrafficPolicy ===

impl ClientTrafficPolicy {
    /// What it is attached to.
    #[must_use]
    pub fn targets(&self) -> PolicyTargets<'_> {
        PolicyTargets {
            target_ref: self.target_ref.as_ref(),
            target_refs: &self.target_refs,
            target_selectors: &self.target_selectors,
            merge_type: None,
        }
    }
}
