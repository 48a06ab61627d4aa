//! Flux's Kustomizations: what waits for what, and what is applied twice.

use tollgate_types::{Diagnostics, Severity};

use super::{
    at,
    unbuilt::{Unbuilt, is_build},
};
use crate::{
    raw::Raw,
    tree::{Node, Value},
};

pub(super) const FLUX: &str = "kustomize.toolkit.fluxcd.io";

pub(super) fn check<'a>(objects: &'a [Raw], unbuilt: &Unbuilt<'a>, notes: &mut Diagnostics) {
    let all: Vec<_> = objects.iter().filter(|object| object.is(FLUX, "Kustomization")).collect();
    for object in &all {
        let waits = match object.node.at(&["spec", "dependsOn"]).map(|node| &node.value) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        for (i, dependency) in waits.iter().enumerate() {
            waits_for(object, (i, dependency), (&all, unbuilt), notes);
        }
        twice(object, (&all, objects), notes);
    }
}

/// A dependency without a namespace is looked for in the Kustomization's own, which a build may have yet to give it.
fn waits_for<'a>(
    object: &'a Raw,
    (i, dependency): (usize, &Node),
    (all, unbuilt): (&[&'a Raw], &Unbuilt<'a>),
    notes: &mut Diagnostics,
) {
    let Some(name) = dependency.get("name").and_then(Node::text) else { return };
    let given = dependency.get("namespace").and_then(Node::text);
    let Some(namespace) = given.or_else(|| unbuilt.namespace(object)) else { return };
    let named = all.iter().filter(|other| other.name() == name);
    // One whose namespace is not known yet may be the one that is meant.
    let Some(others) = named.map(|other| unbuilt.namespace(other)).collect::<Option<Vec<_>>>() else {
        return;
    };
    if others.contains(&namespace) {
        return;
    }
    let (severity, help) = match others.first() {
        Some(other) => {
            (Severity::Error, format!("Kustomization {name} is in namespace {other}: add namespace: {other}"))
        }
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
        is_build(file) && (folder == above || folder.ends_with(&format!("/{above}")))
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
