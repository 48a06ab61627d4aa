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
    policies.iter().find(|policy| policy.spec.kind == policy_kind && policy.chooses(kind, meta))
}
