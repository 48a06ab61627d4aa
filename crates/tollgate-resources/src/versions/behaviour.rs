//! What releases do with manifests that their schemas take.

use tollgate_types::{Diagnostics, Severity};

use super::{Product, Release, Target};
use crate::{
    raw::Raw,
    registry::{AI_GATEWAY, GATEWAY_API},
    tree::{Node, Value},
};

/// The first release in which the filter is put into every listener.
const REPAIRED: Release = Release::new(0, 5);

pub(super) fn check(target: Target, objects: &[Raw], notes: &mut Diagnostics) {
    let ai_routes = objects.iter().any(|object| object.is(AI_GATEWAY, "AIGatewayRoute"));
    if target.product != Product::AiGateway || target.release >= REPAIRED || !ai_routes {
        return;
    }
    for gateway in objects.iter().filter(|object| object.is(GATEWAY_API, "Gateway")) {
        skipped(target, gateway, notes);
        first_only(target, gateway, notes);
    }
}

/// Listeners of Gateways whose namespace looks like Envoy Gateway's own were taken for its own.
fn skipped(target: Target, gateway: &Raw, notes: &mut Diagnostics) {
    if !gateway.namespace().starts_with("envoy-gateway") {
        return;
    }
    let message = format!(
        "{target} leaves out the listeners of Gateways in namespaces that begin with envoy-gateway: models are \
         not routed there"
    );
    let help = "put the Gateway into another namespace, or take AI Gateway 0.5".to_owned();
    notes.push(gateway.diagnostic(
        Severity::Error,
        ("listeners-skipped", "metadata.namespace"),
        (message, Some(help)),
    ));
}

/// Of several listeners with TLS on one port, each with routes of its own, only the first was prepared.
fn first_only(target: Target, gateway: &Raw, notes: &mut Diagnostics) {
    let Some(Value::List(listeners)) = gateway.node.at(&["spec", "listeners"]).map(|node| &node.value) else {
        return;
    };
    let port = |node: &Node| {
        let https = node.get("protocol").and_then(Node::text) == Some("HTTPS");
        https.then(|| node.get("port").and_then(Node::text).map(str::to_owned)).flatten()
    };
    let ports: Vec<_> = listeners.iter().map(port).collect();
    for (i, port) in ports.iter().enumerate() {
        let first = ports.iter().position(|other| other == port);
        let (Some(number), Some(first)) = (port, first.filter(|first| *first < i)) else { continue };
        let name = listeners.get(first).and_then(|node| node.get("name")).and_then(Node::text);
        let message = format!(
            "{target} prepares only the first HTTPS listener on port {number} ({}) for models: requests to this \
             one hang until they time out",
            name.unwrap_or_default()
        );
        let help = "give each a port of its own, or one listener with one hostname, or take AI Gateway 0.5";
        notes.push(gateway.diagnostic(
            Severity::Error,
            ("first-listener-only", &format!("spec.listeners[{i}]")),
            (message, Some(help.to_owned())),
        ));
    }
}
