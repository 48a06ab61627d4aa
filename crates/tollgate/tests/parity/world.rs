//! All scenarios at once behind one host: their resources, their providers, and what came of them.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_simulate::{Options, Simulator, spawn};
use tollgate_testkit::{
    http::Ask,
    process::{PATIENCE, free_ports},
    stack::Stack,
};

use crate::{
    client::{Call, Door},
    origin::Origin,
    outcome::{self, Seen},
    scenario::{self, Scenario, Step},
};

/// Names the step of a request in the access log.
const MARK: &str = "x-parity-step";
/// How long is waited between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(20);

/// Scenarios with ports and providers of their own.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
    stages: Vec<Stage>,
}

/// A scenario in a world.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) scenario: Scenario,
    door: Door,
    providers: BTreeMap<String, Provider>,
}

/// Whom the gateway asks.
#[derive(Debug)]
enum Provider {
    Simulator(Simulator),
    Origin(Origin),
}

/// What came of the steps: by scenario and number of the step.
pub(crate) type Outcomes = BTreeMap<(String, usize), Value>;

/// What serves the scenarios.
pub(crate) trait Host {
    /// Fails where it has ended.
    fn lives(&mut self) -> Result<(), String>;
    /// What it has said.
    fn said(&mut self) -> String;
}

impl Host for Stack {
    fn lives(&mut self) -> Result<(), String> {
        Self::lives(self)
    }

    fn said(&mut self) -> String {
        Self::said(self)
    }
}

// === impl World ===

