//! Gateways that ask for one address.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_resources::{Gateway, Object, ResourceSet, find};

use crate::{
    Fault,
    notes::{At, Notes},
};

/// Annotations by which load balancers are asked for addresses.
const ANNOTATIONS: [&str; 5] = [
    "lbipam.cilium.io/ips",
    "io.cilium/lb-ipam-ips",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "kube-vip.io/loadbalancerIPs",
];

pub(super) fn advise(set: &ResourceSet, notes: &mut Notes) {
    let mut taken: BTreeMap<String, Vec<&Object<Gateway>>> = BTreeMap::new();
    for gateway in &set.gateways {
        let mut others = BTreeMap::new();
        for address in wanted(set, gateway) {
            for other in taken.get(&address).into_iter().flatten() {
                others.entry((&other.meta.namespace, &other.meta.name)).or_insert((*other, address.clone()));
            }
            taken.entry(address).or_default().push(gateway);
        }
        for (other, address) in others.into_values() {
            let Some(port) = shared_port(gateway, other) else { continue };
            let message = format!(
                "Gateway {}/{} asks for {address} as well, and both have port {port}: one of them gets no address",
                other.meta.namespace, other.meta.name
            );
            let help = "give it an address of its own, or attach its routes to the other Gateway";
            notes.warning(&At::new(gateway, "spec"), Fault::new("shared-address", message).help(help));
        }
    }
}

/// The addresses that a Gateway asks for, itself, by annotation or by its EnvoyProxy.
fn wanted(set: &ResourceSet, gateway: &Object<Gateway>) -> BTreeSet<String> {
    let spec = &gateway.spec;
    let mut all: BTreeSet<_> = spec.addresses.iter().filter_map(|address| address.value.clone()).collect();
    let mut add = |text: &str| {
        all.extend(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned));
    };
    let infrastructure = spec.infrastructure.as_ref();
    for name in ANNOTATIONS {
        if let Some(text) = infrastructure.and_then(|it| it.annotations.get(name)) {
            add(text);
        }
    }
    let reference = infrastructure.and_then(|it| it.parameters_ref.as_ref());
    let proxy = reference.and_then(|it| find(&set.envoy_proxies, &gateway.meta.namespace, &it.name));
    let service =
        proxy.and_then(|proxy| proxy.spec.provider.as_ref()?.kubernetes.as_ref()?.envoy_service.as_ref());
    if let Some(service) = service {
        let text = |value: Option<&serde_json::Value>| {
            value.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        add(&text(service.get("loadBalancerIP")));
        let annotations = service.get("annotations");
        ANNOTATIONS.iter().for_each(|name| add(&text(annotations.and_then(|it| it.get(name)))));
    }
    all
}

fn shared_port(a: &Object<Gateway>, b: &Object<Gateway>) -> Option<u16> {
    let mut ports = a.spec.listeners.iter().map(|listener| listener.port);
    ports.find(|port| b.spec.listeners.iter().any(|listener| listener.port == *port))
}
