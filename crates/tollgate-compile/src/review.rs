//! What a good reviewer would say: it serves, but hardly as its author meant it.
use std::collections::{BTreeMap, HashMap, HashSet};

use tollgate_snapshot::{HeaderMatch, Matcher, ModelMatch, PathMatch, QueryMatch, Service, TextMatch};
use tollgate_types::ModelId;

use crate::{
    Fault,
    backends::Backends,
    beside_envoy::Host,
    listening::Listening,
    notes::{At, Located, Notes},
    tables::Candidate,
    world::{World, group},
};

/// Larger tables are not searched for rules that nothing reaches, since the search is quadratic in the worst case.
const MAX_SEARCHED: usize = 4096;

/// A match of a rule: the route, the rule's place, the match's place.
type MatchId<'a> = ((&'a str, &'a str, &'static str), usize, usize);

/// Listeners without routes, and rules that can never be reached since earlier ones take all their requests.
pub(crate) fn listeners(all: &[Listening<'_>], world: &World<'_>, notes: &mut Notes) {
    let mut reached = HashSet::<MatchId<'_>>::new();
    let mut shadowed = BTreeMap::<MatchId<'_>, &Candidate<'_>>::new();
    for listening in all {
        if listening.candidates.is_empty() {
            let message = format!("no route is attached to listener {}; it answers 404", listening.spec.name);
            notes.info(&listening.at(), Fault::new("idle-listener", message));
        }
        if listening.candidates.len() > MAX_SEARCHED {
            reached.extend(listening.candidates.iter().map(id));
            continue;
        }
        for table in listening.candidates.chunk_by(|a, b| a.host == b.host) {
            search(table, &mut reached, &mut shadowed);
        }
    }
    let routes = routes(world);
    for (id, by) in shadowed.into_iter().filter(|(id, _)| !reached.contains(id)) {
        let ((namespace, name, kind), rule, place) = id;
        let Some(route) = routes.get(&(kind, namespace, name)) else { continue };
        let message =
            format!("nothing reaches this match: rule {} of {} takes all of it", by.rule.id, by.rule.source);
        let fault = Fault::new("unreachable-rule", message)
            .help("remove it, or make it more specific than the other, or place it before");
        notes.warning(&At::new(*route, format!("spec.rules[{rule}].matches[{place}]")), fault);
    }
}

fn routes<'a>(world: &World<'a>) -> HashMap<(&'static str, &'a str, &'a str), &'a dyn Located> {
    let http = world
        .set
        .http_routes
        .iter()
        .map(|route| (("HTTPRoute", &*route.meta.namespace, &*route.meta.name), route as &dyn Located));
    let ai =
        world.set.ai_gateway_routes.iter().map(|route| {
            (("AIGatewayRoute", &*route.meta.namespace, &*route.meta.name), route as &dyn Located)
        });
    http.chain(ai).collect()
}

fn id<'a>(candidate: &Candidate<'a>) -> MatchId<'a> {
    (candidate.route, candidate.place.0, candidate.place.1)
}

/// An entry with an exact model can be taken only by one with the same model, a pattern or none.
fn search<'a, 'c>(
    table: &'c [Candidate<'a>],
    reached: &mut HashSet<MatchId<'a>>,
    shadowed: &mut BTreeMap<MatchId<'a>, &'c Candidate<'a>>,
) {
    let mut by_model = HashMap::<&ModelId, Vec<&Candidate<'a>>>::new();
    let mut general = Vec::<&Candidate<'a>>::new();
    for candidate in table {
        let exact = match &candidate.matcher.model {
            Some(ModelMatch::Exact(model)) => Some(model),
            Some(ModelMatch::Regex(_)) | None => None,
        };
        let same = exact.and_then(|model| by_model.get(model)).map_or(&[][..], Vec::as_slice);
        let mut earlier = same.iter().chain(&general);
        match earlier.find(|earlier| id(earlier) != id(candidate) && covers(earlier, candidate)) {
            Some(by) => drop(shadowed.entry(id(candidate)).or_insert(by)),
            None => drop(reached.insert(id(candidate))),
        }
        match exact {
            Some(model) => by_model.entry(model).or_default().push(candidate),
            None => general.push(candidate),
        }
    }
}

