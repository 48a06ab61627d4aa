use std::{
    fmt::{self, Write},
    sync::Arc,
};

use tollgate_snapshot::{
    AccessLogRule, AccessLogSettings, Action, Address, AddressHost, Backend, Budget, CaCertificates, Choice,
    Cost, Guard, Listener, ListenerTls, MetricSink, OtlpCollector, Reports, Rule, Settings, Shape, Shutdown,
    Snapshot, Table, UpstreamTls,
};

use crate::{
    describe_client::write_client,
    describe_traffic::{write_backend_traffic, write_rule_traffic},
};

/// The snapshot as people read it: ports, listeners, tables in order of precedence, rules, backends. Has no
/// secrets in it, and equal snapshots give equal text.
#[must_use]
pub fn describe(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_snapshot(&mut out, snapshot);
    out
}

fn write_snapshot(out: &mut String, snapshot: &Snapshot) -> fmt::Result {
    for port in &snapshot.ports {
        writeln!(out, "port {} {:?}", port.number, port.protocol)?;
        write_client(out, &port.client, "  ")?;
        for listener in &port.listeners {
            write_listener(out, listener)?;
            if !Arc::ptr_eq(&listener.client, &port.client) {
                write_client(out, &listener.client, "    ")?;
            }
        }
    }
    for rule in &snapshot.rules {
        write_rule(out, rule)?;
    }
    for backend in &snapshot.backends {
        write_backend(out, backend)?;
    }
    for token in &snapshot.tokens {
        writeln!(out, "token {} by {}", token.id, token.grant)?;
    }
    write_settings(out, &snapshot.settings)
}

fn write_settings(out: &mut String, settings: &Settings) -> fmt::Result {
    let Settings { prefixes: _, body_limit: _, costs, shutdown, environment, reports } = settings;
    costs.iter().try_for_each(|cost| writeln!(out, "global cost {cost}"))?;
    let Shutdown { patience, least } = shutdown;
    if let Some(patience) = patience {
        writeln!(out, "requests under way may take {patience:?} at the end")?;
    }
    if let Some(least) = least {
        writeln!(out, "new connections are taken for {least:?} at the end")?;
    }
    environment.iter().try_for_each(|(name, _)| writeln!(out, "variable {name}"))?;
    write_reports(out, reports)
}

