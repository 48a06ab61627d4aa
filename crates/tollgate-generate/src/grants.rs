use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
pub(crate) use tollgate_resources::Party;
use tollgate_resources::{AiGatewayRoute, Manifest, Object, ReferenceGrant, ResourceSet};

use crate::{
    names::{self, MANAGED_BY, REFERENCE_GRANT, group},
    refs,
};

/// True where a reference stays in its namespace, or the other namespace has granted it. Grants of an earlier
/// translation are no users' word.
pub(crate) fn permits(set: &ResourceSet, from: Party<'_>, to: Party<'_>, name: &str) -> bool {
    from.namespace == to.namespace
        || set.reference_grants.iter().any(|grant| !is_ours(grant) && grant.allows(from, to, name))
}

/// Grants for what the generated HTTPRoute refers to in other namespaces. Their owners let the AIGatewayRoute use
/// the AIServiceBackend, credential and all; that the HTTPRoute may then reach its address is implied, and nobody
/// but Envoy Gateway asks for it.
pub(crate) fn of(set: &ResourceSet, route: &Object<AiGatewayRoute>) -> Vec<Manifest> {
    let own = &*route.meta.namespace;
    let from = Party { group: group::GATEWAY, kind: "HTTPRoute", namespace: own };
    let mut wanted: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    for spec in route.spec.rules.iter().flat_map(|rule| &rule.backend_refs) {
        let Some(target) = refs::target(set, own, spec) else { continue };
        let to = Party { group: &target.group, kind: &target.kind, namespace: &target.namespace };
        if !permits(set, from, to, &target.name) {
            let named = (target.group, target.kind, target.name);
            let list = wanted.entry(target.namespace).or_default();
            if !list.contains(&named) {
                list.push(named);
            }
        }
    }
    wanted
        .into_iter()
        .map(|(namespace, mut to)| {
            to.sort();
            let to: Vec<_> = to
                .iter()
                .map(|(group, kind, name)| json!({"group": group, "kind": kind, "name": name}))
                .collect();
            let spec = json!({
                "from": [{"group": group::GATEWAY, "kind": "HTTPRoute", "namespace": own}],
                "to": to,
            });
            let name = names::grant(own, &route.meta.name);
            managed(REFERENCE_GRANT, "ReferenceGrant", (&namespace, &name), &spec)
        })
        .collect()
}

/// An object that is marked as ours.
pub(crate) fn managed(
    api_version: &str,
    kind: &str,
    (namespace, name): (&str, &str),
    spec: &Json,
) -> Manifest {
    let (label, value) = MANAGED_BY;
    let metadata = json!({"name": name, "namespace": namespace, "labels": {label: value}});
    Manifest::new(api_version, kind, metadata, spec.clone())
}

fn is_ours(grant: &Object<ReferenceGrant>) -> bool {
    grant.meta.labels.get(MANAGED_BY.0).is_some_and(|by| by == MANAGED_BY.1)
}
