//! What `/config` shows: what the resources have compiled to, without any credential.
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tollgate_balance::Standing;
use tollgate_core::Live;
use tollgate_snapshot::{Action, Backend, CaCertificates, Choice, Listener, ListenerTls, Rule, Table};
use tollgate_telemetry::ConfigFormat;

use crate::reload::State;

/// What is in service, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Config {
    files: Vec<String>,
    problems: Vec<String>,
    live: Option<Arc<Live>>,
}

// === impl Config ===

impl Config {
    pub(crate) fn of(state: &State) -> Self {
        Self { files: state.files.clone(), problems: state.problems(), live: None }
    }

    pub(crate) fn served_by(self, live: &Arc<Live>) -> Self {
        Self { live: Some(Arc::clone(live)), ..self }
    }

    pub(crate) fn show(&self, format: ConfigFormat) -> String {
        match format {
            ConfigFormat::Text => self.text(),
            ConfigFormat::Json => self.json().to_string(),
        }
    }

    fn text(&self) -> String {
        let problems: String = self.problems.iter().map(|problem| format!("# {problem}\n")).collect();
        let described = self.live.as_ref().map(|live| tollgate_compile::describe(&live.snapshot));
        problems + &described.unwrap_or_default()
    }

    fn json(&self) -> Value {
        let mut shown = json!({ "files": self.files, "problems": self.problems });
        let Some(live) = &self.live else { return shown };
        let snapshot = &live.snapshot;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let listeners = snapshot.ports.iter().flat_map(|port| {
            port.listeners.iter().map(|listener| {
                let mut shown = show_listener(listener);
                shown["port"] = json!(port.number);
                shown["protocol"] = json!(format!("{:?}", port.protocol));
                shown
            })
        });
        let backends = snapshot.backends.iter().zip(&live.health);
        let routes = snapshot.rules.chunk_by(|a, b| a.route == b.route && a.source == b.source);
        shown["listeners"] = listeners.collect();
        shown["routes"] = routes.map(show_route).collect();
        shown["backends"] = backends
            .map(|(backend, health)| show_backend(backend, live.standing(backend, now), health.ejections()))
            .collect();
        shown["globalCosts"] = words(&snapshot.settings.costs);
        shown["bodyLimit"] = json!(snapshot.settings.body_limit);
        shown
    }
}

fn words(list: &[impl ToString]) -> Value {
    list.iter().map(ToString::to_string).collect()
}

fn show_listener(listener: &Listener) -> Value {
    let hosts = listener.hosts.all();
    let hosts: Vec<_> = hosts.iter().map(|(host, table)| show_host(&host.to_string(), table)).collect();
    let tls = match &listener.tls {
        None => Value::Null,
        Some(ListenerTls::Terminate(certificates)) => {
            let names: Vec<_> = certificates.iter().map(|certificate| &*certificate.name).collect();
            json!({ "certificates": names })
        }
        Some(ListenerTls::Invalid(problem)) => json!({ "problem": problem.to_string() }),
    };
    json!({
        "id": listener.id.as_str(),
        "hostname": listener.hostname.to_string(),
        "tls": tls,
        "hosts": hosts,
    })
}

fn show_host(host: &str, table: &Table) -> Value {
    let matches: Vec<_> = table
        .entries()
        .iter()
        .map(|entry| json!({ "match": entry.matcher.to_string(), "rule": entry.rule.id.as_str() }))
        .collect();
    let models: Vec<_> = table.models().iter().map(|model| model.id.as_str()).collect();
    json!({ "host": host, "matches": matches, "models": models })
}

/// Rules of one route; there is at least one.
fn show_route(rules: &[Arc<Rule>]) -> Value {
    let first = rules.first();
    json!({
        "id": first.map(|rule| rule.route.as_str()),
        "source": first.map(|rule| rule.source.to_string()),
        "rules": rules.iter().map(|rule| show_rule(rule)).collect::<Vec<_>>(),
    })
}

fn show_rule(rule: &Rule) -> Value {
    let (action, detail) = match &rule.action {
        Action::Llm(_) => ("llm", Value::Null),
        Action::Http(_) => ("http", Value::Null),
        Action::Redirect(redirect) => ("redirect", json!(redirect.to_string())),
        Action::Direct(direct) => ("reply", json!(direct.status.as_u16())),
        Action::Invalid(problem) => ("invalid", json!(problem.to_string())),
    };
    json!({
        "id": rule.id.as_str(),
        "action": action,
        "detail": detail,
        "filters": words(&rule.filters),
        "backends": rule.choices().iter().map(show_choice).collect::<Vec<_>>(),
        "timeouts": rule.timeouts.to_string(),
        "retry": rule.retry.to_string(),
        "costs": words(rule.costs()),
    })
}

fn show_choice(choice: &Choice) -> Value {
    let (backend, problem) = match &choice.backend {
        Ok(backend) => (Some(backend.id.as_str()), None),
        Err(problem) => (None, Some(problem.to_string())),
    };
    json!({
        "backend": backend,
        "problem": problem,
        "weight": choice.weight,
        "priority": choice.priority,
        "modelOverride": choice.model_override.as_ref().map(|model| model.as_str()),
    })
}

fn show_backend(backend: &Backend, standing: Standing, ejections: u64) -> Value {
    let (standing, until) = match standing {
        Standing::Up => ("up", None),
        Standing::Probe => ("probe", None),
        Standing::Ejected(until) => ("ejected", Some(until)),
    };
    let target = backend.target.as_ref().map(|target| {
        json!({ "schema": target.schema.to_string(), "prefix": target.prefix, "version": target.version })
    });
    let tls = backend.upstream.tls.as_ref().map(|tls| {
        json!({
            "sni": tls.sni.as_deref(),
            "verified": !matches!(tls.ca, CaCertificates::Unverified),
            "clientCertificate": tls.client.is_some(),
        })
    });
    json!({
        "id": backend.id.as_str(),
        "target": target,
        "hasCredential": backend.credential.is_some(),
        "addresses": words(&backend.upstream.addresses),
        "protocol": format!("{:?}", backend.upstream.protocol),
        "tls": tls,
        "health": { "standing": standing, "ejectedUntilUnixMs": until, "ejections": ejections },
    })
}
