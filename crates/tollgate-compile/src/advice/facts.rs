use std::collections::{BTreeSet, HashMap};

use tollgate_resources::{
    AiGatewayRoute, Gateway, HttpRoute, HttpRouteRuleFilter, Meta, Object, ParentRef, PathMatch,
    PathMatchType, PolicyTargets, ResourceSet, SecurityPolicy, find,
};

use crate::{notes::Located, world::group};

/// The kinds by which policies know a route: an AIGatewayRoute is an HTTPRoute to them.
pub(super) const ROUTES: [&str; 2] = ["HTTPRoute", "AIGatewayRoute"];

/// Namespace and name.
type Name<'a> = (&'a str, &'a str);

/// What several pieces of advice look at. Who stands where is looked up: there may be thousands of routes with a policy
/// each, and nobody waits for each of them to be held against each other one.
pub(super) struct Facts<'a> {
    pub(super) set: &'a ResourceSet,
    /// Headers that a SecurityPolicy makes from what it has verified, in lower case.
    vouched: BTreeSet<String>,
    /// Headers that filters of rules set, in lower case: after callers were let in and limits were counted.
    late: BTreeSet<String>,
    /// What stands before a colon in the paths of HTTPRoutes.
    pub(super) verbs: BTreeSet<&'a str>,
    /// Paths of HTTPRoutes that are patterns.
    pub(super) patterns: Vec<&'a str>,
    /// Headers that ClientTrafficPolicies set, in lower case: before everything else.
    early: BTreeSet<String>,
    /// Routes by the Gateways that they name as parents.
    on: HashMap<Name<'a>, Vec<Route<'a>>>,
    /// SecurityPolicies by the routes that they name.
    of_routes: HashMap<Name<'a>, Vec<&'a Object<SecurityPolicy>>>,
    /// And by the Gateways.
    of_gateways: HashMap<Name<'a>, Vec<&'a Object<SecurityPolicy>>>,
}

