//! Which policy holds where: targets, precedence, merging and conflicts (Envoy Gateway's rules for attached policies).

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use serde::de::DeserializeOwned;
use tollgate_resources::{
    BackendTrafficPolicy, Gateway, MergeType, Meta, Object, PolicyTarget, PolicyTargets, SecurityPolicy,
    TargetSelector, Unserved, Written, merged,
};
use tollgate_snapshot::{PolicyLevel, PolicyUse, Problem};

use crate::{
    Fault,
    grants::Party,
    lookup::nearest,
    notes::{At, Located, Notes},
    world::{Kind, World, group},
};

/// A kind that is attached to Gateways or routes by `targetRef`, `targetRefs` or `targetSelectors`.
pub(crate) trait Policy: Kind + Clone + DeserializeOwned + Sized {
    const KIND: &'static str;
    /// Whether routes may be targeted too, and not only Gateways.
    const ROUTES: bool;
    /// Whether what it targets must not be served where it is unclear what the policy says.
    const GUARDS: bool;

    fn targets(&self) -> PolicyTargets<'_>;
    /// The spec as it was written, of kinds that are merged.
    fn written(&self) -> &Written {
        const { &Written::NONE }
    }

    /// Whether that goes for this very policy.
    fn guards(&self) -> bool {
        Self::GUARDS
    }
}

/// Something that can be targeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Target<'a> {
    kind: TargetKind,
    namespace: &'a str,
    name: &'a str,
    section: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum TargetKind {
    Gateway,
    /// An HTTPRoute or an AIGatewayRoute: policies know the latter as the HTTPRoute that it becomes, of the same name.
    Route,
}

/// What wants to hold for a target.
#[derive(Debug)]
enum Claim<'a, T> {
    Policy(&'a Object<T>),
    /// Broken itself, or attached to something that is not there.
    Broken(Arc<Problem>),
}

/// Every policy of one kind, by what it targets.
#[derive(Debug)]
pub(crate) struct Policies<'a, T> {
    claims: HashMap<Target<'a>, Vec<Claim<'a, T>>>,
}

/// A rule of a route under one listener: where a policy may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) route: Option<&'a Meta>,
    pub(crate) rule: Option<&'a str>,
    pub(crate) gateway: &'a Object<Gateway>,
    pub(crate) listener: &'a str,
}

/// What holds at a place.
#[derive(Debug)]
pub(crate) enum Holding<'a, T> {
    /// No policy.
    Nothing,
    /// This one.
    Policy(Winner<'a, T>),
    /// It is unclear or broken: what it would have held for must not be served.
    Broken(Arc<Problem>),
}

/// The policy that holds, alone or merged onto another one.
#[derive(Debug)]
pub(crate) struct Winner<'a, T> {
    pub(crate) object: &'a Object<T>,
    pub(crate) parent: Option<&'a Object<T>>,
    pub(crate) level: PolicyLevel,
    /// Policies of wider levels that this one replaces.
    pub(crate) over: Vec<&'a Object<T>>,
}

/// What a policy claims, and where the claim is written.
struct Claimed<'a> {
    target: Target<'a>,
    field: String,
}

// === impl Policies ===

