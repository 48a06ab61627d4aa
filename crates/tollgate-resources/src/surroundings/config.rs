//! The configuration of Envoy Gateway: its own kind, the ConfigMap that it reads, or the values of its chart.

use tollgate_types::{Diagnostics, Severity};

use super::{at, charts::Install, fields};
use crate::{
    parse,
    raw::Raw,
    registry::{AI_GATEWAY, ENVOY_GATEWAY, INFERENCE},
    tree::{Node, Value},
};

/// The file in the ConfigMap that Envoy Gateway reads.
const FILE: &str = "envoy-gateway.yaml";
/// Hooks that the AI Gateway works in.
const HOOKS: [&str; 3] = ["Translation", "Cluster", "Route"];
/// What it has to see of a translation, and whether Envoy Gateway shows it unless told.
const SEEN: [(&str, bool); 4] = [("listener", false), ("route", false), ("cluster", true), ("secret", true)];
/// Fields of a service that say where it is.
const TARGETS: [&str; 4] = ["fqdn", "ip", "unix", "host"];

/// What the manifests need of a configuration.
struct Needs {
    ai: bool,
    pools: bool,
    backends: bool,
    global_limits: bool,
    patches: bool,
}

/// A configuration and where it stands.
struct Config<'a> {
    object: &'a Raw,
    node: &'a Node,
    /// The field that holds it; empty for the object itself.
    prefix: &'a str,
    /// Text inside a text has no fields to point at.
    embedded: bool,
    /// Where more of it comes from, which is not known here.
    elsewhere: Option<&'a str>,
}

