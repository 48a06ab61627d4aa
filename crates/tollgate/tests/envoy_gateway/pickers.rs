//! Endpoint pickers that name several pods, pods that are gone, or nothing at all; and processors that change while a
//! request is under way.
use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use tollgate_simulate::Simulator;
use tollgate_testkit::{process::free_port, processor::Manner, resources};

use crate::{
    pools::Pool,
    setting::{Setting, chat},
    silent::{open, rest},
};

const SOON: Duration = Duration::from_secs(8);
/// When Envoy gives up on a stream on which nothing happens: it has no timeout for a picker's messages.
const IDLE: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: idle}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: tollgate}]
  timeout: {http: {streamIdleTimeout: 2s}}
---
";

/// Everything behind one plain listener, serving.
fn serving(version: &str, pool: &Pool, failure: &str, beside: &str) -> Option<(Setting, u16)> {
    let envoy = match tollgate_testkit::stack::programs(version) {
        Ok(envoy) => envoy,
        Err(missing) => {
            eprintln!("skipped: {missing}");
            return None;
        }
    };
    let port = free_port().unwrap();
    let own = pool
        .resources()
        .replace("endpointPickerRef: {", &format!("endpointPickerRef: {{failureMode: {failure}, "));
    let gateway = resources::GATEWAY.replace("1975", &port.to_string());
    let resources = [gateway.as_str(), own.as_str(), beside];
    let mut setting = Setting::start(&envoy, &resources.concat(), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat(pool.name, &[])));
    Some((setting, port))
}

/// The pod that answered.
fn pod(port: u16, pool: &Pool) -> Option<String> {
    let reply = Setting::ask(port, &chat(pool.name, &[]));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-simulator-instance").map(str::to_owned)
}

fn lists(version: &str) {
    let mut pool = Pool::start("only");
    let Some((_setting, port)) = serving(version, &pool, "FailClose", "") else { return };
    let [one, two] = pool.pods.each_ref().map(|pod| pod.address().to_string());
    let asked = |list: &[&str]| {
        pool.picker.set(Manner::Pick(list.join(",")));
        pod(port, &pool)
    };
    assert_eq!(asked(&[&two, &one]).as_deref(), Some("only-two"));
    // What is no pod of the pool is passed over, and nobody dials it.
    assert_eq!(asked(&["192.0.2.1:9", &two, &one]).as_deref(), Some("only-two"));
    assert_eq!(asked(&["192.0.2.1:9", &one]).as_deref(), Some("only-one"));
    // A pod that is gone: the next one of the list.
    let [_, second] = &mut pool.pods;
    drop(std::mem::replace(second, Simulator::start().unwrap()));
    pool.picker.set(Manner::Pick(format!("{two},{one}")));
    let began = Instant::now();
    assert_eq!(pod(port, &pool).as_deref(), Some("only-one"));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_pickers_list_is_walked_in_its_order() {
    lists("1.40");
}

#[test]
fn a_pickers_list_is_walked_in_its_order_by_the_oldest_envoy() {
    lists("1.36");
}

#[test]
fn a_pool_that_fails_open_does_without_its_picker() {
    let mut pool = Pool::start("only");
    let Some((mut setting, port)) = serving("1.40", &pool, "FailOpen", IDLE) else { return };
    // The body is with the picker, and comes back from nowhere else.
    for (manner, want) in [(Manner::Fail(14), 500), (Manner::Refuse(429), 429), (Manner::Hang, 504)] {
        pool.picker.set(manner.clone());
        assert_eq!(Setting::ask(port, &chat("only", &[])).status, want, "{manner:?}");
    }
    pool.picker.stop();
    // Envoy notices within its health check's interval that nobody listens; until then it may lose a request.
    let began = Instant::now();
    setting.wait_until(|_| Setting::ask(port, &chat("only", &[])));
    eprintln!("served without a picker after {:?}", began.elapsed());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for _ in 0..10 {
        assert!(pod(port, &pool).is_some_and(|pod| pod.starts_with("only-")));
    }
}

#[test]
fn a_pool_that_fails_closed_refuses_at_once_without_its_picker() {
    let mut pool = Pool::start("only");
    let Some((_setting, port)) = serving("1.40", &pool, "FailClose", IDLE) else { return };
    let served = || pool.pods.iter().map(|pod| pod.stats().requests).sum::<u64>();
    let before = served();
    pool.picker.set(Manner::Fail(14));
    let refused = |about: &str| {
        let began = Instant::now();
        let reply = Setting::ask(port, &chat("only", &[]));
        eprintln!("{about}: {} after {:?}", reply.status, began.elapsed());
        assert!((500..=504).contains(&reply.status), "{about}: {} {}", reply.status, reply.text());
        assert!(began.elapsed() < SOON, "{about}: {:?}", began.elapsed());
    };
    refused("a picker that fails");
    pool.picker.set(Manner::Refuse(429));
    assert_eq!(Setting::ask(port, &chat("only", &[])).status, 429);
    pool.picker.set(Manner::Hang);
    refused("a picker that is silent");
    assert_eq!(served(), before, "a pod was asked that nobody picked");
    pool.picker.stop();
    refused("a picker that is gone");
}

fn hands_over(version: &str) {
    let pool = Pool::start("only");
    let Some((mut setting, port)) = serving(version, &pool, "FailClose", "") else { return };
    let connections = |setting: &mut Setting| {
        let counters = setting.counters();
        counters.get("cluster.ai-gateway-extproc-uds.upstream_cx_total").copied().unwrap_or_default()
    };
    // The first processor has the head and half of the body, and goes on until the end of what it has begun.
    let began = Instant::now();
    let (mut stream, remainder) = open(port, &chat("only", &[]).body);
    let before = connections(&mut setting);
    let old = setting.stack.hand_over().unwrap();
    stream.write_all(remainder.as_bytes()).unwrap();
    // The attempt is the second one's, which has never heard of the request.
    let (status, took, read) = rest(stream, began);
    assert_eq!(status, 200, "{read}");
    assert!(took < 2 * SOON, "{took:?}");
    assert!(connections(&mut setting) > before, "the attempt went to the old processor");
    drop(old);
    assert_eq!(Setting::ask(port, &chat("only", &[])).status, 200);
}

#[test]
fn a_processor_that_takes_over_in_the_middle_of_a_request_knows_what_it_needs() {
    hands_over("1.40");
}

#[test]
fn a_processor_that_takes_over_in_the_middle_of_a_request_knows_what_it_needs_in_the_oldest_envoy() {
    hands_over("1.36");
}
