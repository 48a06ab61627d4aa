//! AIGatewayRoutes to InferencePools: the endpoint picker chooses, the processor works beside it, nothing hangs.
use std::time::{Duration, Instant};

use tollgate_simulate::{Options, Simulator, spawn};
use tollgate_testkit::{
    process::free_port,
    processor::{Manner, Place, Processor},
};

use crate::{
    installed,
    setting::{Setting, certificate, chat},
};

/// Requests of the report that this repeats.
const REQUESTS: u64 = 7;
/// Far below the 60 s after which the route itself gives up.
const SOON: Duration = Duration::from_secs(5);

/// A pool with two pods and a picker.
pub(crate) struct Pool {
    pub(crate) name: &'static str,
    pub(crate) pods: [Simulator; 2],
    pub(crate) picker: Processor,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn start(name: &'static str) -> Self {
        let pod = |pod: &str| spawn(Options { name: format!("{name}-{pod}"), ..Options::default() }).unwrap();
        let pods = [pod("one"), pod("two")];
        let picker = Processor::start(&Place::Port, Manner::Pass).unwrap();
        let pool = Self { name, pods, picker };
        pool.pick(1);
        pool
    }

    /// From now on requests go to this pod first.
    pub(crate) fn pick(&self, pod: usize) {
        self.picker.set(Manner::Pick(self.pods[pod].address().to_string()));
    }

    pub(crate) fn resources(&self) -> String {
        let Self { name, pods: [one, two], picker } = self;
        format!(
            "apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  targetPorts: [{{number: {one}}}, {{number: {two}}}]
  endpointPickerRef: {{name: {name}-epp, port: {{number: {picker}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}-epp}}
spec: {{ports: [{{port: {picker}, appProtocol: kubernetes.io/h2c}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-epp, labels: {{kubernetes.io/service-name: {name}-epp}}}}
addressType: IPv4
ports: [{{port: {picker}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}, app: {name}}}}}
addressType: IPv4
ports: [{{port: {one}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: tollgate}}]
  llmRequestCosts: [{{metadataKey: llm_output_token, type: OutputToken}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, value: {name}}}]}}]
      backendRefs: [{{group: inference.networking.k8s.io, kind: InferencePool, name: {name}}}]
---
",
            one = one.address().port(),
            two = two.address().port(),
            picker = picker.port,
        )
    }
}

const CLASS: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tollgate}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
";

/// What makes a chain of the listener that is not HTTP.
const TCP: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: tcp, namespace: default}
spec:
  parentRefs: [{name: tollgate, sectionName: tcp}]
  hostnames: [c.pools.test]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: tcp}]}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: tcp, namespace: default}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 9}}]}
";

fn gateway(listeners: &[String]) -> String {
    format!(
        "{CLASS}apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: tollgate}}
spec:
  gatewayClassName: tollgate
  listeners:
{}---
",
        listeners.concat()
    )
}

fn https(host: &str, port: u16) -> String {
    let name = if host.starts_with('*') { "wildcard" } else { host.split('.').next().unwrap() };
    format!(
        "    - {{name: {name}, protocol: HTTPS, port: {port}, hostname: '{host}', tls: {{certificateRefs: [{{name: certificate}}]}}}}\n"
    )
}