impl<'a, T: Policy + 'a> Policies<'a, T>
where
    Object<T>: Located,
{
    /// Sorts the policies out: the oldest first, so that it wins a conflict; then by namespace and name.
    pub(crate) fn new(world: &'a World<'a>, objects: &'a [Object<T>], notes: &mut Notes) -> Self {
        let mut sorted: Vec<_> = objects.iter().collect();
        sorted.sort_by_key(|object| object.meta.created.unwrap_or(i64::MAX));
        let mut this = Self { claims: HashMap::new() };
        for object in sorted {
            for claimed in claims::<T>(world, object, notes) {
                this.claim(object, claimed, notes);
            }
        }
        for refused in world.set.refused_policies.iter().filter(|policy| policy.spec.kind == T::KIND) {
            this.refused(world, refused, notes);
        }
        this
    }

    fn claim(&mut self, object: &'a Object<T>, claimed: Claimed<'a>, notes: &mut Notes) {
        let Claimed { target, field } = claimed;
        let claims = self.claims.entry(target).or_default();
        let first = claims.iter().find_map(|claim| match claim {
            Claim::Policy(first) => Some(*first),
            Claim::Broken(_) => None,
        });
        let Some(first) = first else { return claims.push(Claim::Policy(object)) };
        let message = format!(
            "{} {}/{} is attached to the same target already, and the older one stands",
            T::KIND,
            first.meta.namespace,
            first.meta.name
        );
        let fault = Fault::new("conflicting-policy", message).help("merge the two into one policy");
        let problem = notes.error(&At::new(object, field), fault);
        if first.spec.guards() || object.spec.guards() {
            // Each of the two was meant to keep somebody out.
            claims.push(Claim::Broken(problem));
        }
    }

    /// A policy that breaks its schema still says what it is about.
    fn refused(&mut self, world: &World<'a>, policy: &'a Object<Unserved>, notes: &mut Notes) {
        let fault = Fault::new(
            "invalid-policy",
            format!(
                "{} {}/{} is invalid, so that what it targets answers 500",
                T::KIND,
                policy.meta.namespace,
                policy.meta.name
            ),
        );
        let problem = notes.error(&At::new(policy, "spec"), fault);
        for target in written_targets(world, policy) {
            self.claims.entry(target).or_default().push(Claim::Broken(Arc::clone(&problem)));
        }
    }

    /// The policy of the most specific level, merged onto the next wider one where it asks for that.
    pub(crate) fn at(&self, place: Place<'_>) -> Holding<'a, T> {
        let mut winner: Option<Winner<'a, T>> = None;
        for (level, target) in place.chain() {
            let Some(claims) = self.claims.get(&target) else { continue };
            for claim in claims {
                match (claim, &mut winner) {
                    (Claim::Broken(problem), None) => return Holding::Broken(Arc::clone(problem)),
                    (Claim::Broken(problem), Some(winner)) if winner.wants_parent() => {
                        return Holding::Broken(Arc::clone(problem));
                    }
                    (Claim::Broken(_), Some(_)) => {}
                    (Claim::Policy(object), Some(winner)) if winner.wants_parent() => {
                        winner.parent = Some(object)
                    }
                    (Claim::Policy(object), Some(winner)) => winner.over.push(object),
                    (Claim::Policy(object), slot @ None) => {
                        if let Some(problem) = claims.iter().find_map(Claim::problem) {
                            return Holding::Broken(Arc::clone(problem));
                        }
                        *slot = Some(Winner { object, parent: None, level, over: Vec::new() });
                    }
                }
            }
        }
        winner.map_or(Holding::Nothing, Holding::Policy)
    }
}

impl<T> Claim<'_, T> {
    fn problem(&self) -> Option<&Arc<Problem>> {
        match self {
            Self::Policy(_) => None,
            Self::Broken(problem) => Some(problem),
        }
    }
}

// === impl Place ===

impl<'a> Place<'a> {
    /// What may be targeted here, the most specific first.
    fn chain(self) -> impl Iterator<Item = (PolicyLevel, Target<'a>)> {
        let Self { route, rule, gateway, listener } = self;
        let on = |kind, meta: &'a Meta, section| Target {
            kind,
            namespace: &meta.namespace,
            name: &meta.name,
            section,
        };
        let of_rule =
            route.zip(rule).map(|(meta, rule)| (PolicyLevel::Rule, on(TargetKind::Route, meta, Some(rule))));
        let of_route = route.map(|meta| (PolicyLevel::Route, on(TargetKind::Route, meta, None)));
        of_rule.into_iter().chain(of_route).chain([
            (PolicyLevel::Listener, on(TargetKind::Gateway, &gateway.meta, Some(listener))),
            (PolicyLevel::Gateway, on(TargetKind::Gateway, &gateway.meta, None)),
        ])
    }
}

// === impl Winner ===

impl<'a, T: Policy> Winner<'a, T> {
    fn wants_parent(&self) -> bool {
        self.object.spec.targets().merge_type.is_some() && self.parent.is_none() && self.over.is_empty()
    }

    /// What it says, merged where there is something to merge with.
    pub(crate) fn spec(&self) -> Result<Cow<'a, T>, Fault> {
        let how: Option<MergeType> = self.object.spec.targets().merge_type;
        let (Some(how), Some(parent)) = (how, self.parent) else {
            return Ok(Cow::Borrowed(&self.object.spec));
        };
        let (wide, narrow) = (&parent.meta, &self.object.meta);
        if T::GUARDS && wide.namespace != narrow.namespace {
            // References of the wider policy are meant in its own namespace.
            return Err(Fault::not_served("mergeType over namespaces"));
        }
        match merged::<T>(parent.spec.written(), self.object.spec.written(), how) {
            Ok(whole) => Ok(Cow::Owned(whole)),
            Err(reason) => {
                let message = format!(
                    "{} {}/{} merged onto {}/{} is invalid: {reason}",
                    T::KIND,
                    narrow.namespace,
                    narrow.name,
                    wide.namespace,
                    wide.name
                );
                Err(Fault::new("invalid-merge", message))
            }
        }
    }

    /// For people.
    pub(crate) fn used(&self) -> PolicyUse
    where
        Object<T>: Located,
    {
        PolicyUse {
            policy: Located::reference(self.object),
            level: self.level,
            merged_onto: self.parent.map(Located::reference),
            instead_of: self.over.iter().copied().map(Located::reference).collect(),
        }
    }
}

