use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tollgate_balance::Standing;
use tollgate_core::Live;
use tollgate_snapshot::{Action, AddressHost, Backend, Port, PortProtocol, Rule};

use crate::{
    Phase, Telemetry,
    health::unix_ms,
    metric::{Family, Totals},
    recent::Trouble,
};

/// Most rows of a kind; the page says that there are more.
const ROWS: usize = 1000;

/// What the page shows. Counts only go up: the page makes rates of them.
#[derive(Debug, Serialize)]
pub(crate) struct State {
    version: &'static str,
    commit: &'static str,
    phase: Phase,
    now_ms: u64,
    reloads: ReloadState,
    totals: Sums,
    in_flight: u64,
    listeners: Vec<ListenerState>,
    rules: Vec<RuleState>,
    rules_in_all: usize,
    backends: Vec<BackendState>,
    backends_in_all: usize,
    recent: Vec<Trouble>,
}

#[derive(Debug, Serialize)]
struct ReloadState {
    ok: u64,
    failed: u64,
    last_ms: Option<u64>,
    problems: Vec<String>,
}

/// Requests, those answered with 5xx or not at all, and tokens.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sums {
    requests: u64,
    client_errors: u64,
    server_errors: u64,
    tokens_in: u64,
    tokens_out: u64,
}

#[derive(Debug, Serialize)]
struct ListenerState {
    id: String,
    port: u16,
    protocol: &'static str,
    hostname: String,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Debug, Serialize)]
struct RuleState {
    id: String,
    source: String,
    answers: String,
    backends: Vec<String>,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Debug, Serialize)]
struct BackendState {
    id: String,
    schema: Option<&'static str>,
    addresses: Vec<String>,
    standing: &'static str,
    /// Milliseconds until it may be asked again.
    back_in_ms: Option<u64>,
    failures: BTreeMap<String, u64>,
    retries: u64,
    connections: [usize; 3],
    #[serde(flatten)]
    sums: Sums,
}

// === impl State ===

impl State {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        let totals = telemetry.totals();
        let live = telemetry.live();
        let live = live.as_deref();
        let listeners = live.map_or_else(Vec::new, |live| listeners(live, &totals));
        let backends = live.map_or_else(Vec::new, |live| backends(live, telemetry, &totals));
        let mut sums = Sums::default();
        by_label(&totals, Family::Requests, 0).values().for_each(|listener| sums.add(listener));
        tokens(&totals).values().for_each(|tokens| sums.add(tokens));
        let reloads = telemetry.status.reloads();
        let last = reloads.last.as_ref();
        Self {
            version: telemetry.build.version,
            commit: telemetry.build.commit,
            phase: telemetry.status.phase(),
            now_ms: unix_ms(),
            reloads: ReloadState {
                ok: reloads.ok,
                failed: reloads.failed,
                last_ms: last.map(|last| last.unix_ms),
                problems: last.map_or_else(Vec::new, |last| last.problems.clone()),
            },
            totals: sums,
            in_flight: totals.of_family(Family::InFlight).map(|(_, n)| positive(n)).sum(),
            listeners,
            rules: live.map_or_else(Vec::new, |live| rules(live, &totals)),
            rules_in_all: live.map_or(0, |live| live.snapshot.rules.len()),
            backends,
            backends_in_all: live.map_or(0, |live| live.snapshot.backends.len()),
            recent: telemetry.recent(),
        }
    }
}

/// Gauges wrap; one whose beginnings were not told is nothing.
fn positive(number: u64) -> u64 {
    u64::try_from(number.cast_signed()).unwrap_or_default()
}

fn listeners(live: &Live, totals: &Totals) -> Vec<ListenerState> {
    let sums = by_label(totals, Family::Requests, 0);
    let of_port = |port: &Port| -> Vec<ListenerState> {
        let protocol = match port.protocol {
            PortProtocol::Http => "HTTP",
            PortProtocol::Https => "HTTPS",
        };
        let states = port.listeners.iter().map(|listener| ListenerState {
            id: listener.id.to_string(),
            port: port.number,
            protocol,
            hostname: listener.hostname.to_string(),
            sums: sums.get(listener.id.as_str()).copied().unwrap_or_default(),
        });
        states.collect()
    };
    live.snapshot.ports.iter().flat_map(of_port).take(ROWS).collect()
}

