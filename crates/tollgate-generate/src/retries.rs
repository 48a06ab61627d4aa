//! Retries as Tollgate makes them without being told: to another backend, by priority, each attempt with its own
//! deadline. Envoy makes none unless a BackendTrafficPolicy says so.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value as Json, json};
use tollgate_resources::{AiGatewayRoute, BackendTrafficPolicy, Manifest, Object, ResourceSet};
use tollgate_types::Diagnostics;

use crate::{
    grants,
    names::{self, ENVOY_GATEWAY, group},
    notes::Note,
    policies::{self, Holding},
    route::Rule,
    timeouts,
};

/// Attempts of an LLM request, the first included.
const ATTEMPTS: usize = 4;
/// Statuses of an overloaded or broken provider.
const STATUSES: [u16; 6] = [429, 500, 502, 503, 504, 529];
/// The most targets of a policy (Envoy Gateway).
const TARGETS: usize = 16;

/// How the requests of a rule are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Retry {
    /// Beside the first attempt.
    retries: usize,
    /// Attempts at each priority before the next one is asked; `None` where there is one only.
    per_priority: Option<usize>,
    /// The deadline of one attempt.
    attempt: Option<Duration>,
    /// Whether a policy of a Gateway holds beneath.
    merges: bool,
}

/// Gives each rule the retries that it needs, and a name by which a policy can find it.
pub(crate) fn plan(
    set: &ResourceSet,
    route: &Object<AiGatewayRoute>,
    rules: &mut [Rule],
    notes: &mut Diagnostics,
) {
    for rule in rules {
        let attempt = attempt(route, rule);
        if rule.refs.live.len() < 2 && attempt.is_none() {
            continue;
        }
        let Holding { route: own, gateway } = policies::holding(set, route, rule.name.as_deref());
        let decides = own.or(gateway.filter(|policy| policy.spec.retry.is_some()));
        if let Some(policy) = decides {
            report(route, rule, attempt, policy, notes);
            continue;
        }
        let index = rule.index;
        rule.retry = Some(Retry {
            retries: rule.refs.live.len().min(ATTEMPTS).saturating_sub(1),
            per_priority: per_priority(&rule.refs.live),
            attempt,
            merges: gateway.is_some(),
        });
        rule.name.get_or_insert_with(|| names::rule(index));
    }
}

/// One policy for all rules that are alike.
pub(crate) fn objects(route: &Object<AiGatewayRoute>, parts: &[(String, Vec<Rule>)]) -> Vec<Manifest> {
    let mut alike: BTreeMap<Retry, Vec<Json>> = BTreeMap::new();
    for (http_route, rules) in parts {
        for rule in rules {
            let (Some(retry), Some(name)) = (rule.retry, &rule.name) else { continue };
            alike.entry(retry).or_default().push(json!({
                "group": group::GATEWAY,
                "kind": "HTTPRoute",
                "name": http_route,
                "sectionName": name,
            }));
        }
    }
    let chunks =
        alike.iter().flat_map(|(retry, targets)| targets.chunks(TARGETS).map(move |some| (retry, some)));
    chunks
        .enumerate()
        .map(|(i, (retry, targets))| {
            let name = names::retries(&route.meta.name, i + 1);
            let at = (&*route.meta.namespace, name.as_str());
            grants::managed(ENVOY_GATEWAY, "BackendTrafficPolicy", at, &retry.spec(targets))
        })
        .collect()
}

/// The deadline of one attempt. An HTTPRoute's `backendRequest` becomes the deadline of the whole request in Envoy
/// Gateway, streams included, so that it is said by a policy instead.
fn attempt(route: &Object<AiGatewayRoute>, rule: &Rule) -> Option<Duration> {
    let timeouts = route.spec.rules.get(rule.index)?.timeouts?;
    timeouts.backend_request.filter(|timeout| !timeout.is_zero())
}

/// Every priority is given as many attempts as the largest one has backends.
fn per_priority(live: &[u32]) -> Option<usize> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for priority in live {
        *counts.entry(*priority).or_default() += 1;
    }
    (counts.len() > 1).then(|| counts.values().copied().max().unwrap_or(1))
}

/// A policy of the user decides: where it does not say what the rule needs, the rule does without it.
fn report(
    route: &Object<AiGatewayRoute>,
    rule: &Rule,
    attempt: Option<Duration>,
    policy: &Object<BackendTrafficPolicy>,
    notes: &mut Diagnostics,
) {
    let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
    let at = format!("spec.rules[{}]", rule.index);
    let whose = format!("BackendTrafficPolicy {namespace}/{name} is attached to the rule");
    let Some(retry) = &policy.spec.retry else {
        if rule.refs.live.len() > 1 {
            let message = format!(
                "{whose} and sets no retry: behind Envoy a failed request does not move on to another backend"
            );
            let help = format!("add to the policy: {}", spec_of_retry(&rule.refs.live));
            notes.push(Note::warning("failover-needs-retry", message).help(help).at(route, at.clone()));
        }
        return attempt_lost(route, attempt, &whose, &at, notes);
    };
    if retry.per_retry.as_ref().and_then(|per_retry| per_retry.timeout).is_none() {
        attempt_lost(route, attempt, &whose, &at, notes);
    }
}

fn attempt_lost(
    route: &Object<AiGatewayRoute>,
    attempt: Option<Duration>,
    whose: &str,
    at: &str,
    notes: &mut Diagnostics,
) {
    let Some(attempt) = attempt else { return };
    let message = format!(
        "{whose} and sets no retry.perRetry.timeout: behind Envoy an attempt has no deadline of its own"
    );
    let help = format!("add retry.perRetry.timeout: {} to the policy", timeouts::text(attempt));
    let note = Note::warning("attempt-timeout-needs-retry", message).help(help);
    notes.push(note.at(route, format!("{at}.timeouts.backendRequest")));
}

fn spec_of_retry(live: &[u32]) -> String {
    let retries = live.len().min(ATTEMPTS).saturating_sub(1);
    let per_priority =
        per_priority(live).map(|n| format!(", numAttemptsPerPriority: {n}")).unwrap_or_default();
    format!(
        "retry: {{numRetries: {retries}{per_priority}, retryOn: {{triggers: [connect-failure, reset, \
         retriable-status-codes], httpStatusCodes: {STATUSES:?}}}}}"
    )
}

// === impl Retry ===

impl Retry {
    fn spec(&self, targets: &[Json]) -> Json {
        let Self { retries, per_priority, attempt, merges } = self;
        let mut retry = Map::new();
        retry.insert("numRetries".to_owned(), json!(retries));
        if let Some(per_priority) = per_priority {
            retry.insert("numAttemptsPerPriority".to_owned(), json!(per_priority));
        }
        let mut per_retry = Map::new();
        if let Some(attempt) = attempt {
            per_retry.insert("timeout".to_owned(), json!(timeouts::text(*attempt)));
        }
        per_retry.insert("backOff".to_owned(), json!({"baseInterval": "25ms", "maxInterval": "1s"}));
        retry.insert("perRetry".to_owned(), Json::Object(per_retry));
        let on = json!({
            "triggers": ["connect-failure", "refused-stream", "reset", "retriable-status-codes"],
            "httpStatusCodes": STATUSES,
        });
        retry.insert("retryOn".to_owned(), on);
        let mut spec = Map::new();
        spec.insert("targetRefs".to_owned(), json!(targets));
        if *merges {
            spec.insert("mergeType".to_owned(), json!("StrategicMerge"));
        }
        spec.insert("retry".to_owned(), Json::Object(retry));
        Json::Object(spec)
    }
}
