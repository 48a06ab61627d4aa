//! From resources to what Envoy Gateway reads and what its hooks have to know.
use std::{collections::HashMap, io, sync::Arc};

use serde_json::{Value as Json, json};
use tollgate_envoy::extension::{Attempts, Extension, Key, Made, Plan};
use tollgate_generate::{
    Complete, Generated, Origin, Reader, Retries, Written, complete, documents, generate,
};
use tollgate_resources::{Manifest, manifests, prune};
use tollgate_types::{Diagnostics, ObjectRef, Severity};

use super::output::Output;
use crate::{
    build::Env,
    files::sources,
    reload::{Resources, State, line},
    serving::report,
    translate::concerns_envoy,
};

/// Kinds of which Envoy Gateway's file provider keeps one for each file.
const ONE_PER_FILE: [&str; 2] = ["GatewayClass", "EnvoyProxy"];

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
        let Complete { objects, diagnostics } = self.objects(&generated, &revisions, (state, env));
        if self.output.is_some() {
            notes.0.extend(diagnostics.0);
        }
        let problems = notes.iter().filter(|note| note.severity == Severity::Error).map(line);
        self.extension.publish(plan, problems.collect());
        for note in notes.iter().filter(|note| note.severity != Severity::Info) {
            report(note.severity, &line(note));
        }
        match &mut self.output {
            Some(output) => output.write(&spread(objects)).map(drop),
            None => Ok(()),
        }
    }

    /// All that Envoy Gateway reads.
    fn objects(
        &mut self,
        generated: &Generated,
        revisions: &HashMap<Key, String>,
        (state, env): (&State, Env<'_>),
    ) -> Complete {
        let mut manifests = manifests(&sources(self.resources.texts()), env);
        prune(&mut manifests, &state.notes);
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
        let mut complete = complete(written, generated, Reader::Files);
        for object in &mut complete.objects {
            let key = (Arc::from(object.namespace.as_str()), Arc::from(object.name.as_str()));
            if let ("HTTPRoute", Some(revision)) = (object.kind.as_str(), revisions.get(&key)) {
                revise(object, revision);
            }
        }
        complete
    }
}

/// Objects as texts of files. All of them stand in the first, so that Envoy Gateway never reads half of a change; but of
/// these kinds it keeps only one for each file.
fn spread(objects: Vec<Manifest>) -> Vec<String> {
    let mut files = vec![Vec::new()];
    let mut seen: HashMap<String, usize> = HashMap::new();
    for object in objects {
        let mut at = 0;
        if ONE_PER_FILE.contains(&object.kind.as_str()) {
            let count = seen.entry(object.kind.clone()).or_default();
            at = *count;
            *count += 1;
        }
        while files.len() <= at {
            files.push(Vec::new());
        }
        if let Some(file) = files.get_mut(at) {
            file.push(object);
        }
    }
    files.iter().map(|file| documents(file)).collect()
}

/// The generated HTTPRoutes.
fn routes(generated: &Generated) -> impl Iterator<Item = Key> {
    generated.origins.iter().map(|(namespace, name, ..)| (Arc::clone(namespace), Arc::clone(name)))
}

/// From the rules of generated HTTPRoutes to those of AIGatewayRoutes.
fn made(generated: &Generated) -> impl Iterator<Item = Made> {
    generated.origins.iter().map(|(namespace, name, rule, origin)| {
        let Origin { route, rule: source_rule, refs, retries } = origin;
        Made {
            http_route: (Arc::clone(namespace), Arc::clone(name)),
            rule,
            source: (Arc::clone(namespace), Arc::clone(route)),
            source_rule: *source_rule,
            refs: refs.clone(),
            attempts: Some(attempts(retries)),
        }
    })
}

fn attempts(retries: &Retries) -> Attempts {
    let Retries { retries, per_priority, attempt, statuses } = *retries;
    // Backends are counted in small numbers.
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Attempts {
        retries: count(retries),
        per_priority: per_priority.map(count),
        deadline: attempt,
        statuses: statuses.to_vec(),
    }
}

