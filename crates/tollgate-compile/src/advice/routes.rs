//! Ways in that nobody guards, and paths that do not match.

use tollgate_resources::{
    AuthorizationAction, Gateway, HttpRoute, Object, PathMatch, PathMatchType, SecurityPolicy,
};

use super::facts::{Facts, Route, names};
use crate::{
    Fault,
    notes::{At, Notes},
};

/// The names by which policies know an AIGatewayRoute.
const ROUTES: [&str; 2] = ["HTTPRoute", "AIGatewayRoute"];

pub(super) fn advise(facts: &Facts<'_>, notes: &mut Notes) {
    for gateway in &facts.set.gateways {
        unguarded(facts, gateway, notes);
        options(gateway, notes);
    }
    for route in &facts.set.http_routes {
        verbs(facts, route, notes);
    }
}

/// A route of models that lets everybody in, beside one that does not.
fn unguarded(facts: &Facts<'_>, gateway: &Object<Gateway>, notes: &mut Notes) {
    let routes = facts.routes_of(&gateway.meta);
    let guard = |route: &Route<'_>| {
        let mut policies = facts.set.security_policies.iter();
        policies.find(|policy| keeps_out(&policy.spec) && covers(policy, *route, gateway))
    };
    let Some((guarded, by)) = routes.iter().find_map(|route| Some((route, guard(route)?))) else { return };
    for route in routes.iter().filter(|route| route.is_ai() && guard(route).is_none()) {
        let message = format!(
            "everybody may use this route: SecurityPolicy {} guards {} on the same Gateway, and nothing guards this one",
            by.meta.name,
            guarded.located().reference()
        );
        let help = format!(
            "let the policy target the Gateway {}, or the HTTPRoute {} too, which this route becomes",
            gateway.meta.name,
            route.meta().name
        );
        let fault = Fault::new("unguarded-route", message).help(help);
        notes.warning(&At::new(route.located(), "spec.parentRefs"), fault);
    }
}

/// True where a policy asks who somebody is.
pub(super) fn keeps_out(policy: &SecurityPolicy) -> bool {
    let denies = policy
        .authorization
        .as_ref()
        .is_some_and(|rules| rules.default_action != Some(AuthorizationAction::Allow));
    policy.api_key_auth.is_some()
        || policy.basic_auth.is_some()
        || policy.ext_auth.is_some()
        || policy.oidc.is_some()
        || policy.jwt.as_ref().is_some_and(|jwt| !jwt.optional)
        || denies
}

/// True where a policy is on the route or on its Gateway; one that selects by labels may be.
fn covers(policy: &Object<SecurityPolicy>, route: Route<'_>, gateway: &Object<Gateway>) -> bool {
    let targets = policy.spec.targets();
    let own = |namespace: &str| *policy.meta.namespace == *namespace;
    let meta = route.meta();
    !targets.target_selectors.is_empty()
        || (own(&meta.namespace) && names(targets, &ROUTES, &meta.name).is_some())
        || (own(&gateway.meta.namespace) && names(targets, &["Gateway"], &gateway.meta.name).is_some())
}

/// Options of TLS, which nobody reads.
fn options(gateway: &Object<Gateway>, notes: &mut Notes) {
    for (i, listener) in gateway.spec.listeners.iter().enumerate() {
        let options = listener.tls.iter().flat_map(|tls| tls.options.keys());
        let names: Vec<_> = options.map(String::as_str).collect();
        if !names.is_empty() {
            let message = format!("nobody reads the TLS options {}: they have no effect", names.join(", "));
            let help = "write them into a ClientTrafficPolicy for the Gateway: spec.tls.minVersion, maxVersion, \
                        ciphers (of TLS 1.2; TLS 1.3 has its own)";
            let fault = Fault::new("unknown-tls-option", message).help(help);
            notes.warning(&At::new(gateway, format!("spec.listeners[{i}].tls.options")), fault);
        }
    }
}

/// A prefix ends at a slash, and KServe's verbs follow a colon.
fn verbs(facts: &Facts<'_>, route: &Object<HttpRoute>, notes: &mut Notes) {
    for (i, rule) in route.spec.rules.iter().enumerate() {
        for (j, one) in rule.matches.iter().enumerate() {
            let prefix = one.path.value.trim_end_matches('/');
            if one.path.match_type != PathMatchType::PathPrefix || !names_a_model(prefix) {
                continue;
            }
            if facts.verbs.iter().any(|path| has_verbs(path, prefix)) {
                continue;
            }
            let message = format!(
                "PathPrefix {prefix} ends at a slash: {prefix}:predict and the other verbs of a model are not matched"
            );
            let help = format!(
                "add {{type: Exact, value: {prefix}:predict}}, or {{type: RegularExpression, value: \
                 \"{prefix}(:[a-z]+)?\"}}"
            );
            let fault = Fault::new("prefix-without-verbs", message).help(help);
            notes.warning(&At::new(route, format!("spec.rules[{i}].matches[{j}].path.value")), fault);
        }
    }
}

/// `/v1/models/sklearn-iris`
fn names_a_model(path: &str) -> bool {
    let mut parts = path.split('/');
    let (root, version, models) = (parts.next(), parts.next(), parts.next());
    let (Some(""), Some(version), Some("models")) = (root, version, models) else { return false };
    let numbered =
        version.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let model = parts.next().is_some_and(|model| !model.is_empty() && !model.contains(':'));
    numbered && model && parts.next().is_none()
}

fn has_verbs(path: &PathMatch, prefix: &str) -> bool {
    let model = prefix.rsplit('/').next().unwrap_or_default();
    match path.match_type {
        PathMatchType::RegularExpression => path.value.contains(model),
        PathMatchType::Exact | PathMatchType::PathPrefix => {
            path.value.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':'))
        }
    }
}
