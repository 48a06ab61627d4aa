//! BackendTrafficPolicy `rateLimit`: how much may be called.

use std::sync::Arc;

use http::Method;
use tollgate_limit::{
    Basis, Condition, Cost as Charge, Estimator, Fact, Limit, LimitRule, LimitRuleSpec, LocalLimits,
    Namespace, PathSelect, Scope, TextSelect, Unit,
};
use tollgate_resources::{
    MetadataKey, PolicyPathMatch, PolicyPathMatchType, RateLimit, RateLimitCostFrom, RateLimitCostSource,
    RateLimitHeaderMatch, RateLimitHeaders, RateLimitMatchType, RateLimitRule, RateLimitSelector,
    RateLimitUnit, SourceCidr, SourceCidrType,
};
use tollgate_snapshot::{Cost, CostKind, GlobalLimit, Guard, Limits, Problem};

use crate::{
    Fault,
    matches::{header_name, whole},
    notes::{At, Notes},
};

/// How many bytes a request's body has, in the namespace of costs.
const CONTENT_LENGTH: &str = "content_length";

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
    /// Who lets callers in, and so knows who they are.
    pub(crate) guard: &'a Guard,
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
        let made = made.map_err(|fault| notes.error(&at, fault))?;
        review(&made, of, &at, notes);
        let estimator = made.response_cost.as_ref().map(|cost| Estimator::new(basis(cost, of)));
        let rule = match rule.limit.from_metadata.as_ref().map(fact) {
            None => made,
            Some(Ok(fact)) if limit_may_come(&fact, of, &at, notes) => made.limited_by(fact),
            Some(Ok(_)) => made,
            Some(Err(fault)) => {
                let fault = fault.help("the limit that is written here holds");
                notes.warning(&at.to(".limit.fromMetadata.namespace"), fault);
                made
            }
        };
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
fn basis(cost: &Charge, of: &Limiting<'_>) -> Basis {
    let Charge::Metadata(Fact { namespace: Namespace::Llm, key }) = cost else { return Basis::Learned };
    match of.costs.iter().find(|cost| cost.key == *key).map(|cost| &cost.kind) {
        Some(CostKind::Input) => Basis::Input,
        Some(CostKind::Output) => Basis::Output,
        Some(CostKind::Total) => Basis::Total,
        Some(_) | None => Basis::Learned,
    }
}

/// Reports costs that can never be anything.
fn review(rule: &LimitRule, of: &Limiting<'_>, at: &At<'_>, notes: &mut Notes) {
    if let Charge::Metadata(fact) = &rule.request_cost {
        let at = at.to(".cost.request.metadata.key");
        match fact.namespace {
            Namespace::Llm if *fact.key == *CONTENT_LENGTH => {}
            Namespace::Llm => {
                let message = format!("{} is not known when a request enters: nothing is charged", fact.key);
                let help =
                    format!("costs of replies belong in cost.response; known before is {CONTENT_LENGTH}");
                notes.warning(&at, Fault::new("unknown-cost", message).help(help));
            }
            Namespace::Claims => has_provider(fact, of, (&at, "nothing is charged"), notes),
            Namespace::ExtAuth => has_ext_auth(of, (&at, "nothing is charged"), notes),
        }
    }
    let Some(Charge::Metadata(fact)) = &rule.response_cost else { return };
    let at = at.to(".cost.response.metadata.key");
    match fact.namespace {
        // A plain route has no tokens; a policy on its Gateway speaks of others.
        Namespace::Llm if of.costs.is_empty() || *fact.key == *CONTENT_LENGTH => {}
        Namespace::Llm if of.costs.iter().any(|cost| cost.key == fact.key) => {}
        Namespace::Llm => {
            let (route, key) = (&of.route, &fact.key);
            let message =
                format!("no llmRequestCosts of {route} has the metadataKey {key}: nothing is charged");
            let known: Vec<_> = of.costs.iter().map(|cost| &*cost.key).collect();
            let help = format!("its keys are {}", known.join(", "));
            notes.warning(&at, Fault::new("unknown-cost", message).help(help));
        }
        Namespace::Claims => has_provider(fact, of, (&at, "nothing is charged"), notes),
        Namespace::ExtAuth => has_ext_auth(of, (&at, "nothing is charged"), notes),
    }
}

