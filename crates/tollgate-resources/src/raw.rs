//! Objects as they were written, of any kind: for checks that need no type.

use std::sync::Arc;

use tollgate_types::{Diagnostic, ObjectRef, Severity};

use crate::{
    load::Source,
    object::Positions,
    parse,
    registry::{self, Scope},
    substitute::substitute,
    tree::{Node, Value},
};

/// One object of a source.
#[derive(Debug)]
pub(crate) struct Raw {
    /// API group; empty is core.
    pub(crate) group: String,
    /// Version without the group.
    pub(crate) version: String,
    /// Kind.
    pub(crate) kind: String,
    /// All of it.
    pub(crate) node: Node,
    positions: Positions,
}

/// All that says its kind; what cannot be read is the loader's to report.
pub(crate) fn objects(sources: &[Source<'_>], env: &dyn Fn(&str) -> Option<String>) -> Vec<Raw> {
    let mut all = Vec::new();
    for source in sources {
        let file: Arc<str> = Arc::from(source.name);
        for chunk in parse::documents(source.text) {
            if let Ok(Some(mut node)) = parse::document(&chunk) {
                substitute(&mut node, env);
                take(&file, node, &mut all);
            }
        }
    }
    all
}

/// A list's items, or the object itself.
fn take(file: &Arc<str>, node: Node, all: &mut Vec<Raw>) {
    let text = |key| node.get(key).and_then(Node::text).map(str::to_owned);
    let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else { return };
    if kind.ends_with("List")
        && let Some(Value::List(items)) = node.get("items").map(|items| &items.value)
    {
        items.iter().for_each(|item| take(file, item.clone(), all));
        return;
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let (group, version) = (group.to_owned(), version.to_owned());
    let positions = Positions::new(Arc::clone(file), &node);
    all.push(Raw { group, version, kind, node, positions });
}

// === impl Raw ===

impl Raw {
    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    pub(crate) fn name(&self) -> &str {
        self.node.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default()
    }

    /// As it is written, or `default`; empty for kinds that have none.
    pub(crate) fn namespace(&self) -> &str {
        let cluster =
            registry::find(&self.group, &self.kind).is_some_and(|known| known.scope == Scope::Cluster);
        let usual = if cluster { "" } else { "default" };
        self.node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or(usual)
    }

    pub(crate) fn reference(&self) -> ObjectRef {
        ObjectRef::new(self.kind.as_str(), self.namespace(), self.name())
    }

    /// The file that it stands in, as the user named it.
    pub(crate) fn file(&self) -> &str {
        self.positions.file()
    }

    /// A diagnostic about one of its fields; the empty field is the whole object.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        (code, field): (&'static str, &str),
        (message, help): (String, Option<String>),
    ) -> Diagnostic {
        let span = self.positions.span_of(field);
        let object = Some(self.reference());
        Diagnostic { severity, code, message, help, span, object, field: field.to_owned() }
    }
}
