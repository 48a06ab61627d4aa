//! Services for Envoy Gateway's file provider, which reads them and forgets them: what routes refer to becomes a
//! Backend with the same addresses.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use tollgate_resources::{AddressType, EndpointSlice, Manifest, Object, ResourceSet, Service, ServicePort};

use crate::{
    grants::{Party, managed, permits},
    names::{self, ENVOY_GATEWAY, group},
};

/// The label by which an EndpointSlice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// Protocols of ports that speak HTTP/2 without TLS.
const H2C: [&str; 3] = ["kubernetes.io/h2c", "gateway.envoyproxy.io/h2c", "grpc"];

/// The kinds that refer to Services, and their groups.
const REFERRERS: [(&str, &str); 5] = [
    ("HTTPRoute", group::GATEWAY),
    ("GRPCRoute", group::GATEWAY),
    ("SecurityPolicy", group::ENVOY),
    ("EnvoyExtensionPolicy", group::ENVOY),
    ("EnvoyProxy", group::ENVOY),
];

/// The Backends that stand in for Services, by namespace and name.
struct Standing<'a> {
    set: &'a ResourceSet,
    made: BTreeMap<(String, String), Manifest>,
    /// The Service behind each of them: its name, and the name of its port.
    behind: Vec<Behind>,
}

struct Behind {
    namespace: String,
    backend: String,
    service: String,
    port: Option<String>,
}

/// Makes what refers to Services refer to Backends in their place.
pub(crate) fn replace(set: &ResourceSet, objects: &mut Vec<Manifest>) {
    let mut standing = Standing { set, made: BTreeMap::new(), behind: Vec::new() };
    for object in objects.iter_mut() {
        let Some((_, group)) = REFERRERS.iter().find(|(kind, _)| *kind == object.kind) else { continue };
        let (namespace, kind) = (object.namespace.clone(), object.kind.clone());
        let from = Party { group, kind: &kind, namespace: &namespace };
        standing.walk(from, &mut object.body);
    }
    for policy in objects.iter_mut().filter(|object| object.kind == "BackendTLSPolicy") {
        standing.secure(policy);
    }
    objects.extend(standing.made.into_values());
}

