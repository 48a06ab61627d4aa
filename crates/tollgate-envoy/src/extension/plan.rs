//! What the hooks have to know of the resources, looked up by the names that Envoy Gateway gives to what it makes.
use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use tollgate_resources::{
    AiGatewayRoute, EndpointSlice, Gateway, GatewayConfig, Object, ParentRef, ResourceSet, ServicePort,
};

use super::quotas::{self, ModelQuota};

#[cfg(test)]
mod tests;

/// Namespace and name.
pub type Key = (Arc<str>, Arc<str>);

/// The annotation by which a Gateway names its GatewayConfig.
const CONFIG_ANNOTATION: &str = "aigateway.envoyproxy.io/gateway-config";
/// The label by which an EndpointSlice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// A rule of a generated HTTPRoute, and the rule of an AIGatewayRoute that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The HTTPRoute.
    pub http_route: Key,
    /// The index of its rule.
    pub rule: usize,
    /// The AIGatewayRoute.
    pub source: Key,
    /// The index of its rule.
    pub source_rule: usize,
    /// For each backend of the HTTPRoute's rule the index of the AIGatewayRoute's.
    pub refs: Vec<usize>,
    /// How its requests are tried again unless a policy says otherwise.
    pub attempts: Option<Attempts>,
}

/// How requests are tried again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempts {
    /// Beside the first one.
    pub retries: u32,
    /// At each priority before the next one is asked; `None` where there is one only.
    pub per_priority: Option<u32>,
    /// The deadline of one attempt, to the head of its reply.
    pub deadline: Option<Duration>,
    /// After these another backend is asked; none where there is no other.
    pub statuses: Vec<u16>,
}

/// What the hooks have to know of the resources.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By generated HTTPRoute.
    routes: BTreeMap<Key, Route>,
    /// By Gateway; those whose GatewayConfig names a proxy.
    proxies: BTreeMap<Key, Proxy>,
    /// By AIServiceBackend, what is counted of it.
    quotas: BTreeMap<Key, Vec<ModelQuota>>,
    slices: Vec<Slice>,
    /// Ports of Services that speak HTTP/2 in clear text.
    plain_h2: BTreeSet<(Key, u16)>,
}

/// A generated HTTPRoute.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The AIGatewayRoute.
    pub(super) source: Key,
    /// Gateways that it attaches to, in its order.
    gateways: Vec<Key>,
    rules: BTreeMap<usize, Rule>,
    /// There no more: kept until Envoy Gateway has heard of it, which translates what it knows until then.
    retired: bool,
}

/// A rule of it.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Rule {
    /// By the index that the HTTPRoute's rule has them under.
    pub(super) refs: Vec<Ref>,
    /// The longest silence inside a streamed reply.
    pub(super) stream_idle: Option<Duration>,
    /// How its requests are tried again unless a policy says otherwise.
    pub(super) attempts: Option<Attempts>,
    /// Namespaces of dynamic metadata in which credentials for its backends are looked for.
    pub(super) told: BTreeSet<Arc<str>>,
}

/// A backend of a rule.
#[derive(Clone, Debug, Hash)]
pub(super) struct Ref {
    /// `{namespace}/{backend}/route/{route}/rule/{i}/ref/{j}`, all of the AIGatewayRoute's.
    pub(super) identity: Arc<str>,
    /// 0 gets nothing.
    pub(super) weight: u32,
    /// From 0 without a gap, as Envoy wants it.
    pub(super) priority: u32,
    /// The AIServiceBackend or InferencePool.
    pub(super) target: Key,
    /// The model that it is asked for, where it is another than the client's.
    pub(super) model: Option<Arc<str>>,
}

/// The address of a forward proxy; nothing where it cannot be understood, and nothing may go around it then.
pub(super) type Proxy = Option<(Arc<str>, u16)>;

/// Pods that listen.
#[derive(Clone, Debug, Hash)]
struct Slice {
    namespace: Arc<str>,
    labels: BTreeMap<String, String>,
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
}

