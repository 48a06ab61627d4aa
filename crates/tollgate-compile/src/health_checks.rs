//! BackendTrafficPolicy `healthCheck.active`: how endpoints are asked whether they are well.

use std::{ops::RangeInclusive, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Method;
use tollgate_balance::Thresholds;
use tollgate_resources::{
    ActiveHealthCheck, HealthCheckPayload, HealthCheckType, HttpHealthCheck, PayloadType, TcpHealthCheck,
};
use tollgate_snapshot::{HealthCheck, HttpProbe, Probe, TcpProbe};

use crate::Fault;

/// The check, or why there can be none.
pub(crate) fn check(spec: &ActiveHealthCheck) -> Result<HealthCheck, Fault> {
    let ActiveHealthCheck {
        timeout,
        interval,
        initial_jitter,
        unhealthy_threshold,
        healthy_threshold,
        check_type,
        http,
        tcp,
        grpc,
        overrides,
    } = spec;
    let probe = match (check_type, http) {
        (HealthCheckType::Http, Some(http)) => Probe::Http(http_probe(http)?),
        (HealthCheckType::Http, None) => {
            return Err(Fault::new("no-health-check", "a check of type HTTP needs `http`"));
        }
        (HealthCheckType::Tcp, _) => Probe::Tcp(tcp.as_ref().map(tcp_probe).transpose()?.unwrap_or_default()),
        (HealthCheckType::Grpc, _) => {
            let service = grpc.as_ref().and_then(|grpc| grpc.service.as_deref());
            Probe::Grpc(service.map(Arc::from))
        }
    };
    Ok(HealthCheck {
        timeout: *timeout,
        interval: *interval,
        initial_jitter: *initial_jitter,
        thresholds: Thresholds { unhealthy: *unhealthy_threshold, healthy: *healthy_threshold },
        port: overrides.as_ref().and_then(|overrides| overrides.port),
        probe,
    })
}

fn http_probe(spec: &HttpHealthCheck) -> Result<HttpProbe, Fault> {
    let HttpHealthCheck {
        hostname,
        path,
        method,
        request_body,
        expected_statuses,
        retriable_statuses,
        expected_response,
    } = spec;
    let single = |status: &u16| RangeInclusive::new(*status, *status);
    let mut probe = HttpProbe::get(path);
    probe.host = hostname.as_deref().map(Arc::from);
    if let Some(method) = method {
        let known = Method::from_bytes(method.as_bytes());
        probe.method = known.map_err(|_| Fault::new("invalid-method", format!("{method:?} is no method")))?;
    }
    if !expected_statuses.is_empty() {
        probe.statuses = expected_statuses.iter().map(single).collect();
    }
    probe.retriable = retriable_statuses.iter().map(single).collect();
    probe.body = request_body.as_ref().map(payload).transpose()?.unwrap_or_default();
    probe.expected = expected_response.as_ref().map(payload).transpose()?.unwrap_or_default();
    Ok(probe)
}

fn tcp_probe(spec: &TcpHealthCheck) -> Result<TcpProbe, Fault> {
    let TcpHealthCheck { send, receive } = spec;
    let bytes = |given: &Option<HealthCheckPayload>| given.as_ref().map(payload).transpose();
    Ok(TcpProbe { send: bytes(send)?.unwrap_or_default(), receive: bytes(receive)?.unwrap_or_default() })
}

fn payload(spec: &HealthCheckPayload) -> Result<Bytes, Fault> {
    let HealthCheckPayload { payload_type, text, binary } = spec;
    match payload_type {
        PayloadType::Text => Ok(Bytes::from(text.clone().unwrap_or_default())),
        PayloadType::Binary => {
            let decoded = STANDARD.decode(binary.as_deref().unwrap_or_default());
            decoded.map(Bytes::from).map_err(|_| Fault::new("invalid-base64", "`binary` is no base64"))
        }
    }
}
