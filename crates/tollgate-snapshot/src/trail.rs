use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use tollgate_llm::{Call, Delivery, Inspected, Spots};
use tollgate_types::ModelId;

use crate::{
    Action, Budget, Choice, Entry, Filter, Guard, HostPattern, Matcher, PathMatch, RequestView, Rule,
    Service, Snapshot, Table, UrlRewrite,
};

/// A request to explain, as far as routing looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The Gateway's port it came in on.
    pub port: u16,
    /// Its host: lower case, no port.
    pub host: &'a str,
    /// Method, path, query, headers.
    pub request: RequestView<'a>,
    /// The body's model, where there is one.
    pub model: Option<&'a ModelId>,
}

/// Why a request goes where it goes: listener, every candidate rule in order, the winner and its backends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trail {
    /// `POST /v1/chat/completions`
    pub request: String,
    /// The LLM endpoint at this path, where it is one.
    pub endpoint: Option<&'static str>,
    /// The host that was asked for.
    pub host: String,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The port.
    pub port: u16,
    /// The listener that claims the host.
    pub listener: Option<String>,
    /// The candidates in the order in which they are tried, with the reason for each.
    pub candidates: Vec<Candidate>,
    /// Candidates beyond the number that a trail holds.
    pub omitted: usize,
    /// What happens.
    pub outcome: Outcome,
}

/// One way to reach a rule, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The host pattern of its table.
    pub host: String,
    /// The rule.
    pub rule: String,
    /// What it asks for.
    pub matches: String,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "reason", rename_all = "kebab-case")]
pub enum Verdict {
    /// It is the one.
    Wins,
    /// It would do, but another one takes precedence.
    Shadowed,
    /// It asks for something else.
    Loses(String),
}

/// What happens to the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Nobody listens there.
    NoPort {
        /// The ports that there are.
        ports: Vec<u16>,
    },
    /// No listener of the port claims the host: 404.
    NoListener {
        /// The hostnames that are claimed.
        hostnames: Vec<String>,
    },
    /// No rule matches: 404.
    NoRule {
        /// What to look at.
        hint: String,
    },
    /// The gateway answers by itself.
    Models {
        /// The models it lists.
        models: Vec<String>,
    },
    /// A rule takes it.
    Rule(Box<Decision>),
}

/// What the winning rule does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The rule.
    pub rule: String,
    /// The resource that wrote it.
    pub source: String,
    /// `llm`, `http`, `redirect …`, `reply …` or `500: …`
    pub action: String,
    /// Backends in the order in which they are asked.
    pub backends: Vec<Candidacy>,
    /// Filters in their order.
    pub filters: Vec<String>,
    /// Limits of time.
    pub timeouts: String,
    /// When it is tried again.
    pub retry: String,
    /// What is counted.
    pub costs: Vec<String>,
    /// The policies that hold, and over which others they won.
    pub policies: Vec<String>,
    /// How much may be called, and by whom.
    pub limits: Vec<String>,
}

/// A backend of the winning rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidacy {
    /// Who; or the problem's object, if it is broken.
    pub backend: String,
    /// 0 is asked first.
    pub priority: u32,
    /// As configured.
    pub weight: u32,
    /// Its share among backends of its priority, in percent.
    pub share: f64,
    /// The API it speaks, for LLM backends.
    pub schema: Option<&'static str>,
    /// The model it is asked for, for LLM backends.
    pub model: Option<String>,
    /// What is changed for it: headers, body fields, filters.
    pub changes: Vec<String>,
    /// What may be spent on it for this request's model.
    pub quotas: Vec<String>,
    /// How it is signed for, without the secret.
    pub credential: Option<String>,
    /// The request line it would get, with its address.
    pub upstream: Option<String>,
    /// Why it cannot be asked: its share gets an error.
    pub problem: Option<String>,
}

/// More candidates than these are counted and left out; a trail is for reading.
const MAX_CANDIDATES: usize = 500;

/// A body that every endpoint's shape accepts, to find out the request line that a provider would get.
const SAMPLE: &[u8] =
    br#"{"model":"m","messages":[{"role":"user","content":"x"}],"prompt":"x","input":"x","max_tokens":1}"#;

