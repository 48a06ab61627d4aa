//! What the external processor of one Gateway needs: its AIGatewayRoutes, and everything that they come to.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use tollgate_resources::{Manifest, Meta, ResourceSet};

use crate::{complete::Written, names::GATEWAY_CONFIG, order, refs};

/// Namespace and name.
type Key = (String, String);

/// Kinds that hold for whatever is in their namespace, or for all of it.
const AROUND: [&str; 5] =
    ["ReferenceGrant", "SecurityPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy", "BackendTLSPolicy"];

/// The objects of a bundle as they are chosen.
#[derive(Default)]
struct Chosen {
    /// Kind, namespace and name.
    objects: BTreeSet<(&'static str, String, String)>,
    namespaces: BTreeSet<String>,
}

/// The resources that the external processor of a Gateway compiles: routes, backends and credentials that concern it,
/// and none of another Gateway. What breaks its schema goes along, so that the processor closes what it would have
/// guarded, as Tollgate does. Sorted.
#[must_use]
pub fn bundle(written: Written<'_>, namespace: &str, gateway: &str) -> Vec<Manifest> {
    let Written { set, manifests, refused: _ } = written;
    let mut chosen = Chosen::default();
    chosen.gateway(set, namespace, gateway);
    chosen.routes(set, namespace, gateway);
    chosen.policies(set);
    let mut objects: Vec<_> = manifests.iter().filter(|manifest| chosen.has(manifest)).cloned().collect();
    // Whatever these name, by a name that a Secret or ConfigMap of the namespace has.
    let named: BTreeSet<_> =
        objects.iter().flat_map(|object| names(&object.namespace, &object.body)).collect();
    let wanted = |manifest: &&Manifest| {
        matches!(manifest.kind.as_str(), "Secret" | "ConfigMap")
            && named.contains(&(manifest.namespace.clone(), manifest.name.clone()))
    };
    objects.extend(manifests.iter().filter(wanted).cloned());
    order::sort(&mut objects);
    objects
}

/// Every `name` in an object with the namespace that it is in: its own unless one stands beside the name.
fn names(own: &str, body: &Json) -> Vec<Key> {
    let mut found = Vec::new();
    let mut open = vec![body];
    while let Some(value) = open.pop() {
        match value {
            Json::Object(fields) => {
                if let Some(name) = fields.get("name").and_then(Json::as_str) {
                    let beside =
                        fields.get("namespace").and_then(Json::as_str).filter(|text| !text.is_empty());
                    found.push((beside.unwrap_or(own).to_owned(), name.to_owned()));
                }
                open.extend(fields.values());
            }
            Json::Array(items) => open.extend(items),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    found
}

// === impl Chosen ===

impl Chosen {
    fn add(&mut self, kind: &'static str, namespace: &str, name: &str) {
        self.objects.insert((kind, namespace.to_owned(), name.to_owned()));
        self.namespaces.insert(namespace.to_owned());
    }

    fn gateway(&mut self, set: &ResourceSet, namespace: &str, name: &str) {
        self.add("Gateway", namespace, name);
        let is = |meta: &Meta| *meta.namespace == *namespace && *meta.name == *name;
        let Some(gateway) = set.gateways.iter().find(|gateway| is(&gateway.meta)) else { return };
        let class = &gateway.spec.gateway_class_name;
        self.objects.insert(("GatewayClass", String::new(), class.clone()));
        if let Some(config) = gateway.meta.annotations.get(GATEWAY_CONFIG) {
            self.add("GatewayConfig", namespace, config);
        }
        let own = gateway.spec.infrastructure.as_ref().and_then(|it| it.parameters_ref.as_ref());
        if let Some(proxy) = own {
            self.add("EnvoyProxy", namespace, &proxy.name);
        }
        let class = set.gateway_classes.iter().find(|known| *known.meta.name == **class);
        if let Some(proxy) = class.and_then(|class| class.spec.parameters_ref.as_ref()) {
            self.add("EnvoyProxy", proxy.namespace.as_deref().unwrap_or_default(), &proxy.name);
        }
    }

    fn routes(&mut self, set: &ResourceSet, namespace: &str, gateway: &str) {
        for route in &set.ai_gateway_routes {
            let own = &*route.meta.namespace;
            let attaches = route.spec.parent_refs.iter().any(|parent| {
                parent.name == gateway && parent.namespace.as_deref().unwrap_or(own) == namespace
            });
            if !attaches {
                continue;
            }
            self.add("AIGatewayRoute", own, &route.meta.name);
            for spec in route.spec.rules.iter().flat_map(|rule| &rule.backend_refs) {
                let at = spec.namespace.as_deref().filter(|it| !it.is_empty()).unwrap_or(own);
                let kind = if refs::is_pool(spec) { "InferencePool" } else { "AIServiceBackend" };
                self.add(kind, at, &spec.name);
                if let Some(target) = refs::target(set, own, spec).filter(|target| target.kind == "Backend") {
                    self.add("Backend", &target.namespace, &target.name);
                }
            }
        }
    }

    /// The policies of backends: credentials and quotas.
    fn policies(&mut self, set: &ResourceSet) {
        let mut found = Vec::new();
        for policy in &set.backend_security_policies {
            if self.targets(&policy.meta, policy.spec.target_refs.iter().map(|to| (&*to.kind, &*to.name))) {
                found.push(("BackendSecurityPolicy", &policy.meta));
            }
        }
        for policy in &set.quota_policies {
            if self.targets(&policy.meta, policy.spec.target_refs.iter().map(|to| (&*to.kind, &*to.name))) {
                found.push(("QuotaPolicy", &policy.meta));
            }
        }
        // Whom a refused one concerned is for the processor to say.
        for policy in &set.refused_policies {
            match policy.spec.kind.as_str() {
                "BackendSecurityPolicy" => found.push(("BackendSecurityPolicy", &policy.meta)),
                "QuotaPolicy" => found.push(("QuotaPolicy", &policy.meta)),
                _ => {}
            }
        }
        for (kind, meta) in found {
            if self.namespaces.contains(&*meta.namespace) {
                self.add(kind, &meta.namespace, &meta.name);
            }
        }
    }

    fn targets<'a>(&self, policy: &Meta, mut to: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        to.any(|(kind, name)| {
            let own = || policy.namespace.to_string();
            ["AIServiceBackend", "InferencePool"]
                .iter()
                .any(|known| kind == *known && self.objects.contains(&(*known, own(), name.to_owned())))
        })
    }

    fn has(&self, manifest: &Manifest) -> bool {
        let Manifest { kind, namespace, name, .. } = manifest;
        let named = |(of, at, it): &(&str, String, String)| of == kind && at == namespace && it == name;
        self.objects.iter().any(named)
            || (AROUND.contains(&kind.as_str()) && self.namespaces.contains(namespace))
            || (kind == "Namespace" && self.namespaces.contains(name))
    }
}