/// What a cluster's name says about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) rule: &'a Rule,
    pub(super) route: &'a Route,
    /// The backend, where the cluster is one backend's alone.
    pub(super) backend: Option<usize>,
}

// === impl Plan ===

impl Plan {
    /// What there is to know of resources; `made` says what has become of the AIGatewayRoutes.
    #[must_use]
    pub fn new(set: &ResourceSet, made: impl IntoIterator<Item = Made>) -> Self {
        let told = told(set);
        let mut plan = Self {
            proxies: set.gateways.iter().filter_map(|gateway| proxy(set, gateway)).collect(),
            quotas: quotas::all(set),
            slices: set.endpoint_slices.iter().map(slice).collect(),
            plain_h2: plain_h2(set),
            ..Self::default()
        };
        for made in made {
            let named = |route: &&Object<AiGatewayRoute>| key(route) == made.source;
            if let Some(source) = set.ai_gateway_routes.iter().find(named) {
                plan.add(made, source, &told);
            }
        }
        plan
    }

    fn add(&mut self, made: Made, source: &Object<AiGatewayRoute>, told: &Told) {
        let Made { http_route, rule, source: source_key, source_rule, refs, attempts } = made;
        let Some(spec) = source.spec.rules.get(source_rule) else { return };
        let ranks: BTreeSet<_> =
            spec.backend_refs.iter().filter(|spec| spec.weight > 0).map(|spec| spec.priority).collect();
        let mut namespaces = BTreeSet::new();
        let refs = refs.into_iter().filter_map(|index| {
            let spec = spec.backend_refs.get(index)?;
            let (namespace, route) = &source_key;
            let rank = ranks.range(..spec.priority).count();
            let target = (given(spec.namespace.as_deref(), namespace), Arc::from(spec.name.as_str()));
            namespaces.extend(told.get(&target).into_iter().flatten().cloned());
            Some(Ref {
                identity: format!("{namespace}/{}/route/{route}/rule/{source_rule}/ref/{index}", spec.name)
                    .into(),
                weight: spec.weight,
                priority: u32::try_from(rank).unwrap_or(u32::MAX),
                target,
                model: spec.model_name_override.as_deref().map(Arc::from),
            })
        });
        let refs = refs.collect();
        let planned = Rule { refs, stream_idle: spec.stream_idle_timeout, attempts, told: namespaces };
        let route = self.routes.entry(http_route).or_insert_with(|| Route {
            gateways: source.spec.parent_refs.iter().filter_map(|parent| gateway(parent, source)).collect(),
            source: source_key,
            rules: BTreeMap::new(),
            retired: false,
        });
        route.rules.insert(rule, planned);
    }

    /// This plan with the routes of the one before it that are there no more: Envoy Gateway may translate once more
    /// what it has read before, and no request may go out past the processor meanwhile.
    pub(super) fn after(mut self, before: &Self) -> Self {
        for (key, route) in before.routes.iter().filter(|(_, route)| !route.retired) {
            self.routes.entry(key.clone()).or_insert_with(|| Route { retired: true, ..route.clone() });
        }
        self
    }

