use super::*;
use crate::extension::testing::{dns_cluster, eds_cluster, group, load_assignment, plan, route_yaml};

const CLUSTER: &str = "httproute/prod/chat/rule/0";

fn two() -> Plan {
    plan(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], ""))
}

/// The endpoints of backends `a` and `b`.
fn load(cluster: &str, a: &[&str], b: &[&str]) -> Bytes {
    let region = |index: usize| format!("{cluster}/backend/{index}");
    load_assignment(cluster, &[group(&region(0), a), group(&region(1), b)]).encode()
}

fn seen(load: &Bytes) -> Option<Twins> {
    Twins::default().after(&look(&two(), load).unwrap())
}

#[test]
fn a_cluster_of_twins_has_its_endpoints_with_it() {
    let twins = seen(&load(CLUSTER, &["10.0.0.1", "10.0.0.2"], &["10.0.0.2"])).unwrap();
    let other = eds_cluster("httproute/prod/web/rule/0").encode();
    let mut clusters = vec![eds_cluster(CLUSTER).encode(), other.clone()];
    twins.settle(&mut clusters).unwrap();
    let own = Message::parse(clusters[0].clone()).unwrap();
    assert!(!own.has(cluster::EDS));
    assert_eq!(own.uint(cluster::TYPE), cluster::STATIC);
    let load = own.message(cluster::LOAD_ASSIGNMENT).unwrap().unwrap();
    // Each says whose it is, and whose turn it is.
    let mut marks = Vec::new();
    for group in load.messages(assignment::LOCALITIES).map(Result::unwrap) {
        for one in group.messages(locality::ENDPOINTS).map(Result::unwrap) {
            let backend = metadata::get(&one, endpoint::METADATA, BACKEND).unwrap().unwrap();
            marks.push((group.uint(locality::PRIORITY), backend));
        }
    }
    let [a, b] = ["a/route/chat/rule/0/ref/0", "b/route/chat/rule/0/ref/1"].map(|own| format!("prod/{own}"));
    assert_eq!(marks, [(0, a.clone()), (0, a), (1, b)]);
    assert_eq!(clusters[1], other);
}

#[test]
fn backends_with_addresses_of_their_own_are_left_alone() {
    assert_eq!(seen(&load(CLUSTER, &["10.0.0.1", "10.0.0.1"], &["10.0.0.2"])), None);
    // What is not ours is not looked at.
    assert_eq!(seen(&load("httproute/prod/web/rule/0", &["10.0.0.1"], &["10.0.0.1"])), None);
}

#[test]
fn twins_are_forgotten_with_their_address_and_with_their_route() {
    let twins = seen(&load(CLUSTER, &["10.0.0.1"], &["10.0.0.1"])).unwrap();
    let apart = look(&two(), &load(CLUSTER, &["10.0.0.1"], &["10.0.0.2"])).unwrap();
    assert_eq!(twins.after(&apart), Some(Twins::default()));
    assert_eq!(twins.known(&two()), twins);
    assert_eq!(twins.known(&Plan::default()), Twins::default());
}

#[test]
fn a_cluster_whose_endpoints_come_otherwise_keeps_them() {
    let twins = seen(&load(CLUSTER, &["10.0.0.1"], &["10.0.0.1"])).unwrap();
    let own = dns_cluster(CLUSTER, &[]).encode();
    let mut clusters = vec![own.clone()];
    twins.settle(&mut clusters).unwrap();
    assert_eq!(clusters, [own]);
}
