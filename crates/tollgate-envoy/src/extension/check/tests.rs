use super::*;
use crate::extension::{
    settings::Settings,
    testing::{chain, config, dns_cluster, eds_cluster, group, listener, plan, route, route_yaml},
};
use std::collections::BTreeSet;

const NAME: &str = "httproute/prod/chat/rule/0";
const ROUTER: &str = "envoy.filters.http.router";

struct Xds {
    clusters: Vec<Message>,
    configs: Vec<Message>,
    listeners: Vec<Message>,
}

/// As it is after the hooks.
fn good() -> Xds {
    let plan = two();
    let mut own = dns_cluster(NAME, &[group(&format!("{NAME}/backend/0"), &["x.example"])]);
    clusters::modify(&plan, &BTreeSet::new(), &mut own).unwrap();
    let mut config = config("http", &[route(true, Some(NAME)), route(true, None)]);
    switched(&plan, &mut config);
    Xds {
        clusters: vec![own, eds_cluster(filters::PROCESSOR)],
        configs: vec![config],
        listeners: vec![listener(&[chain("http", &[filters::FILTER, ROUTER])], None)],
    }
}

/// With our filters on where they should be.
fn switched(plan: &Plan, config: &mut Message) {
    let (settings, pools) = (Settings::default(), routes::Pools::new());
    routes::modify(routes::Know { plan, settings: &settings, pools: &pools }, config).unwrap();
}

fn two() -> Plan {
    plan(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], ""))
}

fn codes(xds: &Xds) -> Vec<&'static str> {
    let Xds { clusters, configs, listeners } = xds;
    let notes = check(&two(), &Outcome { clusters, configs, listeners }).unwrap();
    notes.iter().map(|note| note.code).collect()
}

#[test]
fn what_hangs_together_has_no_findings() {
    assert_eq!(codes(&good()), Vec::<&str>::new());
}

#[test]
fn clusters_exist_once() {
    let mut xds = good();
    xds.clusters.push(eds_cluster(filters::PROCESSOR));
    assert_eq!(codes(&xds), ["xds-duplicate-cluster"]);
}

#[test]
fn filters_that_routes_rely_on_are_in_every_chain_once() {
    let mut xds = good();
    xds.listeners =
        vec![listener(&[chain("http", &[filters::FILTER, ROUTER]), chain("http", &[ROUTER])], None)];
    assert_eq!(codes(&xds), ["xds-filter-missing"]);
    xds.listeners = vec![listener(&[chain("http", &[filters::FILTER, filters::FILTER, ROUTER])], None)];
    assert_eq!(codes(&xds), ["xds-filter-missing"]);
}

#[test]
fn no_request_leaves_without_the_processor() {
    let mut xds = good();
    xds.clusters[0] = dns_cluster(NAME, &[]);
    assert_eq!(codes(&xds), ["xds-unprocessed-cluster"]);
    let mut xds = good();
    // Somebody else's route to our cluster.
    xds.configs.push(config("http", &[route(false, Some(NAME))]));
    assert_eq!(codes(&xds), ["xds-bypassed-processor"]);
}

#[test]
fn what_envoy_gateway_keeps_to_itself_is_asked_for() {
    let mut xds = good();
    xds.listeners.clear();
    assert_eq!(codes(&xds), ["xds-no-listener"]);
    xds.configs.clear();
    assert_eq!(codes(&xds), ["xds-no-routes"]);
}

#[test]
fn priorities_need_one_cluster() {
    let mut xds = good();
    let own = format!("{NAME}/backend/1");
    let mut split = eds_cluster(&own);
    clusters::modify(&two(), &BTreeSet::new(), &mut split).unwrap();
    xds.clusters.push(split);
    let mut config = config("http", &[route(true, Some(&own))]);
    switched(&two(), &mut config);
    xds.configs = vec![config];
    assert_eq!(codes(&xds), ["xds-priorities-ignored"]);
}

#[test]
fn our_filters_ask_clusters_that_exist() {
    let mut xds = good();
    xds.clusters.truncate(1);
    // The chain of the sample has our filter's name only; here is the whole of it.
    let mut manager = Message::default();
    manager.push(hcm::HTTP_FILTERS, filters::router_level(true));
    let mut known = Known { clusters: BTreeMap::new(), notes: Diagnostics::default() };
    known.processors(&manager).unwrap();
    assert_eq!(known.notes.0[0].code, "xds-dangling-cluster");
}

#[test]
fn endpoints_that_nobody_asked_about_belong_to_nobody() {
    let codes = |cluster: &Message| {
        let notes = unmarked(&two(), &[cluster.encode()]).unwrap();
        notes.iter().map(|note| note.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&eds_cluster(NAME)), ["xds-no-endpoints-hook"]);
    assert_eq!(codes(&eds_cluster("httproute/prod/web/rule/0")), Vec::<&str>::new());
    assert_eq!(codes(&eds_cluster(&format!("{NAME}/backend/0"))), Vec::<&str>::new());
    assert_eq!(codes(&dns_cluster(NAME, &[])), Vec::<&str>::new());
}
