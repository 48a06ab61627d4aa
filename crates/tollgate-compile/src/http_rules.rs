use std::{sync::Arc, time::Duration};

use tollgate_llm::BodyMutation;
use tollgate_resources::{HttpRoute, HttpRouteRetry, HttpRouteRule, Object};
use tollgate_snapshot::{
    Action, Choice, HeaderEdit, Matcher, PathMatch, Retry, RetryScope, Rule, Service, Timeouts, Traffic,
};
use tollgate_types::RouteId;

use crate::{
    Fault,
    filters::{self, Answer, Filters, Scope},
    governed::Governed,
    grants::Party,
    llm, matches,
    notes::{At, Notes},
    work::Work,
    world::group,
};

/// Statuses of the 4xx range that may well go away by themselves.
const PASSING: [u16; 5] = [408, 409, 421, 425, 429];

/// A rule of an HTTPRoute with its matches and their places; its index is given later.
pub(crate) fn rule(
    route: &Object<HttpRoute>,
    i: usize,
    spec: &HttpRouteRule,
    governed: &Governed<'_>,
    work: &mut Work<'_>,
) -> (Rule, Vec<(usize, Matcher)>) {
    let HttpRouteRule {
        name: rule_name,
        matches: _,
        filters: filter_specs,
        backend_refs: _,
        timeouts,
        retry,
        session_persistence,
    } = spec;
    let (namespace, name) = (&*route.meta.namespace, &*route.meta.name);
    let at = At::new(route, format!("spec.rules[{i}]"));
    if session_persistence.is_some() {
        work.notes.warning(&at.to(".sessionPersistence"), Fault::not_served("sessionPersistence"));
    }
    let mut matchers = matchers(spec, &at, work);
    let prefix = match matchers.as_slice() {
        [(_, Matcher { path: PathMatch::Prefix(prefix), .. })] => Some(prefix.to_string()),
        _ => None,
    };
    let scope = Scope { at: at.to(".filters"), namespace, prefix };
    let (filters, action) = match filters::filters(filter_specs, &scope, work) {
        Ok(Filters { filters, answer, narrow }) => {
            if !narrow.is_empty() {
                matchers = narrowed(matchers, &narrow, &scope.at, &mut work.notes);
            }
            (filters, action(spec, answer, (&scope, &governed.traffic()), &at, work))
        }
        Err(problem) => (Vec::new(), Action::Invalid(problem)),
    };
    // A route's own retry goes before that of a policy.
    let mut traffic = governed.traffic();
    if retry.is_some() && traffic.retry.is_some() {
        Arc::make_mut(&mut traffic).retry = None;
    }
    let limits = governed.limits(("httproute", &route.meta, i), &[], &mut work.notes);
    let action = match &limits {
        Ok(_) => action,
        Err(problem) => Action::Invalid(Arc::clone(problem)),
    };
    let rule = Rule {
        index: 0,
        id: llm::rule_id(namespace, name, rule_name.as_deref(), i),
        route: RouteId::from(format!("{namespace}/{name}")),
        source: at.reference(),
        service: Service::Http,
        guard: governed.guard.clone(),
        limits: limits.unwrap_or_default(),
        policies: governed.uses.clone(),
        filters,
        action,
        timeouts: llm::timeouts(timeouts.as_ref(), governed.timeouts(Timeouts::HTTP)),
        retry: self::retry(retry.as_ref(), &at, &mut work.notes),
        traffic,
    };
    (rule, matchers)
}

fn matchers(spec: &HttpRouteRule, at: &At<'_>, work: &mut Work<'_>) -> Vec<(usize, Matcher)> {
    if spec.matches.is_empty() {
        return vec![(
            0,
            Matcher {
                path: PathMatch::Prefix("".into()),
                method: None,
                headers: Vec::new(),
                query: Vec::new(),
                model: None,
            },
        )];
    }
    let mut matchers = Vec::new();
    for (i, matched) in spec.matches.iter().enumerate() {
        match matches::http(matched) {
            Ok(matcher) => matchers.push((i, matcher)),
            Err(fault) => drop(work.notes.error(&at.to(format!(".matches[{i}]")), fault)),
        }
    }
    matchers
}

