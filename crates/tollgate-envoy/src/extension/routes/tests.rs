use prost::Message as _;

use super::*;
use crate::extension::{
    proto::{Any, ExtProcPerRoute, FilterConfig},
    testing::{config, plan, route as sample, route_yaml},
};

const CLUSTER: &str = "httproute/prod/chat/rule/0";

fn modified(routes: &[Message]) -> (Message, Wants) {
    let plan = plan(&route_yaml(&[("a", 1, 0)], ""));
    let mut config = config("http", routes);
    let (settings, pools) = (Settings::default(), Pools::new());
    let wants = modify(Know { plan: &plan, settings: &settings, pools: &pools }, &mut config).unwrap();
    (config, wants)
}

fn routes_of(config: &Message) -> Vec<Message> {
    let host = config.messages(route_config::VIRTUAL_HOSTS).next().unwrap().unwrap();
    host.messages(virtual_host::ROUTES).map(Result::unwrap).collect()
}

/// Whether a filter is on, as far as this level says it.
fn says(holder: &Message, map: u32, filter: &str) -> Option<bool> {
    let entry = holder.entry(map, filter).unwrap()?;
    let config = FilterConfig::decode(Any::decode(entry.encode()).unwrap().value).unwrap().config.unwrap();
    Some(!ExtProcPerRoute::decode(config.value).unwrap().disabled)
}

#[test]
fn our_routes_are_on_and_no_other_is_touched() {
    let theirs = sample(false, Some("httproute/prod/web/rule/0"));
    let (config, wants) = modified(&[sample(true, Some(CLUSTER)), theirs.clone(), sample(true, None)]);
    assert!(wants.processor);
    let routes = routes_of(&config);
    assert_eq!(says(&routes[0], route::PER_FILTER, filters::FILTER), Some(true));
    assert_eq!(routes[1].encode(), theirs.encode());
    // The one that answers "no such route" too: on it every request begins.
    assert_eq!(says(&routes[2], route::PER_FILTER, filters::FILTER), Some(true));
    // What says nothing of its own is in the chain and passes.
    assert_eq!(says(&config, route_config::PER_FILTER, filters::FILTER), Some(false));
    assert_eq!(metadata::get(&routes[0], route::METADATA, ROUTE).unwrap().as_deref(), Some("prod/chat"));
}

#[test]
fn a_configuration_without_our_routes_is_not_touched() {
    let (config, wants) = modified(&[sample(false, Some("x")), sample(false, None)]);
    assert!(!config.is_changed());
    assert_eq!(wants, Wants::default());
}

#[test]
fn silence_and_size_of_bodies_are_bounded() {
    let (config, _) = modified(&[sample(true, Some(CLUSTER))]);
    let own = &routes_of(&config)[0];
    let action = own.message(route::ACTION).unwrap().unwrap();
    let retry = action.message(route_action::RETRY_POLICY).unwrap().unwrap();
    let idle = retry.message(route_action::PER_TRY_IDLE).unwrap().unwrap();
    assert_eq!(idle.uint(1), 7);
    let limit = own.message(route::BODY_BUFFER_LIMIT).unwrap().unwrap();
    assert_eq!(limit.uint(1), BUFFER_LIMIT);
    // A limit that is there stays.
    let mut limited = sample(true, Some(CLUSTER));
    limited.set_bytes(route::BUFFER_LIMIT, proto::bytes(&UInt64Value { value: 9 }));
    let (config, _) = modified(&[limited]);
    let own = &routes_of(&config)[0];
    assert_eq!(own.message(route::BUFFER_LIMIT).unwrap().unwrap().uint(1), 9);
    assert!(!own.has(route::BODY_BUFFER_LIMIT));
}

#[test]
fn gateways_are_read_from_their_hosts() {
    let found = gateways(&[config("http", &[])]).unwrap();
    assert_eq!(found, BTreeSet::from([("prod".into(), "gw".into())]));
}

#[test]
fn planned_routes_are_ours_without_the_mark_and_marked_ones_without_a_plan() {
    // Envoy Gateway's file provider hands on no annotations.
    let mut unmarked = sample(true, Some(CLUSTER));
    let origin = metadata::tests::from_gateway("HTTPRoute", ("prod", "chat"), false);
    unmarked.set_bytes(route::METADATA, origin.encode());
    let mut unplanned = sample(true, Some("httproute/prod/new/rule/0"));
    let origin = metadata::tests::from_gateway("HTTPRoute", ("prod", "new"), true);
    unplanned.set_bytes(route::METADATA, origin.encode());
    let (config, _) = modified(&[unmarked, unplanned]);
    for own in routes_of(&config) {
        assert_eq!(says(&own, route::PER_FILTER, filters::FILTER), Some(true));
    }
}