fn text(value: &Json, key: &str) -> Option<String> {
    value.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether a policy's target is a port of a Service.
fn is_port(target: &Json, service: &str, port: Option<&str>) -> bool {
    let section = text(target, "sectionName");
    text(target, "kind").as_deref() == Some("Service")
        && text(target, "name").as_deref() == Some(service)
        && (section.is_none() || section.as_deref() == port)
}

// === impl Standing ===

impl Standing<'_> {
    /// References stand under `backendRef` and `backendRefs`, at whatever depth.
    fn walk(&mut self, from: Party<'_>, value: &mut Json) {
        match value {
            Json::Object(fields) => {
                for (key, value) in fields.iter_mut() {
                    match (key.as_str(), &mut *value) {
                        ("backendRef", reference) => self.reference(from, reference),
                        ("backendRefs", Json::Array(items)) => {
                            items.iter_mut().for_each(|item| self.reference(from, item));
                        }
                        _ => {}
                    }
                    self.walk(from, value);
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.walk(from, item)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// One that leads nowhere, or may not lead there, stays: Envoy Gateway answers 500 for it.
    fn reference(&mut self, from: Party<'_>, reference: &mut Json) {
        let own = from.namespace;
        let is_service = text(reference, "group").is_none()
            && text(reference, "kind").is_none_or(|kind| kind == "Service");
        let (Some(name), Some(port), true) =
            (text(reference, "name"), reference.get("port").and_then(Json::as_u64), is_service)
        else {
            return;
        };
        let namespace = text(reference, "namespace").unwrap_or_else(|| own.to_owned());
        let to = Party { group: "", kind: "Service", namespace: &namespace };
        let set = self.set;
        let service = set
            .services
            .iter()
            .find(|service| *service.meta.name == *name && *service.meta.namespace == *namespace);
        let Some((service, port)) = service.and_then(|service| Some((service, port_of(service, port)?)))
        else {
            return;
        };
        // A policy that asks for TLS is of the Service's namespace, and cannot reach a Backend of another one.
        if !permits(set, from, to, &name) || (namespace != own && is_secured(set, service, port)) {
            return;
        }
        // Envoy Gateway wants at least one.
        if endpoints(set, service, port).is_empty() {
            return;
        }
        let backend = names::fit(format!("ai-eg-service-{namespace}.{name}-{}", port.port));
        self.stand_in((own, &backend), service, port);
        if let Json::Object(fields) = reference {
            fields.insert("group".to_owned(), group::ENVOY.into());
            fields.insert("kind".to_owned(), "Backend".into());
            fields.insert("name".to_owned(), backend.into());
            fields.shift_remove("namespace");
            fields.shift_remove("port");
        }
    }

    fn stand_in(&mut self, (namespace, name): (&str, &str), service: &Object<Service>, port: &ServicePort) {
        let key = (namespace.to_owned(), name.to_owned());
        if self.made.contains_key(&key) {
            return;
        }
        let mut spec = Map::new();
        spec.insert("endpoints".to_owned(), endpoints(self.set, service, port).into());
        if port.app_protocol.as_deref().is_some_and(|protocol| H2C.contains(&protocol)) {
            spec.insert("appProtocols".to_owned(), json!(["gateway.envoyproxy.io/h2c"]));
        }
        let object = managed(ENVOY_GATEWAY, "Backend", (namespace, name), &Json::Object(spec));
        self.made.insert(key, object);
        self.behind.push(Behind {
            namespace: service.meta.namespace.to_string(),
            backend: name.to_owned(),
            service: service.meta.name.to_string(),
            port: port.name.clone(),
        });
    }

    /// TLS towards a Service is TLS towards what stands in for it.
    fn secure(&self, policy: &mut Manifest) {
        let namespace = policy.namespace.clone();
        let targets = policy.body.get_mut("spec").and_then(|spec| spec.get_mut("targetRefs"));
        let Some(targets) = targets.and_then(Json::as_array_mut) else { return };
        for behind in self.behind.iter().filter(|behind| behind.namespace == namespace) {
            if targets.iter().any(|target| is_port(target, &behind.service, behind.port.as_deref())) {
                targets.push(json!({"group": group::ENVOY, "kind": "Backend", "name": behind.backend}));
            }
        }
    }
}

fn port_of(service: &Object<Service>, port: u64) -> Option<&ServicePort> {
    let is_name = service.spec.service_type.as_deref() == Some("ExternalName");
    service.spec.ports.iter().find(|known| u64::from(known.port) == port).filter(|_| !is_name)
}

fn is_secured(set: &ResourceSet, service: &Object<Service>, port: &ServicePort) -> bool {
    set.backend_tls_policies.iter().filter(|policy| policy.meta.namespace == service.meta.namespace).any(
        |policy| {
            policy.spec.target_refs.iter().any(|target| {
                target.kind == "Service"
                    && *target.name == *service.meta.name
                    && (target.section_name.is_none() || target.section_name == port.name)
            })
        },
    )
}

/// The pods where they are known, or else the cluster's name for the Service.
fn endpoints(set: &ResourceSet, service: &Object<Service>, port: &ServicePort) -> Vec<Json> {
    let (namespace, name) = (&service.meta.namespace, &service.meta.name);
    let slices: Vec<_> = set
        .endpoint_slices
        .iter()
        .filter(|slice| slice.meta.namespace == *namespace)
        .filter(|slice| slice.meta.labels.get(SERVICE_LABEL).is_some_and(|of| **of == **name))
        .collect();
    if slices.is_empty() {
        let host = format!("{name}.{namespace}.svc.cluster.local");
        return vec![json!({"fqdn": {"hostname": host, "port": port.port}})];
    }
    slices.iter().flat_map(|slice| pods(&slice.spec, port)).collect()
}

fn pods(slice: &EndpointSlice, port: &ServicePort) -> Vec<Json> {
    let named = |known: &&tollgate_resources::EndpointPort| {
        known.name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
    };
    let Some(number) = slice.ports.iter().find(named).and_then(|port| port.port) else { return Vec::new() };
    let ready = slice.endpoints.iter().filter(|endpoint| endpoint.conditions.ready != Some(false));
    ready
        .filter_map(|endpoint| endpoint.addresses.first())
        .map(|address| match slice.address_type {
            AddressType::Fqdn => json!({"fqdn": {"hostname": address, "port": number}}),
            AddressType::IPv4 | AddressType::IPv6 => json!({"ip": {"address": address, "port": number}}),
        })
        .collect()
}
