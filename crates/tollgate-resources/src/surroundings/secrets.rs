//! Secrets that something in the cluster makes, so that nobody writes them into a repository.

use tollgate_types::ObjectRef;

use crate::{
    load::Source,
    raw::{self, Raw},
    registry::GATEWAY_API,
    tree::{Node, Value},
};

/// A Secret, and the object for whose sake it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeSecret {
    /// What is made.
    pub secret: ObjectRef,
    /// By whom: a Certificate, an ExternalSecret, a SealedSecret, or a Gateway that cert-manager looks after.
    pub by: ObjectRef,
}

/// The Secrets that these objects cause to be made.
#[must_use]
pub fn made_secrets(sources: &[Source<'_>], env: &dyn Fn(&str) -> Option<String>) -> Vec<MadeSecret> {
    let mut all = Vec::new();
    for object in raw::objects(sources, env) {
        let by = object.reference();
        for (namespace, name) in names(&object) {
            let secret = ObjectRef::new("Secret", namespace, name);
            all.push(MadeSecret { secret, by: by.clone() });
        }
    }
    all
}

/// Namespace and name of each.
fn names(object: &Raw) -> Vec<(String, String)> {
    let text = |path: &[&str]| object.node.at(path).and_then(Node::text);
    let own = object.name();
    let name = match (object.group.as_str(), object.kind.as_str()) {
        ("cert-manager.io", "Certificate") => text(&["spec", "secretName"]),
        ("external-secrets.io", "ExternalSecret") => text(&["spec", "target", "name"]).or(Some(own)),
        ("bitnami.com", "SealedSecret") => text(&["spec", "template", "metadata", "name"]).or(Some(own)),
        (GATEWAY_API, "Gateway") => return of_gateway(object),
        _ => None,
    };
    name.map(|name| (object.namespace().to_owned(), name.to_owned())).into_iter().collect()
}

/// cert-manager makes the certificates of a Gateway that names an issuer in its annotations.
fn of_gateway(object: &Raw) -> Vec<(String, String)> {
    let annotations =
        object.node.at(&["metadata", "annotations"]).and_then(Node::entries).unwrap_or_default();
    let issuers = ["cert-manager.io/issuer", "cert-manager.io/cluster-issuer"];
    if !annotations.iter().any(|entry| issuers.contains(&entry.key.as_str())) {
        return Vec::new();
    }
    let listeners = object.node.at(&["spec", "listeners"]).map(items).unwrap_or_default();
    let references =
        listeners.iter().filter_map(|listener| listener.at(&["tls", "certificateRefs"])).flat_map(items);
    let place = |reference: &Node| {
        let text = |key| reference.get(key).and_then(Node::text).map(str::to_owned);
        Some((text("namespace").unwrap_or_else(|| object.namespace().to_owned()), text("name")?))
    };
    references.filter_map(place).collect()
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Scalar(_) | Value::Map(_) => &[],
    }
}
