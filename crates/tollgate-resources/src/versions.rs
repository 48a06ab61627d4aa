//! Which versions of the products around us some manifests suit: kinds, fields, values and limits that came or went.

mod behaviour;
mod table;

use std::{fmt, str::FromStr};

use tollgate_types::{Diagnostic, Diagnostics, Severity};

use self::table::{Kind, Table};
use crate::{
    load::Source,
    raw::{self, Raw},
    tree::{Node, Value},
};

/// What has versions of its own, and kinds with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// `gateway.envoyproxy.io`
    EnvoyGateway,
    /// `aigateway.envoyproxy.io`
    AiGateway,
    /// `gateway.networking.k8s.io`
    GatewayApi,
}

/// A version that manifests have to suit, such as `envoy-gateway=1.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose version.
    pub product: Product,
    /// Which one.
    pub release: Release,
}

/// A minor version; patches bring no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u16,
    minor: u16,
}

/// A text that is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATarget(String);

/// What each release of Envoy Gateway is installed with.
const GATEWAY_API_OF: [(Release, Release); 5] = [
    (Release::new(1, 5), Release::new(1, 3)),
    (Release::new(1, 6), Release::new(1, 4)),
    (Release::new(1, 7), Release::new(1, 4)),
    (Release::new(1, 8), Release::new(1, 5)),
    (Release::new(1, 9), Release::new(1, 6)),
];

/// The oldest Envoy Gateway that a release of the AI Gateway works with.
const ENVOY_GATEWAY_FOR: [(Release, Release); 6] = [
    (Release::new(0, 4), Release::new(1, 5)),
    (Release::new(0, 5), Release::new(1, 6)),
    (Release::new(0, 6), Release::new(1, 7)),
    (Release::new(0, 7), Release::new(1, 8)),
    (Release::new(1, 0), Release::new(1, 8)),
    (Release::new(1, 1), Release::new(1, 8)),
];

/// What does not suit these versions. A version of Envoy Gateway brings that of the Gateway API which it installs, unless
/// another is given.
///
/// ```
/// use tollgate_resources::{Source, suits};
///
/// let text = "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: AIServiceBackend\nmetadata: {name: a}\nspec: {}\n";
/// let notes = suits(&[Source { name: "a.yaml", text }], &|_| None, &["ai-gateway=0.4".parse().unwrap()]);
/// assert_eq!(notes.0[0].code, "not-in-version");
/// ```
#[must_use]
pub fn suits(
    sources: &[Source<'_>],
    env: &dyn Fn(&str) -> Option<String>,
    targets: &[Target],
) -> Diagnostics {
    // Envoy Gateway's own installation has the experimental channel.
    let standard = targets.iter().any(|target| target.product == Product::GatewayApi);
    let targets = with_implied(targets);
    let mut notes = Diagnostics::default();
    if targets.is_empty() {
        return notes;
    }
    fit_together(&targets, &mut notes);
    let table = Table::read();
    let objects = raw::objects(sources, env);
    for object in &objects {
        let product = Product::of(&object.group);
        for target in targets.iter().filter(|target| Some(target.product) == product) {
            Check { table: &table, target: *target, standard, object, notes: &mut notes }.object();
        }
    }
    for target in &targets {
        behaviour::check(*target, &objects, &mut notes);
    }
    notes
}

fn with_implied(targets: &[Target]) -> Vec<Target> {
    let mut all = targets.to_vec();
    let given = |product| targets.iter().find(|target| target.product == product);
    if let (Some(envoy), None) = (given(Product::EnvoyGateway), given(Product::GatewayApi)) {
        let api = GATEWAY_API_OF.iter().find(|(release, _)| *release == envoy.release);
        all.extend(api.map(|(_, release)| Target { product: Product::GatewayApi, release: *release }));
    }
    all
}

/// The oldest Envoy Gateway for this release of the AI Gateway.
pub(crate) fn envoy_gateway_for(ai: Release) -> Option<Release> {
    ENVOY_GATEWAY_FOR.iter().find(|(release, _)| *release == ai).map(|(_, needed)| *needed)
}

/// The versions themselves may not go together.
fn fit_together(targets: &[Target], notes: &mut Diagnostics) {
    let given = |product| targets.iter().find(|target| target.product == product);
    let (Some(envoy), Some(ai)) = (given(Product::EnvoyGateway), given(Product::AiGateway)) else { return };
    let Some(needed) = envoy_gateway_for(ai.release).filter(|needed| envoy.release < *needed) else { return };
    notes.push(Diagnostic {
        severity: Severity::Error,
        code: "versions-do-not-fit",
        message: format!("{ai} needs Envoy Gateway {needed} or later, not {}", envoy.release),
        help: Some("see the compatibility matrix of the AI Gateway's documentation".to_owned()),
        span: None,
        object: None,
        field: String::new(),
    });
}

/// One object against one version.
struct Check<'a> {
    table: &'a Table,
    target: Target,
    /// Whether it may be a cluster with the standard channel of the Gateway API.
    standard: bool,
    object: &'a Raw,
    notes: &'a mut Diagnostics,
}

