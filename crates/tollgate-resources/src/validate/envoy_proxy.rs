use super::{
    Rules, Validate,
    shared::{backend_object_ref, header_name},
};
use crate::kinds::{
    AccessLogFormat, AccessLogFormatType, AccessLogSetting, AccessLogSink, AccessLogSinkType, EnvoyProxy,
    EnvoyProxyKubernetes, EnvoyProxyProvider, EnvoyProxyProviderType, MetricSink, OpenTelemetryMetricSink,
    OpenTelemetrySink,
};

impl Validate for EnvoyProxy {
    fn validate(&self, rules: &mut Rules) {
        rules.optional("provider", self.provider.as_ref(), provider);
        rules.count("dynamicModules", self.dynamic_modules.len(), 0..=16);
        let Some(telemetry) = &self.telemetry else { return };
        rules.field("telemetry", |rules| {
            rules.optional("accessLog", telemetry.access_log.as_ref(), |rules, log| {
                rules.count("settings", log.settings.len(), 0..=50);
                rules.each("settings", &log.settings, setting);
            });
            rules.optional("metrics", telemetry.metrics.as_ref(), |rules, metrics| {
                rules.count("sinks", metrics.sinks.len(), 0..=16);
                rules.each("sinks", &metrics.sinks, metric_sink);
            });
        });
    }
}

fn provider(rules: &mut Rules, provider: &EnvoyProxyProvider) {
    let EnvoyProxyProvider { provider_type, kubernetes, host } = provider;
    let foreign = match provider_type {
        EnvoyProxyProviderType::Kubernetes => host.is_some(),
        EnvoyProxyProviderType::Host => kubernetes.is_some(),
    };
    let message = "its settings have to be those of its `type`";
    rules.demand(!foreign, "foreign-member", ("", message));
    rules.optional("kubernetes", kubernetes.as_ref(), |rules, kubernetes| {
        let EnvoyProxyKubernetes { envoy_deployment, envoy_daemon_set, envoy_hpa, .. } = kubernetes;
        let both = envoy_deployment.is_some() && envoy_daemon_set.is_some();
        let message = "expected at most one of `envoyDeployment` and `envoyDaemonSet`";
        rules.demand(!both, "at-most-one-of", ("envoyDaemonSet", message));
        let both = envoy_hpa.is_some() && envoy_daemon_set.is_some();
        let message = "a DaemonSet is as large as the cluster: `envoyHpa` needs `envoyDeployment`";
        rules.demand(!both, "at-most-one-of", ("envoyHpa", message));
    });
}

fn setting(rules: &mut Rules, setting: &AccessLogSetting) {
    let AccessLogSetting { format, matches, sinks, log_type: _ } = setting;
    rules.optional("format", format.as_ref(), line_format);
    rules.count("matches", matches.len(), 0..=10);
    rules.count("sinks", sinks.len(), 0..=50);
    rules.each("sinks", sinks, sink);
}

fn line_format(rules: &mut Rules, format: &AccessLogFormat) {
    let AccessLogFormat { format_type, text, json } = format;
    let foreign = match format_type {
        Some(AccessLogFormatType::Text) => !json.is_empty(),
        Some(AccessLogFormatType::Json) => text.is_some(),
        None => text.is_some() && !json.is_empty(),
    };
    let message = "`type: Text` goes with `text` alone, `type: JSON` with `json` alone";
    rules.demand(!foreign, "foreign-member", ("", message));
}

fn sink(rules: &mut Rules, sink: &AccessLogSink) {
    let AccessLogSink { sink_type, file, als, open_telemetry } = sink;
    let given = [
        (AccessLogSinkType::File, file.is_some(), "`type: File` needs `file`"),
        (AccessLogSinkType::Als, als.is_some(), "`type: ALS` needs `als`"),
        (
            AccessLogSinkType::OpenTelemetry,
            open_telemetry.is_some(),
            "`type: OpenTelemetry` needs `openTelemetry`",
        ),
    ];
    for (kind, given, message) in given {
        rules.demand(given || kind != *sink_type, "missing-field", ("", message));
    }
    if let Some(file) = file {
        rules.field("file", |rules| rules.length("path", &file.path, 1..=4096));
    }
    rules.optional("openTelemetry", open_telemetry.as_ref(), collector);
}

fn metric_sink(rules: &mut Rules, sink: &MetricSink) {
    let MetricSink { sink_type: _, open_telemetry } = sink;
    let message = "`type: OpenTelemetry` needs `openTelemetry`";
    rules.demand(open_telemetry.is_some(), "missing-field", ("", message));
    rules.optional("openTelemetry", open_telemetry.as_ref(), |rules, sink| {
        let OpenTelemetryMetricSink { backend_ref, backend_refs, host, headers, .. } = sink;
        reachable(rules, backend_ref.is_some() || !backend_refs.is_empty() || host.is_some());
        rules.optional("backendRef", backend_ref.as_ref(), backend_object_ref);
        rules.each("backendRefs", backend_refs, backend_object_ref);
        rules.each("headers", headers, |rules, header| header_name(rules, "name", &header.name));
    });
}

fn reachable(rules: &mut Rules, is_it: bool) {
    rules.demand(is_it, "missing-field", ("", "expected `backendRefs`, or `host`, which is deprecated"));
}

fn collector(rules: &mut Rules, sink: &OpenTelemetrySink) {
    let OpenTelemetrySink { backend_ref, backend_refs, host, headers, .. } = sink;
    reachable(rules, backend_ref.is_some() || !backend_refs.is_empty() || host.is_some());
    rules.optional("backendRef", backend_ref.as_ref(), backend_object_ref);
    rules.each("backendRefs", backend_refs, backend_object_ref);
    rules.each("headers", headers, |rules, header| header_name(rules, "name", &header.name));
}