/// Says why a request goes where it goes. The decision is the one that serving takes: same tables, same order.
#[must_use]
pub fn explain(snapshot: &Snapshot, question: &Question<'_>) -> Trail {
    let Question { port, host, request, model } = *question;
    let mut trail = Trail {
        request: format!("{} {}", request.method, with_query(request.path, request.query)),
        endpoint: request.endpoint.map(tollgate_types::Endpoint::operation),
        host: host.to_owned(),
        model: model.map(ToString::to_string),
        port,
        listener: None,
        candidates: Vec::new(),
        omitted: 0,
        outcome: Outcome::NoPort { ports: snapshot.ports.iter().map(|port| port.number).collect() },
    };
    let Some(port) = snapshot.port(port) else { return trail };
    let Some(listener) = port.listener(host) else {
        let hostnames = port.listeners.iter().map(|listener| listener.hostname.to_string()).collect();
        trail.outcome = Outcome::NoListener { hostnames };
        return trail;
    };
    trail.listener = Some(listener.id.to_string());
    let tables: Vec<(HostPattern, &Table)> =
        listener.hosts.all().into_iter().filter(|(pattern, _)| pattern.matches(host)).collect();
    if request.endpoint.is_some_and(tollgate_types::Endpoint::is_local) {
        let models = tables.first().map(|(_, table)| table.models()).unwrap_or_default();
        trail.outcome = Outcome::Models { models: models.iter().map(|entry| entry.id.to_string()).collect() };
        return trail;
    }
    let winner = trail.judge(&tables, question);
    trail.outcome = match winner {
        Some(entry) => Outcome::Rule(Box::new(decision(&entry.rule, question))),
        None => Outcome::NoRule { hint: hint(&tables, question) },
    };
    trail
}

fn with_query(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

fn hint(tables: &[(HostPattern, &Table)], question: &Question<'_>) -> String {
    if tables.is_empty() {
        return format!("no route is attached for host {}", question.host);
    }
    // The first table lists what requests fall through to as well.
    let listed = tables.first().map(|(_, table)| table.models()).unwrap_or_default();
    let known: Vec<_> = listed.iter().map(|entry| entry.id.as_str()).collect();
    match question.model {
        Some(model) if question.request.endpoint.is_some() && !known.contains(&model.as_str()) => {
            format!("model {model} is not configured; the models here are: {}", known.join(", "))
        }
        None if question.request.endpoint.is_some() => "the request names no model".to_owned(),
        _ => "no rule asks for what this request has".to_owned(),
    }
}

fn decision(rule: &Rule, question: &Question<'_>) -> Decision {
    let (action, choices, costs) = match &rule.action {
        Action::Llm(llm) => ("llm".to_owned(), &llm.choices[..], &llm.costs[..]),
        Action::Http(choices) => ("http".to_owned(), &choices[..], &[][..]),
        Action::Redirect(redirect) => (format!("redirect {redirect}"), &[][..], &[][..]),
        Action::Direct(direct) => {
            (format!("reply {} of {} bytes", direct.status.as_u16(), direct.body.len()), &[][..], &[][..])
        }
        Action::Invalid(problem) => (format!("500: {problem}"), &[][..], &[][..]),
    };
    let action = match &rule.guard {
        Guard::Broken(problem) => format!("500: {problem}"),
        Guard::Open | Guard::Access(_) => action,
    };
    let mut backends: Vec<_> = choices.iter().map(|choice| candidacy(choice, rule, question)).collect();
    // Stable: backends of one priority stay in the order of the resource.
    backends.sort_by_key(|backend| backend.priority);
    Decision {
        rule: rule.id.to_string(),
        source: rule.source.to_string(),
        action,
        backends,
        filters: rule.filters.iter().map(ToString::to_string).collect(),
        timeouts: rule.timeouts.to_string(),
        retry: rule.retry.to_string(),
        costs: costs.iter().map(ToString::to_string).collect(),
        policies: rule.policies.iter().map(ToString::to_string).collect(),
        limits: rule.limits.iter().flat_map(|limits| limits.lines()).collect(),
    }
}

fn candidacy(choice: &Choice, rule: &Rule, question: &Question<'_>) -> Candidacy {
    let peers = rule.choices().iter().filter(|other| other.priority == choice.priority);
    let total: f64 = peers.map(|peer| f64::from(peer.weight)).sum();
    let share = if total > 0.0 { f64::from(choice.weight) * 100.0 / total } else { 0.0 };
    let mut this = Candidacy {
        backend: String::new(),
        priority: choice.priority,
        weight: choice.weight,
        share: (share * 10.0).round() / 10.0,
        schema: None,
        model: None,
        changes: changes(choice),
        quotas: quotas(choice, question),
        credential: None,
        upstream: None,
        problem: None,
    };
    let backend = match &choice.backend {
        Ok(backend) => backend,
        Err(problem) => {
            this.backend = problem.object.to_string();
            this.problem = Some(problem.to_string());
            return this;
        }
    };
    this.backend = backend.id.to_string();
    this.credential = backend.credential.as_ref().map(|credential| format!("{credential:?}"));
    if backend.upstream.addresses.is_empty() {
        this.problem = Some("no ready endpoints".to_owned());
    }
    let line = |path: &str| format!("{} {}{path}", question.request.method, backend.upstream);
    match &backend.target {
        Some(target) => {
            this.schema = Some(target.schema.as_str());
            let model = choice.model_override.as_ref().or(question.model);
            this.model = model.map(ToString::to_string);
            match llm_path(choice, target, question) {
                Some(Ok(mut path)) => {
                    if let Some(credential) = &backend.credential {
                        credential.complete(&mut path);
                    }
                    this.upstream = Some(line(&path));
                }
                Some(Err(problem)) => this.problem = Some(problem),
                None => {}
            }
        }
        None => {
            let path = rewritten(question.request.path, rule.filters.iter().chain(&choice.filters));
            this.upstream = Some(line(&with_query(&path, question.request.query)));
        }
    }
    this
}

/// The path after every rewrite, in their order.
fn rewritten<'a>(path: &str, filters: impl Iterator<Item = &'a Filter>) -> String {
    filters.fold(path.to_owned(), |path, filter| match filter {
        Filter::Rewrite(UrlRewrite { path: Some(rewrite), .. }) => rewrite.apply(&path),
        Filter::Rewrite(_)
        | Filter::RequestHeaders(_)
        | Filter::DefaultHeader(..)
        | Filter::ResponseHeaders(_)
        | Filter::Mirror(_) => path,
    })
}

