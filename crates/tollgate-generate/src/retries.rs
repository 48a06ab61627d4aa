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

/// How requests are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retries {
    /// Beside the first attempt.
    pub retries: usize,
    /// Attempts at each priority before the next one is asked; `None` where there is one only.
    pub per_priority: Option<usize>,
    /// The deadline of one attempt, to the head of its reply.
    pub attempt: Option<Duration>,
    /// After these another backend is asked; none where there is no other.
    pub statuses: &'static [u16],
}

/// The retries that the translation has to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    how: Retries,
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
        let how = rule.retries;
        // Without another backend there is little to say, and a policy would stand in the way of the users'.
        if how.statuses.is_empty() && how.attempt.is_none() {
            continue;
        }
        let Holding { route: own, gateway } = policies::holding(set, route, rule.name.as_deref());
        let decides = own.or(gateway.filter(|policy| policy.spec.retry.is_some()));
        if let Some(policy) = decides {
            report(route, rule.index, how, policy, notes);
            continue;
        }
        let index = rule.index;
        rule.asked = Some(Asked { how, merges: gateway.is_some() });
        rule.name.get_or_insert_with(|| names::rule(index));
    }
}

/// One policy for all rules that are alike.
pub(crate) fn objects(route: &Object<AiGatewayRoute>, parts: &[(String, Vec<Rule>)]) -> Vec<Manifest> {
    let mut alike: BTreeMap<Asked, Vec<Json>> = BTreeMap::new();
    for (http_route, rules) in parts {
        for rule in rules {
            let (Some(asked), Some(name)) = (rule.asked, &rule.name) else { continue };
            alike.entry(asked).or_default().push(json!({
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
    rule: usize,
    how: Retries,
    policy: &Object<BackendTrafficPolicy>,
    notes: &mut Diagnostics,
) {
    let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
    let whose = format!("BackendTrafficPolicy {namespace}/{name} is attached to the rule");
    if policy.spec.retry.is_none() && !how.statuses.is_empty() {
        let message = format!(
            "{whose} and sets no retry: behind Envoy a failed request does not move on to another backend"
        );
        let note = Note::warning("failover-needs-retry", message).help(how.in_words());
        notes.push(note.at(route, format!("spec.rules[{rule}]")));
    }
    let per_retry = policy.spec.retry.as_ref().and_then(|retry| retry.per_retry.as_ref());
    if let (Some(attempt), None) = (how.attempt, per_retry.and_then(|per_retry| per_retry.timeout)) {
        let message = format!(
            "{whose} and sets no retry.perRetry.timeout: behind Envoy an attempt has no deadline of its own"
        );
        let help = format!("add retry.perRetry.timeout: {} to the policy", timeouts::text(attempt));
        let note = Note::warning("attempt-timeout-needs-retry", message).help(help);
        notes.push(note.at(route, format!("spec.rules[{rule}].timeouts.backendRequest")));
    }
}

// === impl Retries ===

impl Retries {
    /// For backends of these priorities. An HTTPRoute's `backendRequest` becomes the deadline of the whole request in
    /// Envoy Gateway, streams included, so that it is said here instead.
    pub(crate) fn of(live: &[u32], backend_request: Option<Duration>) -> Self {
        let attempt = backend_request.filter(|timeout| !timeout.is_zero());
        let others = live.len().min(ATTEMPTS).saturating_sub(1);
        if others == 0 {
            // The same one once more, where it has not seen the request.
            return Self { retries: 1, per_priority: None, attempt, statuses: &[] };
        }
        Self { retries: others, per_priority: per_priority(live), attempt, statuses: &STATUSES }
    }

    fn triggers(self) -> &'static [&'static str] {
        if self.statuses.is_empty() {
            &["connect-failure", "refused-stream", "reset-before-request"]
        } else {
            &["connect-failure", "refused-stream", "reset", "retriable-status-codes"]
        }
    }

    fn in_words(self) -> String {
        let Self { retries, per_priority, attempt: _, statuses } = self;
        let per_priority = per_priority.map(|n| format!(", numAttemptsPerPriority: {n}")).unwrap_or_default();
        format!(
            "add to the policy: retry: {{numRetries: {retries}{per_priority}, retryOn: {{triggers: [{}], \
             httpStatusCodes: {statuses:?}}}}}",
            self.triggers().join(", ")
        )
    }
}

// === impl Asked ===

impl Asked {
    fn spec(&self, targets: &[Json]) -> Json {
        let Retries { retries, per_priority, attempt, statuses } = self.how;
        let mut retry = Map::new();
        retry.insert("numRetries".to_owned(), json!(retries));
        if let Some(per_priority) = per_priority {
            retry.insert("numAttemptsPerPriority".to_owned(), json!(per_priority));
        }
        let mut per_retry = Map::new();
        if let Some(attempt) = attempt {
            per_retry.insert("timeout".to_owned(), json!(timeouts::text(attempt)));
        }
        per_retry.insert("backOff".to_owned(), json!({"baseInterval": "25ms", "maxInterval": "1s"}));
        retry.insert("perRetry".to_owned(), Json::Object(per_retry));
        let mut on = Map::new();
        on.insert("triggers".to_owned(), json!(self.how.triggers()));
        if !statuses.is_empty() {
            on.insert("httpStatusCodes".to_owned(), json!(statuses));
        }
        retry.insert("retryOn".to_owned(), Json::Object(on));
        let mut spec = Map::new();
        spec.insert("targetRefs".to_owned(), json!(targets));
        if self.merges {
            spec.insert("mergeType".to_owned(), json!("StrategicMerge"));
        }
        spec.insert("retry".to_owned(), Json::Object(retry));
        Json::Object(spec)
    }
}