/// Reports a limit that no request of this route can bring along; false where it is no limit at all.
fn limit_may_come(fact: &Fact, of: &Limiting<'_>, at: &At<'_>, notes: &mut Notes) -> bool {
    let at = at.to(".limit.fromMetadata");
    match fact.namespace {
        Namespace::Llm => {
            let message = format!("{} has numbers and texts, but no limits", fact.namespace.name());
            let fault = Fault::new("unknown-limit", message).help("the limit that is written here holds");
            notes.warning(&at.to(".namespace"), fault);
            false
        }
        Namespace::Claims => {
            has_provider(fact, of, (&at.to(".key"), "the limit that is written here holds"), notes);
            true
        }
        Namespace::ExtAuth => {
            has_ext_auth(of, (&at.to(".key"), "the limit that is written here holds"), notes);
            true
        }
    }
}

/// Reports what an external authorization service is to say where none is asked.
fn has_ext_auth(of: &Limiting<'_>, (at, follows): (&At<'_>, &str), notes: &mut Notes) {
    let asked = match of.guard {
        Guard::Access(access) => access.ext_auth.is_some(),
        Guard::Open => false,
        // It answers 500 to everybody, and was reported.
        Guard::Broken(_) => return,
    };
    if !asked {
        let message = format!("no external authorization service is asked about {}: {follows}", of.route);
        let fault = Fault::new("no-ext-auth", message).help("no SecurityPolicy with extAuth holds for it");
        notes.warning(at, fault);
    }
}

/// Reports claims of a provider that nobody asks for tokens of.
fn has_provider(fact: &Fact, of: &Limiting<'_>, (at, follows): (&At<'_>, &str), notes: &mut Notes) {
    let access = match of.guard {
        Guard::Access(access) => Some(access),
        Guard::Open => None,
        // It answers 500 to everybody, and was reported.
        Guard::Broken(_) => return,
    };
    let providers = access.and_then(|access| access.jwt.as_ref()).map_or(&[][..], |jwt| &jwt.providers);
    let is_of = |name: &str| {
        fact.key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
    };
    if providers.iter().any(|provider| is_of(&provider.name)) {
        return;
    }
    let message = format!("no JWT provider of {} begins the key {}: {follows}", of.route, fact.key);
    let known: Vec<_> = providers.iter().map(|provider| &*provider.name).collect();
    let help = match known.is_empty() {
        true => "no SecurityPolicy with jwt holds for it".to_owned(),
        false => format!("a key is <provider>:<claim>; its providers are {}", known.join(", ")),
    };
    notes.warning(at, Fault::new("unknown-claim", message).help(help));
}

/// What a policy means by namespace and key.
fn fact(MetadataKey { namespace, key }: &MetadataKey) -> Result<Fact, Fault> {
    let known = Namespace::ALL.into_iter().find(|known| known.name() == namespace);
    let namespace = known.ok_or_else(|| {
        let names = Namespace::ALL.map(Namespace::name).join(", ");
        Fault::new(
            "unknown-metadata",
            format!("nothing here leaves metadata of {namespace}; {names} are known"),
        )
    })?;
    Ok(Fact { namespace, key: key.as_str().into() })
}

fn limit_rule(spec: &RateLimitRule, (scope, number): (Scope, usize), id: String) -> Result<LimitRule, Fault> {
    let RateLimitRule { client_selectors, limit, cost, shared: _, shadow_mode, x_rate_limit_headers } = spec;
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
        // Without its cost nobody knows how much the rule was to let through.
        (RateLimitCostFrom::Metadata, _, Some(key)) => Ok(Charge::Metadata(fact(key)?)),
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