fn changes(choice: &Choice) -> Vec<String> {
    let headers = (!choice.headers.is_empty()).then(|| format!("headers:{}", choice.headers));
    let removed = choice.body.remove.iter().map(|field| format!("body: remove {field}"));
    let set = choice.body.set.iter().map(|edit| format!("body: set {} to {}", edit.path, edit.value));
    headers
        .into_iter()
        .chain(removed)
        .chain(set)
        .chain(choice.filters.iter().map(ToString::to_string))
        .collect()
}

/// The budgets of the model that this backend would be asked for; where it is not known, all that there are.
fn quotas(choice: &Choice, question: &Question<'_>) -> Vec<String> {
    let Some(quota) = &choice.quota else { return Vec::new() };
    match choice.model_override.as_ref().or(question.model) {
        Some(model) => quota.budgets(model).flat_map(Budget::lines).collect(),
        None => quota.all().flat_map(Budget::lines).collect(),
    }
}

/// The path that the provider would get, from the very code that serves; `None` where there is no model yet.
fn llm_path(
    choice: &Choice,
    target: &tollgate_llm::Target,
    question: &Question<'_>,
) -> Option<Result<String, String>> {
    let endpoint = question.request.endpoint?;
    let inspected = Inspected {
        model: question.model?.clone(),
        delivery: Delivery::Whole,
        wants_usage: false,
        completion_bound: None,
        spots: Spots::default(),
    };
    let call = Call {
        endpoint,
        body: &Bytes::from_static(SAMPLE),
        inspected: &inspected,
        target,
        model_override: choice.model_override.as_ref(),
        mutations: &[],
        query: question.request.query,
        beta: None,
        now: 0,
    };
    Some(tollgate_llm::prepare(&call).map(|(prepared, _)| prepared.path).map_err(|error| error.to_string()))
}

// === impl Trail ===

impl Trail {
    /// Walks the tables as serving does and notes what becomes of each entry.
    fn judge<'a>(
        &mut self,
        tables: &[(HostPattern, &'a Table)],
        question: &Question<'_>,
    ) -> Option<&'a Entry> {
        let mut winner = None;
        for (pattern, table) in tables {
            for entry in table.entries() {
                let verdict = match (lost(entry, question), winner) {
                    (Some(reason), _) => Verdict::Loses(reason),
                    (None, Some(_)) => Verdict::Shadowed,
                    (None, None) => {
                        winner = Some(entry);
                        Verdict::Wins
                    }
                };
                if self.candidates.len() >= MAX_CANDIDATES && verdict != Verdict::Wins {
                    self.omitted += 1;
                    continue;
                }
                self.candidates.push(Candidate {
                    host: pattern.to_string(),
                    rule: entry.rule.id.to_string(),
                    matches: entry.matcher.to_string(),
                    verdict,
                });
            }
        }
        winner
    }
}

