//! BackendTrafficPolicy: how requests go to backends.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use http::StatusCode;
use tollgate_balance::{AdmissionRule, Algorithm, Budget, Limits, Outlier};
use tollgate_resources::{
    AdmissionControl as AdmissionSpec, BackendTrafficPolicy, BandwidthLimit, CircuitBreaker,
    Compressor as CompressorSpec, CompressorType, FaultAbort, FaultInjection, HealthCheck, HttpUpgrade,
    PassiveHealthCheck, PolicyRetry, RetryTrigger,
};
use tollgate_snapshot::{
    Abort, AdmissionControl, Bandwidth, Compressor, Faults, Packing, Problem, RetryPolicy, Timeouts, Traffic,
    Trigger,
};

use crate::{
    Fault, balancing, connections, health_checks,
    making::Making,
    notes::{At, Notes},
    overrides::reply_override,
};

/// What a policy says, as far as it is served; the rest is noted. What cannot be done as it is asked for breaks it.
pub(crate) fn traffic(
    spec: &BackendTrafficPolicy,
    at: &At<'_>,
    making: &mut Making<'_, '_, '_>,
) -> Result<Traffic, Arc<Problem>> {
    review(spec, at, making.notes);
    let BackendTrafficPolicy { load_balancer, retry, health_check, circuit_breaker, .. } = spec;
    let mut traffic = Traffic::default();
    if let Some(balancer) = load_balancer {
        balancing::load_balancing(balancer, &mut traffic, &at.to(".loadBalancer"), making)?;
    } else {
        traffic.balancing.algorithm = Algorithm::LeastRequest;
    }
    let notes = &mut *making.notes;
    if let Some(health) = health_check {
        health_checks(health, &mut traffic, &at.to(".healthCheck"), notes);
    }
    traffic.connections = connections::connections(spec, at, notes);
    traffic.balancing.limits = circuit_breaker.as_ref().map(limits).unwrap_or_default();
    traffic.replayed = spec.connection.as_ref().and_then(|connection| connection.buffer_limit);
    let http = spec.timeout.as_ref().and_then(|timeout| timeout.http.as_ref());
    traffic.max_stream =
        http.and_then(|http| http.max_stream_duration).filter(|duration| !duration.is_zero());
    traffic.faults = spec.fault_injection.as_ref().map(faults);
    traffic.request_buffer =
        spec.request_buffer.map(|buffer| usize::try_from(buffer.limit).unwrap_or(usize::MAX));
    let compressors = if spec.compressor.is_empty() { &spec.compression } else { &spec.compressor };
    traffic.compression = compressors.iter().map(compressor).collect();
    traffic.retry = retry.as_ref().map(self::retry);
    traffic.admission =
        spec.admission_control.as_ref().map(|spec| admission(spec, &at.to(".admissionControl"), notes));
    traffic.bandwidth = spec.bandwidth_limit.as_ref().map(bandwidth);
    traffic.upgrades = upgrades(&spec.http_upgrade, &at.to(".httpUpgrade"), notes);
    for (i, one) in spec.response_override.iter().enumerate() {
        let at = at.to(format!(".responseOverride[{i}]"));
        let made = reply_override(one, &at, making).map_err(|fault| making.notes.error(&at, fault))?;
        traffic.overrides.push(made);
    }
    Ok(traffic)
}

/// Limits of time where a route says nothing itself; zero means none.
pub(crate) fn timeouts(spec: &BackendTrafficPolicy, before: Timeouts) -> Timeouts {
    let Some(http) = spec.timeout.as_ref().and_then(|timeout| timeout.http.as_ref()) else { return before };
    let limit = |given: Option<Duration>, before: Option<Duration>| match given {
        None => before,
        Some(duration) => (!duration.is_zero()).then_some(duration),
    };
    Timeouts {
        request: limit(http.request_timeout, before.request),
        attempt: before.attempt,
        stream_idle: limit(http.stream_idle_timeout, before.stream_idle),
    }
}

