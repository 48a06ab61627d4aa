//! Whatever listeners, chains, routes and pools there are: the filters that a route relies on stand in each of its
//! chains once, and nowhere else.
use std::{collections::BTreeSet, fmt::Write as _};

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::extension::{
    fields::{cluster, route, virtual_host},
    testing::{chain, config, dns_cluster, eds_cluster, group, listener, plan, pool, route as routed},
};

const ROUTER: &str = "envoy.filters.http.router";
const POOLS: [&str; 3] = ["p0", "p1", "p2"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A rule of ours, by its number.
    Rule(usize),
    /// What a model without a rule comes to.
    NotFound,
    /// Somebody else's, on the same host.
    Web,
}

/// A chain of a listener: `None` is TCP, else the route configuration by its number.
type Chain = Option<usize>;

#[derive(Clone, Debug)]
struct World {
    /// Of each rule the pool that it goes to, else it goes to backends; and whether its cluster has metadata.
    rules: Vec<(Option<usize>, bool)>,
    configs: Vec<Vec<Kind>>,
    /// Whether its name looks like one of Envoy Gateway's own, its chains, its default chain.
    listeners: Vec<(bool, Vec<Chain>, Option<Chain>)>,
}

fn world() -> impl Strategy<Value = World> {
    let rules = vec((option::of(0..POOLS.len()), any::<bool>()), 1..5);
    let kind = prop_oneof![(0..4_usize).prop_map(Kind::Rule), Just(Kind::NotFound), Just(Kind::Web)];
    let configs = vec(vec(kind, 0..5), 1..4);
    let chain = || option::of(0..4_usize);
    let listeners = vec((any::<bool>(), vec(chain(), 0..4), option::of(chain())), 0..4);
    (rules, configs, listeners).prop_map(|(rules, mut configs, mut listeners)| {
        for kind in configs.iter_mut().flatten() {
            if let Kind::Rule(rule) = kind {
                *rule %= rules.len();
            }
        }
        // Every configuration has a listener: Envoy Gateway makes no others.
        let count = configs.len();
        listeners.push((false, (0..count).map(Some).collect(), None));
        let within = |chain: &mut Chain| *chain = chain.map(|config| config % count);
        for (_, chains, default) in &mut listeners {
            chains.iter_mut().chain(default).for_each(within);
        }
        World { rules, configs, listeners }
    })
}

fn cluster_of(rule: usize) -> String {
    format!("httproute/prod/chat/rule/{rule}")
}

// === impl World ===

impl World {
    fn plan(&self) -> Plan {
        let mut yaml = "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: AIGatewayRoute\n\
                        metadata: {name: chat, namespace: prod}\nspec:\n  parentRefs: [{name: gw}]\n  rules:\n"
            .to_owned();
        for (index, (pool, _)) in self.rules.iter().enumerate() {
            let backends = match pool {
                Some(pool) => {
                    format!(
                        "{{name: {}, group: inference.networking.k8s.io, kind: InferencePool}}",
                        POOLS[*pool]
                    )
                }
                None => "{name: a}, {name: b, priority: 1}".to_owned(),
            };
            writeln!(
                yaml,
                "    - {{matches: [{{headers: [{{name: x-ai-eg-model, value: m{index}}}]}}], backendRefs: [{backends}]}}"
            )
            .unwrap();
        }
        plan(&yaml)
    }

    fn cluster(&self, plan: &Plan, rule: usize) -> Bytes {
        let (own, marked) = self.rules[rule];
        let name = cluster_of(rule);
        let Some(own) = own else {
            let groups = [0, 1].map(|i| group(&format!("{name}/backend/{i}"), &["x.example"]));
            return dns_cluster(&name, &groups).encode();
        };
        let mut made = eds_cluster(&name);
        if !marked {
            made.remove(cluster::METADATA);
        }
        let resource = pool(POOLS[own], "FailClose");
        post_cluster(plan, &made.encode(), [&resource]).unwrap().unwrap()
    }

    fn route(&self, kind: Kind) -> Message {
        match kind {
            Kind::Web => routed(false, Some("httproute/prod/web/rule/0")),
            Kind::NotFound => routed(true, None),
            Kind::Rule(rule) => {
                let mut own = routed(true, Some(&cluster_of(rule)));
                own.set_bytes(route::NAME, format!("{}/match/0/*", cluster_of(rule)));
                match self.rules[rule].0 {
                    None => own,
                    Some(pooled) => {
                        let resource = pool(POOLS[pooled], "FailClose");
                        let made = post_route(&own.encode(), [&resource]).unwrap();
                        made.map_or(own, |made| Message::parse(made).unwrap())
                    }
                }
            }
        }
    }

