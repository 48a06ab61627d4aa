//! Scenarios as they stand in `parity/<topic>/<case>.yaml`; docs/parity.md says how to write one.
use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_simulate::Rule;

use crate::{
    client::{Door, Over},
    origin::Answer,
    outcome::{self, Found},
};

/// Where hosts may differ in every scenario; docs/parity.md says why.
const EVERYWHERE: [&str; 6] = [
    "log.attempts",
    "log.flags",
    "log.identity",
    "saw.*.*.headers.x-ai-eg-model",
    "saw.*.*.headers.x-ai-eg-original-path",
    "saw.*.*.headers.x-envoy-original-path",
];

/// One file: resources, and requests that run one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Why it exists.
    about: String,
    /// Providers, each with an AIServiceBackend and a Backend of its name: the schema, or its name.
    #[serde(default)]
    backends: BTreeMap<String, Value>,
    /// More providers, whose ports `resources` name: `${provider}`.
    #[serde(default)]
    providers: Vec<String>,
    /// Those of the providers that answer what steps tell them, and nothing else.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// The listener speaks TLS.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Rules of one AIGatewayRoute: who serves a model. A reference is a name, or what `backendRefs` takes.
    #[serde(default)]
    models: BTreeMap<String, Value>,
    /// Resources as users write them. The namespace, GatewayClass and Gateway are there already.
    #[serde(default)]
    resources: Vec<Value>,
    /// What is asked until it is answered with 200, before the steps begin.
    #[serde(default = "models_are_listed")]
    pub(crate) ready: String,
    /// It needs a rate limit service behind Envoy.
    #[serde(default)]
    pub(crate) counts: bool,
    pub(crate) steps: Vec<Step>,
    /// Sums over all steps, by series without what the host adds to it.
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, f64>,
    /// What is known to differ behind Envoy.
    #[serde(default)]
    pub(crate) envoy: Known,
    /// `topic/case`.
    #[serde(skip)]
    pub(crate) name: String,
}

/// Differences between the hosts that are documented; each with its reason.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Known {
    /// Why the scenario is left out.
    pub(crate) skip: Option<String>,
    /// Where outcomes may differ (`reply.headers.x`, `log.flags`), and why.
    pub(crate) differs: BTreeMap<String, String>,
}

/// A request and what comes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Method and path.
    pub(crate) ask: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON, or text that is sent as it is.
    #[serde(default)]
    pub(crate) body: Value,
    /// Bytes that `$(padding)` in the body stands for.
    #[serde(default)]
    padding: usize,
    /// What the client speaks: `http1` or `http2`.
    #[serde(default)]
    over: String,
    /// Behind the body.
    #[serde(default)]
    pub(crate) trailers: BTreeMap<String, String>,
    /// So many texts come before the client closes its WebSocket.
    #[serde(default)]
    pub(crate) hears: usize,
    /// The client asks for a WebSocket, says these texts and closes it; those that come are lines of the reply's body.
    #[serde(default)]
    pub(crate) say: Option<Vec<String>>,
    /// The client leaves after so many events of the reply, or texts.
    #[serde(default)]
    pub(crate) leave_after: Option<usize>,
    /// How providers behave from now on.
    #[serde(default)]
    pub(crate) behave: BTreeMap<String, Vec<Rule>>,
    /// What origins answer to the next requests.
    #[serde(default)]
    pub(crate) answers: BTreeMap<String, Vec<Answer>>,
    /// What later steps need of the reply, by name: a JSON pointer. `$(name)` stands for it, in what is wanted as well.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
    pub(crate) reply: Value,
    /// Whatever it is, no client takes the reply for a whole one.
    #[serde(default)]
    ends_badly: bool,
    /// What is counted when it is over: sums by a word in the names of counters. Waited for before the next one.
    #[serde(default)]
    pub(crate) counted: BTreeMap<String, Counted>,
    /// What the access log says of it.
    #[serde(default)]
    pub(crate) log: Value,
    /// What each provider got, in order; a provider that is not named got nothing. Anything, where it is not said.
    #[serde(default)]
    pub(crate) saw: Option<BTreeMap<String, Vec<Value>>>,
    /// The step stands for every combination of these: `$(name)` in it is replaced.
    #[serde(default)]
    repeat: BTreeMap<String, Vec<String>>,
}

/// A sum of counters.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Counted {
    Exactly(i64),
    More { more_than: i64 },
}

