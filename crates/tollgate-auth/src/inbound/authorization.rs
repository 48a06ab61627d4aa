use std::sync::Arc;

use http::{HeaderName, Method};
use regex::Regex;
use serde_json::Value;
use tollgate_types::Cidr;

use crate::{Caller, Claims, Denial, Expression, Identity};

/// Who may do what (SecurityPolicy `authorization`): the first rule that matches decides.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// In order.
    pub rules: Vec<Rule>,
    /// Where no rule matches. Envoy Gateway's own default is to deny.
    pub default: Action,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on
    Allow,
    /// 403
    Deny,
}

/// Matches where its principal, its operation and its condition do.
#[derive(Clone, Debug)]
pub struct Rule {
    /// For people and logs.
    pub name: Arc<str>,
    /// What follows from a match.
    pub action: Action,
    /// Who.
    pub principal: Principal,
    /// What.
    pub operation: Operation,
    /// An expression over the request (`cel`); see [`Root::OF_CALLERS`](crate::Root::OF_CALLERS).
    pub condition: Option<Arc<Expression>>,
}

/// Who calls. All parts must hold; an empty one asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Principal {
    /// Any of these.
    pub clients: Vec<Cidr>,
    /// A verified token that says so.
    pub jwt: Option<JwtRule>,
    /// All of these.
    pub headers: Vec<HeaderRule>,
}

/// What a verified token has to say.
#[derive(Clone, Debug)]
pub struct JwtRule {
    /// Whose token.
    pub provider: Arc<str>,
    /// All of these.
    pub claims: Vec<RequiredClaim>,
    /// All of these, in `scope` or `scp`.
    pub scopes: Vec<Box<str>>,
}

/// A claim and the values of which it must have one.
#[derive(Clone, Debug)]
pub enum RequiredClaim {
    /// A text that is one of these
    Text {
        /// Dots lead into objects.
        name: Box<str>,
        /// Any of these.
        values: Vec<Box<str>>,
    },
    /// A list of texts that has one of these
    List {
        /// Dots lead into objects.
        name: Box<str>,
        /// Any of these.
        values: Vec<Box<str>>,
    },
}

/// A header that has one of these values, byte for byte. Seen as backends see it, with what tokens say in it.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Which.
    pub name: HeaderName,
    /// Any of these.
    pub values: Vec<Box<str>>,
}

/// What is called. All parts must hold; an empty one asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Any of these.
    pub methods: Vec<Method>,
    /// The path.
    pub path: Option<PathRule>,
}

/// A path, or every other path.
#[derive(Clone, Debug)]
pub struct PathRule {
    /// How it is compared; without the query.
    pub shape: PathShape,
    /// True: it holds for all paths but these.
    pub invert: bool,
}

/// How paths are compared.
#[derive(Clone, Debug)]
pub enum PathShape {
    /// Byte for byte
    Exact(Box<str>),
    /// By elements; without a slash at its end, so `/` is empty
    Prefix(Box<str>),
    /// The whole path; compile anchors it
    Regex(Regex),
}

// === impl Authorization ===

impl Authorization {
    pub(crate) fn check(&self, caller: &Caller<'_>, identity: &Identity) -> Result<(), Denial> {
        let rule = self.rules.iter().find(|rule| rule.matches(caller, identity));
        match rule.map_or(self.default, |rule| rule.action) {
            Action::Allow => Ok(()),
            Action::Deny => Err(Denial::Forbidden(rule.map(|rule| Arc::clone(&rule.name)))),
        }
    }
}

// === impl Rule ===

impl Rule {
    fn matches(&self, caller: &Caller<'_>, identity: &Identity) -> bool {
        self.operation.matches(caller)
            && self.principal.matches(caller, identity)
            && self.condition.as_deref().is_none_or(|condition| self.holds(condition, caller, identity))
    }

    /// A condition that fails lets nobody in: it is taken to hold where it would keep somebody out.
    fn holds(&self, condition: &Expression, caller: &Caller<'_>, identity: &Identity) -> bool {
        condition.holds(|root| caller.attribute(root, identity)).unwrap_or(self.action == Action::Deny)
    }
}

// === impl Principal ===

impl Principal {
    fn matches(&self, caller: &Caller<'_>, identity: &Identity) -> bool {
        (self.clients.is_empty() || self.clients.iter().any(|range| range.contains(caller.client_ip)))
            && self.headers.iter().all(|header| header.matches(caller, identity))
            && self.jwt.as_ref().is_none_or(|jwt| jwt.matches(identity))
    }
}

// === impl JwtRule ===

impl JwtRule {
    fn matches(&self, identity: &Identity) -> bool {
        identity.claims_of(&self.provider).is_some_and(|claims| {
            self.claims.iter().all(|claim| claim.holds(claims))
                && self.scopes.iter().all(|scope| claims.has_scope(scope))
        })
    }
}

// === impl RequiredClaim ===

impl RequiredClaim {
    fn holds(&self, claims: &Claims) -> bool {
        let is_text = |value: &Value, values: &[Box<str>]| {
            value.as_str().is_some_and(|text| values.iter().any(|wanted| **wanted == *text))
        };
        match self {
            Self::Text { name, values } => claims.get(name).is_some_and(|claim| is_text(claim, values)),
            Self::List { name, values } => claims
                .get(name)
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().any(|item| is_text(item, values))),
        }
    }
}

// === impl HeaderRule ===

impl HeaderRule {
    fn matches(&self, caller: &Caller<'_>, identity: &Identity) -> bool {
        identity
            .seen(caller.headers, &self.name)
            .any(|value| self.values.iter().any(|wanted| wanted.as_bytes() == value.as_bytes()))
    }
}

// === impl Operation ===

impl Operation {
    fn matches(&self, caller: &Caller<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(caller.method))
            && self.path.as_ref().is_none_or(|path| path.matches(caller.path))
    }
}

// === impl PathRule ===

impl PathRule {
    fn matches(&self, path: &str) -> bool {
        let covered = match &self.shape {
            PathShape::Exact(wanted) => path == &**wanted,
            PathShape::Prefix(prefix) => {
                path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            PathShape::Regex(wanted) => wanted.is_match(path),
        };
        covered != self.invert
    }
}