/// Narrowed matches; a pattern that cannot be used leaves none, so that nothing is matched that should not be.
fn narrowed(
    matchers: Vec<(usize, Matcher)>,
    by: &[tollgate_resources::FilterMatch],
    at: &At<'_>,
    notes: &mut Notes,
) -> Vec<(usize, Matcher)> {
    let mut all = Vec::new();
    for (i, matcher) in matchers {
        match matches::narrowed(&[matcher], by) {
            Ok(narrow) => all.extend(narrow.into_iter().map(|matcher| (i, matcher))),
            Err(fault) => drop(notes.error(at, fault)),
        }
    }
    all
}

fn action(
    spec: &HttpRouteRule,
    answer: Option<Answer>,
    (scope, traffic): (&Scope<'_>, &Arc<Traffic>),
    at: &At<'_>,
    work: &mut Work<'_>,
) -> Action {
    match answer {
        Some(Answer::Redirect(redirect)) => return Action::Redirect(redirect),
        Some(Answer::Direct(direct)) => return Action::Direct(direct),
        None => {}
    }
    let at = at.to(".backendRefs");
    let choices = choices(spec, (scope, traffic), &at, work);
    match llm::usable(&choices, &at, work) {
        Ok(()) => Action::Http(choices),
        Err(problem) => Action::Invalid(problem),
    }
}

fn choices(
    spec: &HttpRouteRule,
    (scope, traffic): (&Scope<'_>, &Arc<Traffic>),
    at: &At<'_>,
    work: &mut Work<'_>,
) -> Vec<Choice> {
    let from = Party { group: group::GATEWAY, kind: "HTTPRoute", namespace: scope.namespace };
    let mut choices = Vec::new();
    for (i, reference) in spec.backend_refs.iter().enumerate() {
        let at = at.to(format!("[{i}]"));
        let own = Scope { at: at.to(".filters"), namespace: scope.namespace, prefix: scope.prefix.clone() };
        let object = reference.object();
        let backend = work.backends.plain(&object, from, traffic, &mut work.notes);
        let backend = backend.map_err(|broken| work.notes.broken(&at.to(".name"), broken));
        let (backend, filters) = match filters::filters(&reference.filters, &own, work) {
            Ok(Filters { filters, answer: None, narrow: _ }) => (backend, filters),
            Ok(Filters { answer: Some(_), .. }) => {
                let fault = Fault::new("incompatible-filters", "a backendRef cannot answer by itself");
                (Err(work.notes.error(&own.at, fault)), Vec::new())
            }
            Err(problem) => (Err(problem), Vec::new()),
        };
        // A fallback Backend is asked when the others are spent (Envoy Gateway, Backend `fallback`).
        let namespace = object.namespace.as_deref().unwrap_or(scope.namespace);
        let found = work.world.backends.find(namespace, &object.name).filter(|_| object.kind == "Backend");
        choices.push(Choice {
            backend,
            weight: reference.weight,
            priority: u32::from(found.is_some_and(|found| found.spec.fallback)),
            model_override: None,
            headers: HeaderEdit::default(),
            body: BodyMutation::default(),
            filters,
            quota: None,
        });
    }
    choices
}

/// `retry.attempts` counts retries; ours counts the first attempt too. Two retries unless given, as Envoy Gateway does.
fn retry(spec: Option<&HttpRouteRetry>, at: &At<'_>, notes: &mut Notes) -> Retry {
    let Some(HttpRouteRetry { codes, attempts, backoff }) = spec else { return Retry::http() };
    for (i, code) in codes.iter().enumerate() {
        if (400..500).contains(code) && !PASSING.contains(code) {
            let message = format!("a {code} is the request's own fault, so that trying again gives the same");
            notes.warning(&at.to(format!(".retry.codes[{i}]")), Fault::new("pointless-retry", message));
        }
    }
    let mut statuses = codes.clone();
    statuses.sort_unstable();
    statuses.dedup();
    Retry {
        attempts: attempts.unwrap_or(2).saturating_add(1),
        statuses,
        backoff: backoff.unwrap_or(Duration::from_millis(25)),
        scope: RetryScope::AnyBackend,
    }
}
