//! Rules of rate limits.

use super::{Rules, shared::header_name, text};
use crate::kinds::{
    MetadataKey, RateLimit, RateLimitCostFrom, RateLimitCostSource, RateLimitHeaderMatch, RateLimitMatchType,
    RateLimitRule, RateLimitSelector, RateLimitType, SourceCidr,
};

pub(crate) fn rate_limit(rules: &mut Rules, limit: &RateLimit) {
    let RateLimit { limit_type, global, local } = limit;
    let fits = match limit_type {
        None => global.is_some() || local.is_some(),
        Some(RateLimitType::Global) => global.is_some(),
        Some(RateLimitType::Local) => local.is_some(),
    };
    let message = "expected `global` or `local`, and the one that `type` names";
    rules.demand(fits, "missing-field", ("", message));
    rules.optional("global", global.as_ref(), |rules, global| {
        rules.count("rules", global.rules.len(), 0..=256);
        rules.each("rules", &global.rules, rule);
    });
    rules.optional("local", local.as_ref(), |rules, local| local_rules(rules, &local.rules));
}

fn local_rules(rules: &mut Rules, limits: &[RateLimitRule]) {
    rules.count("rules", limits.len(), 0..=16);
    let mut defaults = limits.iter().filter(|rule| rule.client_selectors.is_empty());
    let default = defaults.next();
    let message = "at most one local rule may have no `clientSelectors`";
    rules.demand(defaults.next().is_none(), "duplicate-entry", ("rules", message));
    rules.each("rules", limits, |rules, limit| {
        rule(rules, limit);
        let response = limit.cost.as_ref().is_some_and(|cost| cost.response.is_some());
        let message = "a local limit cannot count what a reply cost; a global one can";
        rules.demand(!response, "not-for-local", ("cost", message));
        let message = "a local limit is not taken from metadata";
        rules.demand(limit.limit.from_metadata.is_none(), "not-for-local", ("limit", message));
        if limit.shared {
            rules.warn("no-effect", "shared", "local limits are not shared");
        }
        if limit.shadow_mode {
            rules.warn("no-effect", "shadowMode", "local limits have no shadow mode: it is enforced");
        }
        if let Some(default) = default {
            let multiple = limit.limit.unit.seconds() % default.limit.unit.seconds() == 0;
            let message = "expected a multiple of the unit of the rule without `clientSelectors`";
            rules.demand(multiple, "unit-order", ("limit", message));
        }
    });
}

fn rule(rules: &mut Rules, rule: &RateLimitRule) {
    let RateLimitRule { client_selectors, limit, cost, shared: _, shadow_mode: _, x_rate_limit_headers: _ } =
        rule;
    rules.count("clientSelectors", client_selectors.len(), 0..=8);
    rules.each("clientSelectors", client_selectors, selector);
    rules.field("limit", |rules| rules.optional("fromMetadata", limit.from_metadata.as_ref(), metadata_key));
    rules.optional("cost", cost.as_ref(), |rules, cost| {
        rules.optional("request", cost.request.as_ref(), cost_source);
        rules.optional("response", cost.response.as_ref(), cost_source);
    });
}

fn cost_source(rules: &mut Rules, source: &RateLimitCostSource) {
    let RateLimitCostSource { from, number, metadata } = source;
    let fits = match from {
        RateLimitCostFrom::Number => number.is_some() && metadata.is_none(),
        RateLimitCostFrom::Metadata => metadata.is_some() && number.is_none(),
    };
    let message = "`from: Number` needs `number` alone, `from: Metadata` `metadata` alone";
    rules.demand(fits, "exactly-one-of", ("", message));
    rules.optional("metadata", metadata.as_ref(), metadata_key);
}

fn metadata_key(rules: &mut Rules, MetadataKey { namespace, key }: &MetadataKey) {
    rules.length("namespace", namespace, 1..=253);
    rules.length("key", key, 1..=253);
}

/// Whom a limit concerns.
pub(crate) fn selector(rules: &mut Rules, selector: &RateLimitSelector) {
    let RateLimitSelector { headers, methods, path, source_cidr, query_params } = selector;
    let empty = headers.is_empty()
        && methods.is_empty()
        && path.is_none()
        && source_cidr.is_none()
        && query_params.is_empty();
    let message = "expected `headers`, `methods`, `path`, `sourceCIDR` or `queryParams`";
    rules.demand(!empty, "missing-field", ("", message));
    rules.count("headers", headers.len(), 0..=128);
    rules.each("headers", headers, header_match);
    rules.count("queryParams", query_params.len(), 0..=16);
    rules.each("queryParams", query_params, |rules, param| {
        rules.length("name", &param.name, 1..=256);
        value(rules, (param.match_type, param.value.as_deref(), param.invert));
    });
    rules.each("methods", methods, |rules, method| rules.length("value", &method.value, 1..=32));
    rules.optional("path", path.as_ref(), |rules, path| rules.length("value", &path.value, 1..=1024));
    rules.optional("sourceCIDR", source_cidr.as_ref(), |rules, SourceCidr { value, .. }| {
        rules.form("invalid-cidr", ("value", value), (text::is_cidr(value), "a network such as 10.0.0.0/8"));
    });
}

pub(crate) fn header_match(rules: &mut Rules, header: &RateLimitHeaderMatch) {
    header_name(rules, "name", &header.name);
    value(rules, (header.match_type, header.value.as_deref(), header.invert));
}

fn value(rules: &mut Rules, (how, value, invert): (RateLimitMatchType, Option<&str>, bool)) {
    let distinct = how == RateLimitMatchType::Distinct;
    let message = "`type: Distinct` has no `value`, the other types need one";
    rules.demand(value.is_some() != distinct, "exactly-one-of", ("", message));
    rules.demand(!(distinct && invert), "at-most-one-of", ("invert", "`type: Distinct` cannot be inverted"));
    if let Some(value) = value {
        rules.length("value", value, 0..=1024);
    }
}