/// Names what is written and not applied.
fn review(spec: &BackendTrafficPolicy, at: &At<'_>, notes: &mut Notes) {
    let given = [
        (
            "connection.socketBufferLimit",
            spec.connection.as_ref().is_some_and(|it| it.socket_buffer_limit.is_some()),
        ),
        ("connection.preconnect", spec.connection.as_ref().is_some_and(|it| it.preconnect.is_some())),
        (
            "bandwidthLimit.response.responseTrailers",
            spec.bandwidth_limit
                .as_ref()
                .and_then(|limit| limit.response.as_ref())
                .is_some_and(|it| it.response_trailers.is_some()),
        ),
        ("useClientProtocol", spec.use_client_protocol == Some(true)),
        ("telemetry", spec.telemetry.is_some()),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        let fault = Fault::not_served(format!("{field} of a BackendTrafficPolicy"));
        notes.warning(&at.to(format!(".{field}")), fault.help("traffic flows without it"));
    }
}

fn health_checks(spec: &HealthCheck, traffic: &mut Traffic, at: &At<'_>, notes: &mut Notes) {
    let HealthCheck { active, passive, panic_threshold } = spec;
    if let Some(percent) = panic_threshold {
        traffic.balancing.panic_percent = *percent;
    }
    traffic.balancing.outlier = passive.as_ref().map(outlier);
    match active.as_ref().map(health_checks::check).transpose() {
        Ok(check) => traffic.check = check,
        Err(fault) => drop(notes.error(&at.to(".active"), fault)),
    }
}

fn outlier(spec: &PassiveHealthCheck) -> Outlier {
    Outlier {
        interval: spec.interval,
        server_errors: spec.consecutive_5xx_errors,
        gateway_errors: spec.consecutive_gateway_errors.unwrap_or(0),
        local_failures: spec
            .split_external_local_origin_errors
            .then_some(spec.consecutive_local_origin_failures),
        base: spec.base_ejection_time,
        max_percent: spec.max_ejection_percent,
        failure_percent: spec.failure_percentage_threshold,
        always_one: spec.always_eject_one_endpoint,
    }
}

/// Percent as so many of a million.
fn per_million(percent: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    let share = (percent.clamp(0.0, 100.0) * 10_000.0).round() as u32;
    share
}

fn admission(spec: &AdmissionSpec, at: &At<'_>, notes: &mut Notes) -> AdmissionControl {
    let AdmissionSpec {
        sampling_window,
        min_success_rate,
        rejection_aggression,
        min_request_rate,
        max_rejection_percent,
        success_criteria,
    } = spec;
    let criteria = success_criteria.as_ref();
    if criteria.is_some_and(|criteria| criteria.grpc.is_some()) {
        let fault = Fault::not_served("admissionControl.successCriteria.grpc");
        notes.warning(&at.to(".successCriteria.grpc"), fault.help("the status of HTTP counts"));
    }
    let usual = AdmissionRule::default();
    let rule = AdmissionRule {
        window: sampling_window.unwrap_or(usual.window),
        min_success: min_success_rate.unwrap_or(usual.min_success),
        aggression: rejection_aggression.unwrap_or(usual.aggression),
        min_rate: min_request_rate.unwrap_or(usual.min_rate),
        max_percent: max_rejection_percent.unwrap_or(usual.max_percent),
    };
    let http = criteria.and_then(|criteria| criteria.http.as_ref());
    AdmissionControl { rule, successes: http.map(|http| http.status_codes.clone()).unwrap_or_default() }
}

fn bandwidth(spec: &BandwidthLimit) -> Bandwidth {
    let BandwidthLimit { request, response } = spec;
    Bandwidth {
        request: request.as_ref().and_then(|request| NonZeroU64::new(request.limit.per_second())),
        response: response.as_ref().and_then(|response| NonZeroU64::new(response.limit.per_second())),
    }
}

/// Protocols to which connections may be upgraded; `None` where the policy names none.
fn upgrades(spec: &[HttpUpgrade], at: &At<'_>, notes: &mut Notes) -> Option<Vec<Box<str>>> {
    for (i, _) in spec.iter().enumerate().filter(|(_, one)| one.upgrade_type == "CONNECT") {
        let fault = Fault::not_served("CONNECT").help("a CONNECT request is answered as any other method is");
        notes.warning(&at.to(format!("[{i}]")), fault);
    }
    let name = |one: &HttpUpgrade| one.upgrade_type.to_ascii_lowercase().into();
    (!spec.is_empty()).then(|| spec.iter().map(name).collect())
}

