//! From resources to what Envoy Gateway reads and what its hooks have to know.
use std::{collections::HashMap, io, sync::Arc};

use serde_json::{Value as Json, json};
use tollgate_envoy::extension::{Extension, Key, Made, Plan};
use tollgate_generate::{Generated, Origin, Reader, Written, complete, documents, generate};
use tollgate_resources::{Manifest, manifests};
use tollgate_types::{Diagnostics, ObjectRef, Severity};

use super::output::Output;
use crate::{
    build::Env,
    files::sources,
    reload::{Resources, State, line},
    serving::report,
    translate::concerns_envoy,
};

/// What is done when resources change.
pub(super) struct Work {
    resources: Resources,
    output: Option<Output>,
    extension: Arc<Extension>,
    /// Objects as they were when they could last be used.
    good: HashMap<ObjectRef, Manifest>,
}

// === impl Work ===

impl Work {
    pub(super) fn new(resources: Resources, output: Option<Output>, extension: Arc<Extension>) -> Self {
        Self { resources, output, extension, good: HashMap::new() }
    }

    /// Reads for the first time.
    ///
    /// # Errors
    /// Where files cannot be read, or the output not written.
    pub(super) fn start(&mut self, env: Env<'_>) -> io::Result<()> {
        let state = self.resources.read(env).ok_or_else(|| io::Error::other("nothing was read"))?;
        if let Some(unreadable) = state.notes.iter().find(|note| note.code == "unreadable-file") {
            return Err(io::Error::other(unreadable.message.clone()));
        }
        self.publish(&state, env)
    }

    /// Reads again where something has changed; what is broken keeps its last good version.
    pub(super) fn again(&mut self, env: Env<'_>) {
        let Some(state) = self.resources.read(env) else { return };
        match self.publish(&state, env) {
            Ok(()) => tracing::info!(kept = state.kept.len(), "resources changed"),
            Err(error) => tracing::error!(%error, "what the resources become cannot be written (--output)"),
        }
    }

    /// First the hooks, then the file that makes Envoy Gateway call them.
    fn publish(&mut self, state: &State, env: Env<'_>) -> io::Result<()> {
        let generated = generate(self.resources.set());
        let plan = Plan::new(self.resources.set(), made(&generated));
        let revisions: HashMap<_, _> =
            routes(&generated).map(|key| (key.clone(), plan.revision(&key))).collect();
        let mut notes =
            Diagnostics(state.notes.iter().filter(|note| concerns_envoy(note)).cloned().collect());
        notes.0.extend(generated.diagnostics.0.iter().cloned());
        let problems = notes.iter().filter(|note| note.severity == Severity::Error).map(line);
        self.extension.publish(plan, problems.collect());
        for note in notes.iter().filter(|note| note.severity != Severity::Info) {
            report(note.severity, &line(note));
        }
        let text = self.text(&generated, &revisions, env);
        match &mut self.output {
            Some(output) => output.write(text).map(drop),
            None => Ok(()),
        }
    }

    /// All that Envoy Gateway reads.
    fn text(&mut self, generated: &Generated, revisions: &HashMap<Key, String>, env: Env<'_>) -> String {
        let mut manifests = manifests(&sources(self.resources.texts()), env);
        let mut refused = self.resources.refused().to_vec();
        refused.retain(|object| {
            let Some(good) = self.good.get(object) else { return true };
            manifests.retain(|manifest| manifest.reference() != *object);
            manifests.push(good.clone());
            false
        });
        let usable = manifests.iter().filter(|manifest| !refused.contains(&manifest.reference()));
        self.good = usable.map(|manifest| (manifest.reference(), manifest.clone())).collect();
        let written = Written { set: self.resources.set(), manifests: &manifests, refused: &refused };
        let mut objects = complete(written, generated, Reader::Files);
        for object in &mut objects {
            let key = (Arc::from(object.namespace.as_str()), Arc::from(object.name.as_str()));
            if let ("HTTPRoute", Some(revision)) = (object.kind.as_str(), revisions.get(&key)) {
                revise(object, revision);
            }
        }
        documents(&objects)
    }
}

/// The generated HTTPRoutes.
fn routes(generated: &Generated) -> impl Iterator<Item = Key> {
    generated.origins.iter().map(|(namespace, name, ..)| (Arc::clone(namespace), Arc::clone(name)))
}

/// From the rules of generated HTTPRoutes to those of AIGatewayRoutes.
fn made(generated: &Generated) -> impl Iterator<Item = Made> {
    generated.origins.iter().map(|(namespace, name, rule, origin)| {
        let Origin { route, rule: source_rule, refs, .. } = origin;
        Made {
            http_route: (Arc::clone(namespace), Arc::clone(name)),
            rule,
            source: (Arc::clone(namespace), Arc::clone(route)),
            source_rule: *source_rule,
            refs: refs.clone(),
        }
    })
}

/// Makes a change of what only the hooks know a change of the HTTPRoute: Envoy Gateway asks its hooks only where what it
/// reads has changed, and of `metadata` its file provider reads no more than the names. So the last rule takes a header
/// from replies that none of them has.
fn revise(object: &mut Manifest, revision: &str) {
    let rules = object.body.pointer_mut("/spec/rules").and_then(Json::as_array_mut);
    let Some(Json::Object(rule)) = rules.and_then(|rules| rules.last_mut()) else { return };
    let filters = rule.entry("filters").or_insert_with(|| json!([]));
    if let Json::Array(filters) = filters {
        filters.push(json!({
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": { "remove": [format!("x-tollgate-revision-{revision}")] },
        }));
    }
}
