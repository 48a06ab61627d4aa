use serde_json::{Map, Value as Json, json};
use tollgate_resources::{AiBackendRef, AiGatewayRoute, Object, ResourceSet, find};
use tollgate_types::Diagnostics;

use crate::{
    grants::{Party, permits},
    names::{self, group},
    notes::Note,
};

/// The most backends of an HTTPRoute's rule (Gateway API).
const MOST: usize = 16;

/// The backends of a rule, as the HTTPRoute has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refs {
    /// The references.
    pub(crate) json: Vec<Json>,
    /// For each of them, which of the AIGatewayRoute's it was.
    pub(crate) origins: Vec<usize>,
    /// The priorities of those that can be asked.
    pub(crate) live: Vec<u32>,
}

/// Where the address behind a reference stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port: Option<u16>,
}

/// The references of a rule. One that leads nowhere stays where it takes a share of the requests, so that they get the
/// 500 that they get from Tollgate; behind others it would only be a retry that cannot help.
pub(crate) fn of(
    set: &ResourceSet,
    route: &Object<AiGatewayRoute>,
    rule: usize,
    notes: &mut Diagnostics,
) -> Refs {
    let own = &*route.meta.namespace;
    let Some(specs) = route.spec.rules.get(rule).map(|rule| &rule.backend_refs) else {
        return Refs::default();
    };
    let first = specs.iter().map(|spec| spec.priority).min().unwrap_or_default();
    let mut refs: Vec<_> = specs
        .iter()
        .enumerate()
        .map(|(i, spec)| (i, spec, target(set, own, spec)))
        .filter(|(_, spec, target)| target.is_some() || spec.priority == first)
        .collect();
    if refs.len() > MOST {
        too_many(route, rule, refs.len(), notes);
        // Those that are asked last are missed least; among them the later ones.
        refs.sort_by_key(|(i, spec, _)| (spec.priority, *i));
        refs.truncate(MOST);
        refs.sort_by_key(|(i, ..)| *i);
    }
    let mut found = Refs::default();
    for (i, spec, target) in refs {
        if spec.weight > 0 && target.is_some() {
            found.live.push(spec.priority);
        }
        found.json.push(json(spec, target, own));
        found.origins.push(i);
    }
    found
}

/// The address behind a reference; `None` where it leads nowhere or may not lead there.
pub(crate) fn target(set: &ResourceSet, own: &str, spec: &AiBackendRef) -> Option<Target> {
    let namespace = given(spec.namespace.as_deref()).unwrap_or(own);
    let from = Party { group: group::AI, kind: "AIGatewayRoute", namespace: own };
    if is_pool(spec) {
        let to = Party { group: group::INFERENCE, kind: "InferencePool", namespace };
        return permits(set, from, to, &spec.name).then(|| Target {
            group: to.group.to_owned(),
            kind: to.kind.to_owned(),
            namespace: namespace.to_owned(),
            name: spec.name.clone(),
            port: None,
        });
    }
    let backend = find(&set.ai_service_backends, namespace, &spec.name)?;
    let to = Party { group: group::AI, kind: "AIServiceBackend", namespace };
    if !permits(set, from, to, &spec.name) {
        return None;
    }
    let address = &backend.spec.backend_ref;
    let at = given(address.namespace.as_deref()).unwrap_or(namespace);
    let inner = Party { group: &address.group, kind: &address.kind, namespace: at };
    permits(set, to, inner, &address.name).then(|| Target {
        group: address.group.clone(),
        kind: address.kind.clone(),
        namespace: at.to_owned(),
        name: address.name.clone(),
        port: address.port,
    })
}

pub(crate) fn is_pool(spec: &AiBackendRef) -> bool {
    spec.kind.as_deref() == Some("InferencePool")
}

fn json(spec: &AiBackendRef, target: Option<Target>, own: &str) -> Json {
    let target = target.unwrap_or_else(|| Target {
        group: group::ENVOY.to_owned(),
        kind: "Backend".to_owned(),
        namespace: own.to_owned(),
        name: names::unresolved(&spec.name),
        port: None,
    });
    let mut fields = Map::new();
    fields.insert("group".to_owned(), target.group.into());
    fields.insert("kind".to_owned(), target.kind.into());
    fields.insert("name".to_owned(), target.name.into());
    if is_pool(spec) || target.namespace != own {
        fields.insert("namespace".to_owned(), target.namespace.into());
    }
    if let Some(port) = target.port {
        fields.insert("port".to_owned(), port.into());
    }
    // Gateway API's largest.
    fields.insert("weight".to_owned(), json!(spec.weight.min(1_000_000)));
    Json::Object(fields)
}

fn too_many(route: &Object<AiGatewayRoute>, rule: usize, count: usize, notes: &mut Diagnostics) {
    let message = format!(
        "the rule has {count} backends, and a rule of an HTTPRoute at most {MOST}: those of the last priorities are \
         left out"
    );
    let note = Note::error("too-many-backends", message)
        .help("put hosts that speak the same API with the same credential into one Backend");
    notes.push(note.at(route, format!("spec.rules[{rule}].backendRefs")));
}

fn given(namespace: Option<&str>) -> Option<&str> {
    namespace.filter(|namespace| !namespace.is_empty())
}
