//! Which of the users' BackendTrafficPolicies concern a route, as far as the translation has to know.

use std::time::Duration;

use tollgate_resources::{
    AiGatewayRoute, BackendTrafficPolicy, Meta, Object, PolicyTarget, ResourceSet, TargetSelector,
};

use crate::names::group;

/// What can be targeted.
struct Target<'a> {
    kind: &'a str,
    meta: &'a Meta,
    section: Option<&'a str>,
}

/// The deadline of a request, where a policy that holds for a rule of that name has one.
pub(crate) fn request_timeout(
    set: &ResourceSet,
    route: &Object<AiGatewayRoute>,
    rule: Option<&str>,
) -> Option<Duration> {
    let target = |section| Target { kind: "HTTPRoute", meta: &route.meta, section };
    let narrow = rule.and_then(|rule| first(set, &target(Some(rule)))).or_else(|| first(set, &target(None)));
    let of_gateways = || of_gateways(set, route).and_then(own_timeout);
    match narrow {
        // It takes the wider one's place.
        Some(policy) if policy.spec.merge_type.is_none() => own_timeout(policy),
        Some(policy) => own_timeout(policy).or_else(of_gateways),
        None => of_gateways(),
    }
}

fn own_timeout(policy: &Object<BackendTrafficPolicy>) -> Option<Duration> {
    policy.spec.timeout.as_ref()?.http.as_ref()?.request_timeout
}

fn of_gateways<'a>(
    set: &'a ResourceSet,
    route: &Object<AiGatewayRoute>,
) -> Option<&'a Object<BackendTrafficPolicy>> {
    route.spec.parent_refs.iter().find_map(|parent| {
        let namespace = parent.namespace.as_deref().unwrap_or(&route.meta.namespace);
        let gateway = set
            .gateways
            .iter()
            .find(|gateway| *gateway.meta.name == *parent.name && *gateway.meta.namespace == *namespace)?;
        let listener = parent.section_name.as_deref();
        let target = |section| Target { kind: "Gateway", meta: &gateway.meta, section };
        listener.and_then(|name| first(set, &target(Some(name)))).or_else(|| first(set, &target(None)))
    })
}

fn first<'a>(set: &'a ResourceSet, target: &Target<'_>) -> Option<&'a Object<BackendTrafficPolicy>> {
    set.backend_traffic_policies.iter().find(|policy| targets(set, policy, target))
}

fn targets(set: &ResourceSet, policy: &Object<BackendTrafficPolicy>, target: &Target<'_>) -> bool {
    let BackendTrafficPolicy { target_ref, target_refs, target_selectors, .. } = &policy.spec;
    let own = &*policy.meta.namespace;
    let named = |to: &PolicyTarget| {
        to.group == group::GATEWAY
            && to.kind == target.kind
            && *to.name == *target.meta.name
            && to.section_name.as_deref() == target.section
            && *own == *target.meta.namespace
    };
    let selected = |selector: &TargetSelector| {
        // Selectors select whole objects.
        target.section.is_none()
            && selector.group == group::GATEWAY
            && selector.kind == target.kind
            && selector.covers(own, &target.meta.namespace, &labels(set, &target.meta.namespace))
            && selector.matches(&target.meta.labels)
    };
    target_ref.iter().chain(target_refs).any(named) || target_selectors.iter().any(selected)
}

/// The labels of a namespace; one that is not written down has only its own name.
fn labels(set: &ResourceSet, namespace: &str) -> std::collections::BTreeMap<String, String> {
    let known = set.namespaces.iter().find(|object| *object.meta.name == *namespace);
    let mut labels = known.map(|object| object.meta.labels.clone()).unwrap_or_default();
    labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
    labels
}

/// Whether a policy names the HTTPRoute that a route becomes, the policies that were refused included.
pub(crate) fn name(set: &ResourceSet, route: &Object<AiGatewayRoute>) -> bool {
    let (namespace, name) = (&*route.meta.namespace, &*route.meta.name);
    let here = |meta: &Meta| *meta.namespace == *namespace;
    let named = |to: &PolicyTarget| to.kind == "HTTPRoute" && to.name == name;
    let refused = |spec: &serde_json::Value| {
        let list = spec.get("targetRefs").and_then(serde_json::Value::as_array);
        let one = spec.get("targetRef").into_iter();
        one.chain(list.into_iter().flatten())
            .any(|to| to.get("name").and_then(serde_json::Value::as_str) == Some(name))
    };
    set.security_policies
        .iter()
        .filter(|policy| here(&policy.meta))
        .any(|policy| policy.spec.target_ref.iter().chain(&policy.spec.target_refs).any(named))
        || set
            .backend_traffic_policies
            .iter()
            .filter(|policy| here(&policy.meta))
            .any(|policy| policy.spec.target_ref.iter().chain(&policy.spec.target_refs).any(named))
        || set
            .refused_policies
            .iter()
            .filter(|policy| here(&policy.meta))
            .any(|policy| refused(&policy.spec.spec))
}