/// Sends the requests, half of them with a model header of the client's, and holds the counters to what they should be.
fn seven_of(setting: &mut Setting, pool: &Pool, host: &str, port: u16) {
    let before = setting.counters();
    let streams = pool.picker.streams();
    for number in 0..REQUESTS {
        let pod = (number % 2) as usize;
        pool.pick(pod);
        let headers: &[_] = if number < 4 { &[] } else { &[("x-ai-eg-model", pool.name)] };
        let began = Instant::now();
        let reply = setting.ask_tls(port, host, &chat(pool.name, headers));
        assert_eq!(reply.status, 200, "{}\n{}", reply.text(), setting.stack.said());
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        let instance = format!("{}-{}", pool.name, ["one", "two"][pod]);
        assert_eq!(reply.header("x-simulator-instance"), Some(&*instance));
    }
    assert_eq!(pool.picker.streams() - streams, REQUESTS, "one stream to the picker for each request");
    let after = setting.counters();
    let grown = |name: &str| {
        let of =
            |counters: &std::collections::BTreeMap<_, u64>| counters.get(name).copied().unwrap_or_default();
        of(&after) - of(&before)
    };
    // The router's level and one attempt at the upstream's.
    assert_eq!(grown("cluster.ai-gateway-extproc-uds.upstream_rq_total"), 2 * REQUESTS);
    let failed: u64 = after
        .iter()
        .filter(|(name, _)| name.ends_with("ext_proc.streams_failed"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(failed, 0, "{after:#?}");
}

/// Two HTTPS listeners on one port, in this order, and one that is not HTTP before them.
fn several_chains(version: &str, tcp_first: bool, hosts: [&str; 2]) {
    let envoy = installed!(version);
    let (secret, tls) = certificate();
    let port = free_port().unwrap();
    let pools = [Pool::start("first"), Pool::start("second")];
    let passthrough = format!(
        "    - {{name: tcp, protocol: TLS, port: {port}, hostname: c.pools.test, tls: {{mode: Passthrough}}, allowedRoutes: {{kinds: [{{kind: TLSRoute}}]}}}}\n"
    );
    let mut listeners = vec![https(hosts[0], port), https(hosts[1], port)];
    if tcp_first {
        listeners.insert(0, passthrough);
    }
    let resources = [gateway(&listeners), secret, pools[0].resources(), pools[1].resources()].concat();
    let beside = if tcp_first { TCP } else { "" };
    let mut setting = Setting::start(&envoy, &resources, beside, Some(tls));
    for host in hosts {
        let host = host.replace('*', "a");
        for pool in &pools {
            setting.wait_until(|setting| setting.ask_tls(port, &host, &chat(pool.name, &[])));
            seven_of(&mut setting, pool, &host, port);
        }
    }
}

#[test]
fn pools_are_reached_through_every_chain_of_a_port() {
    several_chains("1.40", true, ["a.pools.test", "b.pools.test"]);
}

#[test]
fn the_order_of_listeners_changes_nothing() {
    several_chains("1.40", true, ["b.pools.test", "a.pools.test"]);
}

#[test]
fn pools_are_reached_through_every_chain_of_a_port_in_the_oldest_envoy() {
    several_chains("1.36", true, ["a.pools.test", "b.pools.test"]);
}

/// As in the report that `hang.rs` repeats.
#[test]
fn a_name_after_its_wildcard_is_served_as_well() {
    several_chains("1.40", false, ["*.pools.test", "pools.test"]);
}

#[test]
fn a_wildcard_after_its_name_is_served_as_well_by_the_oldest_envoy() {
    several_chains("1.36", false, ["pools.test", "*.pools.test"]);
}

#[test]
fn a_processor_that_was_started_anew_goes_on_where_the_last_one_was() {
    let envoy = installed!("1.40");
    let (secret, tls) = certificate();
    let port = free_port().unwrap();
    let pool = Pool::start("only");
    let resources = [gateway(&[https("a.pools.test", port)]), secret, pool.resources()].concat();
    let mut setting = Setting::start(&envoy, &resources, "", Some(tls));
    setting.wait_until(|setting| setting.ask_tls(port, "a.pools.test", &chat("only", &[])));
    setting.stack.processor.kill().unwrap();
    let began = Instant::now();
    let reply = setting.ask_tls(port, "a.pools.test", &chat("only", &[]));
    assert!((500..600).contains(&reply.status), "{} {}", reply.status, reply.text());
    assert!(began.elapsed() < 2 * SOON, "{:?}", began.elapsed());
    setting.stack.restart_processor().unwrap();
    setting.wait_until(|setting| setting.ask_tls(port, "a.pools.test", &chat("only", &[])));
}