/// What a policy claims: selected objects first, then those it names, each once.
fn claims<'a, T: Policy>(world: &'a World<'a>, object: &'a Object<T>, notes: &mut Notes) -> Vec<Claimed<'a>>
where
    Object<T>: Located,
{
    let PolicyTargets { target_ref, target_refs, target_selectors, merge_type: _ } = object.spec.targets();
    let mut all = Vec::<Claimed<'a>>::new();
    let mut add = |target, field: String| {
        if !all.iter().any(|known| known.target == target) {
            all.push(Claimed { target, field });
        }
    };
    for (i, selector) in target_selectors.iter().enumerate() {
        let at = At::new(object, format!("spec.targetSelectors[{i}]"));
        let found = selected::<T>(world, object, selector);
        if found.is_empty() {
            let fault = Fault::new("target-not-found", format!("no {} is selected", selector.kind));
            notes.warning(&at, fault);
        }
        found.into_iter().for_each(|target| add(target, format!("spec.targetSelectors[{i}]")));
    }
    let single = target_ref.into_iter().map(|target| ("spec.targetRef".to_owned(), target));
    let listed = target_refs.iter().enumerate().map(|(i, target)| (format!("spec.targetRefs[{i}]"), target));
    for (field, target) in single.chain(listed) {
        let at = At::new(object, field.clone());
        match named::<T>(world, &object.meta, target) {
            Ok(found) => add(found, field),
            Err(Missing::Object(fault)) => notes.warning(&at.to(".name"), fault),
            Err(Missing::Kind(fault)) => notes.warning(&at.to(".kind"), fault),
            Err(Missing::Section(whole, fault)) => {
                notes.error(&at.to(".sectionName"), fault);
                if object.spec.guards() {
                    // Some part of it was to be guarded, and we do not know which.
                    add(whole, field);
                }
            }
        }
    }
    all
}

enum Missing<'a> {
    Object(Fault),
    Kind(Fault),
    Section(Target<'a>, Fault),
}

fn named<'a, T: Policy>(
    world: &'a World<'a>,
    policy: &'a Meta,
    target: &'a PolicyTarget,
) -> Result<Target<'a>, Missing<'a>> {
    let PolicyTarget { group: _, kind, name, section_name } = target;
    let namespace = &*policy.namespace;
    let (kind, sections) = match kind.as_str() {
        "Gateway" => {
            let gateway = world.gateways.get(namespace, name).map_err(not_there)?;
            (
                TargetKind::Gateway,
                gateway.spec.listeners.iter().map(|listener| listener.name.as_str()).collect(),
            )
        }
        "HTTPRoute" | "AIGatewayRoute" if T::ROUTES => (
            TargetKind::Route,
            rule_names(world, namespace, name).ok_or_else(|| missing_route(world, namespace, name))?,
        ),
        other => {
            let fault = Fault::not_served(format!("{} on {other}", T::KIND));
            let routes = if T::ROUTES { ", HTTPRoute and AIGatewayRoute are" } else { " is" };
            return Err(Missing::Kind(fault.help(format!("Gateway{routes} served"))));
        }
    };
    let section = section_name.as_deref();
    let found = Target { kind, namespace, name, section };
    match section {
        Some(section) if !sections.contains(&section) => {
            let what = if kind == TargetKind::Gateway { "listener" } else { "named rule" };
            let help = match nearest(section, sections.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if sections.is_empty() => "give the rule a name".to_owned(),
                None => format!("there are {}", sections.join(", ")),
            };
            let fault = Fault::new("target-not-found", format!("{name} has no {what} {section}")).help(help);
            Err(Missing::Section(Target { section: None, ..found }, fault))
        }
        _ => Ok(found),
    }
}

fn not_there<'a>(fault: Fault) -> Missing<'a> {
    Missing::Object(Fault { code: "target-not-found", ..fault })
}

fn missing_route<'a>(world: &World<'_>, namespace: &str, name: &str) -> Missing<'a> {
    let known = routes(world).filter(|meta| &*meta.namespace == namespace).map(|meta| &*meta.name);
    let fault = Fault::new("target-not-found", format!("route {namespace}/{name} does not exist"));
    Missing::Object(fault.maybe_help(nearest(name, known).map(|near| format!("did you mean {near}?"))))
}

