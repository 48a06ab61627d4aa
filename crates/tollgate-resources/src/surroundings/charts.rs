//! Charts that manifests install: Flux's HelmRelease, Argo CD's Application, Crossplane's Release.

use tollgate_types::{Diagnostics, Severity};

use super::{at, unbuilt::Unbuilt};
use crate::{
    raw::Raw,
    tree::{Node, Value},
    versions::{self, Release},
};

const FLUX: &str = "helm.toolkit.fluxcd.io";
const ARGO: &str = "argoproj.io";
const CROSSPLANE: [&str; 2] = ["helm.crossplane.io", "helm.m.crossplane.io"];

/// A chart that an object installs.
pub(super) struct Install<'a> {
    pub(super) object: &'a Raw,
    /// Its last name: `gateway-helm`.
    pub(super) chart: String,
    version: Option<String>,
    /// The field that names it.
    pub(super) place: &'static str,
    /// The values, and the field that holds them.
    pub(super) values: Option<(&'a Node, String)>,
    /// Where more values come from, which are not known here.
    pub(super) elsewhere: Option<&'static str>,
}

/// Fields by which a chart gets values from somewhere else, or in a way that is not looked into.
const ELSEWHERE: [(&[&str], &str); 5] = [
    (&["spec", "valuesFrom"], "spec.valuesFrom"),
    (&["spec", "postRenderers"], "spec.postRenderers"),
    (&["spec", "forProvider", "valuesFrom"], "spec.forProvider.valuesFrom"),
    (&["spec", "forProvider", "set"], "spec.forProvider.set"),
    (&["spec", "forProvider", "patchesFrom"], "spec.forProvider.patchesFrom"),
];
/// The same of a source of Argo CD, below `helm`.
const OF_A_SOURCE: [&str; 4] = ["valueFiles", "values", "parameters", "fileParameters"];

pub(super) fn installs<'a>(objects: &'a [Raw], unbuilt: &Unbuilt<'a>) -> Vec<Install<'a>> {
    let mut all = written(objects);
    for install in &mut all {
        let field = ELSEWHERE.iter().find(|(path, _)| install.object.node.at(path).is_some());
        let patches = || unbuilt.is_patched(install.object).then_some("a patch");
        install.elsewhere = install.elsewhere.or(field.map(|(_, field)| *field)).or_else(patches);
    }
    all
}

fn written(objects: &[Raw]) -> Vec<Install<'_>> {
    let mut all = Vec::new();
    for object in objects {
        match (object.group.as_str(), object.kind.as_str()) {
            (FLUX, "HelmRelease") => all.extend(flux(object, objects)),
            (ARGO, "Application") => argo(object, &mut all),
            (group, "Release") if CROSSPLANE.contains(&group) => {
                let base = &["spec", "forProvider"];
                let chart = object.node.at(base).and_then(|node| node.get("chart"));
                let values = object.node.at(base).and_then(|node| node.get("values"));
                all.extend(install(object, (chart, "name", "version"), "spec.forProvider.chart").map(
                    |install| Install {
                        values: values.map(|node| (node, "spec.forProvider.values".to_owned())),
                        ..install
                    },
                ));
            }
            _ => {}
        }
    }
    all
}

/// The chart is written in the release, or in the repository that it refers to.
fn flux<'a>(object: &'a Raw, objects: &'a [Raw]) -> Option<Install<'a>> {
    let values = object.node.at(&["spec", "values"]).map(|node| (node, "spec.values".to_owned()));
    let own = object.node.at(&["spec", "chart", "spec"]);
    if let Some(install) = install(object, (own, "chart", "version"), "spec.chart") {
        return Some(Install { values, ..install });
    }
    let name = object.node.at(&["spec", "chartRef", "name"])?.text()?;
    let named = |other: &&Raw| other.kind == "OCIRepository" && other.name() == name;
    let repository = objects.iter().find(named).map(|other| &other.node);
    let url = repository.and_then(|node| node.at(&["spec", "url"])).and_then(Node::text).unwrap_or(name);
    let tag = repository.and_then(|node| node.at(&["spec", "ref", "tag"])).and_then(Node::text);
    let (chart, version) = (last(url), tag.map(str::to_owned));
    Some(Install { object, chart, version, place: "spec.chartRef", values, elsewhere: None })
}

