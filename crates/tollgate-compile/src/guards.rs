use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tollgate_resources::{Gateway, Meta, Object, Unserved};
use tollgate_snapshot::Problem;

use crate::{
    Fault,
    notes::{At, Notes},
    world::World,
};

/// What a policy may protect: a route, or a Gateway that it is attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protected<'a> {
    /// The route's kind, and the kind under which policies know it.
    pub(crate) kinds: [&'a str; 2],
    pub(crate) meta: &'a Meta,
    pub(crate) gateways: &'a [&'a Object<Gateway>],
}

/// The first policy that guards this route and that we cannot enforce yet. Serving without it would let everybody in,
/// so that the route answers with a 500 instead.
pub(crate) fn guard(world: &World<'_>, route: Protected<'_>, notes: &mut Notes) -> Option<Arc<Problem>> {
    let Protected { kinds, meta, gateways } = route;
    let policy =
        world.set.unserved.iter().filter(|object| object.spec.kind == "SecurityPolicy").find(|policy| {
            kinds.iter().any(|kind| targets(policy, kind, meta))
                || gateways.iter().any(|gateway| targets(policy, "Gateway", &gateway.meta))
        })?;
    let fault = Fault::new(
        "policy-not-served",
        format!(
            "SecurityPolicy {}/{} cannot be enforced yet, so that what it protects answers with a 500",
            policy.meta.namespace, policy.meta.name
        ),
    );
    Some(notes.error(&At::new(policy, "spec"), fault))
}

/// True where `targetRef`, `targetRefs` or `targetSelectors` choose the object, in the policy's own namespace.
fn targets(policy: &Object<Unserved>, kind: &str, meta: &Meta) -> bool {
    let spec = &policy.spec.spec;
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let named = |target: &Value| {
        text(target, "kind").as_deref() == Some(kind) && text(target, "name").as_deref() == Some(&*meta.name)
    };
    let list = |field: &str| spec.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let selected = |selector: &Value| {
        text(selector, "kind").as_deref() == Some(kind)
            && has_labels(&meta.labels, selector.get("matchLabels"))
    };
    policy.meta.namespace == meta.namespace
        && (spec.get("targetRef").is_some_and(named)
            || list("targetRefs").iter().any(named)
            || list("targetSelectors").iter().any(selected))
}

fn has_labels(labels: &BTreeMap<String, String>, wanted: Option<&Value>) -> bool {
    wanted.and_then(Value::as_object).is_none_or(|wanted| {
        wanted.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
    })
}
