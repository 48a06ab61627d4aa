use serde_json::{Value as Json, json};
use tollgate_resources::{AiGatewayRoute, Manifest, Object, ResourceSet};

use crate::{
    grants,
    names::{self, ENVOY_GATEWAY, group},
};

/// What a request gets that no rule takes and that the external processor let through, in the words and the form of
/// Tollgate's own errors.
const NOT_FOUND: &str = r#"{"type":"error","error":{"type":"NotFound","code":"404","message":"no rule of the AIGatewayRoute matches the request; is the model configured?"}}"#;

/// The two filters of a route, without those that a user has written.
pub(crate) fn of(set: &ResourceSet, route: &Object<AiGatewayRoute>) -> Vec<Manifest> {
    let name = &*route.meta.name;
    // Providers are told apart by their host; Envoy takes it from the endpoint.
    let rewrite = json!({"urlRewrite": {"hostname": {"type": "Backend"}}});
    let not_found = json!({"directResponse": {
        "statusCode": 404,
        "contentType": "application/json",
        "body": {"type": "Inline", "inline": NOT_FOUND},
    }});
    [(names::host_rewrite(name), rewrite), (names::not_found(name), not_found)]
        .into_iter()
        .filter(|(name, _)| !is_written(set, &route.meta.namespace, name))
        .map(|(name, spec)| {
            grants::managed(ENVOY_GATEWAY, "HTTPRouteFilter", (&route.meta.namespace, &name), &spec)
        })
        .collect()
}

/// A rule's filter that refers to one of the two.
pub(crate) fn reference(name: &str) -> Json {
    json!({
        "type": "ExtensionRef",
        "extensionRef": {"group": group::ENVOY, "kind": "HTTPRouteFilter", "name": name},
    })
}

fn is_written(set: &ResourceSet, namespace: &str, name: &str) -> bool {
    let mark = names::MANAGED_BY;
    set.http_route_filters.iter().any(|filter| {
        *filter.meta.name == *name
            && *filter.meta.namespace == *namespace
            && filter.meta.labels.get(mark.0).is_none_or(|by| by != mark.1)
    })
}