    /// True where nothing is served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.values().all(|route| route.retired)
    }

    /// Changes whenever something changes that reaches Envoy by the hooks alone: an HTTPRoute that carries it changes
    /// too, and only then does Envoy Gateway ask again.
    #[must_use]
    pub fn revision(&self, http_route: &Key) -> String {
        let mut hash = DefaultHasher::new();
        if let Some(route) = self.routes.get(http_route) {
            route.rules.hash(&mut hash);
            for gateway in &route.gateways {
                self.proxies.get(gateway).hash(&mut hash);
            }
            for target in route.rules.values().flat_map(|rule| &rule.refs).map(|own| &own.target) {
                self.quotas.get(target).hash(&mut hash);
            }
        }
        self.slices.hash(&mut hash);
        self.plain_h2.hash(&mut hash);
        format!("{:016x}", hash.finish())
    }

    /// A generated HTTPRoute.
    pub(super) fn route(&self, namespace: &str, name: &str) -> Option<&Route> {
        self.routes.get(&(namespace.into(), name.into()))
    }

    /// The rule behind a cluster; Envoy Gateway calls it `httproute/{namespace}/{name}/rule/{i}`, with `/backend/{k}`
    /// where each backend has a cluster of its own.
    pub(super) fn cluster(&self, name: &str) -> Option<Place<'_>> {
        let mut parts = name.split('/');
        let mut next = || parts.next();
        let (Some("httproute"), Some(namespace), Some(route)) = (next(), next(), next()) else { return None };
        let (Some("rule"), Some(rule)) = (next(), next()) else { return None };
        let backend = match (next(), next(), next()) {
            (None, ..) => None,
            (Some("backend"), Some(backend), None) => Some(backend.parse().ok()?),
            _ => return None,
        };
        let route = self.route(namespace, route)?;
        let rule = route.rules.get(&rule.parse().ok()?)?;
        Some(Place { rule, route, backend })
    }

    /// The rule of a route; Envoy Gateway calls it `httproute/{namespace}/{name}/rule/{i}/match/{j}/{host}`.
    pub(super) fn rule_of_route(&self, name: &str) -> Option<&Rule> {
        let (cluster, _) = name.split_once("/match/")?;
        self.cluster(cluster).map(|place| place.rule)
    }

    /// The proxy that requests of a route go through on these Gateways; on any that it attaches to where it is not
    /// known on which it is.
    pub(super) fn proxy(&self, route: &Route, here: &BTreeSet<Key>) -> Option<&Proxy> {
        let own = route.gateways.iter();
        let mut candidates: Vec<_> = own.clone().filter(|gateway| here.contains(*gateway)).collect();
        if candidates.is_empty() {
            candidates = own.collect();
        }
        candidates.into_iter().find_map(|gateway| self.proxies.get(gateway))
    }

    /// The proxy that requests of a route go through on whichever Gateway, where all of them have the same.
    pub(super) fn only_proxy(&self, route: &Route) -> Option<&(Arc<str>, u16)> {
        let mut all = route.gateways.iter().map(|gateway| self.proxies.get(gateway).and_then(Option::as_ref));
        let first = all.next()??;
        all.all(|other| other == Some(first)).then_some(first)
    }

    /// What is counted of a backend.
    pub(super) fn quotas(&self, target: &Key) -> &[ModelQuota] {
        self.quotas.get(target).map_or(&[], Vec::as_slice)
    }

    /// What is counted, by AIServiceBackend.
    pub(super) const fn all_quotas(&self) -> &BTreeMap<Key, Vec<ModelQuota>> {
        &self.quotas
    }

    /// The pods with these labels, as far as EndpointSlices tell them.
    pub(super) fn pods(&self, namespace: &str, labels: &BTreeMap<String, String>) -> BTreeSet<IpAddr> {
        let with = |slice: &&Slice| {
            *slice.namespace == *namespace
                && labels.iter().all(|(label, value)| slice.labels.get(label) == Some(value))
        };
        let chosen = self.slices.iter().filter(with).filter(|_| !labels.is_empty());
        chosen.flat_map(|slice| slice.addresses.iter().copied()).collect()
    }

    /// The pods of a Service with the port that they listen on, as far as EndpointSlices tell them.
    pub(super) fn service(&self, namespace: &str, name: &str, port: u16) -> BTreeSet<(IpAddr, u16)> {
        let of = |slice: &&Slice| {
            *slice.namespace == *namespace && slice.labels.get(SERVICE_LABEL).is_some_and(|own| own == name)
        };
        let mut found = BTreeSet::new();
        for slice in self.slices.iter().filter(of) {
            // Of several ports the Service's own number is the best guess there is.
            let port = match slice.ports.as_slice() {
                [only] => *only,
                _ => port,
            };
            found.extend(slice.addresses.iter().map(|address| (*address, port)));
        }
        found
    }

    /// True where a Service says that it speaks HTTP/2 in clear text on a port.
    pub(super) fn is_plain_h2(&self, namespace: &str, name: &str, port: u16) -> bool {
        self.plain_h2.contains(&((namespace.into(), name.into()), port))
    }
}

