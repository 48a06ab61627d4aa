//! Words of the whole API.
use bytes::Bytes;

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
    /// `envoy.type.metadata.v3.MetadataKey`
    MetadataKey {
        key: String = [string, tag = "1"],
        path: Vec<PathSegment> = [message, repeated, tag = "2"],
    }
    /// `envoy.type.metadata.v3.MetadataKey.PathSegment`
    PathSegment {
        key: String = [string, tag = "1"],
    }
}
