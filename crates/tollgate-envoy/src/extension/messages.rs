//! Envoy Gateway's extension service on the wire (`envoygateway.extension`). Envoy's resources are bytes here: on the
//! wire a message inside a message is nothing else, and what is not decoded cannot lose a field.
use bytes::Bytes;

/// A request of `PostRouteModify`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RouteRequest {
    /// `envoy.config.route.v3.Route`
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) route: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(super) context: Option<Resources>,
}

/// A request of `PostClusterModify`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ClusterRequest {
    /// `envoy.config.cluster.v3.Cluster`
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) cluster: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(super) context: Option<Resources>,
}

/// A request of `PostEndpointsModify`, `PostVirtualHostModify` or `PostHTTPListenerModify`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PlainRequest {
    /// The resource.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) resource: Bytes,
}

/// A reply with one resource; without it Envoy Gateway keeps its own.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OneReply {
    /// The resource.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(super) resource: Option<Bytes>,
}

/// Kubernetes objects that a rule refers to.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Resources {
    #[prost(message, repeated, tag = "1")]
    pub(super) resources: Vec<Resource>,
}

/// A Kubernetes object.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Resource {
    /// JSON.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) json: Bytes,
}

/// A request of `PostTranslateModify`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TranslateRequest {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) clusters: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub(super) secrets: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub(super) listeners: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) routes: Vec<Bytes>,
}

/// A reply of `PostTranslateModify`: everything that Envoy gets of the kinds that were sent.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Translation {
    /// `envoy.config.cluster.v3.Cluster`
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub clusters: Vec<Bytes>,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub secrets: Vec<Bytes>,
    /// `envoy.config.listener.v3.Listener`
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub listeners: Vec<Bytes>,
    /// `envoy.config.route.v3.RouteConfiguration`
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub routes: Vec<Bytes>,
}

/// A request of `grpc.health.v1.Health`'s `Check` and `Watch`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// A reply of `grpc.health.v1.Health`'s `Check` and `Watch`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct HealthReply {
    /// `ServingStatus`
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// A reply of `grpc.health.v1.Health`'s `List`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthList {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) statuses: std::collections::BTreeMap<String, HealthReply>,
}

// === impl Resources ===

impl Resources {
    /// The objects of a request's context.
    pub(super) fn of(context: Option<&Self>) -> impl Iterator<Item = &Bytes> {
        context.into_iter().flat_map(|own| &own.resources).map(|resource| &resource.json)
    }
}

// === impl TranslateRequest ===

impl TranslateRequest {
    /// What the reply begins as.
    pub(super) fn resources(self) -> Translation {
        let Self { clusters, secrets, listeners, routes } = self;
        Translation { clusters, secrets, listeners, routes }
    }
}
