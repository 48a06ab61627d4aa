//! Rules of what all attached policies have in common.

use super::{
    Rules,
    shared::{group_and_kind, section_name},
};
use crate::{
    kinds::{MergeType, PolicyTarget, PolicyTargets, TargetNamespacesFrom, TargetSelector},
    registry::GATEWAY_API,
};

/// The target fields of a policy whose kind can be attached to these kinds.
pub(crate) fn targets(rules: &mut Rules, targets: PolicyTargets<'_>, kinds: &[&str]) {
    let PolicyTargets { target_ref, target_refs, target_selectors, merge_type } = targets;
    let named = usize::from(target_ref.is_some()) + usize::from(!target_refs.is_empty());
    let message = "expected one of `targetRef` and `targetRefs`, or `targetSelectors`";
    rules.demand(named == 1 || (named == 0 && !target_selectors.is_empty()), "exactly-one-of", ("", message));
    rules.count("targetRefs", target_refs.len(), 0..=16);
    rules.optional("targetRef", target_ref, |rules, target| policy_target(rules, target, kinds));
    rules.each("targetRefs", target_refs, |rules, target| policy_target(rules, target, kinds));
    rules
        .each("targetSelectors", target_selectors, |rules, selector| target_selector(rules, selector, kinds));
    let routes = target_ref.into_iter().chain(target_refs).map(|target| &target.kind);
    let routes = routes.chain(target_selectors.iter().map(|selector| &selector.kind));
    let merges_routes = routes.clone().all(|kind| kind.ends_with("Route"));
    match merge_type {
        None => {}
        Some(MergeType::Replace) => {
            let message = "expected StrategicMerge or JSONMerge; without a `mergeType` the policy replaces the wider one";
            rules.broken("unknown-value", "mergeType", message);
        }
        Some(MergeType::StrategicMerge | MergeType::JsonMerge) => rules.demand(
            merges_routes,
            "merge-without-parent",
            ("mergeType", "only policies on routes are merged onto those of their Gateway"),
        ),
    }
}

fn policy_target(rules: &mut Rules, target: &PolicyTarget, kinds: &[&str]) {
    let PolicyTarget { group, kind, name, section_name: section } = target;
    group_and_kind(rules, group, kind);
    target_kind(rules, group, kind, kinds);
    rules.length("name", name, 1..=253);
    if let Some(section) = section {
        section_name(rules, "sectionName", section);
    }
}

fn target_kind(rules: &mut Rules, group: &str, kind: &str, kinds: &[&str]) {
    // Policies know an AIGatewayRoute as the HTTPRoute that it becomes; its own name is as clear.
    let ai = group == "aigateway.envoyproxy.io" && kind == "AIGatewayRoute" && kinds.contains(&"HTTPRoute");
    let expected = format!("{GATEWAY_API}, the group of what a policy is attached to");
    rules.form("unknown-value", ("group", group), (ai || group == GATEWAY_API, &expected));
    let expected = format!("one of {}", kinds.join(", "));
    rules.form("unknown-value", ("kind", kind), (ai || kinds.contains(&kind), &expected));
}

fn target_selector(rules: &mut Rules, selector: &TargetSelector, kinds: &[&str]) {
    let TargetSelector { group, kind, namespaces, match_labels: _, match_expressions: _ } = selector;
    target_kind(rules, group, kind, kinds);
    let by_label = namespaces.from == TargetNamespacesFrom::Selector;
    let message = "`from: Selector` needs a `selector`";
    rules.demand(!by_label || namespaces.selector.is_some(), "missing-field", ("namespaces", message));
}
