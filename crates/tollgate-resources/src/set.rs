use tollgate_types::ObjectRef;

use crate::{
    kinds::{
        AiGatewayRoute, AiServiceBackend, Backend, BackendSecurityPolicy, BackendTlsPolicy,
        BackendTrafficPolicy, ClientTrafficPolicy, ConfigMapData, EndpointSlice, EnvoyProxy, Gateway,
        GatewayClass, GatewayConfig, HttpRoute, HttpRouteFilter, Namespace, QuotaPolicy, ReferenceGrant,
        SecretData, SecurityPolicy, Service, Unserved,
    },
    object::Object,
};

/// Declares the set: one list per kind, each sorted by namespace and name.
macro_rules! resource_set {
    ($($(#[$doc:meta])* $field:ident: $type:ty, $kind:literal;)*) => {
        /// Everything that users wrote and that passed validation; every list is sorted by namespace and name.
        #[derive(Clone, Debug, Default)]
        pub struct ResourceSet {
            $($(#[$doc])* pub $field: Vec<Object<$type>>,)*
            /// Objects of kinds that are known and not served yet.
            pub unserved: Vec<Object<Unserved>>,
            /// Policies that break their schema, as they were written: what they target has to fail closed.
            pub refused_policies: Vec<Object<Unserved>>,
        }

        impl ResourceSet {
            pub(crate) fn sort(&mut self) {
                $(sort(&mut self.$field);)*
                self.unserved.sort_by(|a, b| {
                    (&a.spec.kind, &a.meta.namespace, &a.meta.name).cmp(&(&b.spec.kind, &b.meta.namespace, &b.meta.name))
                });
            }

            /// Takes over from an older set the objects that were refused in this one, so that a broken edit keeps
            /// the last good version of what it touches. Returns those that the older set had.
            pub fn keep_last_good(&mut self, older: &Self, refused: &[ObjectRef]) -> Vec<ObjectRef> {
                let mut kept = Vec::new();
                for reference in refused {
                    let found = match &*reference.kind {
                        $($kind => keep(&mut self.$field, &older.$field, reference),)*
                        _ => false,
                    };
                    if found {
                        self.refused_policies.retain(|policy| policy.reference(&policy.spec.kind) != *reference);
                        kept.push(reference.clone());
                    }
                }
                self.sort();
                kept
            }

            /// The number of objects.
            #[must_use]
            pub fn len(&self) -> usize {
                self.unserved.len() $(+ self.$field.len())*
            }

            /// True where there is nothing in it.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }
    };
}

resource_set! {
    /// `GatewayClass`
    gateway_classes: GatewayClass, "GatewayClass";
    /// `Gateway`
    gateways: Gateway, "Gateway";
    /// `HTTPRoute`
    http_routes: HttpRoute, "HTTPRoute";
    /// `ReferenceGrant`
    reference_grants: ReferenceGrant, "ReferenceGrant";
    /// `Secret`
    secrets: SecretData, "Secret";
    /// `ConfigMap`
    config_maps: ConfigMapData, "ConfigMap";
    /// `Service`
    services: Service, "Service";
    /// `EndpointSlice`
    endpoint_slices: EndpointSlice, "EndpointSlice";
    /// `Namespace`
    namespaces: Namespace, "Namespace";
    /// `Backend`
    backends: Backend, "Backend";
    /// `ClientTrafficPolicy`
    client_traffic_policies: ClientTrafficPolicy, "ClientTrafficPolicy";
    /// `BackendTLSPolicy`
    backend_tls_policies: BackendTlsPolicy, "BackendTLSPolicy";
    /// `HTTPRouteFilter`
    http_route_filters: HttpRouteFilter, "HTTPRouteFilter";
    /// `EnvoyProxy`
    envoy_proxies: EnvoyProxy, "EnvoyProxy";
    /// `AIGatewayRoute`
    ai_gateway_routes: AiGatewayRoute, "AIGatewayRoute";
    /// `AIServiceBackend`
    ai_service_backends: AiServiceBackend, "AIServiceBackend";
    /// `BackendSecurityPolicy`
    backend_security_policies: BackendSecurityPolicy, "BackendSecurityPolicy";
    /// `GatewayConfig`
    gateway_configs: GatewayConfig, "GatewayConfig";
    /// `SecurityPolicy`
    security_policies: SecurityPolicy, "SecurityPolicy";
    /// `BackendTrafficPolicy`
    backend_traffic_policies: BackendTrafficPolicy, "BackendTrafficPolicy";
    /// `QuotaPolicy`
    quota_policies: QuotaPolicy, "QuotaPolicy";
}

/// The object of this name in a list of a set.
#[must_use]
pub fn find<'a, T>(objects: &'a [Object<T>], namespace: &str, name: &str) -> Option<&'a Object<T>> {
    let key = |object: &Object<T>| (&*object.meta.namespace, &*object.meta.name).cmp(&(namespace, name));
    objects.binary_search_by(key).ok().and_then(|i| objects.get(i))
}

fn sort<T>(objects: &mut [Object<T>]) {
    objects.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
}

fn keep<T: Clone>(into: &mut Vec<Object<T>>, older: &[Object<T>], reference: &ObjectRef) -> bool {
    let named = |object: &&Object<T>| {
        object.meta.name == reference.name && object.meta.namespace == reference.namespace
    };
    // A duplicate is refused while its first definition is served.
    if into.iter().any(|object| named(&object)) {
        return false;
    }
    let found = older.iter().find(named).cloned();
    let kept = found.is_some();
    into.extend(found);
    kept
}