fn routes<'a>(world: &World<'a>) -> impl Iterator<Item = &'a Meta> {
    let set = world.set;
    set.http_routes
        .iter()
        .map(|route| &route.meta)
        .chain(set.ai_gateway_routes.iter().map(|route| &route.meta))
}

/// The names of the rules of the routes of this name, or `None` where there is no such route.
fn rule_names<'a>(world: &World<'a>, namespace: &str, name: &str) -> Option<Vec<&'a str>> {
    let set = world.set;
    let is = |meta: &Meta| &*meta.namespace == namespace && &*meta.name == name;
    let plain = set.http_routes.iter().find(|route| is(&route.meta));
    let ai = set.ai_gateway_routes.iter().find(|route| is(&route.meta));
    if plain.is_none() && ai.is_none() {
        return None;
    }
    let plain = plain.into_iter().flat_map(|route| &route.spec.rules).filter_map(|rule| rule.name.as_deref());
    let ai = ai.into_iter().flat_map(|route| &route.spec.rules).filter_map(|rule| rule.name.as_deref());
    Some(plain.chain(ai).collect())
}

/// What a selector selects, the oldest first. Objects of other namespaces have to grant it.
fn selected<'a, T: Policy>(
    world: &World<'a>,
    policy: &Object<T>,
    selector: &TargetSelector,
) -> Vec<Target<'a>> {
    let from = Party { group: group::ENVOY, kind: T::KIND, namespace: &policy.meta.namespace };
    let selects = |group: &str, kind: &str, meta: &Meta| {
        let to = Party { group, kind, namespace: &meta.namespace };
        selector.kind == kind
            && selector.covers(
                &policy.meta.namespace,
                &meta.namespace,
                &world.namespace_labels(&meta.namespace),
            )
            && selector.matches(&meta.labels)
            && world.grants.check(from, to, &meta.name).is_ok()
    };
    let set = world.set;
    let gateways = set
        .gateways
        .iter()
        .filter(|gateway| selects(group::GATEWAY, "Gateway", &gateway.meta))
        .map(|gateway| (TargetKind::Gateway, &gateway.meta));
    let plain = set
        .http_routes
        .iter()
        .filter(|route| T::ROUTES && selects(group::GATEWAY, "HTTPRoute", &route.meta))
        .map(|route| (TargetKind::Route, &route.meta));
    let ai = set
        .ai_gateway_routes
        .iter()
        .filter(|route| {
            T::ROUTES
                && (selects(group::AI, "AIGatewayRoute", &route.meta)
                    || selects(group::GATEWAY, "HTTPRoute", &route.meta))
        })
        .map(|route| (TargetKind::Route, &route.meta));
    let mut found: Vec<_> = gateways.chain(plain).chain(ai).collect();
    found.sort_by_key(|(_, meta)| meta.created.unwrap_or(i64::MAX));
    found
        .into_iter()
        .map(|(kind, meta)| Target { kind, namespace: &meta.namespace, name: &meta.name, section: None })
        .collect()
}

/// Everything that a policy which breaks its schema may have targeted. Which section of it is not asked: a guard too
/// many is safer than one too few.
fn written_targets<'a>(world: &World<'a>, policy: &Object<Unserved>) -> Vec<Target<'a>> {
    let set = world.set;
    let whole =
        |kind, meta: &'a Meta| Target { kind, namespace: &meta.namespace, name: &meta.name, section: None };
    let gateways = set
        .gateways
        .iter()
        .filter(|gateway| policy.chooses("Gateway", &gateway.meta))
        .map(|gateway| whole(TargetKind::Gateway, &gateway.meta));
    let routes = routes(world)
        .filter(|meta| ["HTTPRoute", "AIGatewayRoute"].iter().any(|kind| policy.chooses(kind, meta)))
        .map(|meta| whole(TargetKind::Route, meta));
    gateways.chain(routes).collect()
}

impl Policy for BackendTrafficPolicy {
    const KIND: &'static str = "BackendTrafficPolicy";
    const ROUTES: bool = true;
    const GUARDS: bool = false;

    fn targets(&self) -> PolicyTargets<'_> {
        Self::targets(self)
    }

    fn written(&self) -> &Written {
        &self.written
    }
}

impl Policy for SecurityPolicy {
    const KIND: &'static str = "SecurityPolicy";
    const ROUTES: bool = true;
    const GUARDS: bool = true;

    fn targets(&self) -> PolicyTargets<'_> {
        Self::targets(self)
    }

    fn written(&self) -> &Written {
        &self.written
    }
}