// === impl Check ===

impl Check<'_> {
    fn object(&mut self) {
        let Raw { kind, version, group, .. } = self.object;
        let Target { product, release } = self.target;
        let table = self.table;
        let served: Vec<_> =
            table.kinds(product, kind).filter(|known| known.span.contains(release)).collect();
        let Some(known) = served.iter().find(|known| known.version == *version) else {
            let Some(any) = table.kinds(product, kind).next() else { return };
            return match served.first() {
                Some(other) => self.report(
                    "apiVersion",
                    format!("{} serves no {version} of {kind}", self.target),
                    Some(format!("write apiVersion: {group}/{}", other.version)),
                ),
                None => self.report("kind", format!("{} has no {kind}{}", self.target, any.span), None),
            };
        };
        let stable = served.iter().find(|other| self.standard && other.is_standard(release));
        if let (false, Some(stable)) = (known.is_standard(release), stable) {
            let message =
                format!("the standard channel of the {} does not serve {version} of {kind}", self.target);
            let help = format!("write apiVersion: {group}/{}", stable.version);
            self.note(Severity::Warning, "experimental-version", ("apiVersion", message, Some(help)));
        }
        let object = self.object;
        self.fields(known, &object.node, (&mut String::new(), &mut String::new()));
    }

    /// Walks the fields; `path` is with indexes, `plain` as the table has it.
    fn fields(&mut self, kind: &Kind, node: &Node, (path, plain): (&mut String, &mut String)) {
        let lengths = (path.len(), plain.len());
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let dot = if plain.is_empty() { "" } else { "." };
                    plain.push_str(dot);
                    plain.push_str(&entry.key);
                    crate::de::push_key(path, &entry.key);
                    if self.field(kind, path, plain) {
                        self.fields(kind, &entry.value, (path, plain));
                    }
                    path.truncate(lengths.0);
                    plain.truncate(lengths.1);
                }
            }
            Value::List(items) => {
                self.count(kind, items.len(), (path, plain));
                plain.push_str("[]");
                for (i, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{i}]"));
                    self.fields(kind, item, (path, plain));
                    path.truncate(lengths.0);
                }
                plain.truncate(lengths.1);
            }
            Value::Scalar(scalar) => self.value(kind, &scalar.text, (path, plain)),
        }
    }

    /// False where the version does not have the field.
    fn field(&mut self, kind: &Kind, path: &str, plain: &str) -> bool {
        let Some(span) = kind.changes.get(plain).copied() else { return true };
        if span.contains(self.target.release) {
            return true;
        }
        let (name, target) = (&self.object.kind, self.target);
        self.report(path, format!("{target} has no field {plain} of {name}{span}"), None);
        false
    }

    fn value(&mut self, kind: &Kind, text: &str, (path, plain): (&str, &str)) {
        let Some(span) = kind.changes.get(format!("{plain}={text}").as_str()).copied() else { return };
        if !span.contains(self.target.release) {
            let (name, target) = (&self.object.kind, self.target);
            self.report(path, format!("{target} does not know {text} for {plain} of {name}{span}"), None);
        }
    }

    fn count(&mut self, kind: &Kind, length: usize, (path, plain): (&str, &str)) {
        let limits = kind.limits.get(plain).map_or(&[][..], Vec::as_slice);
        let limit = limits.iter().find(|(_, span)| span.contains(self.target.release));
        if let Some((limit, _)) = limit.filter(|(limit, _)| length > *limit) {
            let message = format!("{} takes at most {limit} of {plain}, found {length}", self.target);
            let help = "split the object into several".to_owned();
            self.note(Severity::Error, "too-many-for-version", (path, message, Some(help)));
        }
    }

    fn report(&mut self, field: &str, message: String, help: Option<String>) {
        self.note(Severity::Error, "not-in-version", (field, message, help));
    }

    fn note(
        &mut self,
        severity: Severity,
        code: &'static str,
        (field, message, help): (&str, String, Option<String>),
    ) {
        self.notes.push(self.object.diagnostic(severity, (code, field), (message, help)));
    }
}