    fn listener(&self, index: usize) -> Bytes {
        let (theirs, chains, default) = &self.listeners[index];
        let made = |own: &Chain| match own {
            Some(config) => chain(&format!("c{config}"), &[ROUTER]),
            None => chain("", &[]),
        };
        let chains: Vec<_> = chains.iter().map(made).collect();
        let mut own = listener(&chains, default.as_ref().map(made).as_ref());
        if *theirs {
            own.set_bytes(1, format!("envoy-gateway-system/gw/{index}"));
        }
        own.encode()
    }

    fn translation(&self, plan: &Plan) -> Translation {
        let configs = self.configs.iter().enumerate().map(|(index, kinds)| {
            let routes: Vec<_> = kinds.iter().map(|kind| self.route(*kind)).collect();
            config(&format!("c{index}"), &routes).encode()
        });
        let mut clusters: Vec<_> = (0..self.rules.len()).map(|rule| self.cluster(plan, rule)).collect();
        clusters.push(eds_cluster("httproute/prod/web/rule/0").encode());
        Translation {
            clusters,
            secrets: Vec::new(),
            listeners: (0..self.listeners.len()).map(|index| self.listener(index)).collect(),
            routes: configs.collect(),
        }
    }

    /// The pool that a route goes to.
    fn pool_of(&self, kind: Kind) -> Option<usize> {
        if let Kind::Rule(rule) = kind { self.rules[rule].0 } else { None }
    }

    /// The filters of ours that a configuration's routes rely on.
    fn relied_on(&self, config: usize) -> BTreeSet<String> {
        let kinds = &self.configs[config];
        let mut wanted: BTreeSet<_> =
            kinds.iter().filter_map(|kind| self.pool_of(*kind)).map(picker).collect();
        if kinds.iter().any(|kind| *kind != Kind::Web) {
            wanted.insert(filters::FILTER.to_owned());
        }
        wanted
    }
}

fn picker(pool: usize) -> String {
    format!("envoy.filters.http.ext_proc/endpointpicker/{}_prod_ext_proc", POOLS[pool])
}

/// The filters of each HTTP chain, with its route configuration.
fn chains(made: &Translation) -> Vec<(String, Vec<String>)> {
    let listeners = made.listeners.iter().map(|own| Message::parse(own.clone()).unwrap());
    let managers = listeners.flat_map(|own| listeners::managers(&own).unwrap());
    managers.map(|(config, manager)| (config, listeners::names(&manager).unwrap())).collect()
}

fn routes_of(config: &Bytes) -> Vec<Message> {
    let config = Message::parse(config.clone()).unwrap();
    let hosts = config.messages(route_config::VIRTUAL_HOSTS).map(Result::unwrap);
    hosts
        .flat_map(|host| host.messages(virtual_host::ROUTES).collect::<Vec<_>>())
        .map(Result::unwrap)
        .collect()
}

proptest! {
    #[test]
    fn filters_stand_in_every_chain_of_their_routes_once(world in world()) {
        let plan = world.plan();
        let all = world.translation(&plan);
        let (made, notes) = post_translate(&plan, &Settings::default(), all.clone()).unwrap();
        let codes: Vec<_> = notes.iter().map(|note| note.code).collect();
        prop_assert_eq!(codes, Vec::<&str>::new());
        for (config, filters) in chains(&made) {
            let wanted = world.relied_on(config.strip_prefix('c').unwrap().parse().unwrap());
            let mut there: Vec<_> = filters.iter().filter(|name| name.contains("ext_proc")).cloned().collect();
            there.sort();
            prop_assert_eq!(there, wanted.into_iter().collect::<Vec<_>>(), "{}", config);
        }
        for (index, kinds) in world.configs.iter().enumerate() {
            for ((kind, before), after) in
                kinds.iter().zip(routes_of(&all.routes[index])).zip(routes_of(&made.routes[index]))
            {
                let on = |name: &str| after.entry(route::PER_FILTER, name).unwrap().is_some();
                prop_assert_eq!(on(filters::FILTER), *kind != Kind::Web);
                for pool in 0..POOLS.len() {
                    prop_assert_eq!(on(&picker(pool)), world.pool_of(*kind) == Some(pool));
                }
                if *kind == Kind::Web {
                    prop_assert_eq!(before.encode(), after.encode());
                }
            }
        }
        // Once more changes nothing.
        prop_assert_eq!(&post_translate(&plan, &Settings::default(), made.clone()).unwrap().0, &made);
    }
}
