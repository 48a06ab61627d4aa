use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_resources::{Meta, Object, Unserved};

use crate::world::World;

/// The first refused policy of a kind that names an object of its namespace: what it would have protected must not be
/// served without it.
pub(crate) fn refused<'a>(
    world: &World<'a>,
    policy_kind: &str,
    (kind, meta): (&str, &Meta),
) -> Option<&'a Object<Unserved>> {
    let policies = &world.set.refused_policies;
    policies.iter().find(|policy| policy.spec.kind == policy_kind && targets(policy, kind, meta))
}

/// True where `targetRef`, `targetRefs` or `targetSelectors` choose the object. Only selectors reach into other
/// namespaces; which ones is taken broadly, since a policy too many is safer than one too few.
pub(crate) fn targets(policy: &Object<Unserved>, kind: &str, meta: &Meta) -> bool {
    let spec = &policy.spec.spec;
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let named = |target: &Value| {
        text(target, "kind").as_deref() == Some(kind) && text(target, "name").as_deref() == Some(&*meta.name)
    };
    let list = |field: &str| spec.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let selected = |selector: &Value| {
        let from = selector.get("namespaces").and_then(|namespaces| text(namespaces, "from"));
        let here = policy.meta.namespace == meta.namespace;
        (here || from.is_some_and(|from| from != "Same"))
            && text(selector, "kind").as_deref() == Some(kind)
            && has_labels(&meta.labels, selector.get("matchLabels"))
    };
    let by_name = policy.meta.namespace == meta.namespace
        && (spec.get("targetRef").is_some_and(named) || list("targetRefs").iter().any(named));
    by_name || list("targetSelectors").iter().any(selected)
}

fn has_labels(labels: &BTreeMap<String, String>, wanted: Option<&Value>) -> bool {
    wanted.and_then(Value::as_object).is_none_or(|wanted| {
        wanted.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
    })
}
