use std::{collections::HashMap, sync::Arc};

use tollgate_resources::{
    AiGatewayRoute, AiServiceBackend, Backend, BackendSecurityPolicy, BackendTlsPolicy, BackendTrafficPolicy,
    ClientTrafficPolicy, ConfigMapData, EndpointSlice, EnvoyProxy, Gateway, GatewayClass, GatewayConfig,
    HttpRoute, HttpRouteFilter, Meta, Object, QuotaPolicy, ResourceSet, SecretData, SecurityPolicy, Service,
    Unserved,
};
use tollgate_types::{ObjectRef, Span};

use crate::{beside_envoy::Host, grants::Grants, lookup::Lookup, notes::Located};

/// The groups of the kinds that we read.
pub(crate) mod group {
    pub(crate) const CORE: &str = "";
    pub(crate) const GATEWAY: &str = "gateway.networking.k8s.io";
    pub(crate) const ENVOY: &str = "gateway.envoyproxy.io";
    pub(crate) const AI: &str = "aigateway.envoyproxy.io";
    pub(crate) const INFERENCE: &str = "inference.networking.k8s.io";
}

/// A kind that is reported on.
pub(crate) trait Kind {
    fn kind(&self) -> &str;
}

/// The resources with the indexes that references need.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) set: &'a ResourceSet,
    pub(crate) gateways: Lookup<'a, Gateway>,
    pub(crate) gateway_configs: Lookup<'a, GatewayConfig>,
    pub(crate) envoy_proxies: Lookup<'a, EnvoyProxy>,
    pub(crate) secrets: Lookup<'a, SecretData>,
    pub(crate) config_maps: Lookup<'a, ConfigMapData>,
    pub(crate) services: Lookup<'a, Service>,
    pub(crate) backends: Lookup<'a, Backend>,
    pub(crate) filters: Lookup<'a, HttpRouteFilter>,
    pub(crate) ai_backends: Lookup<'a, AiServiceBackend>,
    pub(crate) grants: Grants<'a>,
    /// Where the gateway runs.
    pub(crate) zone: Option<&'a Arc<str>>,
    /// Who carries the bytes.
    pub(crate) host: Host,
    /// By namespace and name of the Service.
    slices: HashMap<(&'a str, &'a str), Vec<&'a Object<EndpointSlice>>>,
    /// By kind, namespace and name of what they give a credential to.
    security: HashMap<(&'a str, &'a str, &'a str), Vec<&'a Object<BackendSecurityPolicy>>>,
}

/// The label by which an EndpointSlice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

macro_rules! kinds {
    ($($type:ty: $kind:literal,)*) => {
        $(impl Kind for $type {
            fn kind(&self) -> &str {
                $kind
            }
        })*
    };
}

kinds! {
    AiGatewayRoute: "AIGatewayRoute",
    AiServiceBackend: "AIServiceBackend",
    Backend: "Backend",
    ClientTrafficPolicy: "ClientTrafficPolicy",
    BackendSecurityPolicy: "BackendSecurityPolicy",
    BackendTlsPolicy: "BackendTLSPolicy",
    BackendTrafficPolicy: "BackendTrafficPolicy",
    ConfigMapData: "ConfigMap",
    EnvoyProxy: "EnvoyProxy",
    Gateway: "Gateway",
    GatewayClass: "GatewayClass",
    GatewayConfig: "GatewayConfig",
    HttpRoute: "HTTPRoute",
    HttpRouteFilter: "HTTPRouteFilter",
    QuotaPolicy: "QuotaPolicy",
    SecretData: "Secret",
    SecurityPolicy: "SecurityPolicy",
    Service: "Service",
}

impl Kind for Unserved {
    fn kind(&self) -> &str {
        &self.kind
    }
}

impl<T: Kind> Located for Object<T> {
    fn reference(&self) -> ObjectRef {
        Object::reference(self, self.spec.kind())
    }

    fn span(&self, field: &str) -> Option<Span> {
        self.span_of(field)
    }
}

// === impl World ===

impl<'a> World<'a> {
    pub(crate) fn new(set: &'a ResourceSet, refused: &'a [ObjectRef]) -> Self {
        let mut slices: HashMap<_, Vec<_>> = HashMap::new();
        for slice in &set.endpoint_slices {
            if let Some(service) = slice.meta.labels.get(SERVICE_LABEL) {
                slices.entry((&*slice.meta.namespace, service.as_str())).or_default().push(slice);
            }
        }
        let mut security: HashMap<_, Vec<_>> = HashMap::new();
        for policy in &set.backend_security_policies {
            for target in &policy.spec.target_refs {
                let key = (target.kind.as_str(), &*policy.meta.namespace, target.name.as_str());
                security.entry(key).or_default().push(policy);
            }
        }
        Self {
            set,
            gateways: Lookup::new("Gateway", &set.gateways, refused),
            gateway_configs: Lookup::new("GatewayConfig", &set.gateway_configs, refused),
            envoy_proxies: Lookup::new("EnvoyProxy", &set.envoy_proxies, refused),
            secrets: Lookup::new("Secret", &set.secrets, refused),
            config_maps: Lookup::new("ConfigMap", &set.config_maps, refused),
            services: Lookup::new("Service", &set.services, refused),
            backends: Lookup::new("Backend", &set.backends, refused),
            filters: Lookup::new("HTTPRouteFilter", &set.http_route_filters, refused),
            ai_backends: Lookup::new("AIServiceBackend", &set.ai_service_backends, refused),
            grants: Grants(&set.reference_grants),
            zone: None,
            host: Host::Native,
            slices,
            security,
        }
    }

    /// The EndpointSlices of a Service.
    pub(crate) fn slices(&self, namespace: &str, service: &str) -> Vec<&'a Object<EndpointSlice>> {
        self.slices.get(&(namespace, service)).cloned().unwrap_or_default()
    }

    /// The policies that target an AIServiceBackend or an InferencePool.
    pub(crate) fn security<'b>(
        &'b self,
        kind: &'b str,
        meta: &'b Meta,
    ) -> &'b [&'a Object<BackendSecurityPolicy>] {
        let policies = self.security.get(&(kind, &*meta.namespace, &*meta.name));
        policies.map(Vec::as_slice).unwrap_or_default()
    }

    /// The labels of a namespace; one that is not written down has only its own name.
    pub(crate) fn namespace_labels(&self, namespace: &str) -> std::collections::BTreeMap<String, String> {
        let known = self.set.namespaces.iter().find(|object| &*object.meta.name == namespace);
        let mut labels = known.map(|object| object.meta.labels.clone()).unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        labels
    }
}
