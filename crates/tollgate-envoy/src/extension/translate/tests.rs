use proptest::prelude::*;

use super::*;
use crate::extension::{
    fields::{cluster, http_filter},
    testing::{
        chain, config, dns_cluster, eds_cluster, group, listener, load_assignment, plan, pool, route,
        route_yaml,
    },
};

const NAME: &str = "httproute/prod/chat/rule/0";

fn whole() -> Translation {
    let groups = [0, 1].map(|i| group(&format!("{NAME}/backend/{i}"), &["x.example"]));
    Translation {
        clusters: vec![eds_cluster("prometheus").encode(), dns_cluster(NAME, &groups).encode()],
        secrets: vec![Bytes::from_static(b"\x0a\x03key")],
        listeners: vec![
            listener(&[chain("", &[]), chain("http", &["envoy.filters.http.router"])], None).encode(),
            listener(&[chain("plain", &["envoy.filters.http.router"])], None).encode(),
        ],
        routes: vec![
            config("http", &[route(true, Some(NAME)), route(true, None)]).encode(),
            config("plain", &[route(false, Some("httproute/prod/web/rule/0"))]).encode(),
        ],
    }
}

fn two() -> Plan {
    plan(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], ""))
}

fn translated(plan: &Plan, all: Translation) -> (Translation, Vec<&'static str>) {
    let (made, notes) = post_translate(plan, &Settings::default(), all).unwrap();
    let codes = notes.iter().map(|note| note.code).collect();
    (made, codes)
}

fn names(all: &[Bytes]) -> Vec<String> {
    all.iter().map(|one| Message::parse(one.clone()).unwrap().text(cluster::NAME).to_owned()).collect()
}

#[test]
fn all_of_it_hangs_together() {
    let (made, codes) = translated(&two(), whole());
    assert_eq!(codes, Vec::<&str>::new());
    assert_eq!(names(&made.clusters), ["prometheus", NAME, filters::PROCESSOR]);
    // What is not ours is what it was.
    let before = whole();
    assert_eq!(made.clusters[0], before.clusters[0]);
    assert_eq!(made.secrets, before.secrets);
    assert_eq!(made.listeners[1], before.listeners[1]);
    assert_eq!(made.routes[1], before.routes[1]);
    assert_ne!(made.listeners[0], before.listeners[0]);
}

#[test]
fn the_same_comes_out_every_time_and_again() {
    let (once, _) = translated(&two(), whole());
    assert_eq!(translated(&two(), whole()).0, once);
    assert_eq!(translated(&two(), once.clone()).0, once);
}

#[test]
fn gateways_without_ai_routes_are_left_alone() {
    let mut all = whole();
    all.clusters.truncate(1);
    all.listeners.remove(0);
    all.routes.remove(0);
    let (made, codes) = translated(&two(), all.clone());
    assert_eq!((made, codes), (all, Vec::new()));
}

#[test]
fn a_pool_brings_its_picker_once() {
    let plan = two();
    let mut all = whole();
    let name = "httproute/prod/chat/rule/1";
    let resource = pool("llama", "FailClose");
    let cluster = post_cluster(&plan, &eds_cluster(name).encode(), [&resource]).unwrap().unwrap();
    let to_pool = post_route(&route(true, Some(name)).encode(), [&resource]).unwrap().unwrap();
    // Without the hook for routes the cluster says it as well.
    let unmarked = route(true, Some(name));
    all.clusters.push(cluster);
    all.routes[0] = config("http", &[Message::parse(to_pool).unwrap(), unmarked, route(true, None)]).encode();
    let (made, codes) = translated(&plan, all);
    assert_eq!(codes, ["xds-unprocessed-cluster"], "the plan knows no rule of this name");
    let picker = "envoy.clusters.endpointpicker_llama_prod_ext_proc";
    assert_eq!(names(&made.clusters)[3..], [picker, filters::PROCESSOR]);
    let own = Message::parse(made.listeners[0].clone()).unwrap();
    let (_, manager) = listeners::managers(&own).unwrap().remove(0);
    let in_chain = listeners::names(&manager).unwrap();
    let asked = in_chain.iter().filter(|name| name.contains("endpointpicker")).count();
    assert_eq!(asked, 1);
}

#[test]
fn hooks_that_have_nothing_to_do_say_so() {
    let plan = two();
    let none: [&Bytes; 0] = [];
    assert_eq!(post_cluster(&plan, &eds_cluster(NAME).encode(), none), Ok(None));
    assert_eq!(post_route(&route(true, Some(NAME)).encode(), none), Ok(None));
    let other = load_assignment("httproute/prod/web/rule/0", &[group("", &["10.0.0.1"])]);
    assert_eq!(post_endpoints(&plan, &other.encode()), Ok(None));
    let own = load_assignment(NAME, &[group(&format!("{NAME}/backend/1"), &["10.0.0.1"])]);
    assert!(post_endpoints(&plan, &own.encode()).unwrap().is_some());
}

#[test]
fn bytes_that_are_no_resources_are_refused() {
    let wrong = || vec![Bytes::from_static(b"\xff")];
    let all = Translation { clusters: wrong(), ..Translation::default() };
    assert!(post_translate(&two(), &Settings::default(), all).is_err());
    assert!(post_endpoints(&two(), &wrong()[0]).is_err());
}

proptest! {
    /// Whatever Envoy Gateway may send of others comes back byte for byte.
    #[test]
    fn resources_of_others_come_back_byte_for_byte(
        number in 50_u32..5000,
        value in proptest::collection::vec(any::<u8>(), 0..40),
        name in "[a-z/]{0,20}",
    ) {
        let mut odd = Message::default();
        odd.push(cluster::NAME, name.clone());
        odd.push(number, value.clone());
        odd.push(http_filter::CONFIG + 90, value);
        odd.set_uint(number + 1, 7);
        let all = Translation {
            clusters: vec![odd.encode()],
            secrets: vec![odd.encode()],
            listeners: vec![odd.encode()],
            routes: vec![odd.encode()],
        };
        let (made, _) = translated(&two(), all.clone());
        prop_assert_eq!(made, all);
    }
}