fn faults(spec: &FaultInjection) -> Faults {
    let abort = |abort: &FaultAbort| {
        let kind = match (abort.http_status, abort.grpc_status) {
            (Some(status), _) => Abort::Status(StatusCode::from_u16(status).ok()?),
            (None, Some(code)) => Abort::Grpc(u8::try_from(code).ok()?),
            (None, None) => return None,
        };
        Some((kind, per_million(abort.percentage)))
    };
    Faults {
        delay: spec.delay.as_ref().map(|delay| (delay.fixed_delay, per_million(delay.percentage))),
        abort: spec.abort.as_ref().and_then(abort),
    }
}

fn compressor(spec: &CompressorSpec) -> Compressor {
    let packing = match spec.compressor_type {
        CompressorType::Gzip => Packing::Gzip,
        CompressorType::Brotli => Packing::Brotli,
        CompressorType::Zstd => Packing::Zstd,
    };
    Compressor { packing, min_length: spec.min_content_length.unwrap_or(30) }
}

fn limits(spec: &CircuitBreaker) -> Limits {
    Limits {
        // More than those that have a connection or wait for one cannot be under way over HTTP/1.1. Counted over all
        // cores, which is more exact than each core's share of the connections.
        requests: Some(
            spec.max_parallel_requests.min(spec.max_connections.saturating_add(spec.max_pending_requests)),
        ),
        retries: Some(spec.max_parallel_retries),
        budget: spec.retry_budget.as_ref().map(|budget| Budget {
            percent: budget.percent.numerator.saturating_mul(100) / budget.percent.denominator.max(1),
            least: budget.min_retry_concurrency,
        }),
        per_endpoint: spec.per_endpoint.as_ref().map(|endpoint| endpoint.max_connections),
    }
}

/// Statuses alone keep the usual triggers; triggers replace them (Envoy Gateway, `retryOn`).
fn retry(spec: &PolicyRetry) -> RetryPolicy {
    let mut policy = RetryPolicy {
        retries: spec.num_retries,
        per_priority: spec.num_attempts_per_priority,
        ..RetryPolicy::default()
    };
    if let Some(on) = &spec.retry_on {
        if !on.triggers.is_empty() {
            policy.triggers = on.triggers.iter().copied().map(trigger).collect();
            policy.statuses.clear();
        }
        if !on.http_status_codes.is_empty() {
            policy.statuses.clone_from(&on.http_status_codes);
        }
    }
    if let Some(per_retry) = &spec.per_retry {
        policy.per_try = per_retry.timeout.filter(|timeout| !timeout.is_zero());
        if let Some(back_off) = &per_retry.back_off {
            policy.base = back_off.base_interval.unwrap_or(policy.base);
            policy.max = back_off.max_interval.unwrap_or(policy.base.saturating_mul(10));
        }
    }
    policy
}

const fn trigger(trigger: RetryTrigger) -> Trigger {
    match trigger {
        RetryTrigger::ServerError => Trigger::ServerError,
        RetryTrigger::GatewayError => Trigger::GatewayError,
        RetryTrigger::Reset => Trigger::Reset,
        RetryTrigger::ResetBeforeRequest => Trigger::ResetBeforeRequest,
        RetryTrigger::ConnectFailure => Trigger::ConnectFailure,
        RetryTrigger::Retriable4xx => Trigger::Retriable4xx,
        RetryTrigger::RefusedStream => Trigger::RefusedStream,
        RetryTrigger::RetriableStatusCodes => Trigger::StatusCodes,
        RetryTrigger::Cancelled => Trigger::Grpc(1),
        RetryTrigger::DeadlineExceeded => Trigger::Grpc(4),
        RetryTrigger::ResourceExhausted => Trigger::Grpc(8),
        RetryTrigger::Internal => Trigger::Grpc(13),
        RetryTrigger::Unavailable => Trigger::Grpc(14),
    }
}