fn argo<'a>(object: &'a Raw, all: &mut Vec<Install<'a>>) {
    let one = object.node.at(&["spec", "source"]).map(|node| (node, "spec.source".to_owned()));
    let many = match object.node.at(&["spec", "sources"]).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let many = many.iter().enumerate().map(|(i, node)| (node, format!("spec.sources[{i}]")));
    for (source, path) in one.into_iter().chain(many) {
        let values = source.at(&["helm", "valuesObject"]);
        let made = install(object, (Some(source), "chart", "targetRevision"), "spec.source");
        all.extend(made.map(|install| Install {
            values: values.map(|node| (node, format!("{path}.helm.valuesObject"))),
            elsewhere: OF_A_SOURCE.into_iter().find(|field| source.at(&["helm", field]).is_some()),
            ..install
        }));
    }
}

fn install<'a>(
    object: &'a Raw,
    (node, chart, version): (Option<&'a Node>, &str, &str),
    place: &'static str,
) -> Option<Install<'a>> {
    let chart = last(node?.get(chart)?.text()?);
    let version = node?.get(version).and_then(Node::text).map(str::to_owned);
    Some(Install { object, chart, version, place, values: None, elsewhere: None })
}

fn last(path: &str) -> String {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned()
}

pub(super) fn check(objects: &[Raw], installs: &[Install<'_>], notes: &mut Diagnostics) {
    let crds = |object: &Raw| {
        object.kind == "CustomResourceDefinition" && object.name().ends_with(".aigateway.envoyproxy.io")
    };
    let installed =
        installs.iter().any(|install| install.chart == "ai-gateway-crds-helm") || objects.iter().any(crds);
    for install in installs.iter().filter(|install| install.chart == "ai-gateway-helm" && !installed) {
        // Until 0.3 the chart had the CRDs in it.
        let old = install.version.as_deref().is_some_and(|version| {
            ["0.1", "0.2", "0.3"].iter().any(|old| version.trim_start_matches('v').starts_with(old))
        });
        if old {
            continue;
        }
        let message =
            "the chart ai-gateway-helm brings no CRDs, and nothing here installs them: its controller \
                       does not start"
                .to_owned();
        let help = "install ai-gateway-crds-helm of the same version before it";
        let place = ("crds-chart-missing", install.place, "");
        notes.push(at(install.object, Severity::Warning, place, (message, help)));
    }
    for object in objects.iter().filter(|object| object.kind == "CustomResourceDefinition") {
        prerelease(object, notes);
    }
    fit(installs, notes);
}

/// Charts of one cluster have to go together.
fn fit(installs: &[Install<'_>], notes: &mut Diagnostics) {
    let of = |chart: &str| {
        let mut all = installs.iter().filter(|install| install.chart == chart);
        all.find_map(|install| Some((install, install.release()?)))
    };
    let Some((ai, release)) = of("ai-gateway-helm") else { return };
    if let Some((_, crds)) = of("ai-gateway-crds-helm").filter(|(_, crds)| *crds != release) {
        let message = format!(
            "the controller is of {release} and its CRDs of {crds}: fields of one are unknown to the other"
        );
        let place = ("crds-of-another-version", ai.place, "");
        notes.push(at(ai.object, Severity::Warning, place, (message, "install both charts in one version")));
    }
    let (Some((_, envoy)), Some(needed)) = (of("gateway-helm"), versions::envoy_gateway_for(release)) else {
        return;
    };
    if envoy < needed {
        let message =
            format!("AI Gateway {release} needs Envoy Gateway {needed} or later, and {envoy} is installed");
        let place = ("versions-do-not-fit", ai.place, "");
        notes.push(at(ai.object, Severity::Error, place, (message, "take releases that go together")));
    }
}

// === impl Install ===

impl Install<'_> {
    fn release(&self) -> Option<Release> {
        self.version.as_ref()?.parse().ok()
    }
}

/// CRDs of a release candidate may lose fields again.
fn prerelease(object: &Raw, notes: &mut Diagnostics) {
    let annotations =
        object.node.at(&["metadata", "annotations"]).and_then(Node::entries).unwrap_or_default();
    let version = annotations.iter().find(|entry| entry.key.ends_with("/bundle-version"));
    let Some((entry, text)) = version.and_then(|entry| Some((entry, entry.value.text()?))) else { return };
    if text.contains("-rc") || text.contains("-alpha") || text.contains("-beta") {
        let message = format!("{} is of {text}, which is not a release", object.name());
        let place = ("prerelease-crd", "metadata.annotations", "");
        let mut note = at(object, Severity::Warning, place, (message, "install the CRDs of a release"));
        note.field = format!("metadata.annotations[{:?}]", entry.key);
        notes.push(note);
    }
}
