use std::time::Duration;

use super::{
    Rules, Validate,
    backend_settings::{circuit_breaker, connection, http2, retry},
    health_check::health_check,
    load_balancer::load_balancer,
    policy,
    rate_limit::{header_match, rate_limit},
};
use crate::kinds::{
    AdmissionControl, BackendTrafficPolicy, BandwidthLimit, Compressor, CompressorType, FaultInjection,
    LoadBalancerType, OverrideRedirect, PathModifierType, ResponseOverride, StatusCodeMatch,
    StatusCodeMatchType,
};

const KINDS: [&str; 7] =
    ["Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"];

impl Validate for BackendTrafficPolicy {
    fn remember(&mut self, written: impl FnOnce() -> serde_json::Value) {
        self.written = crate::merge::Written(Some(written()));
    }

    fn validate(&self, rules: &mut Rules) {
        policy::targets(rules, self.targets(), &KINDS);
        rules.optional("rateLimit", self.rate_limit.as_ref(), rate_limit);
        rules.optional("circuitBreaker", self.circuit_breaker.as_ref(), circuit_breaker);
        rules.optional("retry", self.retry.as_ref(), retry);
        rules.optional("healthCheck", self.health_check.as_ref(), health_check);
        rules.optional("loadBalancer", self.load_balancer.as_ref(), load_balancer);
        rules.optional("http2", self.http2.as_ref(), http2);
        rules.optional("connection", self.connection.as_ref(), connection);
        self.predictive(rules);
        rules.optional("admissionControl", self.admission_control.as_ref(), admission);
        rules.optional("bandwidthLimit", self.bandwidth_limit.as_ref(), bandwidth_limit);
        rules.optional("faultInjection", self.fault_injection.as_ref(), fault_injection);
        let both = !self.compression.is_empty() && !self.compressor.is_empty();
        let message = "expected at most one of `compression` and `compressor`";
        rules.demand(!both, "at-most-one-of", ("compression", message));
        rules.each("compression", &self.compression, compressor);
        rules.each("compressor", &self.compressor, compressor);
        rules.each("responseOverride", &self.response_override, response_override);
        let upgrades = self.http_upgrade.iter().map(|upgrade| Some(&upgrade.upgrade_type));
        rules.unique("duplicate-entry", "httpUpgrade", upgrades);
        let both = self.request_buffer.is_some() && !self.http_upgrade.is_empty();
        let message = "upgraded connections cannot be buffered";
        rules.demand(!both, "at-most-one-of", ("requestBuffer", message));
    }
}

impl BackendTrafficPolicy {
    /// Only where the next backend is known beforehand can it be connected to beforehand.
    fn predictive(&self, rules: &mut Rules) {
        let preconnect = self.connection.as_ref().and_then(|connection| connection.preconnect.as_ref());
        let predicts = preconnect.is_some_and(|preconnect| preconnect.predictive_percent.is_some());
        let how = self.load_balancer.as_ref().map(|balancer| balancer.balancer_type);
        let known = matches!(how, Some(LoadBalancerType::Random | LoadBalancerType::RoundRobin));
        let message = "`predictivePercent` needs a `loadBalancer` of type Random or RoundRobin";
        rules.demand(!predicts || known, "load-balancer-type", ("connection", message));
    }
}

fn admission(rules: &mut Rules, admission: &AdmissionControl) {
    let short = admission.sampling_window.is_some_and(|window| window < Duration::from_secs(1));
    rules.demand(!short, "out-of-range", ("samplingWindow", "expected at least 1s"));
    let least = 1..=u32::MAX;
    for (field, value, allowed) in [
        ("minSuccessRate", admission.min_success_rate, 1..=100),
        ("rejectionAggression", admission.rejection_aggression, least),
        ("maxRejectionPercent", admission.max_rejection_percent, 0..=100),
    ] {
        if let Some(value) = value {
            rules.range(field, value, allowed);
        }
    }
}

fn bandwidth_limit(rules: &mut Rules, limit: &BandwidthLimit) {
    let BandwidthLimit { request, response } = limit;
    let message = "expected `request` or `response`";
    rules.demand(request.is_some() || response.is_some(), "missing-field", ("", message));
    for (name, limit) in [
        ("request", request.as_ref().map(|request| request.limit)),
        ("response", response.as_ref().map(|response| response.limit)),
    ] {
        let slow = limit.is_some_and(|limit| limit.per_second() < 1024);
        rules.field(name, |rules| {
            rules.demand(!slow, "out-of-range", ("limit", "expected at least 1Ki a second"));
        });
    }
}

