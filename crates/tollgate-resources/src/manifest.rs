//! Objects as they are written, for those who pass them on: nothing is left out, and nothing is filled in but the
//! namespace.

use std::{collections::HashSet, fmt, sync::Arc};

use serde_json::{Map, Value as Json};
use tollgate_types::ObjectRef;

use crate::{
    load::Source,
    object::Meta,
    parse,
    registry::{self, Role, Scope},
    substitute::substitute,
    tree::{Node, Value},
};

/// An object as JSON, with what it is known by. Its `Debug` shows its name only: it may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Manifest {
    /// `group/version`, or the version alone for core kinds.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Empty for objects that have none.
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// All of it, `apiVersion` first.
    pub body: Json,
}

/// The objects of known kinds in some sources, as they are written, with variables from `env` in place. Of two of one
/// name the first counts, as [`load`](crate::load) has it; what is wrong with them is for `load` to say.
#[must_use]
pub fn manifests(sources: &[Source<'_>], env: &dyn Fn(&str) -> Option<String>) -> Vec<Manifest> {
    let mut found = Vec::new();
    for source in sources {
        for node in parse::documents(source.text).iter().filter_map(|chunk| parse::document(chunk).ok()?) {
            document(node, env, &mut found);
        }
    }
    let mut seen = HashSet::new();
    found.retain(|manifest| seen.insert(manifest.reference()));
    found
}

fn document(node: Node, env: &dyn Fn(&str) -> Option<String>, found: &mut Vec<Manifest>) {
    let text = |key| node.get(key).and_then(Node::text);
    let is_list = text("kind").is_some_and(|kind| kind.ends_with("List")) && node.get("items").is_some();
    if !is_list {
        return found.extend(object(node, None, env));
    }
    let kind = text("kind").and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
    let implied =
        (!kind.is_empty()).then(|| (text("apiVersion").unwrap_or_default().to_owned(), kind.to_owned()));
    let Value::Map(entries) = node.value else { return };
    let items = entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.value.value);
    if let Some(Value::List(items)) = items {
        found.extend(items.into_iter().filter_map(|item| object(item, implied.as_ref(), env)));
    }
}

fn object(
    mut node: Node,
    implied: Option<&(String, String)>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Manifest> {
    let text = |key| node.get(key).and_then(Node::text).map(str::to_owned);
    let api_version = text("apiVersion").or(implied.map(|(version, _)| version.clone()))?;
    let kind = text("kind").or(implied.map(|(_, kind)| kind.clone()))?;
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let known = registry::find(group, &kind)?;
    if matches!(known.role, Role::Served(_)) {
        // `load` reports what it finds.
        drop(substitute(&mut node, env));
    }
    let Json::Object(fields) = node.to_json() else { return None };
    let written = fields.get("metadata")?.as_object()?;
    let given = |key: &str| written.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let name = given("name")?.to_owned();
    let namespace = match known.scope {
        Scope::Cluster => String::new(),
        Scope::Namespaced => given("namespace").unwrap_or("default").to_owned(),
    };
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), name.clone().into());
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), namespace.clone().into());
    }
    for (key, value) in written.iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "namespace")) {
        metadata.insert(key.clone(), value.clone());
    }
    let mut body = Map::new();
    body.insert("apiVersion".to_owned(), api_version.clone().into());
    body.insert("kind".to_owned(), kind.clone().into());
    body.insert("metadata".to_owned(), metadata.into());
    let rest =
        fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
    body.extend(rest);
    Some(Manifest { api_version, kind, namespace, name, body: Json::Object(body) })
}

// === impl Manifest ===

impl Manifest {
    /// An object of a kind that has a `spec`; namespace and name are those of `metadata`.
    #[must_use]
    pub fn new(api_version: &str, kind: &str, metadata: Json, spec: Json) -> Self {
        let of = |key| metadata.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (of("namespace"), of("name"));
        let mut body = Map::new();
        body.insert("apiVersion".to_owned(), api_version.into());
        body.insert("kind".to_owned(), kind.into());
        body.insert("metadata".to_owned(), metadata);
        body.insert("spec".to_owned(), spec);
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        Self { api_version, kind, namespace, name, body: Json::Object(body) }
    }

    /// Its API group; empty is core.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Namespace, name and labels.
    #[must_use]
    pub fn meta(&self) -> Meta {
        let labels = self.body.get("metadata").and_then(|metadata| metadata.get("labels")?.as_object());
        let text = |(key, value): (&String, &Json)| Some((key.clone(), value.as_str()?.to_owned()));
        Meta {
            name: self.name.as_str().into(),
            namespace: self.namespace.as_str().into(),
            labels: labels.into_iter().flatten().filter_map(text).collect(),
            ..Meta::default()
        }
    }

    /// Its reference.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef::new(Arc::from(self.kind.as_str()), self.namespace.as_str(), self.name.as_str())
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({} {}/{} …)", self.kind, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Manifest> {
        manifests(&[Source { name: "a.yaml", text }], &|name| {
            (name == "HOST").then(|| "a.example".to_owned())
        })
    }

    #[test]
    fn objects_are_passed_on_as_they_are_written_with_variables_and_namespace_in_place() {
        let text = "kind: Backend\napiVersion: gateway.envoyproxy.io/v1alpha1\nmetadata: {name: a}\n\
                    spec: {endpoints: [{fqdn: {hostname: \"${HOST}\", port: 443}}], someday: 1}\n";
        let json = r#"{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"Backend","metadata":{"name":"a","namespace":"default"},"spec":{"endpoints":[{"fqdn":{"hostname":"a.example","port":443}}],"someday":1}}"#;
        assert_eq!(read(text).iter().map(|m| m.body.to_string()).collect::<Vec<_>>(), [json]);
    }

    #[test]
    fn lists_are_opened_duplicates_and_strangers_left_out() {
        let text = "apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: Secret, metadata: {name: a}}\n  \
                    - {apiVersion: v1, kind: Secret, metadata: {name: a}, type: x}\n  \
                    - {apiVersion: example.com/v1, kind: Other, metadata: {name: a}}\n---\n: {\n---\n\
                    apiVersion: v1\nkind: NamespaceList\nitems: [{metadata: {name: b}}]\n";
        let found: Vec<_> = read(text).iter().map(|m| m.reference().to_string()).collect();
        assert_eq!(found, ["Secret default/a", "Namespace b"]);
    }

    #[test]
    fn what_stands_in_it_is_not_shown() {
        let secret =
            read("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {apiKey: sk-live}\n");
        assert!(!format!("{secret:?}").contains("sk-live"));
    }
}
