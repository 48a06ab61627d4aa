use prost::Message as _;

use super::*;
use crate::extension::{
    proto::HttpFilter,
    testing::{eds_cluster, plan, pool, route, route_yaml},
};

const NAME: &str = "httproute/prod/chat/rule/0";
const PODS: &str = "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pods, namespace: prod, labels: {app: llama, more: x}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.2]}
- {addresses: [10.0.0.1]}
- {addresses: [10.0.0.3], conditions: {ready: false}}
ports: [{port: 8000}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: epp, namespace: prod, labels: {kubernetes.io/service-name: llama-epp}}
addressType: IPv4
endpoints: [{addresses: [10.0.1.1]}]
ports: [{port: 19002}]
";

fn found(failure: &str) -> Found {
    find([&pool("llama", failure)]).unwrap()
}

fn made(rest: &str) -> Message {
    let plan = plan(&route_yaml(&[("a", 1, 0)], rest));
    let mut own = eds_cluster(NAME);
    own.set_bytes(cluster::LOAD_BALANCING, "anything");
    found("FailClose").cluster(&plan, &mut own).unwrap();
    own
}

fn addresses(own: &Cluster) -> Vec<(String, u32)> {
    let groups = own.load_assignment.clone().unwrap_or_default().endpoints;
    let endpoints = groups.into_iter().flat_map(|group| group.lb_endpoints);
    let sockets = endpoints.map(|one| one.endpoint.unwrap().address.unwrap().socket_address.unwrap());
    sockets.map(|socket| (socket.address, socket.port_value)).collect()
}

#[test]
fn pods_that_are_known_are_followed_by_the_pickers_list() {
    let own = made(PODS);
    assert_eq!(own.uint(cluster::TYPE), cluster::STATIC);
    let want = [("10.0.0.1".to_owned(), 8000), ("10.0.0.2".to_owned(), 8000)];
    assert_eq!(addresses(&Cluster::decode(own.encode()).unwrap()), want);
    let policy = LoadBalancingPolicy::decode(own.message(cluster::LOAD_BALANCING).unwrap().unwrap().encode());
    let config = policy.unwrap().policies.remove(0).typed_extension_config.unwrap().typed_config.unwrap();
    let policy = OverrideHost::decode(config.value).unwrap();
    assert_eq!(policy.override_host_sources[0].header, DESTINATION);
    assert!(policy.fallback_policy.is_some());
    assert!(!own.has(cluster::EDS) && !own.has(cluster::ORIGINAL_DST));
}

#[test]
fn unknown_pods_are_gone_to_where_the_header_says() {
    let own = made("");
    assert_eq!(own.uint(cluster::TYPE), cluster::ORIGINAL_DST_TYPE);
    assert_eq!(own.uint(cluster::LB_POLICY), cluster::CLUSTER_PROVIDED);
    // Envoy refuses either of them beside it.
    assert!(!own.has(cluster::LOAD_ASSIGNMENT) && !own.has(cluster::LOAD_BALANCING));
    assert_eq!(Pool::of(&own, cluster::METADATA).unwrap().as_ref(), Some(&found("FailClose").pool));
}

#[test]
fn a_route_keeps_the_clients_host() {
    let mut own = route(true, Some(NAME));
    own.edit(route::ACTION, |action| {
        action.set_bytes(route_action::AUTO_HOST_REWRITE, "\x08\x01");
        Ok(())
    })
    .unwrap();
    found("FailOpen").route(&mut own).unwrap();
    assert!(!own.message(route::ACTION).unwrap().unwrap().has(route_action::AUTO_HOST_REWRITE));
    assert_eq!(Pool::of(&own, route::METADATA).unwrap().as_ref(), Some(&found("FailOpen").pool));
    // One that answers by itself goes to no pool.
    let mut own = route_without_action();
    found("FailOpen").route(&mut own).unwrap();
    assert!(!own.is_changed());
}

fn route_without_action() -> Message {
    route(true, None)
}

#[test]
fn failing_open_needs_somebody_to_see_that_the_picker_is_gone() {
    let plan = plan(&route_yaml(&[("a", 1, 0)], ""));
    for (failure, open) in [("FailOpen", true), ("FailClose", false)] {
        let pool = found(failure).pool;
        let filter = HttpFilter::decode(pool.filter()).unwrap();
        assert!(filter.disabled);
        let config = ExternalProcessor::decode(filter.typed_config.unwrap().value).unwrap();
        assert_eq!(config.failure_mode_allow, open);
        let own = Cluster::decode(pool.cluster(&plan)).unwrap();
        assert_eq!(own.health_checks.len(), usize::from(open));
        assert_eq!(addresses(&own), [("llama-epp.prod.svc".to_owned(), 9002)]);
        assert_eq!(
            own.circuit_breakers.unwrap().thresholds[0].max_requests.as_ref().unwrap().value,
            u32::MAX
        );
    }
}

#[test]
fn a_picker_is_asked_where_its_pods_are() {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: llama-epp, namespace: prod}\n\
                   spec: {ports: [{port: 9002, appProtocol: kubernetes.io/h2c}]}\n";
    let plan = plan(&route_yaml(&[("a", 1, 0)], &format!("{PODS}{service}")));
    let own = Cluster::decode(found("FailClose").pool.cluster(&plan)).unwrap();
    assert_eq!(addresses(&own), [("10.0.1.1".to_owned(), 19002)]);
    assert_eq!(own.transport_socket, None);
}

#[test]
fn what_is_no_pool_is_passed_over() {
    for other in
        ["not json", "{}", "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"x\"}}"]
    {
        assert!(find([&Bytes::from(other)]).is_none(), "{other}");
    }
    // Two of them cannot be told apart.
    assert!(find([&pool("a", "FailOpen"), &pool("b", "FailOpen")]).is_none());
    for text in ["", "a/b", "ns/p/epp/x/duplex/false/open"] {
        assert_eq!(Pool::read(text), None, "{text}");
    }
}
