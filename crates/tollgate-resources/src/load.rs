use std::{cell::RefCell, collections::HashMap, sync::Arc};

use serde::de::DeserializeOwned;
use tollgate_types::{Diagnostic, Diagnostics, ObjectRef, Severity, Span};

use crate::{
    de::{De, Path},
    finding::{Finding, did_you_mean},
    kinds::Unserved,
    misplaced, not_yet,
    object::{Meta, Metadata, Object, Positions},
    parse,
    registry::{self, Known, Role, Scope, Served},
    secret,
    set::ResourceSet,
    substitute::substitute,
    tree::{Mark, Node, Value},
    validate::{Validate, check},
};

/// A text that a user wrote.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file as the user named it; `-` is standard input.
    pub name: &'a str,
    /// YAML or JSON, any number of documents.
    pub text: &'a str,
}

/// Kinds of policy without which what they target must not be served.
const PROTECTIVE: [&str; 6] = [
    "BackendTLSPolicy",
    "BackendSecurityPolicy",
    "SecurityPolicy",
    "ClientTrafficPolicy",
    "BackendTrafficPolicy",
    "QuotaPolicy",
];

/// What came of the sources.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects that can be used.
    pub set: ResourceSet,
    /// Everything there is to say about the sources, in their order.
    pub notes: Diagnostics,
    /// Objects that break their kind's schema, as an API server would refuse them, in the order of the sources.
    pub refused: Vec<ObjectRef>,
}

/// Reads sources into objects. Total: what cannot be used is noted and left out, alone. `env` looks variables up.
///
/// ```
/// use tollgate_resources::{Source, load};
///
/// let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {apiKey: \"${KEY}\"}\n";
/// let loaded = load(&[Source { name: "key.yaml", text }], &|name| (name == "KEY").then(|| "sk-1".to_owned()));
/// assert!(loaded.notes.0.is_empty());
/// assert_eq!(loaded.set.secrets[0].spec.data["apiKey"].expose(), b"sk-1");
/// ```
#[must_use]
pub fn load(sources: &[Source<'_>], env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut loader = Loader { env, loaded: Loaded::default(), seen: HashMap::new(), policies: Vec::new() };
    for source in sources {
        let file: Arc<str> = Arc::from(source.name);
        for chunk in parse::documents(source.text) {
            match parse::document(&chunk) {
                Ok(None) => {}
                Ok(Some(node)) => loader.document(&file, node),
                Err(unreadable) => loader.unreadable(&file, unreadable),
            }
        }
    }
    loader.loaded.set.refused_policies = loader.policies;
    loader.loaded.set.sort();
    loader.loaded
}

struct Loader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    loaded: Loaded,
    /// Where each object was defined first.
    seen: HashMap<ObjectRef, Span>,
    /// Policies that were refused.
    policies: Vec<Object<Unserved>>,
}

/// An object on its way into the set.
struct Draft {
    file: Arc<str>,
    node: Node,
    known: &'static Known,
    version: String,
    findings: Vec<Finding>,
}

/// Whether a kind keeps its fields under `spec` or beside `metadata`.
#[derive(Clone, Copy)]
enum Layout {
    Spec,
    Flat,
}

// === impl Loader ===

