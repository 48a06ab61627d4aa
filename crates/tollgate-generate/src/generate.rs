use tollgate_resources::{AiGatewayRoute, Manifest, Object, ResourceSet};
use tollgate_types::Diagnostics;

use crate::{
    filters, grants,
    names::{self, GENERATED},
    notes::Note,
    order,
    parts::{self, Origins},
    route,
};

/// What resources become for Envoy Gateway.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    /// The objects, in the order in which people read them: what is referred to stands before what refers to it.
    pub objects: Vec<Manifest>,
    /// From the rules of generated HTTPRoutes back to those of AIGatewayRoutes.
    pub origins: Origins,
    /// What the translation could not keep, in the order of the resources.
    pub diagnostics: Diagnostics,
}

/// The objects that Envoy Gateway needs for the AI resources of a set: for each AIGatewayRoute an HTTPRoute of its
/// name, two HTTPRouteFilters, and grants where they are needed. Total and deterministic: the same set
/// gives the same bytes, and what is broken is left out, alone.
#[must_use]
pub fn generate(set: &ResourceSet) -> Generated {
    let mut generated = Generated::default();
    for route in &set.ai_gateway_routes {
        generated.route(set, route);
    }
    order::sort(&mut generated.objects);
    generated
}

// === impl Generated ===

impl Generated {
    fn route(&mut self, set: &ResourceSet, route: &Object<AiGatewayRoute>) {
        let rules = route::rules(set, route, &mut self.diagnostics);
        let parts = parts::split(set, route, rules, &mut self.diagnostics);
        let named = |(i, part)| (names::part(&route.meta.name, i), part);
        let parts: Vec<_> = parts.into_iter().enumerate().map(named).collect();
        if let Some((taken, _)) = parts.iter().find(|(name, _)| is_taken(set, route, name)) {
            let (namespace, name) = (&route.meta.namespace, &route.meta.name);
            let message = format!(
                "HTTPRoute {namespace}/{taken} exists already, and AIGatewayRoute {namespace}/{name} would become it"
            );
            let note = Note::error("generated-name-taken", message).help(
                "rename one of them; until then the AIGatewayRoute is not served through Envoy Gateway",
            );
            return self.diagnostics.push(note.at(route, "metadata.name"));
        }
        self.objects.extend(filters::of(set, route));
        self.objects.extend(grants::of(set, route));
        let last = parts.len().saturating_sub(1);
        for (i, (name, rules)) in parts.iter().enumerate() {
            self.origins.add(route, name, rules);
            self.objects.push(route::object(set, route, (name, rules), i == last));
        }
    }
}

/// Whether a user has an HTTPRoute of that name. One that was generated earlier is ours to write anew.
fn is_taken(set: &ResourceSet, route: &Object<AiGatewayRoute>, name: &str) -> bool {
    set.http_routes.iter().any(|other| {
        *other.meta.name == *name
            && other.meta.namespace == route.meta.namespace
            && !other.meta.annotations.contains_key(GENERATED)
    })
}
