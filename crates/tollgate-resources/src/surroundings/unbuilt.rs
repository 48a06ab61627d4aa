//! What kustomize and Flux still do to objects as they stand in a repository. Before a build an object does not say all
//! of itself, and nothing may be claimed of what it leaves open.

use std::collections::BTreeSet;

use super::applied::FLUX;
use crate::{
    load::Source,
    raw::{self, Raw},
    tree::{Node, Value},
};

/// Of files named `kustomization.yaml`.
const KUSTOMIZE: &str = "kustomize.config.k8s.io";
/// Lists of what a build takes in.
const TAKES: [&str; 3] = ["resources", "components", "bases"];
/// Lists of what a build changes, with or without a `target`.
const PATCHES: [&str; 3] = ["patches", "patchesStrategicMerge", "patchesJson6902"];

/// Files that a build reads and that hold no objects: lists of paths, or of objects with paths in these fields.
const PARTS: [(&str, &[&str]); 6] = [
    ("configMapGenerator", &["files", "envs"]),
    ("secretGenerator", &["files", "envs"]),
    ("patches", &["path"]),
    ("patchesJson6902", &["path"]),
    ("helmCharts", &["valuesFile", "additionalValuesFiles"]),
    ("configurations", &[]),
];

/// The builds of a repository.
pub(super) struct Unbuilt<'a> {
    objects: &'a [Raw],
    builds: Vec<Build<'a>>,
}

/// One `kustomization.yaml`.
struct Build<'a> {
    object: &'a Raw,
    folder: String,
    /// Files and folders that it takes in.
    takes: Vec<String>,
}

/// The names of sources that hold no objects, since a build makes something else of them: values of charts, patches, or
/// settings of its own.
#[must_use]
pub fn build_parts<'s>(sources: &[Source<'s>], env: &dyn Fn(&str) -> Option<String>) -> BTreeSet<&'s str> {
    let objects = raw::objects(sources, env);
    let builds = objects.iter().filter(|object| is_build(object)).map(Build::of);
    let parts: BTreeSet<_> = builds.flat_map(|build| build.parts()).collect();
    sources.iter().map(|source| source.name).filter(|name| parts.contains(&normal(name))).collect()
}

/// True for what a `kustomization.yaml` holds.
pub(super) fn is_build(object: &Raw) -> bool {
    object.group == KUSTOMIZE && ["Kustomization", "Component"].contains(&object.kind.as_str())
}

// === impl Unbuilt ===

impl<'a> Unbuilt<'a> {
    pub(super) fn of(objects: &'a [Raw]) -> Self {
        let builds = objects.iter().filter(|object| is_build(object)).map(Build::of).collect();
        Self { objects, builds }
    }

    /// The namespace that an object will have: what the outermost build gives to all that it takes in, or what is
    /// written. `None` where that is left to what is not here.
    pub(super) fn namespace(&self, object: &'a Raw) -> Option<&'a str> {
        let given = self.around(object).into_iter().rev();
        let given = given.filter_map(|build| build.object.node.get("namespace").and_then(Node::text)).next();
        given.or_else(|| object.node.at(&["metadata", "namespace"]).and_then(Node::text))
    }

    /// Whether something may yet change what an object says.
    pub(super) fn is_patched(&self, object: &Raw) -> bool {
        let builds = self.around(object);
        let patched = |build: &Build<'_>| {
            build.object.kind == "Component"
                || build.object.node.get("components").is_some()
                || PATCHES.iter().any(|list| {
                    items(build.object.node.get(list))
                        .iter()
                        .any(|patch| self.concerns(patch, &build.folder, object))
                })
        };
        builds.into_iter().any(patched) || self.is_patched_by_flux(object)
    }

    /// The builds that take an object in, each before those that take it in itself.
    fn around(&self, object: &Raw) -> Vec<&Build<'a>> {
        let mut taken = vec![normal(object.file())];
        let mut found: Vec<&Build<'a>> = Vec::new();
        let is_new = |build: &&Build<'a>, found: &[&Build<'a>], taken: &[String]| {
            !found.iter().any(|known| std::ptr::eq(*known, *build))
                && build.takes.iter().any(|path| taken.contains(path))
        };
        while let Some(build) = self.builds.iter().find(|build| is_new(build, &found, &taken)) {
            taken.push(build.folder.clone());
            found.push(build);
        }
        found
    }

    /// Whether a patch may be for an object: by its target, else by what it is made of, which may stand elsewhere.
    fn concerns(&self, patch: &Node, folder: &str, object: &Raw) -> bool {
        let kind = |node: &Node| node.text() == Some(object.kind.as_str());
        if let Some(target) = patch.at(&["target", "kind"]) {
            return kind(target);
        }
        let text = patch.get("patch").or(patch.text().map(|_| patch)).and_then(Node::text);
        if let Some(text) = text.filter(|text| text.contains('\n')) {
            return text.contains(&format!("kind: {}", object.kind));
        }
        let path = patch.get("path").and_then(Node::text).or(text).unwrap_or_default();
        let path = normal(&format!("{folder}/{path}"));
        let mut inside = self.objects.iter().filter(|other| normal(other.file()) == path).peekable();
        inside.peek().is_none() || inside.any(|other| other.kind == object.kind)
    }

    fn is_patched_by_flux(&self, object: &Raw) -> bool {
        let file = format!("/{}", normal(object.file()));
        self.objects.iter().filter(|other| other.is(FLUX, "Kustomization")).any(|flux| {
            let path = flux.node.at(&["spec", "path"]).and_then(Node::text).unwrap_or_default();
            file.contains(&format!("/{}/", normal(path)).replace("//", "/"))
                && (flux.node.at(&["spec", "components"]).is_some()
                    || items(flux.node.at(&["spec", "patches"]))
                        .iter()
                        .any(|patch| self.concerns(patch, "", object)))
        })
    }
}

