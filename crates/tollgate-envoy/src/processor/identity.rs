use std::{fmt, str::FromStr, sync::Arc};

use tollgate_core::Chosen;
use tollgate_snapshot::{AddressHost, Choice, Rule, Snapshot};

/// A `backendRef` as xDS metadata names it: `{route namespace}/{backend}/route/{route}/rule/{i}/ref/{j}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Namespace and name of the route, with a slash between them.
    pub route: String,
    /// The backend's name, for people.
    pub backend: String,
    /// Position of the rule in its route.
    pub rule: usize,
    /// Position of the reference in its rule.
    pub reference: usize,
}

/// A text that names no `backendRef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no backend reference: expected NAMESPACE/BACKEND/route/ROUTE/rule/N/ref/N")]
pub struct NoIdentity;

// === impl Identity ===

impl Identity {
    /// The choice that it names, as far as the snapshot has it. `asked` is the endpoint by name or address.
    #[must_use]
    pub fn find(&self, snapshot: &Snapshot, asked: Option<&str>) -> Option<Chosen> {
        let rule = Arc::clone(self.rule(snapshot)?);
        let choice = rule.choices().get(self.reference)?;
        let endpoint = asked.and_then(|asked| position(choice, asked)).unwrap_or_default();
        Some(Chosen { position: self.reference, endpoint, rule })
    }

    /// The rule at this place of its route. Rules of a route stand in their order; one that is compiled more than
    /// once, for listeners that differ, has one id.
    fn rule<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Arc<Rule>> {
        let mut seen: Option<&Arc<Rule>> = None;
        let mut left = self.rule;
        for rule in snapshot.rules.iter().filter(|rule| rule.route.as_str() == self.route) {
            match seen {
                Some(before) if before.id == rule.id => continue,
                Some(_) => left = left.checked_sub(1)?,
                None => {}
            }
            if left == 0 {
                return Some(rule);
            }
            seen = Some(rule);
        }
        None
    }
}

/// Where the endpoint stands among the addresses of the choice's backend.
fn position(choice: &Choice, asked: &str) -> Option<usize> {
    let backend = choice.backend.as_ref().ok()?;
    backend.upstream.addresses.iter().position(|address| {
        let host = match &address.host {
            AddressHost::Name(name) => name.to_string(),
            AddressHost::Ip(ip) => ip.to_string(),
        };
        address.hostname.as_deref() == Some(asked)
            || host == asked
            || format!("{host}:{}", address.port) == asked
    })
}

impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        let parts: Vec<&str> = text.split('/').collect();
        let [namespace, backend, "route", route, "rule", rule, "ref", reference] = parts[..] else {
            return Err(NoIdentity);
        };
        Ok(Self {
            route: format!("{namespace}/{route}"),
            backend: backend.to_owned(),
            rule: rule.parse().map_err(|_| NoIdentity)?,
            reference: reference.parse().map_err(|_| NoIdentity)?,
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, backend, rule, reference } = self;
        let (namespace, name) = route.split_once('/').unwrap_or(("", route));
        write!(f, "{namespace}/{backend}/route/{name}/rule/{rule}/ref/{reference}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_named_by_its_place() {
        let text = "ns/openai/route/chat/rule/2/ref/1";
        let identity: Identity = text.parse().unwrap();
        let want =
            Identity { route: "ns/chat".to_owned(), backend: "openai".to_owned(), rule: 2, reference: 1 };
        assert_eq!(identity, want);
        assert_eq!(identity.to_string(), text);
        for other in ["", "a/b", "ns/b/route/r/rule/x/ref/0", "ns/b/route/r/rule/0/ref/0/more"] {
            assert_eq!(other.parse::<Identity>(), Err(NoIdentity), "{other}");
        }
    }
}
