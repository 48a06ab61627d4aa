//! Limits that a caller can get around, or that count something else than they seem to.

use tollgate_resources::{
    BackendTrafficPolicy, Object, RateLimitCostFrom, RateLimitHeaderMatch, RateLimitMatchType, RateLimitRule,
    find,
};

use super::facts::{Facts, named};
use crate::{
    Fault,
    notes::{At, Notes},
};

/// Credentials are who somebody is: another one is another caller.
const CREDENTIALS: [&str; 3] = ["authorization", "x-api-key", "api-key"];
/// The gateway's own headers, never taken from a caller.
const OWN: &str = "x-ai-eg-";
const MODEL: &str = "x-ai-eg-model";
/// Where costs of models are.
const LLM: &str = "io.envoy.ai_gateway";

pub(super) fn advise(facts: &Facts<'_>, notes: &mut Notes) {
    for policy in &facts.set.backend_traffic_policies {
        let Some(limit) = &policy.spec.rate_limit else { continue };
        let global = limit.global.iter().flat_map(|global| &global.rules);
        for (i, rule) in global.enumerate() {
            let at = format!("spec.rateLimit.global.rules[{i}]");
            selectors(facts, policy, (rule, &at), notes);
            plain_route(facts, policy, (rule, &at), notes);
        }
        let local = limit.local.iter().flat_map(|local| &local.rules);
        for (i, rule) in local.enumerate() {
            selectors(facts, policy, (rule, &format!("spec.rateLimit.local.rules[{i}]")), notes);
        }
        per_route(facts, policy, notes);
    }
}

fn selectors(
    facts: &Facts<'_>,
    policy: &Object<BackendTrafficPolicy>,
    (rule, at): (&RateLimitRule, &str),
    notes: &mut Notes,
) {
    for (j, selector) in rule.client_selectors.iter().enumerate() {
        for (k, header) in selector.headers.iter().enumerate() {
            let field = format!("{at}.clientSelectors[{j}].headers[{k}].name");
            if let Some(fault) = doubt(facts, header) {
                notes.warning(&At::new(policy, field), fault);
            }
        }
    }
}

/// What is wrong with counting by a header.
fn doubt(facts: &Facts<'_>, header: &RateLimitHeaderMatch) -> Option<Fault> {
    let name = header.name.to_ascii_lowercase();
    if facts.is_vouched(&name) || name.starts_with(OWN) || CREDENTIALS.contains(&&*name) {
        return None;
    }
    if facts.is_late(&name) {
        let message = format!(
            "a route's filter sets {name}, but after limits are counted: here it is what the client sent, if anything"
        );
        let help = "make it from a verified token (SecurityPolicy jwt.providers[].claimToHeaders), which comes before";
        return Some(Fault::new("limit-on-late-header", message).help(help));
    }
    (header.match_type == RateLimitMatchType::Distinct).then(|| {
        let message = format!(
            "nothing here makes {name}, so that clients choose whose limit they use up, and have none without it"
        );
        let help = format!(
            "make it from a verified token (SecurityPolicy jwt.providers[].claimToHeaders: {{header: {name}, claim: \
             sub}}) or API key (apiKeyAuth.forwardClientIDHeader)"
        );
        Fault::new("spoofable-limit", message).help(help)
    })
}

/// Costs of tokens where no model answers.
fn plain_route(
    facts: &Facts<'_>,
    policy: &Object<BackendTrafficPolicy>,
    (rule, at): (&RateLimitRule, &str),
    notes: &mut Notes,
) {
    let response = rule.cost.as_ref().and_then(|cost| cost.response.as_ref());
    let Some(key) = response
        .filter(|source| source.from == RateLimitCostFrom::Metadata)
        .and_then(|source| source.metadata.as_ref())
        .filter(|key| key.namespace == LLM)
    else {
        return;
    };
    let own = &policy.meta.namespace;
    let mut names = named(policy.spec.targets(), &["HTTPRoute"]);
    let Some(route) = names.find_map(|name| find(&facts.set.http_routes, own, name)) else { return };
    if find(&facts.set.ai_gateway_routes, own, &route.meta.name).is_some() {
        return;
    }
    let message = format!(
        "HTTPRoute {} is no route of models, so that {} is never known there: nothing is charged",
        route.meta.name, key.key
    );
    let help = "target the HTTPRoute that has the name of the AIGatewayRoute, or the Gateway";
    let at = At::new(policy, format!("{at}.cost.response.metadata.key"));
    notes.warning(&at, Fault::new("cost-on-plain-route", message).help(help));
}

/// A rule of a Gateway's policy counts for each route by itself unless it is shared.
fn per_route(facts: &Facts<'_>, policy: &Object<BackendTrafficPolicy>, notes: &mut Notes) {
    let rules = policy.spec.rate_limit.iter().filter_map(|limit| limit.global.as_ref());
    let of_model = |rule: &RateLimitRule| {
        let mut headers = rule.client_selectors.iter().flat_map(|selector| &selector.headers);
        headers.any(|header| {
            header.name.eq_ignore_ascii_case(MODEL) && header.match_type != RateLimitMatchType::Distinct
        })
    };
    let mut apart = rules
        .flat_map(|global| global.rules.iter().enumerate())
        .filter(|(_, rule)| !rule.shared && !of_model(rule))
        .peekable();
    if apart.peek().is_none() {
        return;
    }
    let gateways = facts.gateways(&policy.meta.namespace, policy.spec.targets());
    let Some((gateway, count)) = gateways.into_iter().find_map(|gateway| {
        let rules: usize = facts.routes_of(&gateway.meta).iter().map(|route| route.rules()).sum();
        (rules > 1).then_some((gateway, rules))
    }) else {
        return;
    };
    for (i, _) in apart {
        let message = format!(
            "this limit is counted apart for each of the {count} rules of Gateway {}'s routes: together they let \
             through {count} times as much",
            gateway.meta.name
        );
        let fault = Fault::new("limit-per-route", message).help("add shared: true to count them together");
        notes.warning(&At::new(policy, format!("spec.rateLimit.global.rules[{i}]")), fault);
    }
}