// === impl Build ===

impl<'a> Build<'a> {
    fn of(object: &'a Raw) -> Self {
        let file = normal(object.file());
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let lists = TAKES.iter().flat_map(|list| items(object.node.get(list)));
        let takes = lists.filter_map(Node::text).map(|path| normal(&format!("{folder}/{path}"))).collect();
        Self { object, folder, takes }
    }

    /// Files that it reads and that hold no objects, or parts of some.
    fn parts(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut add = |node: &Node| {
            let path = node.text().map(|text| text.split_once('=').map_or(text, |(_, path)| path));
            found.extend(path.map(|path| normal(&format!("{}/{path}", self.folder))));
        };
        for (list, fields) in PARTS {
            for item in items(self.object.node.get(list)) {
                add(item);
                for node in fields.iter().filter_map(|field| item.get(field)) {
                    add(node);
                    items(Some(node)).iter().for_each(&mut add);
                }
            }
        }
        found
    }
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// A path without detours: `./a/../b/` is `b`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: eg}\n";

    fn build(rest: &str) -> String {
        format!("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n{rest}\n")
    }

    /// Namespace and whether it is patched, of the release in `apps/net/eg/app.yaml`.
    fn release(files: &[(&str, &str)]) -> (Option<String>, bool) {
        let release = [("./apps/net/eg/app.yaml", RELEASE)];
        let sources = release.iter().chain(files).map(|(name, text)| Source { name, text });
        let objects = raw::objects(&sources.collect::<Vec<_>>(), &|_| None);
        let unbuilt = Unbuilt::of(&objects);
        (unbuilt.namespace(&objects[0]).map(str::to_owned), unbuilt.is_patched(&objects[0]))
    }

    #[test]
    fn the_outermost_build_gives_the_namespace() {
        assert_eq!(release(&[]), (None, false));
        let inner = build("namespace: inner\nresources: [./app.yaml]");
        let inner = ("apps/net/eg/kustomization.yaml", inner.as_str());
        assert_eq!(release(&[inner]).0.as_deref(), Some("inner"));
        let outer = build("namespace: outer\nresources: [./eg/]");
        let outer = ("apps/net/kustomization.yaml", outer.as_str());
        assert_eq!(release(&[outer, inner]).0.as_deref(), Some("outer"));
        let other = build("namespace: other\nresources: [../elsewhere]");
        assert_eq!(release(&[("apps/net/kustomization.yaml", &other)]).0, None);
    }

    #[test]
    fn patches_change_what_they_are_for() {
        let with = |rest: &str| build(&format!("resources: [app.yaml]\n{rest}"));
        let patched = |rest: &str| release(&[("apps/net/eg/kustomization.yaml", &with(rest))]).1;
        assert!(patched("patches: [{target: {kind: HelmRelease}, patch: a}]"));
        assert!(patched("patches: [{path: values.patch.yaml}]"), "nobody knows what stands in it");
        assert!(patched("patches: [{patch: \"kind: HelmRelease\\nspec: {}\"}]"));
        assert!(patched("components: [../../parts]"));
        assert!(!patched("patches: [{target: {kind: Deployment}, patch: a}]"));
        assert!(!patched("patches: [{patch: \"kind: Service\\nspec: {}\"}]"));
        let service = ("apps/net/eg/patch.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n");
        let rest = with("patchesStrategicMerge: [patch.yaml]");
        assert!(!release(&[service, ("apps/net/eg/kustomization.yaml", &rest)]).1);
    }

    #[test]
    fn values_and_patches_are_no_objects() {
        let text = build(
            "configMapGenerator: [{name: values, files: [values.yaml=./helm/values.yaml]}]\nconfigurations: \
             [./names.yaml]\npatches: [{path: patch.yaml}]",
        );
        let names =
            ["a/kustomization.yaml", "./a/helm/values.yaml", "a/names.yaml", "a/patch.yaml", "b/names.yaml"];
        let sources = names.map(|name| Source { name, text: if name == names[0] { &text } else { "a: b" } });
        let found: Vec<_> = build_parts(&sources, &|_| None).into_iter().collect();
        assert_eq!(found, ["./a/helm/values.yaml", "a/names.yaml", "a/patch.yaml"]);
    }

    #[test]
    fn flux_patches_what_is_below_its_path() {
        let flux = |path: &str, kind: &str| {
            let text = format!(
                "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: a}}\nspec: {{path: \
                 {path}, patches: [{{target: {{kind: {kind}}}, patch: a}}]}}\n"
            );
            release(&[("flux/a.yaml", &text)]).1
        };
        assert!(flux("./apps/net", "HelmRelease"));
        assert!(!flux("./apps/net", "Deployment"));
        assert!(!flux("./apps/ne", "HelmRelease"));
    }
}
