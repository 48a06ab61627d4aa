//! BackendTrafficPolicy `rateLimit`: how much may be called.

use std::sync::Arc;

use http::Method;
use tollgate_limit::{
    Basis, Condition, Cost as Charge, Estimator, Limit, LimitRule, LimitRuleSpec, LocalLimits, PathSelect,
    Scope, TextSelect, Unit,
};
use tollgate_resources::{
    PolicyPathMatch, PolicyPathMatchType, RateLimit, RateLimitCostFrom, RateLimitCostSource,
    RateLimitHeaderMatch, RateLimitHeaders, RateLimitMatchType, RateLimitRule, RateLimitSelector,
    RateLimitUnit, SourceCidr, SourceCidrType,
};
use tollgate_snapshot::{Cost, CostKind, GlobalLimit, Limits, Problem};

use crate::{
    Fault,
    matches::{header_name, whole},
    notes::{At, Notes},
};

/// The namespace of the facts that LLM requests leave behind.
const METADATA: &str = "io.envoy.ai_gateway";

/// Whose limits these are, and for which rule.
pub(crate) struct Limiting<'a> {
    /// `rateLimit` of the policy.
    pub(crate) at: At<'a>,
    /// `namespace/name` of the policy.
    pub(crate) policy: Arc<str>,
    /// `namespace/name` of the Gateway.
    pub(crate) gateway: Arc<str>,
    /// `httproute/namespace/name/rule/n`
    pub(crate) route: Arc<str>,
    /// What the rule's requests cost; empty for plain ones.
    pub(crate) costs: &'a [Cost],
}

/// Adds the limits of one policy to those of a rule. A broken one takes the rule out of service: nobody knows how much it was to let through.
pub(crate) fn add(
    spec: &RateLimit,
    of: &Limiting<'_>,
    all: &mut Limits,
    notes: &mut Notes,
) -> Result<(), Arc<Problem>> {
    let (mut shared, mut own) = (0, 0);
    for (i, rule) in spec.global.iter().flat_map(|global| &global.rules).enumerate() {
        let at = of.at.to(format!(".global.rules[{i}]"));
        let number = if rule.shared { &mut shared } else { &mut own };
        let scope = if rule.shared {
            Scope::Shared { policy: Arc::clone(&of.policy), index: i }
        } else {
            Scope::Route { listener: Arc::clone(&of.gateway), route: Arc::clone(&of.route) }
        };
        let made = limit_rule(rule, (scope, *number), format!("{}/{i}", of.policy));
        *number += 1;
        let rule = made.map_err(|fault| notes.error(&at, fault))?;
        let estimator = rule.response_cost.as_ref().map(|cost| Estimator::new(basis(cost, of, &at, notes)));
        all.global.push(GlobalLimit { rule, estimator });
    }
    let mut local = Vec::new();
    for (i, rule) in spec.local.iter().flat_map(|local| &local.rules).enumerate() {
        let at = of.at.to(format!(".local.rules[{i}]"));
        let scope = Scope::Route { listener: Arc::clone(&of.gateway), route: Arc::clone(&of.route) };
        let made = limit_rule(rule, (scope, i), format!("{}/local/{i}", of.policy));
        local.push(Arc::new(made.map_err(|fault| notes.error(&at, fault))?));
    }
    if !local.is_empty() && all.local.is_none() {
        all.local = Some(LocalLimits::new(local));
    }
    Ok(())
}

/// What a reply's cost is made of, so that it can be guessed before the reply is there.
fn basis(cost: &Charge, of: &Limiting<'_>, at: &At<'_>, notes: &mut Notes) -> Basis {
    let Charge::Metadata(key) = cost else { return Basis::Learned };
    let declared = of.costs.iter().find(|cost| cost.key == *key);
    match declared.map(|cost| &cost.kind) {
        Some(CostKind::Input) => Basis::Input,
        Some(CostKind::Output) => Basis::Output,
        Some(CostKind::Total) => Basis::Total,
        Some(_) => Basis::Learned,
        None => {
            // A plain route has no tokens; a policy on its Gateway speaks of others.
            if !of.costs.is_empty() {
                let known: Vec<_> = of.costs.iter().map(|cost| &*cost.key).collect();
                let message = format!(
                    "no llmRequestCosts of {} has the metadataKey {key}: nothing is charged",
                    of.route
                );
                let fault =
                    Fault::new("unknown-cost", message).help(format!("its keys are {}", known.join(", ")));
                notes.warning(&at.to(".cost.response.metadata.key"), fault);
            }
            Basis::Learned
        }
    }
}

