//! Flux's Kustomizations: what waits for what, and what is applied twice.

use tollgate_types::{Diagnostics, Severity};

use super::at;
use crate::{
    raw::Raw,
    tree::{Node, Value},
};

const FLUX: &str = "kustomize.toolkit.fluxcd.io";
/// Of files named `kustomization.yaml`.
const KUSTOMIZE: &str = "kustomize.config.k8s.io";

pub(super) fn check(objects: &[Raw], notes: &mut Diagnostics) {
    let all: Vec<_> = objects.iter().filter(|object| object.is(FLUX, "Kustomization")).collect();
    for object in &all {
        let waits = match object.node.at(&["spec", "dependsOn"]).map(|node| &node.value) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        for (i, dependency) in waits.iter().enumerate() {
            waits_for(object, (i, dependency), &all, notes);
        }
        twice(object, (&all, objects), notes);
    }
}

/// A dependency without a namespace is looked for in the Kustomization's own.
fn waits_for(object: &Raw, (i, dependency): (usize, &Node), all: &[&Raw], notes: &mut Diagnostics) {
    let Some(name) = dependency.get("name").and_then(Node::text) else { return };
    let given = dependency.get("namespace").and_then(Node::text);
    let namespace = given.unwrap_or(object.namespace());
    let mut named = all.iter().filter(|other| other.name() == name);
    if named.clone().any(|other| other.namespace() == namespace) {
        return;
    }
    let (severity, help) = match named.next() {
        Some(other) => (
            Severity::Error,
            format!("Kustomization {name} is in namespace {ns}: add namespace: {ns}", ns = other.namespace()),
        ),
        None if given.is_some() => return,
        None => (
            Severity::Warning,
            format!(
                "without a namespace it is looked for in {namespace}; say where it is, or ignore this if it is there"
            ),
        ),
    };
    let message = format!("Kustomization {namespace}/{name} does not exist here: this one never gets ready");
    let field = format!("spec.dependsOn[{i}]");
    notes.push(at(object, severity, ("dependency-not-found", &field, ""), (message, &help)));
}

/// A folder inside one that is applied already, whole: with a kustomization.yaml only what that names is.
fn twice(object: &Raw, (all, objects): (&[&Raw], &[Raw]), notes: &mut Diagnostics) {
    let Some(own) = path(object) else { return };
    let Some((above, _)) = own.rsplit_once('/') else { return };
    let lists = |file: &Raw| {
        let folder = file.file().rsplit_once('/').map_or("", |(folder, _)| folder);
        file.is(KUSTOMIZE, "Kustomization") && (folder == above || folder.ends_with(&format!("/{above}")))
    };
    if objects.iter().any(lists) {
        return;
    }
    let outer = all.iter().find(|other| path(other).is_some_and(|other| other == above));
    if let Some(outer) = outer {
        let message = format!(
            "{own} is in {above}, which Kustomization {}/{} applies already: its objects are applied twice, and in no \
             order",
            outer.namespace(),
            outer.name()
        );
        let help = "let a kustomization.yaml in that folder name the Flux Kustomizations below it, and drop this one";
        notes.push(at(object, Severity::Warning, ("applied-twice", "spec.path", ""), (message, help)));
    }
}

/// `./a/b/` as `a/b`.
fn path(object: &Raw) -> Option<&str> {
    let path = object.node.at(&["spec", "path"])?.text()?;
    Some(path.trim_start_matches("./").trim_matches('/')).filter(|path| !path.is_empty())
}