fn fault_injection(rules: &mut Rules, fault: &FaultInjection) {
    let FaultInjection { delay, abort } = fault;
    let message = "expected `delay` or `abort`";
    rules.demand(delay.is_some() || abort.is_some(), "missing-field", ("", message));
    rules.optional("delay", delay.as_ref(), |rules, delay| percentage(rules, delay.percentage));
    rules.optional("abort", abort.as_ref(), |rules, abort| {
        let message = "expected exactly one of `httpStatus` and `grpcStatus`";
        rules.demand(
            abort.http_status.is_some() != abort.grpc_status.is_some(),
            "exactly-one-of",
            ("", message),
        );
        if let Some(status) = abort.http_status {
            rules.range("httpStatus", status.into(), 200..=600);
        }
        if let Some(status) = abort.grpc_status {
            rules.range("grpcStatus", status.into(), 0..=16);
        }
        percentage(rules, abort.percentage);
    });
}

fn percentage(rules: &mut Rules, value: f64) {
    let message = "expected a share from 0 to 100 per cent";
    rules.demand((0.0..=100.0).contains(&value), "out-of-range", ("percentage", message));
}

fn compressor(rules: &mut Rules, compressor: &Compressor) {
    let Compressor { compressor_type, gzip, brotli, zstd, min_content_length: _ } = compressor;
    let given = [
        (CompressorType::Gzip, gzip.is_some()),
        (CompressorType::Brotli, brotli.is_some()),
        (CompressorType::Zstd, zstd.is_some()),
    ];
    let foreign = given.iter().any(|(kind, given)| *given && kind != compressor_type);
    let message = "its settings have to be those of its `type`";
    rules.demand(!foreign, "foreign-member", ("", message));
}

fn response_override(rules: &mut Rules, replaced: &ResponseOverride) {
    let ResponseOverride { matches, source: _, response, redirect } = replaced;
    let message = "expected exactly one of `response` and `redirect`";
    rules.demand(response.is_some() != redirect.is_some(), "exactly-one-of", ("", message));
    rules.field("match", |rules| {
        let empty = matches.status_codes.is_empty() && matches.response_headers.is_empty();
        rules.demand(!empty, "missing-field", ("", "expected `statusCodes` or `responseHeaders`"));
        rules.count("statusCodes", matches.status_codes.len(), 0..=50);
        rules.each("statusCodes", &matches.status_codes, status_codes);
        rules.each("responseHeaders", &matches.response_headers, header_match);
    });
    rules.optional("response", response.as_ref(), |rules, response| {
        if let Some(status) = response.status_code {
            rules.range("statusCode", status.into(), 100..=599);
        }
    });
    rules.optional("redirect", redirect.as_ref(), override_redirect);
}

fn status_codes(rules: &mut Rules, codes: &StatusCodeMatch) {
    let StatusCodeMatch { match_type, value, range } = codes;
    let fits = match match_type {
        StatusCodeMatchType::Value => value.is_some() && range.is_none(),
        StatusCodeMatchType::Range => range.is_some() && value.is_none(),
    };
    let message = "`type: Value` needs `value` alone, `type: Range` `range` alone";
    rules.demand(fits, "exactly-one-of", ("", message));
    rules.optional("range", range.as_ref(), |rules, range| {
        rules.demand(range.end > range.start, "range-order", ("end", "`end` must be greater than `start`"));
    });
}

fn override_redirect(rules: &mut Rules, redirect: &OverrideRedirect) {
    let OverrideRedirect { scheme, hostname: _, path, port, status_code } = redirect;
    if let Some(scheme) = scheme {
        let holds = matches!(scheme.as_str(), "http" | "https");
        rules.form("unknown-value", ("scheme", scheme), (holds, "http or https"));
    }
    rules.optional("path", path.as_ref(), |rules, path| {
        let whole = path.modifier_type == PathModifierType::ReplaceFullPath;
        rules.demand(whole, "unknown-value", ("type", "only ReplaceFullPath is allowed here"));
    });
    rules.port("port", *port);
    let known = status_code.is_none_or(|status| matches!(status, 301 | 302));
    rules.demand(known, "out-of-range", ("statusCode", "expected 301 or 302"));
}
