use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tollgate_resources::{
    AiGatewayRoute, AiGatewayRouteRule, AiRouteMatch, HeaderMatch, Manifest, MatchType, Object, ParentRef,
    ResourceSet,
};
use tollgate_types::Diagnostics;

use crate::{
    filters,
    names::{self, GENERATED, HTTP_ROUTE, NOT_FOUND_RULE, PRIORITIES, REVISION, group},
    policies,
    refs::{self, Refs},
    retries::Retries,
    revision, timeouts,
};

/// The deadline of a request where nothing else is said. Envoy's own would be 15 s, which cuts most replies.
const REQUEST: Duration = Duration::from_secs(60);
/// What kubectl remembers of the object that a user applied: it is about that object alone.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A rule on its way into an HTTPRoute.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Which rule of the AIGatewayRoute.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) name: Option<String>,
    /// One of these has to match; all requests where there is none.
    pub(crate) matches: Vec<Json>,
    /// Its backends.
    pub(crate) refs: Refs,
    /// The deadline of a request; `None` where a policy has one.
    pub(crate) request: Option<Duration>,
    /// How its requests are tried again.
    pub(crate) retries: Retries,
}

/// The rules of a route, before they are spread over HTTPRoutes.
pub(crate) fn rules(set: &ResourceSet, route: &Object<AiGatewayRoute>, notes: &mut Diagnostics) -> Vec<Rule> {
    let rules = route.spec.rules.iter().enumerate();
    rules
        .map(|(index, spec)| {
            let refs = refs::of(set, route, index, notes);
            let attempt = spec.timeouts.and_then(|timeouts| timeouts.backend_request);
            Rule {
                index,
                name: spec.name.clone(),
                matches: spec.matches.iter().map(matched).collect(),
                retries: Retries::of(&refs.live, attempt),
                refs,
                request: request(set, route, spec),
            }
        })
        .collect()
}

/// The HTTPRoute of one part of a route; the last one answers what no rule takes.
pub(crate) fn object(
    set: &ResourceSet,
    route: &Object<AiGatewayRoute>,
    (name, rules): (&str, &[Rule]),
    last: bool,
) -> Manifest {
    let own = &*route.meta.name;
    let mut written: Vec<_> = rules.iter().map(|rule| rule.json(own)).collect();
    if last {
        written.push(json!({
            "name": NOT_FOUND_RULE,
            "matches": [{"path": root()}],
            "filters": [filters::reference(&names::not_found(own))],
        }));
    }
    let mut spec = Map::new();
    let parents: Vec<_> = route.spec.parent_refs.iter().map(parent).collect();
    if !parents.is_empty() {
        spec.insert("parentRefs".to_owned(), parents.into());
    }
    if !route.spec.hostnames.is_empty() {
        spec.insert("hostnames".to_owned(), json!(route.spec.hostnames));
    }
    spec.insert("rules".to_owned(), written.into());
    Manifest::new(HTTP_ROUTE, "HTTPRoute", metadata(set, route, name, rules), Json::Object(spec))
}

fn metadata(set: &ResourceSet, route: &Object<AiGatewayRoute>, name: &str, rules: &[Rule]) -> Json {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), name.into());
    metadata.insert("namespace".to_owned(), (&*route.meta.namespace).into());
    if !route.meta.labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(route.meta.labels));
    }
    let mut annotations = route.meta.annotations.clone();
    annotations.remove(LAST_APPLIED);
    annotations.insert(GENERATED.to_owned(), "true".to_owned());
    annotations.insert(PRIORITIES.to_owned(), priorities(route, rules));
    annotations.insert(REVISION.to_owned(), revision::of(set, route, rules));
    metadata.insert("annotations".to_owned(), json!(annotations));
    Json::Object(metadata)
}

/// `rule:backend:priority`, joined by commas.
fn priorities(route: &Object<AiGatewayRoute>, rules: &[Rule]) -> String {
    let mut parts = Vec::new();
    let mut last = None;
    // A rule that became several is one here.
    for rule in rules.iter().filter(|rule| last.replace(rule.index) != Some(rule.index)) {
        let specs = route.spec.rules.get(rule.index).map(|rule| rule.backend_refs.as_slice());
        for spec in rule.refs.origins.iter().filter_map(|i| specs.unwrap_or_default().get(*i)) {
            parts.push(format!("{}:{}:{}", rule.index, spec.name, spec.priority));
        }
    }
    parts.join(",")
}

/// A policy's deadline stands where the route has none of its own, as in Tollgate itself.
fn request(set: &ResourceSet, route: &Object<AiGatewayRoute>, spec: &AiGatewayRouteRule) -> Option<Duration> {
    if let Some(own) = spec.timeouts.and_then(|timeouts| timeouts.request) {
        return Some(own);
    }
    policies::request_timeout(set, route, spec.name.as_deref()).is_none().then_some(REQUEST)
}

fn matched(spec: &AiRouteMatch) -> Json {
    let headers: Vec<_> = spec.headers.iter().map(header).collect();
    if headers.is_empty() { json!({"path": root()}) } else { json!({"path": root(), "headers": headers}) }
}

fn header(spec: &HeaderMatch) -> Json {
    let HeaderMatch { match_type, name, value } = spec;
    match match_type {
        MatchType::Exact => json!({"name": name, "value": value}),
        MatchType::RegularExpression => json!({"type": "RegularExpression", "name": name, "value": value}),
    }
}

fn root() -> Json {
    json!({"type": "PathPrefix", "value": "/"})
}

/// What has a default is written only where it differs.
fn parent(spec: &ParentRef) -> Json {
    let ParentRef { group, kind, namespace, name, section_name, port } = spec;
    let mut fields = Map::new();
    let mut put = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    put("group", (group != group::GATEWAY).then(|| json!(group)));
    put("kind", (kind != "Gateway").then(|| json!(kind)));
    put("namespace", namespace.as_ref().map(|namespace| json!(namespace)));
    put("name", Some(json!(name)));
    put("sectionName", section_name.as_ref().map(|name| json!(name)));
    put("port", port.map(|port| json!(port)));
    Json::Object(fields)
}

// === impl Rule ===

impl Rule {
    fn json(&self, route: &str) -> Json {
        let mut fields = Map::new();
        if let Some(name) = &self.name {
            fields.insert("name".to_owned(), json!(name));
        }
        if !self.matches.is_empty() {
            fields.insert("matches".to_owned(), json!(self.matches));
        }
        fields.insert("filters".to_owned(), json!([filters::reference(&names::host_rewrite(route))]));
        if !self.refs.json.is_empty() {
            fields.insert("backendRefs".to_owned(), json!(self.refs.json));
        }
        if let Some(request) = self.request {
            fields.insert("timeouts".to_owned(), json!({"request": timeouts::text(request)}));
        }
        Json::Object(fields)
    }
}
