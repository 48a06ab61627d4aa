//! Retries, health checks and deadlines that do something else than they seem to.

use std::{collections::BTreeSet, time::Duration};

use tollgate_resources::{AiGatewayRouteRule, BackendTrafficPolicy, Object, RetryTrigger};

use super::facts::{Facts, Route};
use crate::{
    Fault,
    notes::{At, Notes},
};

/// Many streams of models take longer than this.
const SHORT: Duration = Duration::from_secs(60);

pub(super) fn advise(facts: &Facts<'_>, notes: &mut Notes) {
    for policy in &facts.set.backend_traffic_policies {
        retries(policy, notes);
        health(facts, policy, notes);
        deadline(facts, policy, notes);
    }
}

fn retries(policy: &Object<BackendTrafficPolicy>, notes: &mut Notes) {
    let Some(on) = policy.spec.retry.as_ref().and_then(|retry| retry.retry_on.as_ref()) else { return };
    if on.http_status_codes.contains(&404) {
        let message = "404 is a wrong model or path: asking again makes every mistake slow and costly";
        let at = At::new(policy, "spec.retry.retryOn.httpStatusCodes");
        notes.warning(&at, Fault::new("retry-on-404", message).help("leave 404 out"));
    }
    // With no triggers at all the usual ones hold, and this is among them.
    let asked = on.triggers.is_empty() || on.triggers.contains(&RetryTrigger::RetriableStatusCodes);
    if !on.http_status_codes.is_empty() && !asked {
        let message = "status codes are looked at only with the trigger retriable-status-codes: no answer is asked for again";
        let at = At::new(policy, "spec.retry.retryOn.httpStatusCodes");
        let help = "add retriable-status-codes to retryOn.triggers";
        notes.warning(&at, Fault::new("retry-codes-without-trigger", message).help(help));
    }
}

/// One path for all backends of a Gateway.
fn health(facts: &Facts<'_>, policy: &Object<BackendTrafficPolicy>, notes: &mut Notes) {
    let active = policy.spec.health_check.as_ref().and_then(|health| health.active.as_ref());
    let Some(http) = active.and_then(|active| active.http.as_ref()) else { return };
    let gateways = facts.gateways(&policy.meta.namespace, policy.spec.targets());
    for gateway in gateways {
        let routes = facts.routes_of(&gateway.meta);
        let backends: BTreeSet<_> = routes.iter().flat_map(|route| route.backends()).collect();
        if backends.len() > 1 {
            let message = format!(
                "{} is asked of all {} backends behind Gateway {}: one that has no such path counts as unhealthy",
                http.path,
                backends.len(),
                gateway.meta.name
            );
            let help = "make a policy for each route, or each rule by sectionName, with the path that its backend has";
            let fault = Fault::new("one-health-check-for-all", message).help(help);
            notes.warning(&At::new(policy, "spec.healthCheck.active.http.path"), fault);
        }
    }
}

/// A deadline for whole replies, where replies may be long streams.
fn deadline(facts: &Facts<'_>, policy: &Object<BackendTrafficPolicy>, notes: &mut Notes) {
    let http = policy.spec.timeout.as_ref().and_then(|timeout| timeout.http.as_ref());
    let timeout = http.and_then(|http| http.request_timeout).filter(|limit| !limit.is_zero());
    let Some(limit) = timeout.filter(|limit| *limit <= SHORT) else { return };
    let own =
        |rule: &AiGatewayRouteRule| rule.timeouts.as_ref().is_some_and(|timeouts| timeouts.request.is_some());
    let routes = facts.reach(&policy.meta.namespace, policy.spec.targets()).into_iter();
    let affected = routes.filter_map(|route| match route {
        Route::Ai(route) => (!route.spec.rules.iter().all(own)).then_some(route),
        Route::Http(_) => None,
    });
    if let Some(route) = affected.min_by_key(|route| (&*route.meta.namespace, &*route.meta.name)) {
        let message = format!(
            "replies of AIGatewayRoute {} end after {} s, streams among them",
            route.meta.name,
            limit.as_secs()
        );
        let help = "give the route's rules timeouts.request of their own, and streamIdleTimeout for silence";
        let fault = Fault::new("timeout-ends-streams", message).help(help);
        notes.info(&At::new(policy, "spec.timeout.http.requestTimeout"), fault);
    }
}
