//! One set of scenarios through both hosts: equal replies, equal usage, equal refusals. See docs/parity.md.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod budgets;
mod client;
mod native;
mod origin;
mod outcome;
mod scenario;
mod world;

use std::{
    env,
    path::{Path, PathBuf},
};

use native::Native;
use scenario::Scenario;
use tollgate_testkit::{
    envoy::HOOKS,
    stack::{Plan, Stack, programs},
};
use tollgate_types::{Dialect, Endpoint};
use world::{Outcomes, World};

/// What the EnvoyProxy says behind Envoy beside what both hosts have.
const PROXY: &str =
    "  concurrency: 2\n  extraArgs: [\"--use-dynamic-base-id\", \"--file-flush-interval-msec\", \"100\"]\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity")
}

/// Names of the scenarios; `PARITY=word` takes those with the word in them.
fn names(wanted: impl Fn(&Scenario) -> bool) -> Vec<String> {
    let word = env::var("PARITY").unwrap_or_default();
    let scenarios = scenario::all(&folder());
    scenarios
        .iter()
        .filter(|one| one.name.contains(&word) && wanted(one))
        .map(|one| one.name.clone())
        .collect()
}

/// Starts the native host, and gives what came of every step and what is not as it should be.
fn natively(names: &[String]) -> (Outcomes, Vec<String>) {
    let world = World::new(&folder(), names, "");
    let mut native = Native::start(&world);
    world.wait_until_ready(&mut native);
    let outcomes = world.run();
    let mut unmet = world.unmet(&outcomes, &|_, _| false);
    unmet.extend(world.unmet_metrics(&native.metrics()));
    (outcomes, unmet)
}

#[test]
fn the_native_host_does_what_every_scenario_wants() {
    let (outcomes, unmet) = natively(&names(|scenario| !scenario.counts));
    if env::var_os("PARITY_SHOW").is_some() {
        outcomes.iter().for_each(|(step, outcome)| println!("{step:?} {outcome:#}"));
    }
    assert!(unmet.is_empty(), "\n{}", unmet.join("\n"));
}

/// The endpoint that a step asks for.
fn endpoint(ask: &str) -> Option<Endpoint> {
    let (_, target) = ask.split_once(' ')?;
    let path = target.split('?').next()?;
    let below =
        [("/anthropic", Dialect::Anthropic), ("/cohere", Dialect::Cohere), ("/gemini", Dialect::Gemini)];
    let found = below.into_iter().find_map(|(prefix, dialect)| Some((dialect, path.strip_prefix(prefix)?)));
    let (dialect, path) = found.unwrap_or((Dialect::OpenAi, path));
    Some(Endpoint::at(dialect, path)?.endpoint)
}

#[test]
fn every_endpoint_has_a_scenario_in_which_it_answers() {
    let scenarios = scenario::all(&folder());
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let answers = |step: &&scenario::Step| [200, 101].iter().any(|status| step.reply["status"] == *status);
    let asked: Vec<_> = steps.filter(answers).filter_map(|step| endpoint(&step.ask)).collect();
    let missing: Vec<_> = Endpoint::ALL.iter().filter(|endpoint| !asked.contains(endpoint)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_known_difference_is_documented() {
    let guide = std::fs::read_to_string(folder().join("../docs/parity.md")).unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let guide = words(&guide);
    for scenario in scenario::all(&folder()) {
        for reason in scenario.reasons() {
            assert!(
                guide.contains(&words(reason)),
                "{}: docs/parity.md does not say: {reason}",
                scenario.name
            );
        }
    }
}

#[test]
fn envoy_1_40_does_what_the_native_host_does() {
    equal_behind("1.40");
}

#[test]
fn envoy_1_36_does_what_the_native_host_does() {
    equal_behind("1.36");
}

fn equal_behind(version: &str) {
    let envoy = match programs(version) {
        Ok(envoy) => envoy,
        Err(missing) => return eprintln!("skipped: {missing}"),
    };
    let names = names(|scenario| scenario.envoy.skip.is_none() && !scenario.counts);
    let (native, _) = natively(&names);
    let world = World::new(&folder(), &names, PROXY);
    let mut stack = Stack::start(&Plan {
        tollgate: Path::new(env!("CARGO_BIN_EXE_tollgate")),
        envoy: &envoy,
        resources: &world.resources(),
        folder: world.folder(),
        hooks: &HOOKS,
    })
    .unwrap();
    world.wait_until_ready(&mut stack);
    let outcomes = world.run();
    let mut wrong = world.unmet(&outcomes, &Scenario::knows);
    wrong.extend(world.unmet_metrics(&stack.metrics()));
    wrong.extend(world.differences(&native, &outcomes));
    if !wrong.is_empty() && env::var_os("PARITY_SHOW").is_some() {
        eprintln!("{}", stack.said());
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
