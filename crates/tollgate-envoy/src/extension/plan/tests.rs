use super::*;
use crate::extension::testing::{PROXIED, plan, route_yaml};

#[test]
fn clusters_are_known_by_their_names() {
    let plan = plan(&route_yaml(&[("a", 1, 0), ("b", 1, 5), ("c", 0, 2)], ""));
    let place = plan.cluster("httproute/prod/chat/rule/0").unwrap();
    assert_eq!(place.backend, None);
    let identities: Vec<_> = place.rule.refs.iter().map(|own| &*own.identity).collect();
    let want = ["a/route/chat/rule/0/ref/0", "b/route/chat/rule/0/ref/1", "c/route/chat/rule/0/ref/2"];
    assert_eq!(identities, want.map(|rest| format!("prod/{rest}")));
    assert_eq!(plan.cluster("httproute/prod/chat/rule/0/backend/1").unwrap().backend, Some(1));
    for other in [
        "httproute/prod/chat/rule/1",
        "httproute/prod/other/rule/0",
        "grpcroute/prod/chat/rule/0",
        "httproute/prod/chat/rule/0/backend",
        "httproute/prod/chat/rule/0/backend/x",
        "httproute/prod/chat/rule/0/backend/0/more",
        "httproute/prod/chat/rule/0/mirror/0",
        "",
    ] {
        assert!(plan.cluster(other).is_none(), "{other}");
    }
}

#[test]
fn priorities_have_no_gaps() {
    let plan = plan(&route_yaml(&[("a", 1, 7), ("b", 1, 3), ("c", 0, 4), ("d", 2, 7)], ""));
    let rule = plan.cluster("httproute/prod/chat/rule/0").unwrap().rule;
    let priorities: Vec<_> = rule.refs.iter().map(|own| own.priority).collect();
    assert_eq!((priorities[0], priorities[1], priorities[3]), (1, 0, 1));
    assert!(rule.has_fallback() && rule.only().is_none());
}

#[test]
fn the_proxy_is_that_of_the_gateway_which_is_translated() {
    let plan = plan(&route_yaml(&[("a", 1, 0)], &PROXIED.replace("proxy.example", "Proxy.example")));
    let route = plan.route("prod", "chat").unwrap();
    let key = |name: &str| BTreeSet::from([("prod".into(), name.into())]);
    let want = Some(Some(("proxy.example".into(), 3128)));
    assert_eq!(plan.proxy(route, &key("gw")).cloned(), want);
    // A Gateway that is not known as its own does not count.
    assert_eq!(plan.proxy(route, &key("other")).cloned(), want);
}

#[test]
fn addresses_of_proxies_have_a_port() {
    assert_eq!(address("[::1]:80"), Some(("::1".into(), 80)));
    for wrong in ["", "host", "host:0", "host:x", ":80", "http://host:80", "user@host:80"] {
        assert_eq!(address(wrong), None, "{wrong}");
    }
}

#[test]
fn what_only_the_hooks_carry_changes_the_revision() {
    let key = ("prod".into(), "chat".into());
    let revision = |yaml: &str| plan(yaml).revision(&key);
    let plain = revision(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], ""));
    assert_eq!(plain, revision(&route_yaml(&[("a", 1, 0), ("b", 1, 1)], "")));
    let others = [
        route_yaml(&[("a", 1, 1), ("b", 1, 0)], ""),
        route_yaml(&[("a", 1, 0), ("b", 1, 1)], "").replace("7s", "8s"),
        route_yaml(&[("a", 1, 0), ("b", 1, 1)], &PROXIED.replace("proxy.example:3128", "a:1")),
        route_yaml(&[("a", 1, 0), ("b", 1, 1)], &PROXIED.replace("proxy.example:3128", "b:1")),
    ];
    let mut all: Vec<_> = others.iter().map(|yaml| revision(yaml)).collect();
    all.push(plain);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[test]
fn a_route_that_is_gone_is_known_for_one_more_change() {
    let gone = plan(&route_yaml(&[("a", 1, 0)], ""));
    let once = Plan::default().after(&gone);
    assert!(once.route("prod", "chat").is_some() && once.is_empty());
    assert!(Plan::default().after(&once).route("prod", "chat").is_none());
}
