//! EnvoyProxy: what the process tells of itself. There is one process for all Gateways.
use tollgate_resources::{
    EnvoyProxy, EnvoyProxyLogLevel, EnvoyProxyMetrics, Gateway, MetricSink as Given, Object,
    OpenTelemetryMetricSink,
};
use tollgate_snapshot::{LogLevel, LogPart, MetricSink, Reports};

use crate::{
    Fault,
    collector::{self, Making, Wanted},
    envoy_proxy,
    notes::{At, Broken, Notes},
    world::World,
};

/// What the EnvoyProxies of all Gateways say of it.
pub(crate) fn reports(world: &World<'_>, notes: &mut Notes) -> Reports {
    let (mut reports, mut hiding) = (Reports::default(), Vec::new());
    let mut seen = Vec::<&Object<EnvoyProxy>>::new();
    for gateway in &world.set.gateways {
        let proxies = envoy_proxy::of(world, gateway);
        if reports.levels.is_empty() {
            reports.levels = levels(&proxies);
        }
        let Some((proxy, metrics)) = proxies.iter().find_map(|proxy| Some((*proxy, metrics(proxy)?))) else {
            continue;
        };
        if metrics.prometheus.as_ref().is_some_and(|prometheus| prometheus.disable) {
            hiding.push((gateway, proxy));
        }
        // Several Gateways may share one.
        if !seen.iter().any(|known| std::ptr::eq(*known, proxy)) {
            seen.push(proxy);
            add_sinks(metrics, (world, proxy), &mut reports.metric_sinks, notes);
        }
    }
    for proxy in &world.set.envoy_proxies {
        review_levels(proxy, notes);
    }
    reports.metrics_hidden = !hiding.is_empty() && hiding.len() == world.set.gateways.len();
    if !reports.metrics_hidden {
        review_hiding(&hiding, notes);
    }
    reports
}

fn metrics(proxy: &Object<EnvoyProxy>) -> Option<&EnvoyProxyMetrics> {
    proxy.spec.telemetry.as_ref()?.metrics.as_ref()
}

/// Levels of the first object that has some; those behind it say what it leaves open.
fn levels(proxies: &[&Object<EnvoyProxy>]) -> Vec<(LogPart, LogLevel)> {
    let mut all = Vec::<(LogPart, LogLevel)>::new();
    for logging in proxies.iter().filter_map(|proxy| proxy.spec.logging.as_ref()) {
        for part in LogPart::ALL {
            let Some(given) = logging.level.get(part.name()) else { continue };
            if !all.iter().any(|(known, _)| *known == part) {
                all.push((part, level(*given)));
            }
        }
    }
    all.sort_unstable();
    all
}

fn level(given: EnvoyProxyLogLevel) -> LogLevel {
    match given {
        EnvoyProxyLogLevel::Trace => LogLevel::Trace,
        EnvoyProxyLogLevel::Debug => LogLevel::Debug,
        EnvoyProxyLogLevel::Info => LogLevel::Info,
        EnvoyProxyLogLevel::Warn => LogLevel::Warn,
        EnvoyProxyLogLevel::Error => LogLevel::Error,
    }
}

fn review_levels(proxy: &Object<EnvoyProxy>, notes: &mut Notes) {
    let Some(logging) = &proxy.spec.logging else { return };
    for name in logging.level.keys() {
        if !LogPart::ALL.iter().any(|part| part.name() == name) {
            let known: Vec<_> = LogPart::ALL.iter().map(|part| part.name()).collect();
            let fault =
                Fault::new("no-effect", format!("there is no component {name:?} whose level could be set"));
            let at = At::new(proxy, format!("spec.logging.level.{name}"));
            notes.warning(&at, fault.help(format!("components are {}", known.join(", "))));
        }
    }
}

fn review_hiding(hiding: &[(&Object<Gateway>, &Object<EnvoyProxy>)], notes: &mut Notes) {
    for (gateway, proxy) in hiding {
        let message = format!(
            "prometheus.disable for Gateway {}/{} has no effect: one process counts for all Gateways, and another one's metrics are fetched",
            gateway.meta.namespace, gateway.meta.name
        );
        let at = At::new(*proxy, "spec.telemetry.metrics.prometheus.disable");
        notes.warning(&at, Fault::new("no-effect", message).help("it counts where all Gateways say so"));
    }
}

fn add_sinks(
    metrics: &EnvoyProxyMetrics,
    (world, proxy): (&World<'_>, &Object<EnvoyProxy>),
    all: &mut Vec<MetricSink>,
    notes: &mut Notes,
) {
    let making = Making { world, namespace: &proxy.meta.namespace };
    for (i, Given { sink_type: _, open_telemetry }) in metrics.sinks.iter().enumerate() {
        let Some(given) = open_telemetry else { continue };
        let at = At::new(proxy, format!("spec.telemetry.metrics.sinks[{i}].openTelemetry"));
        match sink(given, &at, (&making, notes)) {
            Ok(sink) if all.contains(&sink) => {}
            Ok(sink) => all.push(sink),
            Err(broken) => drop(notes.broken(&at, broken)),
        }
    }
}

fn sink(
    given: &OpenTelemetryMetricSink,
    at: &At<'_>,
    with: (&Making<'_, '_>, &mut Notes),
) -> Result<MetricSink, Broken> {
    let OpenTelemetryMetricSink {
        backend_ref,
        backend_refs,
        backend_settings,
        host,
        port,
        report_counters_as_deltas,
        report_histograms_as_deltas,
        headers,
        resource_attributes,
    } = given;
    let wanted = Wanted {
        reference: backend_refs.first().or(backend_ref.as_ref()),
        host: host.as_ref().map(|host| (host.as_str(), *port)),
        headers,
        settings: backend_settings.is_some(),
    };
    Ok(MetricSink {
        collector: collector::collector(&wanted, resource_attributes.iter(), at, with)?,
        counter_deltas: *report_counters_as_deltas,
        histogram_deltas: *report_histograms_as_deltas,
    })
}
