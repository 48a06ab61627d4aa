//! Ways in that nobody guards, and paths that do not match.

use tollgate_resources::{AuthorizationAction, Gateway, HttpRoute, Object, PathMatchType, SecurityPolicy};

use super::facts::{Facts, Route};
use crate::{
    Fault,
    notes::{At, Notes},
};

pub(super) fn advise(facts: &Facts<'_>, notes: &mut Notes) {
    // Whom one that selects by labels guards is not looked into: all of them, for what is known.
    let mut guards = facts.set.security_policies.iter().filter(|policy| keeps_out(&policy.spec));
    let selects = guards.find(|policy| !policy.spec.targets().target_selectors.is_empty());
    for gateway in &facts.set.gateways {
        unguarded(facts, gateway, selects, notes);
        options(gateway, notes);
    }
    for route in &facts.set.http_routes {
        verbs(facts, route, notes);
    }
}

/// A route of models that lets everybody in, beside one that does not.
fn unguarded(
    facts: &Facts<'_>,
    gateway: &Object<Gateway>,
    selects: Option<&Object<SecurityPolicy>>,
    notes: &mut Notes,
) {
    let routes = facts.routes_of(&gateway.meta);
    let whole = first(facts.policies_of_gateway((&gateway.meta.namespace, &gateway.meta.name)));
    let around = whole.into_iter().chain(selects).min_by_key(|policy| place(policy));
    let guard = |route: &Route<'_>| {
        let own = first(facts.policies_of_route(route.meta()));
        own.into_iter().chain(around).min_by_key(|policy| place(policy))
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

/// The first that asks who somebody is.
fn first<'a>(policies: &[&'a Object<SecurityPolicy>]) -> Option<&'a Object<SecurityPolicy>> {
    policies.iter().copied().find(|policy| keeps_out(&policy.spec))
}

/// Where it stands in its list.
fn place(policy: &Object<SecurityPolicy>) -> (&str, &str) {
    (&policy.meta.namespace, &policy.meta.name)
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
            let model = prefix.rsplit('/').next().unwrap_or_default();
            if facts.verbs.contains(prefix) || facts.patterns.iter().any(|path| path.contains(model)) {
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
