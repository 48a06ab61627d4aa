use std::collections::BTreeSet;

use super::*;
use crate::extension::{
    pools::Pool,
    routes::Pools,
    settings::Settings,
    testing::{chain, listener as sample, plan, pool, route_yaml},
};
use crate::level;

const ROUTER: &str = "envoy.filters.http.router";

fn filters_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("envoy.filters.http.{name}")).collect()
}

/// The chains of a listener, each as its HTTP filters.
fn inserted(own: &Message, wants: Wants) -> Vec<Vec<String>> {
    let mut own = Message::parse(own.encode()).unwrap();
    insert_into(&mut own, wants.clone());
    let once = own.encode();
    let mut again = Message::parse(once).unwrap();
    insert_into(&mut again, wants);
    assert!(!again.is_changed(), "a second time changes nothing");
    managers(&own).unwrap().iter().map(|(_, manager)| names(manager).unwrap()).collect()
}

fn insert_into(own: &mut Message, wants: Wants) {
    let plan = plan(&route_yaml(&[("a", 1, 0)], ""));
    let (settings, pools) = (Settings::default(), Pools::new());
    let wanted = Wanted::from([("http".to_owned(), wants)]);
    let know = Know { plan: &plan, settings: &settings, pools: &pools };
    Insert { know, wanted: &wanted }.listener(own).unwrap();
}

fn processor() -> Wants {
    Wants { processor: true, ..Wants::default() }
}

fn found(name: &str) -> Pool {
    crate::extension::pools::find([&pool(name, "FailClose")]).unwrap().pool
}

#[test]
fn the_processor_comes_after_authentication_and_before_limits() {
    let behind = |before: &[&str]| {
        let names = filters_of(before);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let chains = inserted(&sample(&[chain("http", &names)], None), processor());
        let at = chains[0].iter().position(|name| name == filters::FILTER).unwrap();
        assert_eq!(chains[0][at - 1], filters::LOG_FILTER);
        at - 1
    };
    assert_eq!(behind(&["router"]), 0);
    assert_eq!(behind(&["cors", "jwt_authn", "lua", "rbac", "ratelimit", "router"]), 2);
    // Envoy Gateway puts this one in front of everything; it must not draw the processor there.
    assert_eq!(behind(&["custom_response", "cors", "ext_authz", "api_key_auth", "router"]), 4);
    assert_eq!(behind(&["custom_response", "ratelimit", "router"]), 1);
    // An order of the user's own, with authentication behind limits.
    assert_eq!(behind(&["ratelimit", "wasm", "oauth2", "router"]), 3);
    assert_eq!(behind(&["buffer", "ext_proc/mine", "compressor", "router"]), 1);
    assert_eq!(behind(&["jwt_authn/securitypolicy/prod/x", "router"]), 1);
}

#[test]
fn bodies_hold_for_attempts_where_nobody_behind_the_processor_changes_them() {
    let last = |names: &[&str], pools: BTreeSet<Pool>| {
        let names = filters_of(names);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut own = sample(&[chain("http", &names)], None);
        insert_into(&mut own, Wants { processor: true, pools, ..Wants::default() });
        String::from_utf8_lossy(&own.encode()).contains(level::LAST_ROUTER)
    };
    let none = BTreeSet::new;
    assert!(last(&["jwt_authn", "router"], none()));
    assert!(last(&["lua", "jwt_authn", "rbac", "ratelimit/x", "router"], none()), "lua is in front");
    assert!(last(&["router"], [found("a")].into()), "what our own picker does is looked at by attempts");
    for other in ["lua", "wasm/x", "ext_proc/mine", "compressor", "unknown"] {
        assert!(!last(&["jwt_authn", other, "router"], none()), "{other}");
    }
}

#[test]
fn every_http_chain_of_a_listener_gets_it() {
    // TCP first, which is where others give up.
    let chains =
        [chain("", &[]), chain("http", &[ROUTER]), chain("other", &[ROUTER]), chain("http", &[ROUTER])];
    let found = inserted(&sample(&chains, Some(&chain("http", &[ROUTER]))), processor());
    let with: Vec<_> = found.iter().map(|names| names.iter().any(|name| name == filters::FILTER)).collect();
    assert_eq!(with, [true, false, true, true]);
}

#[test]
fn pickers_are_asked_last_and_in_one_order() {
    let pools = [found("b"), found("a")].into();
    let chains = inserted(
        &sample(&[chain("http", &["envoy.filters.http.lua", ROUTER])], None),
        Wants { processor: true, pools, ..Wants::default() },
    );
    let want = [
        filters::LOG_FILTER.to_owned(),
        filters::FILTER.to_owned(),
        "envoy.filters.http.lua".to_owned(),
        found("a").filter_name(),
        found("b").filter_name(),
        ROUTER.to_owned(),
    ];
    assert_eq!(chains[0], want);
}

#[test]
fn listeners_without_our_routes_come_back_as_they_are() {
    let mut own = sample(&[chain("http", &[ROUTER]), chain("", &[])], Some(&chain("", &[])));
    insert_into(&mut own, Wants::default());
    assert!(!own.is_changed());
}

#[test]
fn clients_cannot_say_what_only_we_may() {
    let mut own = sample(&[chain("http", &[ROUTER])], None);
    insert_into(&mut own, processor());
    let (_, manager) = managers(&own).unwrap().remove(0);
    let early = manager.messages(hcm::EARLY_HEADER_MUTATION).next().unwrap().unwrap();
    let text = String::from_utf8_lossy(&early.encode()).into_owned();
    for header in ["x-ai-eg-model", "x-gateway-destination-endpoint"] {
        assert!(text.contains(header), "{header}");
    }
    assert_eq!(manager.message(hcm::SCHEME_TRANSFORMATION).unwrap().unwrap().uint(hcm::MATCH_UPSTREAM), 1);
    assert_eq!(manager.text(4000), "later");
}
