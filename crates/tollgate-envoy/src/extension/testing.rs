//! Resources as Envoy Gateway makes them, for tests.
use bytes::Bytes;
use tollgate_resources::{Source, load};

use super::{
    fields::{
        any, assignment, cluster, endpoint, filter_chain, hcm, http_filter, listener, locality,
        network_filter, route, route_action, route_config, virtual_host,
    },
    metadata::tests::from_gateway,
    plan::{Made, Plan},
    wire::Message,
};

const HCM: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The Gateway of [`route_yaml`]'s route, with a forward proxy.
pub(super) const PROXIED: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: prod, annotations: {aigateway.envoyproxy.io/gateway-config: egress}}
spec: {gatewayClassName: eg, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: GatewayConfig
metadata: {name: egress, namespace: prod}
spec: {forwardProxy: {address: \"proxy.example:3128\"}}
";

/// A route `prod/chat` with these backends as `name weight priority`, and what else is given.
pub(super) fn route_yaml(refs: &[(&str, u32, u32)], rest: &str) -> String {
    let refs: String = refs
        .iter()
        .map(|(name, weight, priority)| {
            format!("        - {{name: {name}, weight: {weight}, priority: {priority}}}\n")
        })
        .collect();
    format!(
        "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: AIGatewayRoute\n\
         metadata: {{name: chat, namespace: prod}}\nspec:\n  parentRefs: [{{name: gw}}]\n  rules:\n    \
         - matches: [{{headers: [{{name: x-ai-eg-model, value: m}}]}}]\n      streamIdleTimeout: 7s\n      \
         backendRefs:\n{refs}---\n{rest}"
    )
}

/// The plan of resources whose AIGatewayRoutes become HTTPRoutes one by one.
pub(super) fn plan(yaml: &str) -> Plan {
    let loaded = load(&[Source { name: "test.yaml", text: yaml }], &|_| None);
    let errors: Vec<_> = loaded.notes.iter().map(|note| note.message.clone()).collect();
    assert_eq!(errors, Vec::<String>::new(), "{yaml}");
    let mut made = Vec::new();
    for source in &loaded.set.ai_gateway_routes {
        let key = (source.meta.namespace.clone(), source.meta.name.clone());
        for (rule, spec) in source.spec.rules.iter().enumerate() {
            let refs = (0..spec.backend_refs.len()).collect();
            let (http_route, source) = (key.clone(), key.clone());
            made.push(Made { http_route, rule, source, source_rule: rule, refs, attempts: None });
        }
    }
    Plan::new(&loaded.set, made)
}

/// As it comes from the wire: nothing has been changed yet.
fn sealed(message: &Message) -> Message {
    Message::parse(message.encode()).unwrap()
}

pub(super) fn text(number: u32, value: &str) -> Message {
    let mut message = Message::default();
    message.set_bytes(number, value.to_owned());
    message
}

/// A locality with endpoints that have host names or addresses.
pub(super) fn group(region: &str, hosts: &[&str]) -> Message {
    let mut group = Message::default();
    if !region.is_empty() {
        group.set_bytes(locality::LOCALITY, text(locality::REGION, region).encode());
    }
    for host in hosts {
        let mut one = Message::default();
        one.edit(endpoint::ENDPOINT, |inner| {
            inner.edit(endpoint::ADDRESS, |address| {
                address.edit(endpoint::SOCKET, |socket| {
                    socket.set_bytes(endpoint::SOCKET_ADDRESS, (*host).to_owned());
                    Ok(())
                })
            })
        })
        .unwrap();
        group.push(locality::ENDPOINTS, one.encode());
    }
    sealed(&group)
}

pub(super) fn load_assignment(name: &str, groups: &[Message]) -> Message {
    let mut load = text(assignment::CLUSTER, name);
    for group in groups {
        load.push(assignment::LOCALITIES, group.encode());
    }
    sealed(&load)
}

/// A cluster whose endpoints come by name.
pub(super) fn dns_cluster(name: &str, groups: &[Message]) -> Message {
    let mut own = text(cluster::NAME, name);
    // `STRICT_DNS`
    own.set_uint(cluster::TYPE, 1);
    own.set_bytes(cluster::METADATA, from_gateway("HTTPRoute", ("prod", "chat"), true).encode());
    own.set_bytes(cluster::LOAD_ASSIGNMENT, load_assignment(name, groups).encode());
    // A field that we know nothing of.
    own.push(4000, "later");
    sealed(&own)
}

/// A cluster whose endpoints come by themselves.
pub(super) fn eds_cluster(name: &str) -> Message {
    let mut own = text(cluster::NAME, name);
    own.set_uint(cluster::TYPE, 3);
    own.set_bytes(cluster::METADATA, from_gateway("HTTPRoute", ("prod", "chat"), true).encode());
    own.set_bytes(cluster::EDS, text(2, name).encode());
    sealed(&own)
}

/// A route of our `prod/chat`'s first rule, or of their `prod/web`'s, that goes to a cluster; without one it answers
/// by itself.
pub(super) fn route(generated: bool, target: Option<&str>) -> Message {
    let name = if generated { "chat" } else { "web" };
    let mut own = text(route::NAME, &format!("httproute/prod/{name}/rule/0/match/0/*"));
    own.set_bytes(route::METADATA, from_gateway("HTTPRoute", ("prod", name), generated).encode());
    if let Some(target) = target {
        own.set_bytes(route::ACTION, text(route_action::CLUSTER, target).encode());
    }
    own.push(4000, "later");
    sealed(&own)
}

/// A route configuration of Gateway `prod/gw`.
pub(super) fn config(name: &str, routes: &[Message]) -> Message {
    let mut host = text(1, "any");
    for route in routes {
        host.push(virtual_host::ROUTES, route.encode());
    }
    host.set_bytes(virtual_host::METADATA, from_gateway("Gateway", ("prod", "gw"), false).encode());
    let mut config = text(route_config::NAME, name);
    config.push(route_config::VIRTUAL_HOSTS, host.encode());
    sealed(&config)
}

/// A filter chain with HTTP filters, for a route configuration; without filters one for TCP.
pub(super) fn chain(config: &str, filters: &[&str]) -> Message {
    let mut network = text(1, "network");
    let mut typed =
        text(any::TYPE_URL, "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy");
    if !filters.is_empty() {
        let mut manager = Message::default();
        manager.set_bytes(hcm::RDS, text(hcm::ROUTE_CONFIG_NAME, config).encode());
        for filter in filters {
            manager.push(hcm::HTTP_FILTERS, text(http_filter::NAME, filter).encode());
        }
        manager.push(4000, "later");
        typed = text(any::TYPE_URL, HCM);
        typed.set_bytes(any::VALUE, manager.encode());
    }
    network.set_bytes(network_filter::CONFIG, typed.encode());
    let mut chain = Message::default();
    chain.push(filter_chain::FILTERS, network.encode());
    sealed(&chain)
}

pub(super) fn listener(chains: &[Message], default: Option<&Message>) -> Message {
    let mut own = text(1, "prod/gw/http");
    for chain in chains {
        own.push(listener::FILTER_CHAINS, chain.encode());
    }
    if let Some(default) = default {
        own.set_bytes(listener::DEFAULT_FILTER_CHAIN, default.encode());
    }
    sealed(&own)
}

/// An InferencePool as Envoy Gateway hands it on.
pub(super) fn pool(name: &str, failure: &str) -> Bytes {
    serde_json::json!({
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": { "name": name, "namespace": "prod" },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "targetPorts": [{ "number": 8000 }],
            "endpointPickerRef": { "name": format!("{name}-epp"), "port": { "number": 9002 }, "failureMode": failure },
        },
    })
    .to_string()
    .into()
}