fn write_reports(out: &mut String, reports: &Reports) -> fmt::Result {
    let Reports { levels, metrics_hidden, metric_sinks } = reports;
    for (part, level) in levels {
        writeln!(out, "{} logs from {} on", part.name(), level.name())?;
    }
    if *metrics_hidden {
        writeln!(out, "metrics are not shown")?;
    }
    for MetricSink { collector, counter_deltas, histogram_deltas } in metric_sinks {
        let OtlpCollector { upstream, resource, headers } = collector;
        let addresses: Vec<_> = upstream.addresses.iter().map(shown).collect();
        write!(out, "metrics go to {}", addresses.join(", "))?;
        write!(out, " with {} attributes and {} headers", resource.len(), headers.len())?;
        let deltas = [(*counter_deltas, "counters"), (*histogram_deltas, "histograms")];
        for (_, what) in deltas.iter().filter(|(deltas, _)| *deltas) {
            write!(out, ", {what} as deltas")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_listener(out: &mut String, listener: &Listener) -> fmt::Result {
    writeln!(out, "  listener {} host {}", listener.id, listener.hostname)?;
    match &listener.tls {
        None => {}
        Some(ListenerTls::Terminate(certificates)) => {
            let names: Vec<_> = certificates.iter().map(|certificate| &*certificate.name).collect();
            writeln!(out, "    tls with {}", names.join(", "))?;
        }
        Some(ListenerTls::Invalid(problem)) => writeln!(out, "    tls broken [{}] {problem}", problem.code)?,
    }
    if let Some(logging) = &listener.access_log {
        write_logging(out, logging)?;
    }
    for (pattern, table) in listener.hosts.all() {
        writeln!(out, "    host {pattern}")?;
        write_table(out, table)?;
    }
    Ok(())
}

fn write_logging(out: &mut String, logging: &AccessLogSettings) -> fmt::Result {
    if logging.logs().is_empty() {
        writeln!(out, "    logs nothing")?;
    }
    for AccessLogRule { scope, filters, format, files, collectors } in logging.logs() {
        let shape = match format.shape() {
            Shape::Text(pieces) => format!("text of {} pieces", pieces.len()),
            Shape::Json(members) => format!("JSON of {} members", members.len()),
        };
        let places = collectors.iter().flat_map(|collector| &collector.upstream.addresses);
        let collectors = places.map(|place| format!("the collector at {}", shown(place)));
        let places: Vec<_> = files.iter().map(ToString::to_string).chain(collectors).collect();
        write!(out, "    logs {scope:?} as {shape} to {}", places.join(", "))?;
        for (i, filter) in filters.iter().enumerate() {
            write!(out, " {} {}", if i == 0 { "where" } else { "or" }, filter.source())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn shown(Address { host, port, .. }: &Address) -> String {
    match host {
        AddressHost::Name(name) => format!("{name}:{port}"),
        AddressHost::Ip(ip) => format!("{ip}:{port}"),
    }
}

fn write_table(out: &mut String, table: &Table) -> fmt::Result {
    for entry in table.entries() {
        writeln!(out, "      {} -> {}", entry.matcher, entry.rule.id)?;
    }
    for model in table.models() {
        writeln!(out, "      lists {} by {} at {}", model.id, model.owned_by, model.created)?;
    }
    Ok(())
}

fn write_rule(out: &mut String, rule: &Rule) -> fmt::Result {
    write!(out, "rule {} of {} ", rule.id, rule.source)?;
    let choices = match &rule.action {
        Action::Llm(llm) => {
            writeln!(out, "llm")?;
            &llm.choices[..]
        }
        Action::Http(choices) => {
            writeln!(out, "http")?;
            &choices[..]
        }
        Action::Redirect(redirect) => {
            writeln!(out, "redirect {redirect}")?;
            &[]
        }
        Action::Direct(direct) => {
            writeln!(
                out,
                "reply {} of {} bytes{}",
                direct.status.as_u16(),
                direct.body.len(),
                direct.headers
            )?;
            &[]
        }
        Action::Invalid(problem) => {
            writeln!(out, "500 [{}] {problem}", problem.code)?;
            &[]
        }
    };
    if let Guard::Broken(problem) = &rule.guard {
        writeln!(out, "  guard 500 [{}] {problem}", problem.code)?;
    }
    for policy in &rule.policies {
        writeln!(out, "  policy {policy}")?;
    }
    for line in rule.limits.iter().flat_map(|limits| limits.lines()) {
        writeln!(out, "  limit {line}")?;
    }
    for filter in &rule.filters {
        writeln!(out, "  filter {filter}")?;
    }
    choices.iter().try_for_each(|choice| write_choice(out, choice))?;
    if choices.is_empty() {
        return Ok(());
    }
    writeln!(out, "  timeouts {}", rule.timeouts)?;
    writeln!(out, "  retry {}", rule.retry)?;
    write_rule_traffic(out, rule)?;
    let costs: &[Cost] = match &rule.action {
        Action::Llm(llm) => &llm.costs,
        Action::Http(_) | Action::Redirect(_) | Action::Direct(_) | Action::Invalid(_) => &[],
    };
    costs.iter().try_for_each(|cost| writeln!(out, "  cost {cost}"))
}

fn write_choice(out: &mut String, choice: &Choice) -> fmt::Result {
    let Choice { backend, weight, priority, model_override, headers, body, filters, quota } = choice;
    match backend {
        Ok(backend) => write!(out, "  to {}", backend.id)?,
        Err(problem) => write!(out, "  to 500 [{}] {problem}", problem.code)?,
    }
    write!(out, " weight {weight}")?;
    if *priority > 0 {
        write!(out, " priority {priority}")?;
    }
    if let Some(model) = model_override {
        write!(out, " as model {model}")?;
    }
    writeln!(out)?;
    if !headers.is_empty() {
        writeln!(out, "    headers:{headers}")?;
    }
    for field in &body.remove {
        writeln!(out, "    body: remove {field}")?;
    }
    for edit in &body.set {
        writeln!(out, "    body: set {} to {}", edit.path, edit.value)?;
    }
    filters.iter().try_for_each(|filter| writeln!(out, "    filter {filter}"))?;
    let budgets = quota.iter().flat_map(|quota| quota.all());
    budgets.flat_map(Budget::lines).try_for_each(|line| writeln!(out, "    {line}"))
}

fn write_backend(out: &mut String, backend: &Backend) -> fmt::Result {
    write!(out, "backend {} {:?}", backend.id, backend.upstream.protocol)?;
    if let Some(target) = &backend.target {
        write!(out, " speaks {} prefix {:?}", target.schema, target.prefix)?;
        if let Some(version) = &target.version {
            write!(out, " version {version}")?;
        }
    }
    if let Some(credential) = &backend.credential {
        write!(out, " {credential:?}")?;
    }
    writeln!(out)?;
    for address in &backend.upstream.addresses {
        write!(out, "  at {address}")?;
        match &address.hostname {
            Some(hostname) => writeln!(out, " as {hostname}")?,
            None => writeln!(out)?,
        }
    }
    if let Some(proxy) = &backend.proxy {
        let user = if proxy.user.is_some() { " as somebody" } else { "" };
        writeln!(out, "  through {}:{}{user}", proxy.host, proxy.port)?;
    }
    if backend.upstream.addresses.is_empty() {
        writeln!(out, "  at no endpoints")?;
    }
    write_backend_traffic(out, backend)?;
    match &backend.upstream.tls {
        Some(tls) => write_tls(out, tls),
        None => Ok(()),
    }
}

fn write_tls(out: &mut String, tls: &UpstreamTls) -> fmt::Result {
    let UpstreamTls { sni, ca, subject_alt_names, client } = tls;
    write!(out, "  tls sni {}", sni.as_deref().unwrap_or("of the endpoint"))?;
    match ca {
        CaCertificates::System => write!(out, " ca of the system")?,
        CaCertificates::Pem(pem) => write!(out, " ca of {} bytes", pem.len())?,
        CaCertificates::Unverified => write!(out, " unverified")?,
    }
    for name in subject_alt_names {
        write!(out, " accepts {name}")?;
    }
    if client.is_some() {
        write!(out, " with client certificate")?;
    }
    writeln!(out)
}