fn limit_rule(spec: &RateLimitRule, (scope, number): (Scope, usize), id: String) -> Result<LimitRule, Fault> {
    let RateLimitRule { client_selectors, limit, cost, shared: _, shadow_mode, x_rate_limit_headers } = spec;
    if limit.from_metadata.is_some() {
        return Err(Fault::not_served("limit.fromMetadata"));
    }
    let mut conditions = Vec::new();
    for selector in client_selectors {
        self::conditions(selector, &mut conditions)?;
    }
    let (request, response) = match cost {
        Some(cost) => (cost.request.as_ref(), cost.response.as_ref()),
        None => (None, None),
    };
    Ok(LimitRule::new(LimitRuleSpec {
        id: id.into(),
        scope,
        number,
        conditions,
        limit: Limit { amount: u64::from(limit.requests), unit: unit(limit.unit) },
        request_cost: request.map(charge).transpose()?.unwrap_or(Charge::Number(1)),
        response_cost: response.map(charge).transpose()?,
        shadow: *shadow_mode,
        show_headers: *x_rate_limit_headers != Some(RateLimitHeaders::Off),
    }))
}

fn charge(spec: &RateLimitCostSource) -> Result<Charge, Fault> {
    match (spec.from, spec.number, &spec.metadata) {
        (RateLimitCostFrom::Number, number, _) => Ok(Charge::Number(number.unwrap_or(0))),
        (RateLimitCostFrom::Metadata, _, Some(key)) if key.namespace == METADATA => {
            Ok(Charge::Metadata(key.key.as_str().into()))
        }
        (RateLimitCostFrom::Metadata, _, Some(key)) => {
            Err(Fault::not_served(format!("a cost from metadata of {}", key.namespace))
                .help(format!("costs of LLM requests are in {METADATA}")))
        }
        (RateLimitCostFrom::Metadata, _, None) => {
            Err(Fault::new("no-metadata", "the cost names no metadata"))
        }
    }
}

const fn unit(unit: RateLimitUnit) -> Unit {
    match unit {
        RateLimitUnit::Second => Unit::Second,
        RateLimitUnit::Minute => Unit::Minute,
        RateLimitUnit::Hour => Unit::Hour,
        RateLimitUnit::Day => Unit::Day,
        RateLimitUnit::Week => Unit::Week,
        RateLimitUnit::Month => Unit::Month,
        RateLimitUnit::Year => Unit::Year,
    }
}

fn conditions(selector: &RateLimitSelector, all: &mut Vec<Condition>) -> Result<(), Fault> {
    let RateLimitSelector { headers, methods, path, source_cidr, query_params } = selector;
    self::headers(headers, all)?;
    let mut any_of = Vec::new();
    for method in methods {
        let known = Method::from_bytes(method.value.as_bytes());
        any_of.push(
            known.map_err(|_| Fault::new("invalid-method", format!("{:?} is no method", method.value)))?,
        );
    }
    if !any_of.is_empty() {
        all.push(Condition::Method { any_of, invert: methods.iter().any(|method| method.invert) });
    }
    if let Some(PolicyPathMatch { match_type, value, invert }) = path {
        let value = match match_type {
            PolicyPathMatchType::Exact => PathSelect::Exact(value.as_str().into()),
            PolicyPathMatchType::PathPrefix => PathSelect::Prefix(value.trim_end_matches('/').into()),
            PolicyPathMatchType::RegularExpression => PathSelect::Regex(whole(value)?),
        };
        all.push(Condition::Path { value, invert: *invert });
    }
    if let Some(SourceCidr { match_type, value, invert }) = source_cidr {
        let cidr = value
            .parse()
            .map_err(|_| Fault::new("invalid-cidr", format!("{value:?} is no range of addresses")))?;
        let distinct = *match_type == SourceCidrType::Distinct;
        all.push(Condition::Source { cidr, distinct, invert: *invert });
    }
    for query in query_params {
        let value = text(query.match_type, query.value.as_deref())?;
        all.push(Condition::Query { name: query.name.as_str().into(), value, invert: query.invert });
    }
    Ok(())
}

/// Conditions on headers.
pub(crate) fn headers(selectors: &[RateLimitHeaderMatch], all: &mut Vec<Condition>) -> Result<(), Fault> {
    for header in selectors {
        let name = header_name(&header.name)?;
        let value = text(header.match_type, header.value.as_deref())?;
        all.push(Condition::Header { name, value, invert: header.invert });
    }
    Ok(())
}

fn text(kind: RateLimitMatchType, value: Option<&str>) -> Result<TextSelect, Fault> {
    Ok(match kind {
        RateLimitMatchType::Exact => TextSelect::Exact(value.unwrap_or_default().into()),
        RateLimitMatchType::RegularExpression => TextSelect::Regex(whole(value.unwrap_or_default())?),
        RateLimitMatchType::Distinct => TextSelect::Distinct,
    })
}