fn models_are_listed() -> String {
    "GET /v1/models".to_owned()
}

/// All scenarios, in the order of their names.
pub(crate) fn all(folder: &Path) -> Vec<Scenario> {
    let mut found = Vec::new();
    for topic in fs::read_dir(folder).unwrap().flatten() {
        for case in fs::read_dir(topic.path()).into_iter().flatten().flatten() {
            let path = case.path();
            let name = path.strip_prefix(folder).unwrap().with_extension("").display().to_string();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    // A scenario is read anew for each host, since ports stand in its resources; here they do not matter.
    found.into_iter().map(|(name, text)| read(&name, &text, &|_| Some(1))).collect()
}

/// Reads a scenario; `port` knows the ports by the names that the text has for them.
pub(crate) fn read(name: &str, text: &str, port: &dyn Fn(&str) -> Option<u16>) -> Scenario {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (word, rest) = part.split_once('}').unwrap_or_else(|| panic!("{name}: ${{ without its }}"));
        let port = port(word).unwrap_or_else(|| panic!("{name}: nobody knows ${{{word}}}"));
        filled.push_str(&format!("{port}{rest}"));
    }
    let mut scenario: Scenario =
        serde_saphyr::from_str(&filled).unwrap_or_else(|error| panic!("{name}: {error}"));
    scenario.name = name.to_owned();
    scenario.steps = scenario.steps.iter().flat_map(|step| step.repeated(name)).collect();
    assert!(!scenario.about.is_empty(), "{name}: say in `about` why it exists");
    scenario
}

// === impl Scenario ===

impl Scenario {
    /// Its name as a namespace and as a part of headers.
    pub(crate) fn namespace(&self) -> String {
        self.name.replace('/', "-")
    }

    /// Names of the providers that it wants.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &str> {
        let named = self.backends.keys().chain(&self.providers);
        let only = self.origins.iter().filter(|name| !self.providers.contains(name));
        named.chain(only.filter(|name| !self.backends.contains_key(*name))).map(String::as_str)
    }

    /// Everything that the gateway is given for it, as YAML documents.
    pub(crate) fn documents(&self, door: &Door, provider: impl Fn(&str) -> u16) -> String {
        let mut objects =
            vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace()}})];
        if !self.resources.iter().any(|object| object["kind"] == "Gateway") {
            objects.extend(door.resources());
        }
        for (name, schema) in &self.backends {
            objects.extend(backend(name, schema, provider(name)));
        }
        if !self.models.is_empty() {
            objects.push(self.route());
        }
        objects.extend(self.resources.iter().cloned());
        for object in &mut objects {
            self.complete(object);
        }
        // JSON is YAML.
        objects.iter().map(|object| format!("{object}\n---\n")).collect()
    }

    /// True where it is documented that the hosts differ in this place.
    pub(crate) fn knows(&self, path: &str) -> bool {
        EVERYWHERE.iter().any(|known| outcome::covers(known, path))
            || self.envoy.differs.keys().any(|known| outcome::covers(known, path))
    }

    /// Why the hosts differ, as docs/parity.md has it.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = &str> {
        self.envoy.differs.values().chain(&self.envoy.skip).map(String::as_str)
    }

    fn route(&self) -> Value {
        let reference = |reference: &Value| match reference {
            Value::String(name) => json!({"name": name}),
            reference => reference.clone(),
        };
        let rules = self.models.iter().map(|(model, to)| {
            let references: Vec<_> = match to {
                Value::Array(several) => several.iter().map(reference).collect(),
                one => vec![reference(one)],
            };
            let header = json!({"name": "x-ai-eg-model", "type": "Exact", "value": model});
            json!({"matches": [{"headers": [header]}], "backendRefs": references})
        });
        json!({
            "apiVersion": "aigateway.envoyproxy.io/v1beta1",
            "kind": "AIGatewayRoute",
            "metadata": {"name": "models"},
            "spec": {"parentRefs": [{"name": "tollgate"}], "rules": rules.collect::<Vec<_>>()},
        })
    }

    /// Adds what every scenario has: its namespace, and costs that can be seen in the log.
    fn complete(&self, object: &mut Value) {
        if object["kind"] != "Namespace" && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = self.namespace().into();
        }
        if object["kind"] == "AIGatewayRoute" && object["spec"]["llmRequestCosts"].is_null() {
            object["spec"]["llmRequestCosts"] = json!([
                {"metadataKey": "llm_input_token", "type": "InputToken"},
                {"metadataKey": "llm_cached_input_token", "type": "CachedInputToken"},
                {"metadataKey": "llm_output_token", "type": "OutputToken"},
                {"metadataKey": "llm_total_token", "type": "TotalToken"},
            ]);
        }
    }
}