impl World {
    /// Starts the providers and writes the resources, with `host` added to what all scenarios share.
    pub(crate) fn new(folder: &Path, names: &[String], host: &str) -> Self {
        let world = tempfile::tempdir().unwrap();
        let ports = free_ports(names.len()).unwrap();
        let stages: Vec<_> =
            names.iter().zip(ports).map(|(name, port)| Stage::new(folder, name, port)).collect();
        let resources = world.path().join("resources");
        fs::create_dir(&resources).unwrap();
        let shared = SHARED.replace("LOG", &world.path().join("access.log").display().to_string());
        fs::write(resources.join("shared.yaml"), shared.replace("HOST", host)).unwrap();
        for stage in &stages {
            let documents = stage.scenario.documents(&stage.door, |name| stage.providers[name].port());
            fs::write(resources.join(format!("{}.yaml", stage.scenario.namespace())), documents).unwrap();
        }
        Self { folder: world, stages }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn resources(&self) -> PathBuf {
        self.folder.path().join("resources")
    }

    /// Waits until every scenario is served.
    pub(crate) fn wait_until_ready(&self, host: &mut dyn Host) {
        let end = Instant::now() + PATIENCE;
        for stage in &self.stages {
            let ask = Ask { line: &stage.scenario.ready, ..Ask::default() };
            let call = Call { ask, ..Call::default() };
            loop {
                let reply = stage.door.ask(&call);
                if reply.status == 200 {
                    break;
                }
                let name = &stage.scenario.name;
                host.lives().unwrap_or_else(|error| panic!("{name}: the host has ended: {error}"));
                if Instant::now() > end {
                    let (ask, status, text) = (&stage.scenario.ready, reply.status, reply.text());
                    panic!("{}\n{name}: {ask} answers {status} {text:?}", host.said());
                }
                std::thread::park_timeout(LOOK);
            }
        }
    }

    /// Runs all scenarios, and gives what came of each step.
    pub(crate) fn run(&self) -> Outcomes {
        self.run_with(&|_, _| {})
    }

    /// The same, with something to be done after each step.
    pub(crate) fn run_with(&self, after: &dyn Fn(&Scenario, &Step)) -> Outcomes {
        let mut outcomes = Outcomes::new();
        for stage in &self.stages {
            let mut kept = BTreeMap::new();
            for (number, step) in stage.scenario.steps.iter().enumerate() {
                let outcome = stage.run(step, number, &mut kept);
                outcomes.insert((stage.scenario.name.clone(), number), outcome);
                after(&stage.scenario, step);
            }
        }
        self.read_log(&mut outcomes);
        outcomes
    }

    /// Puts the lines of the access log to the steps; hosts write them when they like to.
    fn read_log(&self, outcomes: &mut Outcomes) {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
            for line in text.lines() {
                // The last line may be half written.
                let Ok(mut line) = serde_json::from_str::<Value>(line) else { continue };
                let Some(mark) = line["step"].as_str().map(str::to_owned) else { continue };
                let Some((name, number)) = mark.rsplit_once('#') else { continue };
                let step = (name.to_owned(), number.parse().unwrap());
                if let Some(members) = line.as_object_mut() {
                    members.remove("step");
                    members.retain(|_, value| !value.is_null());
                }
                if let Some(outcome) = outcomes.get_mut(&step) {
                    outcome["log"] = line;
                }
            }
            let missing: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome["log"].is_null()).collect();
            if missing.is_empty() || Instant::now() > end {
                return missing.iter().for_each(|(step, _)| eprintln!("no line in the access log: {step:?}"));
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// What is not as the scenarios want it, but for what `excused` knows: a scenario and a place.
    pub(crate) fn unmet(
        &self,
        outcomes: &Outcomes,
        excused: &dyn Fn(&Scenario, &str) -> bool,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for stage in &self.stages {
            for (number, step) in stage.scenario.steps.iter().enumerate() {
                let Some(have) = outcomes.get(&(stage.scenario.name.clone(), number)) else { continue };
                let unmet = step.unmet(have).into_iter().filter(|(path, _)| !excused(&stage.scenario, path));
                found.extend(unmet.map(|(path, text)| {
                    format!("{} step {number} ({}): {path} {text}", stage.scenario.name, step.ask)
                }));
            }
        }
        found
    }

    /// Where the hosts differ and it is not known.
    pub(crate) fn differences(&self, native: &Outcomes, envoy: &Outcomes) -> Vec<String> {
        let mut wrong = Vec::new();
        for stage in &self.stages {
            for number in 0..stage.scenario.steps.len() {
                let step = (stage.scenario.name.clone(), number);
                let mut found = Vec::new();
                outcome::differences(&native[&step], &envoy[&step], "", &mut found);
                // Of what has come to nothing Envoy's log says who was asked and no more.
                let failed = native[&step]["reply"]["status"].as_u64().is_some_and(|status| status >= 400);
                let unnamed = ["log.backend", "log.model", "log.route"];
                found.retain(|(path, _)| {
                    let path = path.trim_start_matches('.');
                    !(stage.scenario.knows(path) || failed && unnamed.contains(&path))
                });
                wrong.extend(
                    found.into_iter().map(|(path, text)| format!("{} step {number}: {path} {text}", step.0)),
                );
            }
        }
        wrong
    }

    /// What the scenarios want of `/metrics` and is not there.
    pub(crate) fn unmet_metrics(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for stage in &self.stages {
            for (series, want) in &stage.scenario.metrics {
                let have = sum(text, series);
                if (have - want).abs() > f64::EPSILON {
                    found.push(format!("{}: {series} is {have}, not {want}", stage.scenario.name));
                }
            }
        }
        found
    }
}

/// The sum of all series of this name that have at least these labels: `name{label="value"}`.
fn sum(text: &str, series: &str) -> f64 {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels: Vec<_> = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    let fits = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    };
    let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
    text.lines().filter(fits).filter_map(value).sum()
}

// === impl Stage ===

impl Stage {
    fn new(folder: &Path, name: &str, port: u16) -> Self {
        let text = fs::read_to_string(folder.join(name).with_extension("yaml")).unwrap();
        let first = scenario::read(name, &text, &|_| Some(1));
        let start = |name: &str| {
            let options = Options { name: name.to_owned(), record: 4096, ..Options::default() };
            let provider = match first.origins.iter().any(|origin| origin == name) {
                true => Provider::Origin(Origin::start()),
                false => Provider::Simulator(spawn(options).unwrap()),
            };
            (name.to_owned(), provider)
        };
        let providers: BTreeMap<_, _> = first.providers().map(start).collect();
        let ports = |word: &str| match word {
            "port" => Some(port),
            // A port where nobody listens: that of discard.
            "nobody" => Some(9),
            provider => Some(providers.get(provider)?.port()),
        };
        let scenario = scenario::read(name, &text, &ports);
        Self { door: Door::new(port, scenario.tls), scenario, providers }
    }

