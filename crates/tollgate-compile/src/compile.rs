use std::{collections::HashMap, sync::Arc};

use tollgate_resources::{AiGatewayRoute, HttpRoute, Object, ResourceSet};
use tollgate_snapshot::{Cost, Prefixes, Settings, Snapshot};
use tollgate_types::{Diagnostics, ObjectRef, Secret};

use crate::{
    attach::Attaching,
    backends::Backends,
    beside_envoy::{self, Host},
    costs::{self, Costs},
    environment, envoy_proxy, forward_proxy,
    governed::Governors,
    http_rules, listeners,
    llm::{self, Given},
    notes::{At, Notes},
    policies::Place,
    quotas::Quotas,
    reports, review,
    security::Services,
    tables, tracing,
    work::{Placed, Work, key},
    world::{World, group},
};

/// What the resources do not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where each dialect is served.
    pub prefixes: Prefixes,
    /// Largest request body that is held for routing, in bytes.
    pub body_limit: usize,
    /// Who carries the bytes.
    pub host: Host,
    /// The zone in which the gateway runs, for load balancers that prefer what is near.
    pub zone: Option<Arc<str>>,
    /// Objects that the loader left out (`Loaded::refused`), so that references to them are explained.
    pub refused: Vec<ObjectRef>,
}

/// What resources come to.
#[derive(Debug)]
pub struct Compiled {
    /// What requests read.
    pub snapshot: Snapshot,
    /// What is wrong or doubtful, in the order in which it was found.
    pub notes: Diagnostics,
}

/// Compiles resources. Never fails and never panics: what is broken is noted and answers for itself, the rest serves.
/// The same resources in the same order give the same snapshot and the same notes.
#[must_use]
pub fn compile(set: &ResourceSet, options: &Options) -> Compiled {
    let Options { prefixes, body_limit, host, zone, refused } = options;
    let set = &*beside_envoy::part(set, *host);
    let mut world = World::new(set, refused);
    world.zone = zone.as_ref();
    world.host = *host;
    let mut notes = Notes::default();
    let mut listeners = listeners::listeners(&world, &mut notes);
    let global = set
        .gateways
        .iter()
        .map(|gateway| (key(gateway), listeners::global_costs(&world, gateway, &mut notes)))
        .collect();
    let proxies = set.gateways.iter();
    let proxies =
        proxies.map(|gateway| (key(gateway), forward_proxy::of(&world, gateway, &mut notes))).collect();
    let backends = Backends::new(&world);
    let mut governors = Governors::new(&world, &mut notes);
    for listening in &mut listeners {
        let place =
            Place { route: None, rule: None, gateway: listening.gateway, listener: &listening.spec.name };
        listening.guard = governors.at(place, &backends, &mut notes).guard;
    }
    let quotas = Quotas::new(&world, &mut notes);
    let (world, rules) = (&world, Vec::new());
    let mut work = Work { world, backends, governors, quotas, notes, listeners, global, proxies, rules };
    set.http_routes.iter().for_each(|route| work.http_route(route));
    set.ai_gateway_routes.iter().for_each(|route| work.ai_gateway_route(route));
    let Work { backends, governors, quotas, mut notes, mut listeners, global, rules, .. } = work;
    for listening in &mut listeners {
        tables::sort(&mut listening.candidates);
    }
    review::listeners(&listeners, world, &mut notes);
    envoy_proxy::unused(world, &mut notes);
    review::unused(world, &backends, &mut notes);
    quotas.review(world, &rules, &mut notes);
    let costs = settings_costs(set, &global);
    let settings = Settings {
        prefixes: prefixes.clone(),
        body_limit: *body_limit,
        costs,
        shutdown: envoy_proxy::shutdown(world),
        environment: variables(world, &mut notes),
        reports: reports::reports(world, &mut notes),
    };
    let ports = listeners::ports(listeners, world, &mut notes);
    let Services { key_sources, authorizers } = governors.services;
    let (backends, tokens) = backends.into_parts();
    let snapshot = Snapshot { ports, backends, rules, key_sources, authorizers, tokens, settings };
    Compiled { snapshot, notes: notes.into_diagnostics() }
}

/// What GatewayConfigs set, and of EnvoyProxies what none of them does.
fn variables(world: &World<'_>, notes: &mut Notes) -> Vec<(Arc<str>, Secret)> {
    let mut all = environment::environment(world, notes);
    let spans = tracing::variables(world, notes);
    let spans: Vec<_> =
        spans.into_iter().filter(|(name, _)| !all.iter().any(|(known, _)| known == name)).collect();
    all.extend(spans);
    all
}

/// The usable global costs of all Gateways, the first Gateway's first.
fn settings_costs(set: &ResourceSet, global: &HashMap<(&str, &str), Costs>) -> Arc<[Cost]> {
    let mut all = Vec::<Cost>::new();
    for cost in set.gateways.iter().filter_map(|gateway| global.get(&key(gateway))).flatten().flatten() {
        if !all.iter().any(|known| known.key == cost.key) {
            all.push(cost.clone());
        }
    }
    all.into()
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            prefixes: Prefixes::default(),
            body_limit: Settings::DEFAULT_BODY_LIMIT,
            host: Host::Native,
            zone: None,
            refused: Vec::new(),
        }
    }
}

// === impl Work ===

impl<'a> Work<'a> {
    fn http_route(&mut self, route: &'a Object<HttpRoute>) {
        let HttpRoute { parent_refs, hostnames, rules, use_default_gateways: _ } = &route.spec;
        let attached = self.attach(&Attaching {
            at: At::new(route, "spec"),
            group: group::GATEWAY,
            kind: "HTTPRoute",
            namespace: &route.meta.namespace,
            parents: parent_refs,
            hostnames,
        });
        for (position, spec) in rules.iter().enumerate() {
            for (governed, attached) in self.governed(&route.meta, spec.name.as_deref(), &attached) {
                let (rule, matchers) = http_rules::rule(route, position, spec, &governed, self);
                self.place(
                    &attached,
                    Placed {
                        rule,
                        matchers,
                        models: Vec::new(),
                        created: route.meta.created,
                        route: (&route.meta.namespace, &route.meta.name, "HTTPRoute"),
                        position,
                    },
                );
            }
        }
    }

    fn ai_gateway_route(&mut self, route: &'a Object<AiGatewayRoute>) {
        let AiGatewayRoute { parent_refs, hostnames, rules, llm_request_costs } = &route.spec;
        let attached = self.attach(&Attaching {
            at: At::new(route, "spec"),
            group: group::AI,
            kind: "AIGatewayRoute",
            namespace: &route.meta.namespace,
            parents: parent_refs,
            hostnames,
        });
        let gateways = self.gateways(&attached);
        let own = costs::costs(llm_request_costs, &At::new(route, "spec.llmRequestCosts"), &mut self.notes);
        let costs = self.costs(&own, &gateways);
        let proxy = self.proxy(&gateways);
        for (position, spec) in rules.iter().enumerate() {
            for (governed, attached) in self.governed(&route.meta, spec.name.as_deref(), &attached) {
                let matchers = llm::matchers(route, position, spec, self);
                let models = llm::models(route, spec, &matchers, &governed);
                let given = Given { costs: &costs, governed: &governed, proxy: &proxy };
                let rule = llm::rule(route, position, spec, &given, self);
                self.place(
                    &attached,
                    Placed {
                        rule,
                        matchers,
                        models,
                        created: route.meta.created,
                        route: (&route.meta.namespace, &route.meta.name, "AIGatewayRoute"),
                        position,
                    },
                );
            }
        }
    }
}