impl Loader<'_> {
    fn unreadable(&mut self, file: &Arc<str>, unreadable: parse::Unreadable) {
        let parse::Unreadable { at, code, message } = unreadable;
        self.loaded.notes.push(Diagnostic {
            severity: Severity::Error,
            code,
            message,
            help: None,
            span: Some(span(file, at)),
            object: None,
            field: String::new(),
        });
    }

    /// Takes a document apart: a list into its items, else one object.
    fn document(&mut self, file: &Arc<str>, node: Node) {
        if node.is_null() {
            return;
        }
        let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
        let Some(item_kind) = kind.strip_suffix("List").filter(|_| node.get("items").is_some()) else {
            return self.object(file, node, None);
        };
        let api_version = node.get("apiVersion").and_then(Node::text).unwrap_or_default().to_owned();
        let implied = (!item_kind.is_empty()).then(|| (api_version, item_kind.to_owned()));
        let Value::Map(entries) = node.value else { return };
        let items = entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.value);
        let Some(Node { value: Value::List(items), .. }) = items else { return };
        for item in items {
            self.object(file, item, implied.as_ref());
        }
    }

    fn object(&mut self, file: &Arc<str>, node: Node, implied: Option<&(String, String)>) {
        let place = (file, node.get("kind").map_or(node.at, |kind| kind.at));
        let own = |key| node.get(key).and_then(Node::text);
        let api_version = own("apiVersion").or(implied.map(|(version, _)| version.as_str()));
        let kind = own("kind").or(implied.map(|(_, kind)| kind.as_str()));
        let (Some(api_version), Some(kind)) = (api_version, kind) else {
            let missing = if kind.is_some() { "apiVersion" } else { "kind" };
            return self.stray(
                place,
                "not-an-object",
                (format!("not a Kubernetes object: `{missing}` is missing"), None),
            );
        };
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let Some(known) = registry::find(group, kind) else {
            let message = format!("unknown kind {kind} in {api_version} is ignored");
            return self.stray(place, "unknown-kind", (message, registry::suggest(group, kind)));
        };
        if !known.versions.is_empty() && !known.versions.contains(&version) {
            let message = format!("{kind} has no version {version}");
            let help = format!("known versions: {}", known.versions.join(", "));
            return self.stray(place, "unknown-version", (message, Some(help)));
        }
        let version = version.to_owned();
        let mut draft = Draft { file: Arc::clone(file), node, known, version, findings: Vec::new() };
        match known.role {
            Role::Served(served) => {
                draft.findings = substitute(&mut draft.node, self.env);
                self.served(served, draft);
            }
            Role::NotYet | Role::Unrelated => self.unserved(draft),
            // Some have no name, and whoever they are for reads them.
            Role::Around => {}
        }
    }

    /// Reports what is no object of a known kind.
    fn stray(
        &mut self,
        (file, at): (&Arc<str>, Mark),
        code: &'static str,
        (message, help): (String, Option<String>),
    ) {
        // Without a near name it is somebody else's kind, which is nobody's mistake.
        let foreign = code == "unknown-kind" && help.is_none();
        self.loaded.notes.push(Diagnostic {
            severity: if foreign { Severity::Warning } else { Severity::Error },
            code,
            message,
            help,
            span: Some(span(file, at)),
            object: None,
            field: String::new(),
        });
    }

    fn served(&mut self, kind: Served, draft: Draft) {
        let mut lists = std::mem::take(&mut self.loaded.set);
        match kind {
            Served::GatewayClass => self.place(&mut lists.gateway_classes, draft, Layout::Spec),
            Served::Gateway => self.place(&mut lists.gateways, draft, Layout::Spec),
            Served::HttpRoute => self.place(&mut lists.http_routes, draft, Layout::Spec),
            Served::ReferenceGrant => self.place(&mut lists.reference_grants, draft, Layout::Spec),
            Served::Secret => self.secret(&mut lists, draft),
            Served::ConfigMap => self.place(&mut lists.config_maps, draft, Layout::Flat),
            Served::Service => self.place(&mut lists.services, draft, Layout::Spec),
            Served::EndpointSlice => self.place(&mut lists.endpoint_slices, draft, Layout::Flat),
            Served::Namespace => self.place(&mut lists.namespaces, draft, Layout::Spec),
            Served::Backend => self.place(&mut lists.backends, draft, Layout::Spec),
            Served::ClientTrafficPolicy => {
                self.place(&mut lists.client_traffic_policies, draft, Layout::Spec)
            }
            Served::BackendTlsPolicy => self.place(&mut lists.backend_tls_policies, draft, Layout::Spec),
            Served::HttpRouteFilter => self.place(&mut lists.http_route_filters, draft, Layout::Spec),
            Served::EnvoyProxy => self.place(&mut lists.envoy_proxies, draft, Layout::Spec),
            Served::AiGatewayRoute => self.place(&mut lists.ai_gateway_routes, draft, Layout::Spec),
            Served::AiServiceBackend => self.place(&mut lists.ai_service_backends, draft, Layout::Spec),
            Served::BackendSecurityPolicy => {
                self.place(&mut lists.backend_security_policies, draft, Layout::Spec)
            }
            Served::SecurityPolicy => self.place(&mut lists.security_policies, draft, Layout::Spec),
            Served::BackendTrafficPolicy => {
                self.place(&mut lists.backend_traffic_policies, draft, Layout::Spec)
            }
            Served::QuotaPolicy => self.place(&mut lists.quota_policies, draft, Layout::Spec),
            Served::GatewayConfig => self.place(&mut lists.gateway_configs, draft, Layout::Spec),
        }
        self.loaded.set = lists;
    }

    fn place<T: DeserializeOwned + Validate>(
        &mut self,
        list: &mut Vec<Object<T>>,
        mut draft: Draft,
        layout: Layout,
    ) {
        let meta = draft.metadata();
        let mut spec = draft.read::<T>(layout);
        if let Some(spec) = &mut spec {
            draft.findings.extend(check(spec, &draft.version, layout.prefix()));
            let node = draft.node.get("spec");
            spec.remember(|| node.map_or(serde_json::Value::Null, Node::to_json));
        }
        draft.deprecation();
        if let Some(object) = self.finish(draft, meta, spec) {
            list.push(object);
        }
    }

    fn secret(&mut self, lists: &mut ResourceSet, mut draft: Draft) {
        let meta = draft.metadata();
        if let Some(entry) = draft.node.entries().unwrap_or_default().iter().find(|entry| entry.key == "sops")
        {
            draft.findings.push(secret::encrypted(entry.key_at));
        }
        let spec = draft.read(Layout::Flat).map(|data| {
            let annotations = meta.as_ref().map(|meta| &meta.annotations);
            secret::complete(data, annotations, self.env, &mut draft.findings)
        });
        draft.findings.iter_mut().for_each(secret::hide);
        lists.secrets.extend(self.finish(draft, meta, spec));
    }

    fn unserved(&mut self, mut draft: Draft) {
        let meta = draft.metadata();
        let Known { group, kind, role, .. } = *draft.known;
        let spec = draft.node.get("spec").map_or(serde_json::Value::Null, Node::to_json);
        let (severity, message) = if role == Role::NotYet {
            not_yet::consequence(draft.known, draft.node.get("spec"))
        } else {
            (Severity::Info, format!("{kind} has no meaning to a gateway; it is ignored"))
        };
        let at = draft.node.get("kind").map(|kind| kind.at);
        let (help, field) = (None, "kind".to_owned());
        draft.findings.push(Finding { severity, code: "not-served", message, help, at, field });
        let spec = Some(Unserved { group: group.to_owned(), kind: kind.to_owned(), spec });
        let object = self.finish(draft, meta, spec);
        self.loaded.set.unserved.extend(object);
    }

    /// Reports what was found; hands the object out unless it is broken or a duplicate.
    fn finish<T>(&mut self, draft: Draft, meta: Option<Meta>, spec: Option<T>) -> Option<Object<T>> {
        let Draft { file, node, known, version, findings } = draft;
        let positions = Positions::new(Arc::clone(&file), &node);
        let reference = match &meta {
            Some(meta) => ObjectRef::new(known.kind, Arc::clone(&meta.namespace), Arc::clone(&meta.name)),
            None => guess(known, &node),
        };
        let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
        for finding in findings {
            let Finding { severity, code, message, help, at, field } = finding;
            let span = at.map(|at| span(&file, at)).or_else(|| positions.span_of(&field));
            let object = Some(reference.clone());
            self.loaded.notes.push(Diagnostic { severity, code, message, help, span, object, field });
        }
        let (false, Some(meta), Some(spec)) = (broken, meta.clone(), spec) else {
            self.loaded.refused.push(reference);
            if let (true, Some(meta)) = (PROTECTIVE.contains(&known.kind), meta) {
                let (group, kind) = (known.group.to_owned(), known.kind.to_owned());
                let spec = node.get("spec").map_or(serde_json::Value::Null, Node::to_json);
                self.policies.push(Object { meta, version, spec: Unserved { group, kind, spec }, positions });
            }
            return None;
        };
        if self.is_duplicate(&reference, &positions) {
            return None;
        }
        Some(Object { meta, version, spec, positions })
    }

    fn is_duplicate(&mut self, reference: &ObjectRef, positions: &Positions) -> bool {
        let span = positions.span_of("metadata.name");
        if let Some(first) = self.seen.get(reference) {
            let message =
                format!("{reference} is defined twice: first at {first}, which is the one that counts");
            self.loaded.notes.push(Diagnostic {
                severity: Severity::Error,
                code: "duplicate-object",
                message,
                help: Some("rename one of them or remove it".to_owned()),
                span,
                object: Some(reference.clone()),
                field: "metadata.name".to_owned(),
            });
            return true;
        }
        if let Some(span) = span {
            self.seen.insert(reference.clone(), span);
        }
        false
    }
}