    /// `kept` is what earlier steps have kept: by its name.
    fn run(&self, step: &Step, number: usize, kept: &mut BTreeMap<String, String>) -> Value {
        let step = &step.filled(kept, &self.scenario.name);
        // Looking whether it is ready may have been seen by providers.
        let before: BTreeMap<_, _> =
            self.providers.iter().map(|(name, provider)| (name, provider.prepare(step, name))).collect();
        let mut headers = step.headers.clone();
        headers.insert(MARK.to_owned(), format!("{}#{number}", self.scenario.name));
        let ask = Ask { line: &step.ask, headers, body: step.bytes(), leave_after: step.leave_after };
        let trailers = step.trailers.clone().into_iter().collect();
        let call = Call {
            ask,
            over: step.over(),
            trailers,
            say: step.say.as_deref().map(|texts| (texts, step.hears)),
        };
        let reply = self.door.ask(&call);
        for (name, pointer) in &step.keep {
            let json: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            if let Some(value) = json.pointer(pointer).and_then(Value::as_str) {
                kept.insert(name.clone(), value.to_owned());
            }
        }
        let unnamed = |text: &str| {
            let unnamed = |text: String, (name, value): (&String, &String)| {
                text.replace(value.as_str(), &format!("$({name})"))
            };
            kept.iter().fold(text.to_owned(), unnamed)
        };
        let saw: BTreeMap<_, Vec<_>> = self
            .providers
            .iter()
            .map(|(name, provider)| {
                let seen = provider.seen(before[name]);
                (name, seen.iter().map(|seen| seen.outcome(&unnamed)).collect())
            })
            .collect();
        json!({"reply": outcome::reply(&reply, &unnamed), "saw": saw})
    }
}

// === impl Provider ===

impl Provider {
    fn port(&self) -> u16 {
        match self {
            Self::Simulator(simulator) => simulator.address().port(),
            Self::Origin(origin) => origin.port,
        }
    }

    /// Tells it how to behave in this step; how much it has seen until now.
    fn prepare(&self, step: &Step, name: &str) -> usize {
        match self {
            Self::Simulator(simulator) => {
                step.behave.get(name).into_iter().flatten().for_each(|rule| simulator.add_rule(rule.clone()));
                simulator.last().len()
            }
            Self::Origin(origin) => {
                drop(origin.asked());
                step.answers.get(name).into_iter().flatten().for_each(|answer| origin.answer(answer.clone()));
                0
            }
        }
    }

    /// What it has seen beyond that.
    fn seen(&self, before: usize) -> Vec<Seen> {
        match self {
            Self::Simulator(simulator) => simulator.last().iter().skip(before).map(Seen::from).collect(),
            Self::Origin(origin) => origin.asked(),
        }
    }
}

/// What all scenarios share. `HOST` is what a host adds to the EnvoyProxy.
const SHARED: &str = r#"apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: tollgate}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: parity, namespace: parity}
---
apiVersion: v1
kind: Namespace
metadata: {name: parity}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: parity, namespace: parity}
spec:
  mergeGateways: true
  telemetry:
    accessLog:
      settings:
        - sinks: [{type: File, file: {path: LOG}}]
          format:
            type: JSON
            json:
              step: "%REQ(X-PARITY-STEP)%"
              code: "%RESPONSE_CODE%"
              flags: "%RESPONSE_FLAGS%"
              attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"
              input: "%DYNAMIC_METADATA(io.envoy.ai_gateway:llm_input_token)%"
              cached: "%DYNAMIC_METADATA(io.envoy.ai_gateway:llm_cached_input_token)%"
              output: "%DYNAMIC_METADATA(io.envoy.ai_gateway:llm_output_token)%"
              total: "%DYNAMIC_METADATA(io.envoy.ai_gateway:llm_total_token)%"
              cost: "%DYNAMIC_METADATA(io.envoy.ai_gateway:cost)%"
              model: "%DYNAMIC_METADATA(io.envoy.ai_gateway:model_name_override)%"
              backend: "%DYNAMIC_METADATA(io.envoy.ai_gateway:ai_service_backend_name)%"
              identity: "%DYNAMIC_METADATA(io.envoy.ai_gateway:backend_name)%"
              route: "%DYNAMIC_METADATA(io.envoy.ai_gateway:route_name)%"
              answered_by: "%DYNAMIC_METADATA(io.envoy.ai_gateway:response_model)%"
HOST"#;
