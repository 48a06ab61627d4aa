//! What Envoy Gateway's file provider does not understand, said in another way. Of `metadata` it reads name and
//! namespace alone: labels select nothing there.

use serde_json::{Value as Json, json};
use tollgate_resources::{Manifest, Meta, TargetSelector};

use crate::names::group;

/// The kinds that are attached by `targetRefs` or by `targetSelectors`.
const POLICIES: [&str; 4] =
    ["ClientTrafficPolicy", "BackendTrafficPolicy", "SecurityPolicy", "EnvoyExtensionPolicy"];

/// Says in `targetRefs` what `targetSelectors` select. A policy reaches its own namespace only that way: what it
/// selects in others is left out where it would have been guarded.
pub(crate) fn adapt(objects: &mut Vec<Manifest>) {
    let mut unguarded = Vec::new();
    let targets: Vec<_> = objects.iter().map(Target::of).collect();
    for policy in objects.iter_mut().filter(|object| POLICIES.contains(&object.kind.as_str())) {
        let namespace = policy.namespace.clone();
        let Some(spec) = policy.body.get_mut("spec").and_then(Json::as_object_mut) else { continue };
        let Some(Json::Array(selectors)) = spec.shift_remove("targetSelectors") else { continue };
        let mut refs = match spec.shift_remove("targetRefs") {
            Some(Json::Array(refs)) => refs,
            _ => Vec::new(),
        };
        for selector in
            selectors.iter().filter_map(|it| serde_json::from_value::<TargetSelector>(it.clone()).ok())
        {
            for target in targets.iter().filter(|target| target.is_selected(&selector, &namespace)) {
                let Meta { namespace: at, name, .. } = &target.meta;
                if **at == *namespace {
                    let named = json!({"group": selector.group, "kind": target.kind, "name": &**name});
                    if !refs.contains(&named) {
                        refs.push(named);
                    }
                } else if policy.kind == "SecurityPolicy" {
                    unguarded.push((target.kind.clone(), at.to_string(), name.to_string()));
                }
            }
        }
        // First, as people write it.
        let rest = std::mem::take(spec);
        spec.insert("targetRefs".to_owned(), Json::Array(refs));
        spec.extend(rest);
    }
    objects.retain(|object| {
        let attached = object.body.get("spec").and_then(|spec| spec.get("targetRefs"));
        let to_nothing = POLICIES.contains(&object.kind.as_str()) && attached.is_some_and(is_empty);
        let key = (object.kind.clone(), object.namespace.clone(), object.name.clone());
        !to_nothing && !unguarded.contains(&key)
    });
}

/// An object that may be selected.
struct Target {
    group: String,
    kind: String,
    meta: Meta,
}

fn is_empty(value: &Json) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

// === impl Target ===

impl Target {
    fn of(object: &Manifest) -> Self {
        Self { group: object.group().to_owned(), kind: object.kind.clone(), meta: object.meta() }
    }

    /// Labels of namespaces are not asked: whatever is not the policy's own is taken for selected.
    fn is_selected(&self, selector: &TargetSelector, own: &str) -> bool {
        let other = selector.namespaces.from != tollgate_resources::TargetNamespacesFrom::Same;
        self.group == group::GATEWAY
            && self.group == selector.group
            && self.kind == selector.kind
            && (*self.meta.namespace == *own || other)
            && selector.matches(&self.meta.labels)
    }
}
