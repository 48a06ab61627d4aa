//! A budget of tokens, as deployments write it, at Envoy Gateway's own rate limit service; and a quota that both hosts
//! count in one Redis.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tollgate_simulate::Simulator;
use tollgate_testkit::{
    envoy::HOOKS,
    http,
    limits::{self, GlobalLimits, RateLimit},
    process::{PATIENCE, Running, free_port, free_ports},
    resources,
    stack::{self, Beside, Plan, Stack},
};

use crate::setting::chat;

/// Tokens of each reply: what [`chat`] asks for.
const COST: i64 = 4;

fn resources(simulator: &Simulator, port: u16) -> String {
    let gateway = resources::GATEWAY.replace("1975", &port.to_string());
    format!(
        "{gateway}{}apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{name: tollgate}}]
  llmRequestCosts: [{{metadataKey: llm_output_token, type: OutputToken}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, value: m}}]}}]
      backendRefs: [{{name: openai}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {{name: budget}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: models}}]
  rateLimit:
    type: Global
    global:
      rules:
        - clientSelectors: [{{headers: [{{name: x-user-id, type: Distinct}}]}}]
          limit: {{requests: {limit}, unit: Hour}}
          cost:
            request: {{from: Number, number: 0}}
            response: {{from: Metadata, metadata: {{namespace: io.envoy.ai_gateway, key: llm_output_token}}}}
",
        resources::openai(simulator.address().port()),
        limit = 2 * COST,
    )
}

/// `cost.request.number`, which Envoy Gateway's file provider cannot read, as Envoy Gateway translates it in a cluster.
const LOOKS_ONLY: &str =
    "    - type: type.googleapis.com/envoy.config.route.v3.RouteConfiguration
      name: default/tollgate/http
      operation:
        op: add
        jsonPath: \"$.virtual_hosts[*].routes[*].typed_per_filter_config['envoy.filters.http.ratelimit'].rate_limits[0]\"
        path: /hits_addend
        value: {number: 0}
";

const QUOTA: &str = "apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {name: openai}
spec:
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]
  perModelQuotas: [{modelName: m, quota: {costExpression: output_tokens, defaultBucket: {limit: 10, duration: 1h}}}]
---
";

struct World {
    stack: Stack,
    limits: GlobalLimits,
    quotas: RateLimit,
    simulator: Simulator,
    folder: TempDir,
    port: u16,
}

/// `quota` is a QuotaPolicy, or nothing.
fn world(envoy: &Path, quota: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().unwrap();
    let ports = free_ports(2).unwrap();
    let (port, quotas) = (ports[0], ports[1]);
    let written = folder.path().join("resources");
    let generated = folder.path().join("generated");
    fs::create_dir(&written).unwrap();
    fs::create_dir(&generated).unwrap();
    fs::write(written.join("resources.yaml"), resources(&simulator, port)).unwrap();
    fs::write(written.join("quota.yaml"), quota).unwrap();
    let mut limits = GlobalLimits::start(folder.path()).unwrap();
    let beside = limits.resources(("Gateway", "default", "tollgate")).unwrap();
    fs::write(generated.join("limits.yaml"), beside + LOOKS_ONLY).unwrap();
    let plan = Plan {
        tollgate: Path::new(env!("CARGO_BIN_EXE_tollgate")),
        envoy,
        resources: &written,
        folder: folder.path(),
        hooks: &HOOKS,
    };
    let service = format!("127.0.0.1:{quotas}");
    let controller = ["--quota-rate-limit-service", &service, "--quota-rate-limit-timeout", "30"];
    let mut stack =
        Stack::start_with(&plan, Beside { limits: Some(&limits), controller: &controller }).unwrap();
    let mut quotas = RateLimit::of_quotas(&limits.redis, stack.extension, quotas).unwrap();
    quotas.wait_until_told().unwrap();
    limits.service.wait_until_told().unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = http::get(port, "/v1/models");
        if reply.status == 200 {
            return World { stack, limits, quotas, simulator, folder, port };
        }
        stack.lives().unwrap();
        assert!(Instant::now() < end, "{}\n{} {}", stack.said(), reply.status, reply.text());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

impl World {
    fn ask(&self, user: &str) -> u16 {
        http::ask(self.port, &chat("m", &[("x-user-id", user)])).status
    }

    fn counted(&self, word: &str, sum: i64) {
        self.limits.redis.wait_for_sum(word, sum).unwrap();
    }
}

/// The programs, or the reason why there are none.
fn programs(version: &str) -> Result<PathBuf, String> {
    limits::programs().and_then(|_| stack::programs(version))
}

#[test]
fn a_budget_is_looked_at_before_and_charged_after() {
    let envoy = match programs("1.40") {
        Ok(envoy) => envoy,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let mut world = world(&envoy, "");
    // Who has spent exactly what there is may ask once more: what a reply costs is known when it is over.
    for count in 1..=3 {
        assert_eq!(world.ask("ann"), 200, "{}", world.limits.service.config());
        world.counted("_ann", count * COST);
    }
    let asked = world.simulator.stats().requests;
    assert_eq!([world.ask("ann"), world.ask("ann"), world.ask("bob")], [429, 429, 200]);
    assert_eq!(world.simulator.stats().requests, asked + 1);
    // To look costs nothing.
    world.counted("_ann", 3 * COST);
    world.counted("_bob", COST);

    world.limits.service.kill().unwrap();
    assert_eq!(world.ask("cid"), 500, "who cannot be counted does not pass: failClosed");
    assert_eq!(http::ask(world.port, &chat("m", &[])).status, 200, "who is not counted needs no service");
    assert_eq!(world.simulator.stats().requests, asked + 2);
}

#[test]
fn a_quota_is_one_for_envoy_and_for_the_native_host() {
    let envoy = match programs("1.36") {
        Ok(envoy) => envoy,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let mut world = world(&envoy, QUOTA);
    let own = free_port().unwrap();
    let resources = world.folder.path().join("resources");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("run").arg(&resources).args(["--admin", "127.0.0.1:0"]);
    command.args(["--port-map", &format!("{}={own}", world.port)]);
    command.args(["--redis-url", &world.limits.redis.url(), "--redis-timeout", "10000"]);
    let mut native = Running::start("tollgate run", &mut command).unwrap();
    native.wait_for(" ready in ").unwrap();
    let natively = || http::ask(own, &chat("m", &[])).status;
    let behind = |world: &World| http::ask(world.port, &chat("m", &[])).status;

    assert_eq!(behind(&world), 200, "{}", world.quotas.config());
    world.counted("ai-gateway-quota", COST);
    assert_eq!(natively(), 200);
    world.counted("ai-gateway-quota", 2 * COST);
    assert_eq!(natively(), 200);
    world.counted("ai-gateway-quota", 3 * COST);
    let asked = world.simulator.stats().requests;
    assert_eq!([natively(), behind(&world)], [429, 429]);
    assert_eq!(world.simulator.stats().requests, asked);

    // The service hears of a new amount from the controller.
    fs::write(resources.join("quota.yaml"), QUOTA.replace("limit: 10", "limit: 1000")).unwrap();
    world.quotas.wait_until_it_knows("requests_per_unit=1000").unwrap();
    assert_eq!(behind(&world), 200);
    world.quotas.kill().unwrap();
    assert_eq!(
        behind(&world),
        200,
        "without --quota-rate-limit-failure-mode-deny who is not answered passes"
    );
    world.stack.lives().unwrap();
}