fn rules(live: &Live, totals: &Totals) -> Vec<RuleState> {
    let sums = by_label(totals, Family::RouteRequests, 1);
    let state = |rule: &Rule| RuleState {
        id: rule.id.to_string(),
        source: rule.source.to_string(),
        answers: answers(&rule.action),
        backends: rule
            .choices()
            .iter()
            .map(|choice| match &choice.backend {
                Ok(backend) => backend.id.to_string(),
                Err(problem) => format!("broken: {problem}"),
            })
            .collect(),
        sums: sums.get(rule.id.as_str()).copied().unwrap_or_default(),
    };
    live.snapshot.rules.iter().take(ROWS).map(|rule| state(rule)).collect()
}

fn answers(action: &Action) -> String {
    match action {
        Action::Llm(_) => "LLM".to_owned(),
        Action::Http(_) => "HTTP".to_owned(),
        Action::Redirect(_) => "redirect".to_owned(),
        Action::Direct(response) => format!("fixed {}", response.status.as_u16()),
        Action::Invalid(problem) => format!("broken: {problem}"),
    }
}

fn backends(live: &Live, telemetry: &Telemetry, totals: &Totals) -> Vec<BackendState> {
    let sums = by_label(totals, Family::BackendRequests, 0);
    let tokens = tokens(totals);
    let pools = telemetry.pool_counts();
    let mut failures: HashMap<&str, BTreeMap<String, u64>> = HashMap::new();
    for (labels, number) in totals.of_family(Family::BackendFailures) {
        if let [backend, reason] = &**labels {
            failures.entry(&**backend).or_default().insert(reason.to_string(), number);
        }
    }
    let retries: HashMap<&str, u64> =
        totals.of_family(Family::BackendRetries).map(|(labels, n)| (&*labels[0], n)).collect();
    let now = unix_ms();
    let state = |backend: &std::sync::Arc<Backend>| {
        let (standing, until) = match live.standing(backend, now) {
            Standing::Up => ("up", None),
            Standing::Probe => ("probing", None),
            Standing::Ejected(until) => ("ejected", Some(until.saturating_sub(now))),
        };
        let id = backend.id.as_str();
        let mut own = sums.get(id).copied().unwrap_or_default();
        own.add(&tokens.get(id).copied().unwrap_or_default());
        BackendState {
            id: id.to_owned(),
            schema: backend.target.as_ref().map(|target| target.schema.as_str()),
            addresses: addresses(backend),
            standing,
            back_in_ms: until,
            failures: failures.get(id).cloned().unwrap_or_default(),
            retries: retries.get(id).copied().unwrap_or_default(),
            connections: pools.get(&backend.id).map_or([0; 3], |pool| [pool.open, pool.idle, pool.pending]),
            sums: own,
        }
    };
    live.snapshot.backends.iter().take(ROWS).map(state).collect()
}

fn addresses(backend: &Backend) -> Vec<String> {
    let show = |address: &tollgate_snapshot::Address| match &address.host {
        AddressHost::Name(name) => format!("{name}:{}", address.port),
        AddressHost::Ip(ip) => std::net::SocketAddr::from((*ip, address.port)).to_string(),
    };
    backend.upstream.addresses.iter().take(8).map(show).collect()
}

/// Requests by the label at this position; the last label of the family is a status.
fn by_label(totals: &Totals, family: Family, position: usize) -> HashMap<String, Sums> {
    let mut sums: HashMap<String, Sums> = HashMap::new();
    for (labels, number) in totals.of_family(family) {
        let (Some(name), Some(code)) = (labels.get(position), labels.last()) else { continue };
        let sum = sums.entry(name.to_string()).or_default();
        sum.requests += number;
        match code.as_bytes().first() {
            Some(b'4') => sum.client_errors += number,
            Some(b'5') => sum.server_errors += number,
            _ => {}
        }
    }
    sums
}

fn tokens(totals: &Totals) -> HashMap<String, Sums> {
    let mut sums: HashMap<String, Sums> = HashMap::new();
    for (labels, number) in totals.of_family(Family::BackendTokens) {
        let [backend, kind] = &**labels else { continue };
        let sum = sums.entry(backend.to_string()).or_default();
        match &**kind {
            "input" => sum.tokens_in += number,
            "output" => sum.tokens_out += number,
            _ => {}
        }
    }
    sums
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, other: &Self) {
        let Self { requests, client_errors, server_errors, tokens_in, tokens_out } = other;
        self.requests += requests;
        self.client_errors += client_errors;
        self.server_errors += server_errors;
        self.tokens_in += tokens_in;
        self.tokens_out += tokens_out;
    }
}