/// Makes a change of what only the hooks know a change of the HTTPRoute: Envoy Gateway asks its hooks only where what it
/// reads has changed, and of `metadata` its file provider reads no more than the names. So a rule takes a header from its
/// replies that none of them has. It is one with backends: of those that answer by themselves Envoy Gateway passes over
/// such filters.
fn revise(object: &mut Manifest, revision: &str) {
    let rules = object.body.pointer_mut("/spec/rules").and_then(Json::as_array_mut);
    let forwarding = |rule: &&mut Json| rule.get("backendRefs").is_some();
    let rule = rules.into_iter().flatten().find(forwarding).and_then(Json::as_object_mut);
    let Some(rule) = rule else { return };
    let filters = rule.entry("filters").or_insert_with(|| json!([]));
    if let Json::Array(filters) = filters {
        filters.push(json!({
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": { "remove": [format!("x-tollgate-revision-{revision}")] },
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tollgate_compile::Options;
    use tollgate_envoy::extension::Settings;

    use super::*;

    fn object(kind: &str, name: &str) -> Manifest {
        Manifest {
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
            body: json!({ "kind": kind, "spec": { "rules": [{}, { "backendRefs": [], "filters": [{}] }] } }),
        }
    }

    #[test]
    fn kinds_that_may_stand_in_a_file_once_are_spread() {
        let kinds = ["GatewayClass", "GatewayClass", "EnvoyProxy", "Gateway", "EnvoyProxy", "EnvoyProxy"];
        let texts = spread(kinds.map(|kind| object(kind, "x")).to_vec());
        let found: Vec<_> = texts
            .iter()
            .map(|text| text.lines().filter_map(|line| line.strip_prefix("kind: ")).collect::<Vec<_>>())
            .collect();
        let want = [
            &["GatewayClass", "EnvoyProxy", "Gateway"][..],
            &["GatewayClass", "EnvoyProxy"],
            &["EnvoyProxy"],
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn a_revision_changes_a_rule_with_backends() {
        let mut route = object("HTTPRoute", "chat");
        revise(&mut route, "abc");
        let filters = route.body.pointer("/spec/rules/1/filters").unwrap();
        assert_eq!(filters.as_array().unwrap().len(), 2);
        assert_eq!(filters[1]["responseHeaderModifier"]["remove"][0], "x-tollgate-revision-abc");
        assert!(route.body.pointer("/spec/rules/0/filters").is_none());
    }

    const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: prod}
spec: {gatewayClassName: eg, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: a, namespace: prod}
spec: {endpoints: [{ip: {address: 10.0.0.1, port: 80}}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {name: a, namespace: prod}
spec: {schema: {name: OpenAI}, backendRef: {name: a, kind: Backend, group: gateway.envoyproxy.io}}
";
    const ROUTE: &str = "apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat, namespace: prod}
spec:
  parentRefs: [{name: gw}]
  rules: [{streamIdleTimeout: 7s, backendRefs: [{name: a}]}]
";

    struct Setting {
        folder: tempfile::TempDir,
        work: Work,
        extension: Arc<Extension>,
    }

    fn setting() -> Setting {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in");
        fs::create_dir(&input).unwrap();
        fs::write(input.join("gateway.yaml"), GATEWAY).unwrap();
        fs::write(input.join("route.yaml"), ROUTE).unwrap();
        let resources = Resources::at(vec![input], Options::default(), &mut io::empty()).unwrap();
        let extension = Arc::new(Extension::new(Settings::default()));
        let output = Output::open(&folder.path().join("out")).unwrap();
        let mut work = Work::new(resources, Some(output), Arc::clone(&extension));
        assert!(!extension.is_ready());
        work.start(&|_| None).unwrap();
        Setting { folder, work, extension }
    }

    impl Setting {
        fn change(&mut self, file: &str, text: &str) -> String {
            fs::write(self.folder.path().join("in").join(file), text).unwrap();
            self.work.again(&|_| None);
            self.written()
        }

        fn written(&self) -> String {
            fs::read_to_string(self.folder.path().join("out/tollgate.yaml")).unwrap()
        }
    }

    #[test]
    fn resources_become_what_envoy_gateway_reads_and_hooks_know() {
        let setting = setting();
        let text = setting.written();
        for kind in ["Gateway", "Backend", "HTTPRoute", "HTTPRouteFilter"] {
            assert!(text.contains(&format!("\nkind: {kind}\n")), "{kind}\n{text}");
        }
        assert!(!text.contains("AIGatewayRoute\n"), "Envoy Gateway would refuse the file");
        assert!(setting.extension.is_ready() && setting.extension.problems().is_empty());
    }

    #[test]
    fn what_only_the_hooks_know_changes_the_file_too() {
        let mut setting = setting();
        let before = setting.written();
        let after = setting.change("route.yaml", &ROUTE.replace("7s", "8s"));
        assert_ne!(before, after);
        assert_eq!(setting.change("route.yaml", ROUTE), before);
    }

    #[test]
    fn what_is_broken_keeps_its_last_good_version() {
        let mut setting = setting();
        let before = setting.written();
        let broken = GATEWAY.replace("port: 80, protocol: HTTP", "port: 0, protocol: HTTP");
        assert_eq!(setting.change("gateway.yaml", &broken), before);
        assert!(!setting.extension.problems().is_empty());
        assert_eq!(setting.change("route.yaml", "{{{ no yaml"), before);
        fs::remove_file(setting.folder.path().join("in/route.yaml")).unwrap();
        let gone = setting.change("gateway.yaml", GATEWAY);
        assert!(!gone.contains("\nkind: HTTPRoute\n"), "{gone}");
        assert!(setting.extension.problems().is_empty());
    }
}