/// The name of an object whose metadata is broken, as far as it can be read.
fn guess(known: &Known, node: &Node) -> ObjectRef {
    let metadata = node.get("metadata");
    let text = |key| metadata.and_then(|metadata| metadata.get(key)).and_then(Node::text);
    let namespace = match known.scope {
        Scope::Cluster => "",
        Scope::Namespaced => text("namespace").unwrap_or("default"),
    };
    ObjectRef::new(known.kind, namespace, text("name").unwrap_or_default())
}

fn span(file: &Arc<str>, at: Mark) -> Span {
    Span { file: Arc::clone(file), line: at.line, column: at.column }
}

// === impl Layout ===

impl Layout {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Flat => "",
        }
    }
}

// === impl Draft ===

impl Draft {
    /// Reads a value of the object, keeping what there is to say about it.
    fn typed<T: DeserializeOwned>(&mut self, key: Option<&'static str>) -> Option<T> {
        let notes = RefCell::new(Vec::new());
        let inner = key.map_or(Path::ROOT, Path::root_key);
        let empty = Node { at: self.node.at, value: Value::Map(Vec::new()) };
        let node = match key {
            None => &self.node,
            Some(key) => self.node.get(key).filter(|node| !node.is_null()).unwrap_or(&empty),
        };
        let result = T::deserialize(De::new(node, &inner, &notes));
        let mut notes = notes.into_inner();
        notes.iter_mut().for_each(|finding| misplaced::explain(self.known.kind, finding));
        self.findings.extend(notes);
        result.map_err(|error| self.findings.push(error.into_finding())).ok()
    }