pub(super) fn check(objects: &[Raw], installs: &[Install<'_>], notes: &mut Diagnostics) {
    let needs = Needs::of(objects);
    for object in objects.iter().filter(|object| object.is(ENVOY_GATEWAY, "EnvoyGateway")) {
        Config { object, node: &object.node, prefix: "", embedded: false, elsewhere: None }
            .check(&needs, notes);
    }
    for object in objects.iter().filter(|object| object.is("", "ConfigMap")) {
        let Some(text) = object.node.at(&["data", FILE]).and_then(Node::text) else { continue };
        for chunk in parse::documents(text) {
            let Ok(Some(node)) = parse::document(&chunk) else { continue };
            let prefix = format!("data[{FILE:?}]");
            Config { object, node: &node, prefix: &prefix, embedded: true, elsewhere: None }
                .check(&needs, notes);
        }
    }
    for install in installs.iter().filter(|install| install.chart == "gateway-helm") {
        let empty = Node { at: install.object.node.at, value: Value::Map(Vec::new()) };
        let values = install.values.as_ref().map(|(node, path)| (*node, path.as_str()));
        let (values, path) = values.unwrap_or((&empty, install.place));
        let found = values.at(&["config", "envoyGateway"]);
        let prefix = if found.is_some() { format!("{path}.config.envoyGateway") } else { path.to_owned() };
        let node = found.unwrap_or(&empty);
        let elsewhere = install.elsewhere;
        Config { object: install.object, node, prefix: &prefix, embedded: false, elsewhere }
            .check(&needs, notes);
    }
}

// === impl Needs ===

impl Needs {
    fn of(objects: &[Raw]) -> Self {
        let has = |group, kind| objects.iter().any(|object| object.is(group, kind));
        let ai = has(AI_GATEWAY, "AIGatewayRoute") || has(AI_GATEWAY, "MCPRoute");
        let limits = |object: &Raw| {
            object.is(ENVOY_GATEWAY, "BackendTrafficPolicy")
                && object.node.at(&["spec", "rateLimit", "global"]).is_some()
        };
        Self {
            ai,
            pools: has(INFERENCE, "InferencePool"),
            backends: ai || has(ENVOY_GATEWAY, "Backend"),
            global_limits: objects.iter().any(limits),
            patches: has(ENVOY_GATEWAY, "EnvoyPatchPolicy"),
        }
    }
}

// === impl Config ===

impl Config<'_> {
    fn check(&self, needs: &Needs, notes: &mut Diagnostics) {
        fields::check(self.node, &mut |field, message, help| {
            let field = if self.embedded { "" } else { field };
            notes.push(at(
                self.object,
                Severity::Warning,
                ("unknown-field", self.prefix, field),
                (message, help),
            ));
        });
        match self.node.get("extensionManager").filter(|node| !node.is_null()) {
            Some(extension) => self.extension(extension, needs, notes),
            None if needs.ai && self.node.get("extensionManagers").is_none() => self.missing(
                ("no-extension-manager", ""),
                "there are AI routes, but nothing tells Envoy Gateway about the AI Gateway: models are not routed",
                "add extensionManager with hooks, service and backendResources",
                notes,
            ),
            None => {}
        }
        self.apis(needs, notes);
        let limited = self.node.get("rateLimit").is_some_and(|node| !node.is_null());
        if needs.global_limits && !limited {
            self.missing(
                ("no-rate-limit-service", ""),
                "a BackendTrafficPolicy has global limits, but Envoy Gateway has no rateLimit: its routes answer 500",
                "add rateLimit: {backend: {type: Redis, redis: {url: …}}}",
                notes,
            );
        }
    }

    fn apis(&self, needs: &Needs, notes: &mut Diagnostics) {
        let enabled = |name| self.node.at(&["extensionApis", name]).and_then(Node::text) == Some("true");
        if needs.backends && !enabled("enableBackend") {
            self.missing(
                ("backend-not-enabled", "extensionApis"),
                "there are Backends, which Envoy Gateway refuses unless they are enabled",
                "add extensionApis: {enableBackend: true}",
                notes,
            );
        }
        if needs.patches && !enabled("enableEnvoyPatchPolicy") {
            self.missing(
                ("patch-policy-not-enabled", "extensionApis"),
                "there are EnvoyPatchPolicies, which Envoy Gateway leaves out unless they are enabled",
                "add extensionApis: {enableEnvoyPatchPolicy: true}",
                notes,
            );
        }
    }

    fn extension(&self, extension: &Node, needs: &Needs, notes: &mut Diagnostics) {
        let translator = extension.at(&["hooks", "xdsTranslator"]);
        let hooks = |phase| translator.and_then(|node| node.get(phase)).and_then(items).unwrap_or_default();
        if hooks("pre").is_empty() && hooks("post").is_empty() {
            self.missing(
                ("extension-without-hooks", "extensionManager"),
                "Envoy Gateway does not start: \"registered extension has no hooks specified\"",
                "add hooks.xdsTranslator.post: [Translation, Cluster, Route]; backendResources alone is not enough",
                notes,
            );
        } else if needs.ai {
            self.hooks(translator, hooks("post"), notes);
        }
        self.service(extension, notes);
        self.resources(extension, needs, notes);
    }

    fn service(&self, extension: &Node, notes: &mut Diagnostics) {
        let service = extension.get("service").filter(|node| !node.is_null());
        let says = match service {
            None => "extension service config is empty",
            Some(service) if TARGETS.iter().all(|target| service.get(target).is_none()) => {
                "extension service must contain a configured target"
            }
            Some(_) => return,
        };
        let message = format!("Envoy Gateway does not start: \"{says}\"");
        let help = "add service.fqdn with the hostname and port (1063) of the AI Gateway's controller";
        self.missing(("extension-without-service", "extensionManager"), &message, help, notes);
    }

    fn hooks(&self, translator: Option<&Node>, post: &[Node], notes: &mut Diagnostics) {
        let there = |hook: &str| post.iter().any(|node| node.text() == Some(hook));
        let missing = HOOKS.into_iter().filter(|hook| !there(hook));
        let mut lacking: Vec<_> = missing.map(|hook| format!("post: {hook}")).collect();
        for (part, usual) in SEEN {
            let all = translator.and_then(|node| node.at(&["translation", part, "includeAll"]));
            if !all.and_then(Node::text).map_or(usual, |text| text == "true") {
                lacking.push(format!("translation.{part}.includeAll: true"));
            }
        }
        if !lacking.is_empty() {
            let message = format!("the AI Gateway does not see all that it works on: {}", lacking.join(", "));
            let help = "add what is missing under extensionManager.hooks.xdsTranslator";
            self.missing(("extension-incomplete", "extensionManager.hooks"), &message, help, notes);
        }
    }

    fn resources(&self, extension: &Node, needs: &Needs, notes: &mut Diagnostics) {
        let resources = extension.get("backendResources").and_then(items).unwrap_or_default();
        let kind = |node: &Node| node.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        for (i, resource) in resources.iter().enumerate().filter(|(_, node)| kind(node).ends_with("Policy")) {
            let message = format!("{} is no kind that a route can lead to", kind(resource));
            let help = "backendResources is for backends, such as InferencePool; policies are known already";
            let field = format!("extensionManager.backendResources[{i}]");
            self.error(("not-a-backend-kind", &field), &message, help, notes);
        }
        if needs.pools && !resources.iter().any(|resource| kind(resource) == "InferencePool") {
            self.missing(
                ("pool-not-registered", "extensionManager"),
                "there are InferencePools, which Envoy Gateway does not know: routes to them answer 500",
                "add backendResources: [{group: inference.networking.k8s.io, kind: InferencePool, version: v1}]",
                notes,
            );
        }
    }

    /// Something that is not there. Where more comes from elsewhere, it may be there: nothing is claimed then.
    fn missing(&self, place: (&'static str, &str), message: &str, help: &str, notes: &mut Diagnostics) {
        let Some(elsewhere) = self.elsewhere else { return self.error(place, message, help, notes) };
        let message = format!("unless {elsewhere} says more: {message}");
        self.note(Severity::Info, place, (message, help), notes);
    }

    fn error(&self, place: (&'static str, &str), message: &str, help: &str, notes: &mut Diagnostics) {
        self.note(Severity::Error, place, (message.to_owned(), help), notes);
    }

    fn note(
        &self,
        severity: Severity,
        (code, field): (&'static str, &str),
        said: (String, &str),
        notes: &mut Diagnostics,
    ) {
        let field = if self.embedded { "" } else { field };
        notes.push(at(self.object, severity, (code, self.prefix, field), said));
    }
}

fn items(node: &Node) -> Option<&[Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Scalar(_) | Value::Map(_) => None,
    }
}
