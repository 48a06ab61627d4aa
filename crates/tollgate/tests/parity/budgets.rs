//! Limits that are counted outside of the gateway: natively in Redis, and behind Envoy by the rate limit service of
//! Envoy Gateway in another one.
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tollgate_testkit::{
    envoy::HOOKS,
    limits::{self, GlobalLimits, RateLimit},
    process::{PATIENCE, free_port},
    redis::Redis,
    stack::{Beside, Plan, Stack, programs},
};

use crate::{
    PROXY, folder, names,
    native::Native,
    scenario::{Counted, Scenario, Step},
    world::{Outcomes, World},
};

/// How long is waited between two looks at counters.
const LOOK: Duration = Duration::from_millis(10);

/// What came of the steps, what is not as it should be, and what was counted.
struct Counts {
    outcomes: Outcomes,
    unmet: Vec<String>,
    counters: BTreeMap<String, i64>,
}

#[test]
fn the_native_host_counts_what_every_scenario_wants() {
    let redis = match Redis::start() {
        Ok(redis) => redis,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let world = World::new(&folder(), &names(|scenario| scenario.counts), "");
    let unmet = natively(&world, &redis).unmet;
    assert!(unmet.is_empty(), "\n{}", unmet.join("\n"));
}

#[test]
fn envoy_1_40_counts_what_the_native_host_counts() {
    equal_behind("1.40");
}

#[test]
fn envoy_1_36_counts_what_the_native_host_counts() {
    equal_behind("1.36");
}

fn equal_behind(version: &str) {
    let envoy = match programs(version).and_then(|envoy| limits::programs().map(|_| envoy)) {
        Ok(envoy) => envoy,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let names = names(|scenario| scenario.counts && scenario.envoy.skip.is_none());
    if names.is_empty() {
        return;
    }
    let world = World::new(&folder(), &names, "");
    let native = natively(&world, &Redis::start().unwrap());
    let world = World::new(&folder(), &names, PROXY);
    let behind = behind(&envoy, &world);
    let mut wrong = native.unmet;
    wrong.extend(behind.unmet.into_iter().map(|text| format!("behind Envoy: {text}")));
    wrong.extend(world.differences(&native.outcomes, &behind.outcomes));
    let (native, behind) = (alike(native.counters), alike(behind.counters));
    if native != behind {
        wrong.push(format!("counters natively: {native:#?}\nbehind Envoy: {behind:#?}"));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Names of what was counted, as far as the hosts mean the same by them: Envoy Gateway counts each match and host name of a
/// route by itself.
fn alike(counters: BTreeMap<String, i64>) -> Vec<String> {
    let names = counters.into_iter().filter(|(_, sum)| *sum > 0).map(|(name, _)| name);
    names.filter(|name| name.contains('/') && !name.contains("_httproute/")).collect()
}

fn natively(world: &World, redis: &Redis) -> Counts {
    // Nothing may pass because the machine is busy.
    let patience = ["--redis-url", &redis.url(), "--redis-timeout", "10000", "--redis-outage", "closed"];
    let mut native = Native::start_with(world, &patience);
    world.wait_until_ready(&mut native);
    let outcomes = world.run_with(&|scenario, step| wait_for(redis, scenario, step, "natively"));
    let mut unmet = world.unmet(&outcomes, &|_, _| false);
    unmet.extend(world.unmet_metrics(&native.metrics()));
    Counts { outcomes, unmet, counters: redis.counters("").unwrap() }
}

fn behind(envoy: &Path, world: &World) -> Counts {
    let mut limits = GlobalLimits::start(world.folder()).unwrap();
    let generated = world.folder().join("generated");
    fs::create_dir(&generated).unwrap();
    let beside = limits.resources(("GatewayClass", "parity", "tollgate")).unwrap();
    fs::write(generated.join("limits.yaml"), beside).unwrap();
    let port = free_port().unwrap();
    let service = format!("127.0.0.1:{port}");
    let controller = ["--quota-rate-limit-service", &service, "--quota-rate-limit-failure-mode-deny"];
    let plan = Plan {
        tollgate: Path::new(env!("CARGO_BIN_EXE_tollgate")),
        envoy,
        resources: &world.resources(),
        folder: world.folder(),
        hooks: &HOOKS,
    };
    let mut stack =
        Stack::start_with(&plan, Beside { limits: Some(&limits), controller: &controller }).unwrap();
    let mut quotas = RateLimit::of_quotas(&limits.redis, stack.extension, port).unwrap();
    quotas.wait_until_told().unwrap();
    limits.service.wait_until_told().unwrap();
    world.wait_until_ready(&mut stack);
    let redis = &limits.redis;
    let outcomes = world.run_with(&|scenario, step| wait_for(redis, scenario, step, "behind Envoy"));
    if std::env::var_os("PARITY_SHOW").is_some() {
        eprintln!("{}\n{}", limits.service.config(), quotas.config());
        outcomes.iter().for_each(|(step, outcome)| eprintln!("{step:?} {outcome:#}"));
        eprintln!("{}\n{}", quotas.said(), stack.said());
    }
    let mut unmet = world.unmet(&outcomes, &Scenario::knows);
    unmet.extend(world.unmet_metrics(&stack.metrics()));
    Counts { outcomes, unmet, counters: redis.counters("").unwrap() }
}

/// Costs are told after the reply: the next step begins when they are.
fn wait_for(redis: &Redis, scenario: &Scenario, step: &Step, host: &str) {
    let end = Instant::now() + PATIENCE;
    for (word, want) in &step.counted {
        loop {
            let counters = redis.counters(&scenario.namespace()).unwrap();
            let counted = counters.iter().filter(|(name, _)| name.contains(word));
            let sum: i64 = counted.map(|(_, count)| count).sum();
            let met = match *want {
                Counted::Exactly(want) => want == sum,
                Counted::More { more_than } => sum > more_than,
            };
            if met {
                break;
            }
            if Instant::now() > end {
                // What comes of the next steps says it as well.
                eprintln!("{} {host}: {word} is not {want:?}, but {counters:#?}", scenario.name);
                break;
            }
            std::thread::park_timeout(LOOK);
        }
    }
}