// === impl Product ===

impl Product {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::EnvoyGateway, "envoy-gateway", "gateway.envoyproxy.io"),
        (Self::AiGateway, "ai-gateway", "aigateway.envoyproxy.io"),
        (Self::GatewayApi, "gateway-api", "gateway.networking.k8s.io"),
    ];

    fn of(group: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, _, own)| *own == group).map(|(product, ..)| *product)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own, _)| *own == name).map(|(product, ..)| *product)
    }

    /// `envoy-gateway`, `ai-gateway` or `gateway-api`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(product, ..)| *product == self).map_or("", |(_, name, _)| *name)
    }

    /// The releases that are known, the oldest first.
    #[must_use]
    pub fn releases(self) -> Vec<Release> {
        Table::read().releases(self)
    }
}

// === impl Target ===

impl Target {
    /// True for a diagnostic that asks for what this version does not have yet: a newer API version.
    #[must_use]
    pub fn excuses(&self, note: &Diagnostic) -> bool {
        let kind = note.object.as_ref().map_or("", |object| &*object.kind);
        let newer = match self.product {
            Product::AiGateway => self.release < Release::new(0, 6) && kind != "BackendTLSPolicy",
            Product::EnvoyGateway => self.release < Release::new(1, 6) && kind == "BackendTLSPolicy",
            Product::GatewayApi => self.release < Release::new(1, 4) && kind == "BackendTLSPolicy",
        };
        newer && note.code == "deprecated-version"
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.product {
            Product::EnvoyGateway => "Envoy Gateway",
            Product::AiGateway => "AI Gateway",
            Product::GatewayApi => "Gateway API",
        };
        write!(f, "{name} {}", self.release)
    }
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let names = Product::ALL.map(|(_, name, _)| name).join(", ");
        let (name, version) = text
            .split_once('=')
            .ok_or_else(|| NotATarget(format!("expected PRODUCT=VERSION with one of {names}")))?;
        let product = Product::named(name)
            .ok_or_else(|| NotATarget(format!("{name:?} is not known; there are {names}")))?;
        let known = product.releases();
        let release = version.parse().ok().filter(|release| known.contains(release)).ok_or_else(|| {
            let known: Vec<_> = known.iter().map(ToString::to_string).collect();
            NotATarget(format!("{version:?} of {name} is not known; there are {}", known.join(", ")))
        })?;
        Ok(Self { product, release })
    }
}

impl fmt::Display for NotATarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotATarget {}

// === impl Release ===

impl Release {
    /// `Release::new(1, 5)` is 1.5.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Release {
    type Err = ();

    /// `1.5`, `v1.5` or `v1.5.4`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(());
        Ok(Self { major: number()?, minor: number()? })
    }
}

#[cfg(test)]
mod tests;