    fn read<T: DeserializeOwned>(&mut self, layout: Layout) -> Option<T> {
        match layout {
            Layout::Flat => self.typed(None),
            Layout::Spec => {
                self.root_fields();
                self.typed(Some("spec"))
            }
        }
    }

    fn root_fields(&mut self) {
        const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
        let entries = self.node.entries().unwrap_or_default();
        for entry in entries.iter().filter(|entry| !FIELDS.contains(&entry.key.as_str())) {
            self.findings.push(Finding {
                severity: Severity::Warning,
                code: "unknown-field",
                message: format!("unknown field `{}` is ignored", entry.key),
                help: did_you_mean(&entry.key, FIELDS),
                at: Some(entry.key_at),
                field: entry.key.clone(),
            });
        }
    }

    fn metadata(&mut self) -> Option<Meta> {
        let written: Metadata = self.typed(Some("metadata"))?;
        let Metadata { name, namespace, labels, annotations, creation_timestamp } = written;
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            self.refuse("missing-field", "the object has no `metadata.name`".to_owned(), "metadata.name");
            return None;
        };
        if !crate::validate::is_subdomain(&name) {
            let message = format!(
                "{name:?} is no name for an object: expected lower-case letters, digits, `-` and `.`"
            );
            self.refuse("invalid-name", message, "metadata.name");
        }
        let namespace = match self.known.scope {
            Scope::Cluster => String::new(),
            Scope::Namespaced => {
                namespace.filter(|text| !text.is_empty()).unwrap_or_else(|| "default".to_owned())
            }
        };
        if !namespace.is_empty() && !crate::validate::is_label(&namespace) {
            let message =
                format!("{namespace:?} is no namespace: expected lower-case letters, digits and `-`");
            self.refuse("invalid-namespace", message, "metadata.namespace");
        }
        let (name, namespace) = (Arc::from(name), Arc::from(namespace));
        Some(Meta { name, namespace, labels, annotations, created: creation_timestamp })
    }

    fn refuse(&mut self, code: &'static str, message: String, field: &str) {
        let field = field.to_owned();
        self.findings.push(Finding { severity: Severity::Error, code, message, help: None, at: None, field });
    }

    fn deprecation(&mut self) {
        // QuotaPolicy has no later version.
        let newer = self.known.versions.contains(&"v1beta1");
        if self.known.group == registry::AI_GATEWAY && newer && self.version == "v1alpha1" {
            self.findings.push(Finding {
                severity: Severity::Info,
                code: "deprecated-version",
                message: format!("{} v1alpha1 is deprecated", self.known.kind),
                help: Some(format!("write apiVersion: {}/v1beta1", registry::AI_GATEWAY)),
                at: None,
                field: "apiVersion".to_owned(),
            });
        }
    }
}
