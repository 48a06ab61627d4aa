use std::{collections::BTreeMap, sync::Arc};

use tollgate_resources::{AiGatewayRoute, Object, ResourceSet};
use tollgate_types::Diagnostics;

use crate::{names, notes::Note, policies, retries::Retries, route::Rule};

/// The most rules of an HTTPRoute, without the one that answers what no other takes (Gateway API).
const RULES: usize = 15;
/// The most matches of all rules of an HTTPRoute, without the one of that rule.
const MATCHES: usize = 127;
/// The most matches of one rule.
const MATCHES_OF_RULE: usize = 64;

/// Where a rule of a generated HTTPRoute comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The AIGatewayRoute, in the HTTPRoute's namespace.
    pub route: Arc<str>,
    /// Which of its rules, from 0.
    pub rule: usize,
    /// For each `backendRefs` entry of the HTTPRoute's rule: which entry of the AIGatewayRoute's rule it was, from 0.
    pub refs: Vec<usize>,
    /// How its requests are tried again unless a policy says otherwise.
    pub retries: Retries,
}

/// From the rules of generated HTTPRoutes back to those of AIGatewayRoutes. Most are the same by number; those of
/// routes that had to be split, and references that were left out, are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<(Arc<str>, Arc<str>), Vec<Origin>>);

/// Spreads rules over as many HTTPRoutes as their limits ask for; nearly always one.
pub(crate) fn split(
    set: &ResourceSet,
    route: &Object<AiGatewayRoute>,
    rules: Vec<Rule>,
    notes: &mut Diagnostics,
) -> Vec<Vec<Rule>> {
    let mut parts = vec![Vec::new()];
    let mut matches = 0;
    for rule in rules.into_iter().flat_map(pieces) {
        // Without a match of its own a rule has the one of Gateway API.
        let more = rule.matches.len().max(1);
        match parts.last_mut() {
            Some(part) if part.len() < RULES && matches + more <= MATCHES => {
                matches += more;
                part.push(rule);
            }
            _ => {
                matches = more;
                parts.push(vec![rule]);
            }
        }
    }
    if parts.len() > 1 {
        report(set, route, &mut parts, notes);
    }
    parts
}

/// A policy that names the HTTPRoute would hold for its first part only: what it guards must not be served without it.
fn report(
    set: &ResourceSet,
    route: &Object<AiGatewayRoute>,
    parts: &mut Vec<Vec<Rule>>,
    notes: &mut Diagnostics,
) {
    let name = &*route.meta.name;
    let names: Vec<_> = (0..parts.len()).map(|i| names::part(name, i)).collect();
    let limits =
        format!("an HTTPRoute takes {RULES} rules of {MATCHES_OF_RULE} and together {MATCHES} matches");
    let note = if policies::name(set, route) {
        parts.truncate(1);
        let message = format!(
            "{limits}: the rules beyond them are left out, since policies name HTTPRoute {name} and would not hold \
             for a second one"
        );
        Note::error("too-many-matches", message)
            .help("make several AIGatewayRoutes of it, or attach the policies to the Gateway or by label")
    } else {
        let message = format!("{limits}: the route becomes the HTTPRoutes {}", names.join(", "));
        Note::info("route-split", message)
    };
    notes.push(note.at(route, "spec.rules"));
}

/// A rule with more matches than one may have becomes several, which differ in nothing else.
fn pieces(rule: Rule) -> Vec<Rule> {
    if rule.matches.len() <= MATCHES_OF_RULE {
        return vec![rule];
    }
    let chunks = rule.matches.chunks(MATCHES_OF_RULE).enumerate();
    chunks
        .map(|(i, matches)| Rule {
            name: rule
                .name
                .as_ref()
                .map(|name| if i == 0 { name.clone() } else { names::fit(format!("{name}-{}", i + 1)) }),
            matches: matches.to_vec(),
            ..rule.clone()
        })
        .collect()
}

// === impl Origins ===

impl Origins {
    /// Where a rule comes from; `None` for rules that no AIGatewayRoute has.
    #[must_use]
    pub fn of(&self, namespace: &str, http_route: &str, rule: usize) -> Option<&Origin> {
        self.0.get(&(Arc::from(namespace), Arc::from(http_route)))?.get(rule)
    }

    /// Each rule: namespace and name of the HTTPRoute, the rule's index in it, and where it comes from.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, usize, &Origin)> {
        self.0.iter().flat_map(|((namespace, name), rules)| {
            rules.iter().enumerate().map(move |(i, origin)| (namespace, name, i, origin))
        })
    }

    pub(crate) fn add(&mut self, route: &Object<AiGatewayRoute>, http_route: &str, rules: &[Rule]) {
        let origins = rules.iter().map(|rule| Origin {
            route: Arc::clone(&route.meta.name),
            rule: rule.index,
            refs: rule.refs.origins.clone(),
            retries: rule.retries,
        });
        let key = (Arc::clone(&route.meta.namespace), Arc::from(http_route));
        self.0.insert(key, origins.collect());
    }
}
