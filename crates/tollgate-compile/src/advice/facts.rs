use std::collections::BTreeSet;

use tollgate_resources::{
    AiGatewayRoute, Gateway, HttpRoute, HttpRouteRuleFilter, Meta, Object, ParentRef, PathMatch,
    PathMatchType, PolicyTargets, ResourceSet, SecurityPolicy,
};

use crate::{notes::Located, world::group};

/// What several pieces of advice look at.
pub(super) struct Facts<'a> {
    pub(super) set: &'a ResourceSet,
    /// Headers that a SecurityPolicy makes from what it has verified, in lower case.
    vouched: BTreeSet<String>,
    /// Headers that filters of rules set, in lower case: after callers were let in and limits were counted.
    late: BTreeSet<String>,
    /// Paths of HTTPRoutes that may be for more than whole segments: those with a colon, and patterns.
    pub(super) verbs: Vec<&'a PathMatch>,
    /// Headers that ClientTrafficPolicies set, in lower case: before everything else.
    early: BTreeSet<String>,
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
        let verbs = matches
            .map(|one| &one.path)
            .filter(|path| path.match_type == PathMatchType::RegularExpression || path.value.contains(':'));
        let verbs = verbs.collect();
        let heads = set.client_traffic_policies.iter().filter_map(|policy| policy.spec.headers.as_ref());
        let early = heads
            .filter_map(|heads| heads.early_request_headers.as_ref())
            .flat_map(|filter| filter.set.iter().chain(&filter.add))
            .map(|header| header.name.to_ascii_lowercase())
            .collect();
        Self { set, vouched, late, verbs, early }
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

    pub(super) fn routes(&self) -> impl Iterator<Item = Route<'a>> + use<'a> {
        let set = self.set;
        let ai = set.ai_gateway_routes.iter().map(Route::Ai);
        set.http_routes.iter().map(Route::Http).chain(ai)
    }

    /// The routes that name this Gateway as a parent.
    pub(super) fn routes_of(&self, gateway: &Meta) -> Vec<Route<'a>> {
        self.routes().filter(|route| route.is_on(gateway)).collect()
    }

    /// The Gateways that these targets name in this namespace.
    pub(super) fn gateways(&self, namespace: &str, targets: PolicyTargets<'_>) -> Vec<&'a Object<Gateway>> {
        let named = |gateway: &&Object<Gateway>| {
            *gateway.meta.namespace == *namespace
                && names(targets, &["Gateway"], &gateway.meta.name).is_some()
        };
        self.set.gateways.iter().filter(named).collect()
    }
}

/// Where targets name an object of these kinds: the section, if any.
pub(super) fn names<'t>(targets: PolicyTargets<'t>, kinds: &[&str], name: &str) -> Option<Option<&'t str>> {
    let mut all = targets.target_ref.into_iter().chain(targets.target_refs);
    let found = all.find(|target| kinds.contains(&target.kind.as_str()) && target.name == name);
    found.map(|target| target.section_name.as_deref())
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

    pub(super) fn is_on(self, gateway: &Meta) -> bool {
        self.parents().iter().any(|parent| {
            let namespace = parent.namespace.as_deref().unwrap_or(&self.meta().namespace);
            parent.group == group::GATEWAY
                && parent.kind == "Gateway"
                && parent.name == *gateway.name
                && *namespace == *gateway.namespace
        })
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
