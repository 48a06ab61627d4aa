//! Tokens of one tenant that open the doors of another.

use std::collections::BTreeSet;

use tollgate_resources::{AiGatewayRoute, AuthorizationAction, HttpRoute, JwtClaim, Object, SecurityPolicy};

use super::facts::{Facts, ROUTES, Route, named, set_by};
use crate::{
    Fault,
    notes::{At, Notes},
};

pub(super) fn advise(facts: &Facts<'_>, notes: &mut Notes) {
    for policy in &facts.set.security_policies {
        let rules = policy.spec.authorization.iter().flat_map(|authorization| &authorization.rules);
        for (i, rule) in rules.enumerate().filter(|(_, rule)| rule.action == AuthorizationAction::Allow) {
            let principal = rule.principal.as_ref().and_then(|principal| principal.jwt.as_ref());
            let claims = principal.into_iter().flat_map(|jwt| &jwt.claims).enumerate();
            for (j, claim) in claims.filter(|(_, claim)| claim.values.len() > 1) {
                let field = format!("spec.authorization.rules[{i}].principal.jwt.claims[{j}].values");
                shared(facts, policy, (claim, &field), notes);
            }
        }
    }
}

/// A claim that may have several values, on rules that are each for one of them.
fn shared(
    facts: &Facts<'_>,
    policy: &Object<SecurityPolicy>,
    (claim, field): (&JwtClaim, &str),
    notes: &mut Notes,
) {
    let mut owned = BTreeSet::new();
    for route in facts.reach(&policy.meta.namespace, policy.spec.targets()) {
        match route {
            Route::Http(route) => owners_http(facts, policy, route, claim, &mut owned),
            Route::Ai(route) => owners_ai(facts, policy, route, claim, &mut owned),
        }
    }
    if owned.len() < 2 {
        return;
    }
    let owned: Vec<_> = owned.into_iter().collect();
    let message = format!(
        "whoever has one of these values of claim {} may use the rules of all of them: there are rules for {} each",
        claim.name,
        owned.join(" and for ")
    );
    let help = "give each rule a SecurityPolicy of its own (targetRefs[].sectionName is the rule's name) that takes \
                one value alone";
    notes.warning(&At::new(policy, field), Fault::new("one-claim-for-all", message).help(help));
}

/// Values for which a rule is made: it sets them in a header, or leads into a namespace of that name.
fn owners_http<'a>(
    facts: &Facts<'_>,
    policy: &Object<SecurityPolicy>,
    route: &'a Object<HttpRoute>,
    claim: &'a JwtClaim,
    owned: &mut BTreeSet<&'a str>,
) {
    for rule in &route.spec.rules {
        if !holds(facts, policy, (Route::Http(route), rule.name.as_deref())) {
            continue;
        }
        let set = rule.filters.iter().flat_map(set_by).map(|(_, value)| value);
        let spaces = rule.backend_refs.iter().filter_map(|backend| backend.namespace.as_deref());
        let all: Vec<_> = set.chain(spaces).collect();
        owned.extend(claim.values.iter().map(String::as_str).filter(|value| all.contains(value)));
    }
}

/// Or it matches one in a header that callers choose.
fn owners_ai<'a>(
    facts: &Facts<'_>,
    policy: &Object<SecurityPolicy>,
    route: &'a Object<AiGatewayRoute>,
    claim: &'a JwtClaim,
    owned: &mut BTreeSet<&'a str>,
) {
    for rule in &route.spec.rules {
        if !holds(facts, policy, (Route::Ai(route), rule.name.as_deref())) {
            continue;
        }
        let headers = rule.matches.iter().flat_map(|one| &one.headers);
        let chosen: Vec<_> =
            headers.filter(|header| !facts.is_vouched(&header.name)).map(|header| &*header.value).collect();
        owned.extend(claim.values.iter().map(String::as_str).filter(|value| chosen.contains(value)));
    }
}

/// True where this policy, and no more specific one, decides about a rule.
fn holds(
    facts: &Facts<'_>,
    policy: &Object<SecurityPolicy>,
    (route, rule): (Route<'_>, Option<&str>),
) -> bool {
    let meta = route.meta();
    let rank = |policy: &Object<SecurityPolicy>| {
        let targets = policy.spec.targets();
        let same = policy.meta.namespace == meta.namespace;
        let sections = targets.target_ref.into_iter().chain(targets.target_refs);
        let mut own = sections
            .filter(|target| same && ROUTES.contains(&target.kind.as_str()) && *target.name == *meta.name)
            .map(|target| target.section_name.as_deref());
        let exact = own.clone().any(|section| section.is_some() && section == rule);
        if exact {
            return 3;
        }
        if own.any(|section| section.is_none()) {
            return 2;
        }
        let mut gateways = route.gateways().filter(|(namespace, _)| **namespace == *policy.meta.namespace);
        u8::from(gateways.any(|(_, gateway)| named(targets, &["Gateway"]).any(|name| name == gateway)))
    };
    let own = rank(policy);
    let wider = route.gateways().flat_map(|gateway| facts.policies_of_gateway(gateway));
    own > 0 && facts.policies_of_route(meta).iter().chain(wider).all(|other| rank(other) <= own)
}
