//! Rules of health checks.

use super::Rules;
use crate::kinds::{
    ActiveHealthCheck, HealthCheck, HealthCheckPayload, HealthCheckType, HttpHealthCheck, PassiveHealthCheck,
    PayloadType, TcpHealthCheck,
};

pub(crate) fn health_check(rules: &mut Rules, check: &HealthCheck) {
    let HealthCheck { active, passive, panic_threshold } = check;
    if let Some(threshold) = panic_threshold {
        rules.range("panicThreshold", *threshold, 0..=100);
    }
    rules.optional("active", active.as_ref(), active_check);
    rules.optional("passive", passive.as_ref(), |rules, passive| {
        let PassiveHealthCheck { max_ejection_percent, failure_percentage_threshold, .. } = passive;
        rules.range("maxEjectionPercent", *max_ejection_percent, 0..=100);
        if let Some(threshold) = failure_percentage_threshold {
            rules.range("failurePercentageThreshold", *threshold, 0..=100);
        }
    });
}

fn active_check(rules: &mut Rules, check: &ActiveHealthCheck) {
    let ActiveHealthCheck { check_type, http, tcp, grpc, overrides, .. } = check;
    let fits = match check_type {
        HealthCheckType::Http => http.is_some() && tcp.is_none() && grpc.is_none(),
        HealthCheckType::Tcp => http.is_none() && grpc.is_none(),
        HealthCheckType::Grpc => http.is_none() && tcp.is_none(),
    };
    let message = "expected the settings of its `type` alone, and `http` with type HTTP";
    rules.demand(fits, "foreign-member", ("", message));
    rules.range("unhealthyThreshold", check.unhealthy_threshold, 1..=u32::MAX);
    rules.range("healthyThreshold", check.healthy_threshold, 1..=u32::MAX);
    rules.optional("http", http.as_ref(), http_check);
    rules.optional("tcp", tcp.as_ref(), |rules, TcpHealthCheck { send, receive }| {
        rules.optional("send", send.as_ref(), payload);
        rules.optional("receive", receive.as_ref(), payload);
    });
    rules.optional("overrides", overrides.as_ref(), |rules, overrides| rules.port("port", overrides.port));
}

fn http_check(rules: &mut Rules, check: &HttpHealthCheck) {
    let HttpHealthCheck {
        hostname: _,
        path,
        method,
        request_body,
        expected_statuses,
        retriable_statuses,
        expected_response,
    } = check;
    rules.length("path", path, 1..=1024);
    let carries = method.as_deref().is_some_and(|method| matches!(method, "POST" | "PUT"));
    let message = "`requestBody` needs the method POST or PUT";
    rules.demand(carries || request_body.is_none(), "unknown-value", ("method", message));
    for (field, statuses) in
        [("expectedStatuses", expected_statuses), ("retriableStatuses", retriable_statuses)]
    {
        rules.each(field, statuses, |rules, status| rules.range("", (*status).into(), 100..=599));
    }
    rules.optional("requestBody", request_body.as_ref(), payload);
    rules.optional("expectedResponse", expected_response.as_ref(), payload);
}

fn payload(rules: &mut Rules, payload: &HealthCheckPayload) {
    let HealthCheckPayload { payload_type, text, binary } = payload;
    let fits = match payload_type {
        PayloadType::Text => text.is_some() && binary.is_none(),
        PayloadType::Binary => binary.is_some() && text.is_none(),
    };
    let message = "`type: Text` needs `text` alone, `type: Binary` `binary` alone";
    rules.demand(fits, "exactly-one-of", ("", message));
}