fn backend(name: &str, schema: &Value, port: u16) -> [Value; 2] {
    let schema = if schema.is_string() { json!({"name": schema}) } else { schema.clone() };
    let reference = json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": name});
    [
        json!({
            "apiVersion": "aigateway.envoyproxy.io/v1beta1",
            "kind": "AIServiceBackend",
            "metadata": {"name": name},
            "spec": {"schema": schema, "backendRef": reference},
        }),
        json!({
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "Backend",
            "metadata": {"name": name},
            "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": port}}]},
        }),
    ]
}

// === impl Step ===

impl Step {
    /// What of an outcome is not as it should be.
    pub(crate) fn unmet(&self, have: &Value) -> Found {
        let mut found = Vec::new();
        outcome::unmet(&self.reply, &have["reply"], "reply", &mut found);
        let (status, whole) = (&have["reply"]["status"], &have["reply"]["whole"]);
        let looks_well = status.as_u64().is_some_and(|status| status < 400) && *whole == true;
        if self.ends_badly && looks_well && !have["reply"]["body"].to_string().contains("error") {
            found.push(("end".to_owned(), "of a broken reply looks like one that is well".to_owned()));
        }
        if !self.log.is_null() {
            outcome::unmet(&self.log, &have["log"], "log", &mut found);
        }
        // Whoever does not say what providers got does not care.
        let Some(saw) = &self.saw else { return found };
        for (provider, seen) in have["saw"].as_object().into_iter().flatten() {
            let path = format!("saw.{provider}");
            match saw.get(provider) {
                Some(want) => outcome::unmet(&want.clone().into(), seen, &path, &mut found),
                None if seen.as_array().is_some_and(Vec::is_empty) => {}
                None => found.push((path, format!("is {}, though it is not named", outcome::brief(seen)))),
            }
        }
        found
    }

    /// What the client speaks.
    pub(crate) fn over(&self) -> Over {
        Over::of(&self.over).unwrap_or_else(|| panic!("{}: nobody speaks {:?}", self.ask, self.over))
    }

    /// The body as it is sent.
    pub(crate) fn bytes(&self) -> String {
        let text = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        if self.padding == 0 { text } else { text.replace("$(padding)", &"x".repeat(self.padding)) }
    }

    fn repeated(&self, name: &str) -> Vec<Self> {
        let mut steps = vec![self.clone()];
        for (variable, values) in &self.repeat {
            let variable = format!("$({variable})");
            steps = steps
                .iter()
                .flat_map(|step| values.iter().map(|value| step.with(&variable, value, name)))
                .collect();
        }
        steps
    }

    /// With `$(name)` replaced, for each name.
    pub(crate) fn filled(&self, values: &BTreeMap<String, String>, name: &str) -> Self {
        values
            .iter()
            .fold(self.clone(), |step, (variable, value)| step.with(&format!("$({variable})"), value, name))
    }

    fn with(&self, variable: &str, value: &str, name: &str) -> Self {
        let fill = |text: &str| text.replace(variable, value);
        let filled = |json: &Value| -> Value {
            // A string that is the variable alone takes the type that the value has.
            let text = json.to_string();
            let whole = format!("\"{variable}\"");
            let text = match value {
                "true" | "false" => text.replace(&whole, value),
                _ => text,
            };
            serde_json::from_str(&fill(&text)).unwrap_or_else(|error| panic!("{name}: {value}: {error}"))
        };
        Self {
            ask: fill(&self.ask),
            over: fill(&self.over),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body: filled(&self.body),
            behave: self.behave.iter().map(|(name, rules)| (fill(name), rules.clone())).collect(),
            reply: filled(&self.reply),
            counted: self.counted.iter().map(|(word, sum)| (fill(word), *sum)).collect(),
            log: filled(&self.log),
            saw: self.saw.as_ref().map(|saw| {
                saw.iter().map(|(name, seen)| (fill(name), seen.iter().map(filled).collect())).collect()
            }),
            repeat: BTreeMap::new(),
            ..self.clone()
        }
    }
}
