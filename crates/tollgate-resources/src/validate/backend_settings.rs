//! Rules of the settings of connections to backends.

use std::time::Duration;

use super::Rules;
use crate::kinds::{
    BackOff, BackendConnection, CircuitBreaker, Http2Keepalive, Http2Settings, PolicyRetry, Preconnect,
};

/// Windows of HTTP/2 (RFC 9113, 6.9).
const WINDOW: (u64, u64) = (65_535, 0x7fff_ffff);

pub(crate) fn circuit_breaker(rules: &mut Rules, breaker: &CircuitBreaker) {
    rules.optional("retryBudget", breaker.retry_budget.as_ref(), |rules, budget| {
        rules.field("percent", |rules| {
            rules.range("denominator", budget.percent.denominator, 1..=u32::MAX);
            let message = "`numerator` must not be greater than `denominator`";
            let fits = budget.percent.numerator <= budget.percent.denominator;
            rules.demand(fits || budget.percent.denominator == 0, "out-of-range", ("numerator", message));
        });
    });
}

pub(crate) fn retry(rules: &mut Rules, retry: &PolicyRetry) {
    rules.optional("retryOn", retry.retry_on.as_ref(), |rules, on| {
        rules.each("httpStatusCodes", &on.http_status_codes, |rules, status| {
            rules.range("", (*status).into(), 100..=599);
        });
    });
    let back_off = retry.per_retry.as_ref().and_then(|each| each.back_off.as_ref());
    rules.field("perRetry", |rules| rules.optional("backOff", back_off, wait));
}

fn wait(rules: &mut Rules, BackOff { base_interval, max_interval }: &BackOff) {
    let positive = base_interval.is_none_or(|base| base > Duration::ZERO);
    rules.demand(positive, "out-of-range", ("baseInterval", "`baseInterval` must be longer than zero"));
    if let (Some(base), Some(max)) = (base_interval, max_interval) {
        let message = "`maxInterval` must not be shorter than `baseInterval`";
        rules.demand(max >= base, "timeout-order", ("maxInterval", message));
    }
}

pub(crate) fn connection(rules: &mut Rules, connection: &BackendConnection) {
    rules.optional("preconnect", connection.preconnect.as_ref(), |rules, preconnect| {
        let Preconnect { per_endpoint_percent, predictive_percent } = preconnect;
        if let Some(percent) = per_endpoint_percent {
            rules.range("perEndpointPercent", *percent, 100..=300);
        }
        if let Some(percent) = predictive_percent {
            rules.range("predictivePercent", *percent, 100..=u32::MAX);
        }
    });
}

/// Towards callers and backends alike.
pub(crate) fn http2(rules: &mut Rules, http2: &Http2Settings) {
    bytes(rules, "initialStreamWindowSize", http2.initial_stream_window_size, WINDOW);
    bytes(rules, "initialConnectionWindowSize", http2.initial_connection_window_size, WINDOW);
    if let Some(streams) = http2.max_concurrent_streams {
        rules.range("maxConcurrentStreams", streams, 1..=0x7fff_ffff);
    }
    rules.optional("connectionKeepalive", http2.connection_keepalive.as_ref(), |rules, keepalive| {
        let Http2Keepalive { interval, timeout, interval_jitter, idle_interval: _ } = keepalive;
        let too_long = interval.zip(*timeout).is_some_and(|(interval, timeout)| timeout >= interval);
        let message = "`timeout` must be shorter than `interval`";
        rules.demand(!too_long, "timeout-order", ("timeout", message));
        let message = "expected more than no time at all";
        rules.demand(*interval != Some(Duration::ZERO), "out-of-range", ("interval", message));
        rules.range("intervalJitter", interval_jitter.unwrap_or_default(), 0..=100);
    });
}

pub(crate) fn bytes(rules: &mut Rules, field: &str, value: Option<u64>, (low, high): (u64, u64)) {
    if let Some(value) = value.filter(|value| !(low..=high).contains(value)) {
        let message = format!("{value} is out of range: expected {low} to {high}");
        rules.broken("out-of-range", field, message);
    }
}
