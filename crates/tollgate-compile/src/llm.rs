use std::{sync::Arc, time::Duration};

use tollgate_resources::{AiBackendRef, AiGatewayRoute, AiGatewayRouteRule, HttpRouteTimeouts, Object};
use tollgate_snapshot::{
    Action, Choice, Cost, LlmAction, Matcher, ModelEntry, ModelMatch, PathMatch, Problem, Retry, Rule,
    Service, Timeouts,
};
use tollgate_types::{ModelId, RouteId, RuleId, Severity};

use crate::{
    Fault,
    beside_envoy::Host,
    forward_proxy::Proxy,
    governed::Governed,
    grants::Party,
    matches, mutations,
    notes::{At, Broken},
    work::Work,
    world::group,
};

/// What is found out about a route before its rules are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    /// Costs, or why none of the rules may serve.
    pub(crate) costs: &'a Result<Arc<[Cost]>, Arc<Problem>>,
    /// What policies say.
    pub(crate) governed: &'a Governed<'a>,
    /// What requests for its backends go through, or why they cannot.
    pub(crate) proxy: &'a Proxy,
}

/// The matches of a rule with their places; a broken one is left out. No matches means every request.
pub(crate) fn matchers(
    route: &Object<AiGatewayRoute>,
    rule: usize,
    spec: &AiGatewayRouteRule,
    work: &mut Work<'_>,
) -> Vec<(usize, Matcher)> {
    if spec.matches.is_empty() {
        let path = PathMatch::Prefix("".into());
        return vec![(
            0,
            Matcher { path, method: None, headers: Vec::new(), query: Vec::new(), model: None },
        )];
    }
    let mut matchers = Vec::new();
    for (i, matched) in spec.matches.iter().enumerate() {
        match matches::llm(matched) {
            Ok(matcher) => matchers.push((i, matcher)),
            Err(fault) => {
                let at = At::new(route, format!("spec.rules[{rule}].matches[{i}]"));
                work.notes.error(&at, fault);
            }
        }
    }
    matchers
}

/// The models that a rule adds to listings.
pub(crate) fn models(
    route: &Object<AiGatewayRoute>,
    spec: &AiGatewayRouteRule,
    matchers: &[(usize, Matcher)],
    governed: &Governed<'_>,
) -> Vec<ModelEntry> {
    let created = spec.models_created_at.or(route.meta.created).unwrap_or_default();
    let owned_by: Arc<str> = spec.models_owned_by.as_str().into();
    matchers
        .iter()
        .filter_map(|(_, matcher)| match &matcher.model {
            Some(ModelMatch::Exact(id)) => {
                let (owned_by, guard) = (Arc::clone(&owned_by), governed.guard.clone());
                Some(ModelEntry { id: id.clone(), owned_by, created, guard })
            }
            Some(ModelMatch::Regex(_)) | None => None,
        })
        .collect()
}

/// A rule of an AIGatewayRoute; its index is given later.
pub(crate) fn rule(
    route: &Object<AiGatewayRoute>,
    i: usize,
    spec: &AiGatewayRouteRule,
    given: &Given<'_>,
    work: &mut Work<'_>,
) -> Rule {
    let (namespace, name) = (&*route.meta.namespace, &*route.meta.name);
    let AiGatewayRouteRule {
        name: rule_name,
        backend_refs,
        matches: _,
        timeouts,
        stream_idle_timeout,
        models_owned_by: _,
        models_created_at: _,
    } = spec;
    let at = At::new(route, format!("spec.rules[{i}]"));
    let choices = choices((backend_refs, namespace), given, &at.to(".backendRefs"), work);
    let Given { costs, governed, proxy: _ } = given;
    let limits = match costs {
        Err(problem) => Err(Arc::clone(problem)),
        Ok(costs) => governed.limits(("httproute", &route.meta, i), costs, &mut work.notes),
    };
    let action = match (&limits, costs) {
        (Err(problem), _) | (_, Err(problem)) => Action::Invalid(Arc::clone(problem)),
        (Ok(_), Ok(costs)) => match usable(&choices, &at.to(".backendRefs"), work) {
            Ok(()) => Action::Llm(LlmAction { choices, costs: Arc::clone(costs) }),
            Err(problem) => Action::Invalid(problem),
        },
    };
    let default = governed.timeouts(Timeouts::LLM);
    let stream_idle = match stream_idle_timeout {
        Some(timeout) => (!timeout.is_zero()).then_some(*timeout),
        None => default.stream_idle,
    };
    let timeouts = Timeouts { stream_idle, ..self::timeouts(timeouts.as_ref(), default) };
    Rule {
        index: 0,
        id: rule_id(namespace, name, rule_name.as_deref(), i),
        route: RouteId::from(format!("{namespace}/{name}")),
        source: at.reference(),
        service: Service::Llm,
        guard: governed.guard.clone(),
        limits: limits.unwrap_or_default(),
        policies: governed.uses.clone(),
        filters: Vec::new(),
        action,
        timeouts,
        retry: Retry::llm(),
        traffic: governed.traffic(),
    }
}