/// The first thing that the entry asks for and that the request does not have.
fn lost(entry: &Entry, question: &Question<'_>) -> Option<String> {
    let request = &question.request;
    if entry.rule.service == Service::Llm && request.endpoint.is_none() {
        return Some(format!("path: {} is no LLM endpoint", request.path));
    }
    let Matcher { path, method, headers, query, model } = &entry.matcher;
    if !path.matches(request.path) {
        return Some(match path {
            PathMatch::Exact(want) => format!("path: want {want}, got {}", request.path),
            PathMatch::Prefix(want) => format!("path: {want}/ is not a prefix of {}", request.path),
            PathMatch::Regex(_) => format!("path: {} does not match {path}", request.path),
        });
    }
    if let Some(want) = method.as_ref().filter(|want| *want != request.method) {
        return Some(format!("method: want {want}, got {}", request.method));
    }
    for header in headers {
        if !header.matches(request.headers) {
            let got = request.headers.get(&header.name).map_or_else(
                || "none".to_owned(),
                |value| match value.is_sensitive() {
                    true => "(secret)".to_owned(),
                    false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
                },
            );
            return Some(format!("header {}: want {}, got {got}", header.name, header.value));
        }
    }
    for wanted in query {
        if !wanted.matches(request.query.unwrap_or_default()) {
            return Some(format!("query {}: want {}", wanted.name, wanted.value));
        }
    }
    if !entry.matcher.accepts_model(question.model) {
        let want = model.as_ref().map(ToString::to_string).unwrap_or_default();
        return Some(match question.model {
            Some(got) => format!("model: want {want}, got {got}"),
            None => format!("model: want {want}, the request names none"),
        });
    }
    None
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request   {} host={} port={}", self.request, self.host, self.port)?;
        match &self.model {
            Some(model) => writeln!(f, " model={model}")?,
            None => writeln!(f)?,
        }
        if let Some(endpoint) = self.endpoint {
            writeln!(f, "endpoint  {endpoint}")?;
        }
        if let Some(listener) = &self.listener {
            writeln!(f, "listener  {listener}")?;
        }
        for candidate in &self.candidates {
            let (mark, reason) = match &candidate.verdict {
                Verdict::Wins => ('>', String::new()),
                Verdict::Shadowed => ('-', " (matches too, but comes later)".to_owned()),
                Verdict::Loses(reason) => ('x', format!(" ({reason})")),
            };
            writeln!(f, "  {mark} {} [{}] {}{reason}", candidate.rule, candidate.host, candidate.matches)?;
        }
        if self.omitted > 0 {
            writeln!(f, "    and {} more candidates", self.omitted)?;
        }
        write!(f, "{}", self.outcome)
    }
}

// === impl Outcome ===

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort { ports } => {
                writeln!(f, "outcome   nobody listens on this port; ports are {ports:?}")
            }
            Self::NoListener { hostnames } => {
                writeln!(
                    f,
                    "outcome   404: no listener claims this host; they claim {}",
                    hostnames.join(", ")
                )
            }
            Self::NoRule { hint } => writeln!(f, "outcome   404: {hint}"),
            Self::Models { models } => writeln!(f, "outcome   the gateway lists: {}", models.join(", ")),
            Self::Rule(decision) => write!(f, "{decision}"),
        }
    }
}

// === impl Decision ===

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rule      {} of {}", self.rule, self.source)?;
        writeln!(f, "action    {}", self.action)?;
        for policy in &self.policies {
            writeln!(f, "policy    {policy}")?;
        }
        for limit in &self.limits {
            writeln!(f, "limit     {limit}")?;
        }
        for filter in &self.filters {
            writeln!(f, "filter    {filter}")?;
        }
        for backend in &self.backends {
            write!(f, "{backend}")?;
        }
        if self.backends.is_empty() {
            return Ok(());
        }
        writeln!(f, "timeouts  {}", self.timeouts)?;
        writeln!(f, "retry     {}", self.retry)?;
        for cost in &self.costs {
            writeln!(f, "cost      {cost}")?;
        }
        Ok(())
    }
}

// === impl Candidacy ===

impl fmt::Display for Candidacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend   {} priority {}", self.backend, self.priority)?;
        write!(f, ", weight {} ({} %)", self.weight, self.share)?;
        if let Some(schema) = self.schema {
            write!(f, ", {schema}")?;
        }
        if let Some(model) = &self.model {
            write!(f, ", model {model}")?;
        }
        if let Some(credential) = &self.credential {
            write!(f, ", {credential}")?;
        }
        writeln!(f)?;
        for change in &self.changes {
            writeln!(f, "          {change}")?;
        }
        for quota in &self.quotas {
            writeln!(f, "          {quota}")?;
        }
        if let Some(upstream) = &self.upstream {
            writeln!(f, "          {upstream}")?;
        }
        match &self.problem {
            Some(problem) => writeln!(f, "          problem: {problem}"),
            None => Ok(()),
        }
    }
}
