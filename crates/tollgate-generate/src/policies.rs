//! Which of the users' BackendTrafficPolicies concern a route, as far as the translation has to know.

use tollgate_resources::{
    AiGatewayRoute, BackendTrafficPolicy, Meta, Object, PolicyTarget, ResourceSet, TargetSelector,
};

use crate::names::{MANAGED_BY, group};

/// The policies of the users that hold for a rule: the narrowest level that has one, and the Gateways' beneath it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holding<'a> {
    /// The policy of the rule, or else of the route.
    pub(crate) route: Option<&'a Object<BackendTrafficPolicy>>,
    /// A policy of a Gateway or of one of its listeners.
    pub(crate) gateway: Option<&'a Object<BackendTrafficPolicy>>,
}

/// What can be targeted.
struct Target<'a> {
    kind: &'a str,
    meta: &'a Meta,
    section: Option<&'a str>,
}

/// What holds for a rule of that name.
pub(crate) fn holding<'a>(
    set: &'a ResourceSet,
    route: &Object<AiGatewayRoute>,
    rule: Option<&str>,
) -> Holding<'a> {
    let narrow = rule
        .and_then(|rule| first(set, &Target { kind: "HTTPRoute", meta: &route.meta, section: Some(rule) }));
    let whole = || first(set, &Target { kind: "HTTPRoute", meta: &route.meta, section: None });
    Holding { route: narrow.or_else(whole), gateway: of_gateways(set, route) }
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
    let ours = |policy: &Object<BackendTrafficPolicy>| {
        policy.meta.labels.get(MANAGED_BY.0).is_some_and(|by| by == MANAGED_BY.1)
    };
    set.backend_traffic_policies.iter().find(|policy| !ours(policy) && targets(set, policy, target))
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
    let here = |meta: &Meta| {
        *meta.namespace == *namespace && meta.labels.get(MANAGED_BY.0).is_none_or(|by| by != MANAGED_BY.1)
    };
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