/// True where every request that `b` would take is taken by `a`; false where we cannot tell.
fn covers(a: &Candidate<'_>, b: &Candidate<'_>) -> bool {
    let (x, y): (&Matcher, &Matcher) = (&a.matcher, &b.matcher);
    let service = a.rule.service == b.rule.service || a.rule.service == Service::Http;
    service
        && covers_path(&x.path, &y.path)
        && x.method.as_ref().is_none_or(|method| y.method.as_ref() == Some(method))
        && x.headers.iter().all(|wanted| y.headers.iter().any(|other| same_header(wanted, other)))
        && x.query.iter().all(|wanted| y.query.iter().any(|other| same_query(wanted, other)))
        && match (&x.model, &y.model) {
            (None, _) => true,
            (Some(ModelMatch::Exact(want)), Some(ModelMatch::Exact(other))) => want == other,
            (Some(ModelMatch::Regex(want)), Some(ModelMatch::Exact(other))) => want.is_match(other.as_str()),
            (Some(ModelMatch::Regex(want)), Some(ModelMatch::Regex(other))) => {
                want.as_str() == other.as_str()
            }
            (Some(_), None) | (Some(ModelMatch::Exact(_)), Some(ModelMatch::Regex(_))) => false,
        }
}

fn covers_path(a: &PathMatch, b: &PathMatch) -> bool {
    match (a, b) {
        (PathMatch::Prefix(_), PathMatch::Prefix(path) | PathMatch::Exact(path)) => a.matches(path),
        (PathMatch::Prefix(prefix), PathMatch::Regex(_)) => prefix.is_empty(),
        (PathMatch::Exact(a), PathMatch::Exact(b)) => a == b,
        (PathMatch::Regex(a), PathMatch::Regex(b)) => a.as_str() == b.as_str(),
        (PathMatch::Regex(a), PathMatch::Exact(b)) => a.is_match(b),
        (PathMatch::Exact(_) | PathMatch::Regex(_), _) => false,
    }
}

fn same_text(a: &TextMatch, b: &TextMatch) -> bool {
    match (a, b) {
        (TextMatch::Exact(a), TextMatch::Exact(b)) => a == b,
        (TextMatch::Regex(a), TextMatch::Regex(b)) => a.as_str() == b.as_str(),
        (TextMatch::Regex(a), TextMatch::Exact(b)) => a.is_match(b),
        (TextMatch::Exact(_), TextMatch::Regex(_)) => false,
    }
}

fn same_header(a: &HeaderMatch, b: &HeaderMatch) -> bool {
    a.name == b.name && same_text(&a.value, &b.value)
}

fn same_query(a: &QueryMatch, b: &QueryMatch) -> bool {
    a.name == b.name && same_text(&a.value, &b.value)
}

/// Backends that no route asks, and policies that protect nothing.
pub(crate) fn unused(world: &World<'_>, backends: &Backends<'_>, notes: &mut Notes) {
    for object in &world.set.ai_service_backends {
        let (namespace, name) = (&*object.meta.namespace, &*object.meta.name);
        if !backends.is_used(namespace, name) {
            let message = format!("no AIGatewayRoute refers to AIServiceBackend {namespace}/{name}");
            notes.warning(&At::new(object, ""), Fault::new("unused-backend", message));
        }
    }
    tls_policies(world, notes);
    for policy in &world.set.backend_security_policies {
        for (i, target) in policy.spec.target_refs.iter().enumerate() {
            let at = At::new(policy, format!("spec.targetRefs[{i}].name"));
            if target.kind != "AIServiceBackend" {
                if world.host == Host::Envoy {
                    continue;
                }
                notes.warning(&at, Fault::not_served(format!("target {} {}", target.kind, target.name)));
            } else if let Err(fault) = world.ai_backends.get(&policy.meta.namespace, &target.name) {
                let fault = Fault { code: "target-not-found", ..fault };
                notes.warning(&at, fault);
            }
        }
    }
}

/// Policies for TLS whose targets do not exist: what they were meant for may be served in plain text.
fn tls_policies(world: &World<'_>, notes: &mut Notes) {
    for policy in &world.set.backend_tls_policies {
        for (i, target) in policy.spec.target_refs.iter().enumerate() {
            let namespace = &policy.meta.namespace;
            let at = At::new(policy, format!("spec.targetRefs[{i}].name"));
            let missing = match (target.group.as_str(), target.kind.as_str()) {
                (group::CORE, "Service") => world.services.get(namespace, &target.name).err(),
                (group::ENVOY, "Backend") => world.backends.get(namespace, &target.name).err(),
                (group, kind) => {
                    let message = format!("{kind} of group {group:?} is no backend");
                    let help =
                        "a backend is a Service of group \"\", or a Backend of group gateway.envoyproxy.io";
                    Some(Fault::new("target-not-found", message).help(help))
                }
            };
            if let Some(fault) = missing {
                notes.warning(&at, Fault { code: "target-not-found", ..fault });
            }
        }
    }
}