// === impl Rule ===

impl Rule {
    /// The only backend that takes requests, where there is one.
    pub(super) fn only(&self) -> Option<&Ref> {
        let mut live = self.refs.iter().filter(|own| own.weight > 0);
        live.next().filter(|_| live.next().is_none())
    }

    /// True where backends are asked one after the other.
    pub(super) fn has_fallback(&self) -> bool {
        self.refs.iter().any(|own| own.weight > 0 && own.priority > 0)
    }
}

/// Where the policies of a backend look for credentials: by namespace and name of an AIServiceBackend or InferencePool.
/// Two of one name are told of each other's, which does no harm.
type Told = BTreeMap<Key, BTreeSet<Arc<str>>>;

fn told(set: &ResourceSet) -> Told {
    let mut told = Told::new();
    for policy in &set.backend_security_policies {
        let own = policy.spec.credential_override.as_ref().and_then(|own| own.from_dynamic_metadata.as_ref());
        for target in policy.spec.target_refs.iter().filter(|_| own.is_some()) {
            let key = (Arc::clone(&policy.meta.namespace), Arc::from(target.name.as_str()));
            told.entry(key).or_default().extend(own.map(|own| Arc::from(own.namespace.as_str())));
        }
    }
    told
}

fn key<T>(object: &Object<T>) -> Key {
    (Arc::clone(&object.meta.namespace), Arc::clone(&object.meta.name))
}

fn gateway(parent: &ParentRef, route: &Object<AiGatewayRoute>) -> Option<Key> {
    let namespace = given(parent.namespace.as_deref(), &route.meta.namespace);
    (parent.kind == "Gateway").then(|| (namespace, parent.name.as_str().into()))
}

/// A namespace that is given, or else one's own.
fn given(namespace: Option<&str>, own: &Arc<str>) -> Arc<str> {
    namespace.filter(|namespace| !namespace.is_empty()).map_or_else(|| Arc::clone(own), Arc::from)
}

fn proxy(set: &ResourceSet, gateway: &Object<Gateway>) -> Option<(Key, Proxy)> {
    let name = gateway.meta.annotations.get(CONFIG_ANNOTATION)?;
    let named = |config: &&Object<GatewayConfig>| {
        *config.meta.name == **name && config.meta.namespace == gateway.meta.namespace
    };
    let proxy = set.gateway_configs.iter().find(named)?.spec.forward_proxy.as_ref()?;
    Some((key(gateway), address(&proxy.address)))
}

fn address(text: &str) -> Proxy {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = !host.is_empty() && !host.contains(['/', '@']);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    plain.then(|| (host.to_ascii_lowercase().into(), port))
}

fn slice(slice: &Object<EndpointSlice>) -> Slice {
    let ready = slice.spec.endpoints.iter().filter(|endpoint| {
        endpoint.conditions.ready != Some(false) && endpoint.conditions.terminating != Some(true)
    });
    Slice {
        namespace: Arc::clone(&slice.meta.namespace),
        labels: slice.meta.labels.clone(),
        addresses: ready.filter_map(|endpoint| endpoint.addresses.first()?.parse().ok()).collect(),
        ports: slice.spec.ports.iter().filter_map(|port| port.port).collect(),
    }
}

fn plain_h2(set: &ResourceSet) -> BTreeSet<(Key, u16)> {
    let says = |port: &&ServicePort| port.app_protocol.as_deref() == Some("kubernetes.io/h2c");
    let ports = |service: &_| {
        let Object { spec, .. }: &Object<tollgate_resources::Service> = service;
        spec.ports.iter().filter(says).map(|port| (key(service), port.port)).collect::<Vec<_>>()
    };
    set.services.iter().flat_map(ports).collect()
}