pub(crate) fn rule_id(namespace: &str, route: &str, rule: Option<&str>, i: usize) -> RuleId {
    let rule = rule.map_or_else(|| i.to_string(), str::to_owned);
    RuleId::from(format!("{namespace}/{route}/{rule}"))
}

/// What is not given keeps its default; zero means no limit (Gateway API, HTTPRouteTimeouts).
pub(crate) fn timeouts(given: Option<&HttpRouteTimeouts>, default: Timeouts) -> Timeouts {
    let Some(HttpRouteTimeouts { request, backend_request }) = given else { return default };
    let limit = |duration: Duration| (!duration.is_zero()).then_some(duration);
    Timeouts {
        request: request.map_or(default.request, limit),
        attempt: backend_request.map_or(default.attempt, limit),
        stream_idle: default.stream_idle,
    }
}

/// A rule needs a backend that takes requests.
pub(crate) fn usable(choices: &[Choice], at: &At<'_>, work: &mut Work<'_>) -> Result<(), Arc<Problem>> {
    let fault = if choices.is_empty() {
        Fault::new("no-backends", "the rule has no backends; its requests get a 500").help("add backendRefs")
    } else if choices.iter().all(|choice| choice.weight == 0) {
        Fault::new("no-weight", "every backend of the rule has weight 0; its requests get a 500")
    } else {
        return Ok(());
    };
    Err(work.notes.problem(Severity::Warning, at, fault))
}

fn choices(
    (refs, namespace): (&[AiBackendRef], &str),
    given: &Given<'_>,
    at: &At<'_>,
    work: &mut Work<'_>,
) -> Vec<Choice> {
    let mut choices = Vec::new();
    for (i, spec) in refs.iter().enumerate() {
        let at = at.to(format!("[{i}]"));
        let AiBackendRef {
            name: _,
            namespace: _,
            group: _,
            kind: _,
            model_name_override,
            header_mutation,
            body_mutation,
            weight,
            priority,
        } = spec;
        let headers =
            mutations::headers(header_mutation.as_ref(), &at.to(".headerMutation"), &mut work.notes);
        let body = mutations::body(body_mutation.as_ref());
        let (backend, headers, body) = match backend(spec, namespace, given, work) {
            Ok(found) => (
                Ok(found.backend),
                mutations::merge_headers(found.headers, headers),
                mutations::merge_bodies(found.body, body),
            ),
            Err(broken) => (Err(work.notes.broken(&at.to(".name"), broken)), headers, body),
        };
        let (backend, quota) = match work.quotas.of(target(spec, namespace), &spec.name) {
            Some(Err(problem)) => (backend.and(Err(problem)), None),
            Some(Ok(quota)) => (backend, Some(quota)),
            None => (backend, None),
        };
        choices.push(Choice {
            backend,
            weight: *weight,
            priority: *priority,
            model_override: model_name_override.as_deref().filter(|name| !name.is_empty()).map(ModelId::from),
            headers,
            body,
            filters: Vec::new(),
            quota,
        });
    }
    choices
}

fn backend(
    spec: &AiBackendRef,
    namespace: &str,
    given: &Given<'_>,
    work: &mut Work<'_>,
) -> Result<crate::backends::AiBackend, Broken> {
    let proxy = given.proxy.clone().map_err(Broken::Known)?;
    let how = (given.governed.traffic(), proxy);
    if spec.kind.as_deref().is_some_and(|kind| !kind.is_empty() && kind != "AIServiceBackend") {
        return match work.world.host {
            Host::Envoy => {
                let pool = (target(spec, namespace), &*spec.name);
                work.backends.pool(pool, &how, &mut work.notes).map_err(Broken::Known)
            }
            Host::Native => {
                Err(Fault::not_served(format!("InferencePool {} as a backend", spec.name)).into())
            }
        };
    }
    let from = Party { group: group::AI, kind: "AIGatewayRoute", namespace };
    work.backends.ai(from, (target(spec, namespace), &spec.name), &how, &mut work.notes)
}

/// The namespace that a reference leads to.
fn target<'a>(spec: &'a AiBackendRef, namespace: &'a str) -> &'a str {
    spec.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(namespace)
}
