use std::fmt;

use super::{
    Rules, Validate,
    filter::{self, Placement},
    shared::{
        backend_object_ref, header_matches, header_name, hostnames, parent_ref, section_name, timeouts,
    },
    text,
};
use crate::kinds::{
    HttpBackendRef, HttpRoute, HttpRouteFilterType, HttpRouteMatch, HttpRouteRetry, HttpRouteRule, ParentRef,
    PathMatch, PathMatchType, QueryParamMatch,
};

impl Validate for HttpRoute {
    fn validate(&self, rules: &mut Rules) {
        let Self { parent_refs, hostnames: hosts, rules: route_rules, use_default_gateways: _ } = self;
        rules.count("parentRefs", parent_refs.len(), 0..=32);
        rules.each("parentRefs", parent_refs, parent_ref);
        rules.unique(
            "duplicate-parent",
            "parentRefs",
            parent_refs.iter().map(|parent| Some(ParentKey::of(parent))),
        );
        hostnames(rules, hosts);
        rules.count("rules", route_rules.len(), 1..=16);
        rules.unique("duplicate-rule-name", "rules", route_rules.iter().map(|rule| rule.name.as_deref()));
        let matches: usize = route_rules.iter().map(|rule| rule.matches.len()).sum();
        if matches > 128 {
            rules.broken(
                "too-many-items",
                "rules",
                format!("expected at most 128 matches in all rules, found {matches}"),
            );
        }
        rules.each("rules", route_rules, route_rule);
    }
}

/// What no two parents of a route may share.
#[derive(PartialEq, Eq, Hash)]
struct ParentKey<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    section: Option<&'a str>,
    port: Option<u16>,
}

impl<'a> ParentKey<'a> {
    fn of(parent: &'a ParentRef) -> Self {
        let ParentRef { group: _, kind, namespace, name, section_name, port } = parent;
        Self { kind, namespace: namespace.as_deref(), name, section: section_name.as_deref(), port: *port }
    }
}

impl fmt::Display for ParentKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

fn route_rule(rules: &mut Rules, rule: &HttpRouteRule) {
    let HttpRouteRule {
        name,
        matches,
        filters,
        backend_refs,
        timeouts: deadlines,
        retry,
        session_persistence: _,
    } = rule;
    if let Some(name) = name {
        section_name(rules, "name", name);
    }
    rules.count("matches", matches.len(), 0..=64);
    rules.each("matches", matches, route_match);
    let one_prefix = matches.len() == 1 && matches[0].path.match_type == PathMatchType::PathPrefix;
    let placement = if one_prefix { Placement::UnderOnePrefix } else { Placement::Elsewhere };
    filter::list(rules, filters, placement);
    let redirects = filters.iter().any(|filter| filter.filter_type == HttpRouteFilterType::RequestRedirect);
    let message = "a rule with a RequestRedirect answers itself and has no `backendRefs`";
    rules.demand(!redirects || backend_refs.is_empty(), "redirect-with-backends", ("backendRefs", message));
    rules.count("backendRefs", backend_refs.len(), 0..=16);
    rules.each("backendRefs", backend_refs, |rules, backend| backend_ref(rules, backend, placement));
    rules.optional("timeouts", deadlines.as_ref(), |rules, deadlines| timeouts(rules, *deadlines));
    rules.optional("retry", retry.as_ref(), |rules, HttpRouteRetry { codes, attempts, backoff: _ }| {
        rules.each("codes", codes, |rules, code| rules.range("", (*code).into(), 400..=599));
        rules.range("attempts", attempts.unwrap_or(1), 1..=u32::MAX);
    });
}

fn route_match(rules: &mut Rules, route_match: &HttpRouteMatch) {
    let HttpRouteMatch { path, headers, query_params, method: _ } = route_match;
    rules.field("path", |rules| path_match(rules, path));
    header_matches(rules, headers);
    rules.count("queryParams", query_params.len(), 0..=16);
    rules.unique(
        "duplicate-entry",
        "queryParams",
        query_params.iter().map(|param| Some(param.name.as_str())),
    );
    rules.each("queryParams", query_params, |rules, QueryParamMatch { match_type: _, name, value }| {
        header_name(rules, "name", name);
        rules.length("value", value, 1..=1024);
    });
}

fn path_match(rules: &mut Rules, path: &PathMatch) {
    let PathMatch { match_type, value } = path;
    rules.length("value", value, 0..=1024);
    if *match_type != PathMatchType::RegularExpression
        && let Some(fault) = text::path_fault(value)
    {
        rules.broken("invalid-path", "value", format!("the path {value:?} {fault}"));
    }
}

fn backend_ref(rules: &mut Rules, backend: &HttpBackendRef, placement: Placement) {
    backend_object_ref(rules, &backend.object());
    rules.range("weight", backend.weight, 0..=1_000_000);
    filter::list(rules, &backend.filters, placement);
}
