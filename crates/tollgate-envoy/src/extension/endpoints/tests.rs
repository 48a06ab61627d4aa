use super::*;
use crate::extension::testing::{PROXIED, group, load_assignment, plan, route_yaml};

const CLUSTER: &str = "httproute/prod/chat/rule/0";

fn region(index: usize) -> String {
    format!("{CLUSTER}/backend/{index}")
}

/// For each endpoint its priority, backend and host.
fn marks(load: &Message) -> Vec<(u64, Option<String>, Option<String>)> {
    let mut found = Vec::new();
    for group in load.messages(assignment::LOCALITIES).map(Result::unwrap) {
        for one in group.messages(locality::ENDPOINTS).map(Result::unwrap) {
            let get = |key| metadata::get(&one, endpoint::METADATA, key).unwrap();
            found.push((group.uint(locality::PRIORITY), get(BACKEND), get(UPSTREAM_HOST)));
        }
    }
    found
}

fn identity(name: &str, index: usize) -> Option<String> {
    Some(format!("prod/{name}/route/chat/rule/0/ref/{index}"))
}

#[test]
fn backends_are_known_by_name_and_not_by_place() {
    let plan = plan(&route_yaml(&[("a", 0, 0), ("b", 1, 0), ("c", 1, 1)], ""));
    // The first has no weight, so that Envoy Gateway leaves it out; and the order is another one.
    let groups = [group(&region(2), &["c.example"]), group(&region(1), &["10.0.0.1", "10.0.0.2"])];
    let mut load = load_assignment(CLUSTER, &groups);
    modify(&plan, &mut load).unwrap();
    let want = [
        (1, identity("c", 2), Some("c.example".to_owned())),
        (0, identity("b", 1), None),
        (0, identity("b", 1), None),
    ];
    assert_eq!(marks(&load), want);
}

#[test]
fn zones_of_one_backend_are_all_its_own() {
    let plan = plan(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], ""));
    let mut load = load_assignment(&region(1), &[group("", &["10.0.0.1"]), group("", &["10.0.0.2"])]);
    modify(&plan, &mut load).unwrap();
    // In a cluster of its own there is nobody to stand behind.
    assert_eq!(marks(&load), [(0, identity("b", 1), None), (0, identity("b", 1), None)]);
}

#[test]
fn an_endpoint_of_nobody_stays_without_a_mark() {
    let plan = plan(&route_yaml(&[("a", 1, 0), ("b", 1, 0)], ""));
    for odd in ["", "other", &region(9), &format!("{CLUSTER}/backend/x")] {
        let mut load = load_assignment(CLUSTER, &[group(odd, &["10.0.0.1"])]);
        modify(&plan, &mut load).unwrap();
        assert!(!load.is_changed(), "{odd}");
    }
}

#[test]
fn the_only_backend_owns_what_has_no_name() {
    let plan = plan(&route_yaml(&[("a", 1, 0), ("b", 0, 1)], ""));
    let mut load = load_assignment(CLUSTER, &[group("", &["10.0.0.1"])]);
    modify(&plan, &mut load).unwrap();
    assert_eq!(marks(&load), [(0, identity("a", 0), None)]);
}

#[test]
fn endpoints_of_others_come_back_as_they_are() {
    let plan = plan(&route_yaml(&[("a", 1, 0)], ""));
    let mut load = load_assignment("httproute/prod/web/rule/0", &[group("", &["10.0.0.1"])]);
    modify(&plan, &mut load).unwrap();
    assert!(!load.is_changed());
}

#[test]
fn endpoints_are_reached_through_the_proxy_of_all_gateways() {
    let proxies = |yaml: &str| {
        let mut load = load_assignment(CLUSTER, &[group(&region(0), &["10.0.0.1"])]);
        modify(&plan(yaml), &mut load).unwrap();
        let group = load.messages(assignment::LOCALITIES).next().unwrap().unwrap();
        let one = group.messages(locality::ENDPOINTS).next().unwrap().unwrap();
        let all = one.message(endpoint::METADATA).unwrap().unwrap();
        all.entry(metadata_fields::TYPED, PROXY).unwrap().is_some()
    };
    let route = route_yaml(&[("a", 1, 0)], PROXIED);
    assert!(proxies(&route));
    // Another Gateway has none, and nobody says for which of them this is.
    assert!(!proxies(&route.replace("[{name: gw}]", "[{name: gw}, {name: other}]")));
}
