//! To what a policy is attached that breaks its schema: nothing is known of it but what was written.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    kinds::Unserved,
    object::{Meta, Object},
};

impl Object<Unserved> {
    /// True where `targetRef`, `targetRefs` or `targetSelectors` choose an object of this kind. Only selectors reach
    /// into other namespaces; which ones is taken broadly, since a policy too many is safer than one too few.
    #[must_use]
    pub fn chooses(&self, kind: &str, meta: &Meta) -> bool {
        let spec = &self.spec.spec;
        let here = self.meta.namespace == meta.namespace;
        let is = |value: &Json, key: &str, want: &str| value.get(key).and_then(Json::as_str) == Some(want);
        let named = |to: &Json| here && is(to, "kind", kind) && is(to, "name", &meta.name);
        let selected = |selector: &Json| {
            let from = selector.get("namespaces").and_then(|namespaces| namespaces.get("from")?.as_str());
            (here || from.is_some_and(|from| from != "Same"))
                && is(selector, "kind", kind)
                && has_labels(&meta.labels, selector.get("matchLabels"))
        };
        let list = |key: &str| spec.get(key).and_then(Json::as_array).into_iter().flatten();
        spec.get("targetRef").into_iter().chain(list("targetRefs")).any(named)
            || list("targetSelectors").any(selected)
    }
}

fn has_labels(labels: &BTreeMap<String, String>, wanted: Option<&Json>) -> bool {
    let mut wanted = wanted.and_then(Json::as_object).into_iter().flatten();
    wanted.all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, load};

    fn policy(targets: &str) -> Object<Unserved> {
        let text = format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: p, namespace: prod}}\n\
             spec: {{basicAuth: 1, {targets}}}\n"
        );
        let mut set = load(&[Source { name: "a.yaml", text: &text }], &|_| None).set;
        set.refused_policies.remove(0)
    }

    fn route(namespace: &str) -> Meta {
        let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
        Meta { name: "chat".into(), namespace: namespace.into(), labels, ..Meta::default() }
    }

    #[test]
    fn names_reach_their_own_namespace_and_selectors_as_far_as_they_say() {
        let chosen = |targets: &str, namespace: &str| policy(targets).chooses("HTTPRoute", &route(namespace));
        for named in
            ["targetRef: {kind: HTTPRoute, name: chat}", "targetRefs: [{kind: HTTPRoute, name: chat}]"]
        {
            assert!(chosen(named, "prod") && !chosen(named, "dev"), "{named}");
        }
        assert!(!chosen("targetRefs: [{kind: Gateway, name: chat}]", "prod"));
        let selector = "targetSelectors: [{kind: HTTPRoute, matchLabels: {tier: gold}";
        assert!(chosen(&format!("{selector}}}]"), "prod") && !chosen(&format!("{selector}}}]"), "dev"));
        assert!(chosen(&format!("{selector}, namespaces: {{from: All}}}}]"), "dev"));
        assert!(!chosen("targetSelectors: [{kind: HTTPRoute, matchLabels: {tier: lead}}]", "prod"));
        assert!(chosen("targetSelectors: [{kind: HTTPRoute}]", "prod"), "all of them");
    }
}
