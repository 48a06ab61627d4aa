use std::collections::HashMap;

use tollgate_resources::Object;
use tollgate_types::ObjectRef;

use crate::Fault;

/// Objects of one kind by namespace and name.
#[derive(Debug)]
pub(crate) struct Lookup<'a, T> {
    kind: &'static str,
    objects: &'a [Object<T>],
    by_name: HashMap<(&'a str, &'a str), &'a Object<T>>,
    /// Objects of this kind that the loader left out, since they break their schema.
    refused: Vec<&'a ObjectRef>,
}

/// The nearest of some names, where one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

// === impl Lookup ===

impl<'a, T> Lookup<'a, T> {
    pub(crate) fn new(kind: &'static str, objects: &'a [Object<T>], refused: &'a [ObjectRef]) -> Self {
        let by_name =
            objects.iter().map(|object| ((&*object.meta.namespace, &*object.meta.name), object)).collect();
        let refused = refused.iter().filter(|object| &*object.kind == kind).collect();
        Self { kind, objects, by_name, refused }
    }

    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<&'a Object<T>> {
        self.by_name.get(&(namespace, name)).copied()
    }

    /// The object, or a fault that says what there is instead.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Result<&'a Object<T>, Fault> {
        self.find(namespace, name).ok_or_else(|| self.missing(namespace, name))
    }

    fn missing(&self, namespace: &str, name: &str) -> Fault {
        let Self { kind, objects, by_name: _, refused } = self;
        let code = match *kind {
            "Gateway" => "parent-not-found",
            "AIServiceBackend" | "Backend" | "Service" => "backend-not-found",
            "Secret" => "secret-not-found",
            "ConfigMap" => "config-map-not-found",
            "HTTPRouteFilter" => "filter-not-found",
            "GatewayConfig" => "gateway-config-not-found",
            "EnvoyProxy" => "envoy-proxy-not-found",
            _ => "object-not-found",
        };
        if refused.iter().any(|object| &*object.namespace == namespace && &*object.name == name) {
            return Fault::new(
                code,
                format!("{kind} {namespace}/{name} was left out, since it is invalid itself"),
            )
            .help(format!("correct {kind} {namespace}/{name} first"));
        }
        let elsewhere = objects.iter().find(|object| &*object.meta.name == name);
        let here = objects.iter().filter(|object| &*object.meta.namespace == namespace);
        let help = match (elsewhere, nearest(name, here.map(|object| &*object.meta.name))) {
            // Attaching to a Gateway is for its listeners to allow, not for a ReferenceGrant.
            (Some(object), _) if *kind == "Gateway" => Some(format!(
                "{kind} {name} exists in namespace {}; name that namespace",
                object.meta.namespace
            )),
            (Some(object), _) => Some(format!(
                "{kind} {name} exists in namespace {}; name that namespace, and add a ReferenceGrant there where \
                 one is needed",
                object.meta.namespace
            )),
            (None, Some(near)) => Some(format!("did you mean {near}?")),
            (None, None) if objects.is_empty() => Some(format!("there is no {kind} at all; add one")),
            (None, None) => None,
        };
        Fault::new(code, format!("{kind} {namespace}/{name} does not exist")).maybe_help(help)
    }
}