/// A route of either kind.
#[derive(Clone, Copy)]
pub(super) enum Route<'a> {
    Http(&'a Object<HttpRoute>),
    Ai(&'a Object<AiGatewayRoute>),
}

// === impl Facts ===

impl<'a> Facts<'a> {
    pub(super) fn of(set: &'a ResourceSet) -> Self {
        let mut vouched = BTreeSet::new();
        for policy in &set.security_policies {
            made_by(&policy.spec, &mut |name| {
                vouched.insert(name.to_ascii_lowercase());
            });
        }
        let rules = set.http_routes.iter().flat_map(|route| &route.spec.rules);
        let late = rules
            .flat_map(|rule| &rule.filters)
            .flat_map(set_by)
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        let matches =
            set.http_routes.iter().flat_map(|route| &route.spec.rules).flat_map(|rule| &rule.matches);
        let is_pattern = |path: &&PathMatch| path.match_type == PathMatchType::RegularExpression;
        let (patterns, paths): (Vec<_>, Vec<_>) = matches.map(|one| &one.path).partition(is_pattern);
        let verbs = paths
            .into_iter()
            .flat_map(|path| path.value.match_indices(':').filter_map(|(colon, _)| path.value.get(..colon)));
        let (verbs, patterns) = (verbs.collect(), patterns.iter().map(|path| path.value.as_str()).collect());
        let heads = set.client_traffic_policies.iter().filter_map(|policy| policy.spec.headers.as_ref());
        let early = heads
            .filter_map(|heads| heads.early_request_headers.as_ref())
            .flat_map(|filter| filter.set.iter().chain(&filter.add))
            .map(|header| header.name.to_ascii_lowercase())
            .collect();
        let (on, of_routes, of_gateways) = (on(set), of(set, &ROUTES), of(set, &["Gateway"]));
        Self { set, vouched, late, verbs, patterns, early, on, of_routes, of_gateways }
    }

    /// True where a SecurityPolicy makes this header.
    pub(super) fn is_vouched(&self, header: &str) -> bool {
        self.vouched.contains(&header.to_ascii_lowercase())
    }

    /// True where a filter of a rule sets it.
    pub(super) fn is_late(&self, header: &str) -> bool {
        self.late.contains(&header.to_ascii_lowercase())
    }

    /// True where something here sets it, whenever.
    pub(super) fn is_made(&self, header: &str) -> bool {
        self.is_vouched(header) || self.is_late(header) || self.early.contains(&header.to_ascii_lowercase())
    }

    /// The routes that name this Gateway as a parent.
    pub(super) fn routes_of<'b>(&'b self, gateway: &'b Meta) -> &'b [Route<'a>] {
        self.on.get(&(&*gateway.namespace, &*gateway.name)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The SecurityPolicies that name this route.
    pub(super) fn policies_of_route<'b>(&'b self, route: &'b Meta) -> &'b [&'a Object<SecurityPolicy>] {
        self.of_routes.get(&(&*route.namespace, &*route.name)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The SecurityPolicies that name this Gateway.
    pub(super) fn policies_of_gateway<'b>(&'b self, gateway: Name<'b>) -> &'b [&'a Object<SecurityPolicy>] {
        self.of_gateways.get(&gateway).map(Vec::as_slice).unwrap_or_default()
    }

    /// The Gateways that these targets name in this namespace.
    pub(super) fn gateways(&self, namespace: &str, targets: PolicyTargets<'_>) -> Vec<&'a Object<Gateway>> {
        let names: BTreeSet<_> = named(targets, &["Gateway"]).collect();
        names.into_iter().filter_map(|name| find(&self.set.gateways, namespace, name)).collect()
    }

    /// The routes that these targets name in this namespace, and those on the Gateways that they name; some twice.
    pub(super) fn reach(&self, namespace: &str, targets: PolicyTargets<'_>) -> Vec<Route<'a>> {
        let mut found = Vec::new();
        for name in named(targets, &ROUTES) {
            found.extend(find(&self.set.http_routes, namespace, name).map(Route::Http));
            found.extend(find(&self.set.ai_gateway_routes, namespace, name).map(Route::Ai));
        }
        for gateway in self.gateways(namespace, targets) {
            found.extend(self.routes_of(&gateway.meta));
        }
        found
    }
}

fn on(set: &ResourceSet) -> HashMap<Name<'_>, Vec<Route<'_>>> {
    let mut on: HashMap<_, Vec<_>> = HashMap::new();
    let ai = set.ai_gateway_routes.iter().map(Route::Ai);
    for route in set.http_routes.iter().map(Route::Http).chain(ai) {
        for gateway in route.gateways().collect::<BTreeSet<_>>() {
            on.entry(gateway).or_default().push(route);
        }
    }
    on
}

/// The SecurityPolicies by what they name of these kinds, each once.
fn of<'a>(set: &'a ResourceSet, kinds: &[&str]) -> HashMap<Name<'a>, Vec<&'a Object<SecurityPolicy>>> {
    let mut of: HashMap<_, Vec<_>> = HashMap::new();
    for policy in &set.security_policies {
        for name in named(policy.spec.targets(), kinds).collect::<BTreeSet<_>>() {
            of.entry((&*policy.meta.namespace, name)).or_default().push(policy);
        }
    }
    of
}

/// What targets name of these kinds.
pub(super) fn named<'t>(targets: PolicyTargets<'t>, kinds: &[&str]) -> impl Iterator<Item = &'t str> {
    looks::one();
    let all = targets.target_ref.into_iter().chain(targets.target_refs);
    all.filter(|target| kinds.contains(&target.kind.as_str())).map(|target| target.name.as_str())
}

/// The headers that a policy makes from what it verified.
fn made_by(policy: &SecurityPolicy, add: &mut dyn FnMut(&str)) {
    let providers = policy.jwt.iter().flat_map(|jwt| &jwt.providers);
    providers.flat_map(|provider| &provider.claim_to_headers).for_each(|claim| add(&claim.header));
    let key = policy.api_key_auth.as_ref().and_then(|keys| keys.forward_client_id_header.as_deref());
    let user = policy.basic_auth.as_ref().and_then(|basic| basic.forward_username_header.as_deref());
    key.into_iter().chain(user).for_each(&mut *add);
    let service = policy.ext_auth.as_ref().and_then(|service| service.http.as_ref());
    service.into_iter().flat_map(|http| &http.headers_to_backend).for_each(|name| add(name));
}

/// What a filter writes into requests.
pub(super) fn set_by(filter: &HttpRouteRuleFilter) -> impl Iterator<Item = (&str, &str)> {
    let modifier = filter.request_header_modifier.as_ref();
    modifier
        .into_iter()
        .flat_map(|modifier| modifier.set.iter().chain(&modifier.add))
        .map(|header| (header.name.as_str(), header.value.as_str()))
}

// === impl Route ===

impl<'a> Route<'a> {
    pub(super) fn meta(self) -> &'a Meta {
        looks::one();
        match self {
            Self::Http(route) => &route.meta,
            Self::Ai(route) => &route.meta,
        }
    }

    pub(super) fn located(self) -> &'a dyn Located {
        match self {
            Self::Http(route) => route,
            Self::Ai(route) => route,
        }
    }

    pub(super) fn is_ai(self) -> bool {
        matches!(self, Self::Ai(_))
    }

    pub(super) fn parents(self) -> &'a [ParentRef] {
        match self {
            Self::Http(route) => &route.spec.parent_refs,
            Self::Ai(route) => &route.spec.parent_refs,
        }
    }

    /// The Gateways that it names as parents; one more than once where it names listeners.
    pub(super) fn gateways(self) -> impl Iterator<Item = Name<'a>> {
        let own = &*self.meta().namespace;
        let parents = self.parents().iter();
        parents
            .filter(|parent| parent.group == group::GATEWAY && parent.kind == "Gateway")
            .map(move |parent| (parent.namespace.as_deref().unwrap_or(own), parent.name.as_str()))
    }

    /// How many rules it has.
    pub(super) fn rules(self) -> usize {
        match self {
            Self::Http(route) => route.spec.rules.len(),
            Self::Ai(route) => route.spec.rules.len(),
        }
    }

    /// What its rules lead to, by namespace and name; the namespace is the route's own unless given.
    pub(super) fn backends(self) -> Vec<(&'a str, &'a str)> {
        let own = &*self.meta().namespace;
        match self {
            Self::Http(route) => {
                let backends = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
                backends.map(|it| (it.namespace.as_deref().unwrap_or(own), it.name.as_str())).collect()
            }
            Self::Ai(route) => {
                let backends = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
                backends.map(|it| (it.namespace.as_deref().unwrap_or(own), it.name.as_str())).collect()
            }
        }
    }
}

/// How often a route or a policy was looked at, for the test that holds it against how many there are.
pub(super) mod looks {
    #[cfg(test)]
    thread_local! {
        static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    pub(super) fn one() {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
    }

    /// How many there were since the last call.
    #[cfg(test)]
    pub(in super::super) fn take() -> usize {
        LOOKS.take()
    }
}
