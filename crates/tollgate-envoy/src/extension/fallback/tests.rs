use prost::Message as _;

use super::*;
use crate::extension::testing::{config, eds_cluster, plan, route as sample, route_yaml, text};

const BASE: &str = "httproute/prod/chat/rule/0";

fn weighted(members: &[&str]) -> Message {
    let mut clusters = Message::default();
    for member in members {
        let mut one = text(route_action::WEIGHTED_NAME, member);
        one.set_bytes(2, "\x08\x01");
        clusters.push(route_action::CLUSTERS, one.encode());
    }
    let mut action = Message::default();
    action.set_bytes(route_action::WEIGHTED_CLUSTERS, clusters.encode());
    let mut own = sample(true, None);
    own.set_bytes(route::ACTION, action.encode());
    own
}

fn backend(index: usize) -> String {
    format!("{BASE}/backend/{index}")
}

/// What the route goes to, and the aggregate's members.
fn modified(refs: &[(&str, u32, u32)], route: &Message) -> (Option<String>, Vec<String>) {
    let mut clusters = vec![eds_cluster(&backend(0)), eds_cluster(&backend(1))];
    clusters[1].set_bytes(cluster::CIRCUIT_BREAKERS, "\x0a\x00");
    let mut configs = [config("http", std::slice::from_ref(route))];
    modify(&plan(&route_yaml(refs, "")), &mut clusters, &mut configs).unwrap();
    let host = configs[0].messages(route_config::VIRTUAL_HOSTS).next().unwrap().unwrap();
    let own = host.messages(virtual_host::ROUTES).next().unwrap().unwrap();
    let action = own.message(route::ACTION).unwrap().unwrap();
    let only = action.has(route_action::CLUSTER).then(|| action.text(route_action::CLUSTER).to_owned());
    let Some(made) = clusters.get(2) else { return (only, Vec::new()) };
    assert!(clusters::is_processed(made).unwrap() && made.has(cluster::CIRCUIT_BREAKERS));
    let kind = CustomClusterType::decode(made.message(cluster::CLUSTER_TYPE).unwrap().unwrap().encode());
    let config = AggregateConfig::decode(kind.unwrap().typed_config.unwrap().value).unwrap();
    (only, config.clusters)
}

#[test]
fn what_should_fall_back_becomes_one_cluster_in_order() {
    let route = weighted(&[&backend(0), &backend(1)]);
    let made = modified(&[("a", 1, 1), ("b", 1, 0)], &route);
    assert_eq!(made, (Some(BASE.to_owned()), vec![backend(1), backend(0)]));
}

#[test]
fn weights_stay_where_they_are_what_was_asked_for() {
    let two = weighted(&[&backend(0), &backend(1)]);
    assert_eq!(modified(&[("a", 1, 0), ("b", 9, 0)], &two), (None, Vec::new()));
    // A share that is to fail.
    let failing = weighted(&["invalid-backend-cluster", &backend(0), &backend(1)]);
    assert_eq!(modified(&[("a", 1, 0), ("b", 1, 1)], &failing).0, None);
    // Headers of one backend.
    let mut own = text(route_action::WEIGHTED_NAME, &backend(0));
    own.set_bytes(9, "x-removed");
    let mut clusters = Message::default();
    clusters.push(route_action::CLUSTERS, own.encode());
    clusters.push(route_action::CLUSTERS, text(route_action::WEIGHTED_NAME, &backend(1)).encode());
    let mut with_headers = two.clone();
    with_headers
        .edit(route::ACTION, |action| {
            action.set_bytes(route_action::WEIGHTED_CLUSTERS, clusters.encode());
            Ok(())
        })
        .unwrap();
    assert_eq!(modified(&[("a", 1, 0), ("b", 1, 1)], &with_headers).0, None);
}
