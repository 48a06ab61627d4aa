//! What a BackendTrafficPolicy says of connections to backends.

use std::time::Duration;

use tollgate_resources::{
    BackendTrafficPolicy, DnsSettings, Http2Settings, InvalidMessageAction, LookupFamily as FamilySpec,
    ProxyProtocolVersion, TcpKeepalive as KeepaliveSpec,
};
use tollgate_snapshot::{Connections, Http2Rules, LookupFamily, ProxyVersion, TcpKeepalive};

use crate::{
    Fault,
    notes::{At, Notes},
};

pub(crate) fn connections(spec: &BackendTrafficPolicy, at: &At<'_>, notes: &mut Notes) -> Connections {
    let BackendTrafficPolicy { timeout, circuit_breaker, tcp_keepalive, http2, dns, proxy_protocol, .. } =
        spec;
    let http = timeout.as_ref().and_then(|timeout| timeout.http.as_ref());
    let tcp = timeout.as_ref().and_then(|timeout| timeout.tcp.as_ref());
    let limit = |duration: Option<Duration>| duration.filter(|duration| !duration.is_zero());
    let breaker = circuit_breaker.as_ref();
    let per_endpoint = breaker.and_then(|breaker| breaker.per_endpoint.as_ref());
    let dns = dns.clone().unwrap_or_default();
    names(&dns, &at.to(".dns"), notes);
    Connections {
        connect_timeout: limit(tcp.and_then(|tcp| tcp.connect_timeout)),
        idle_timeout: limit(http.and_then(|http| http.connection_idle_timeout)),
        max_duration: limit(http.and_then(|http| http.max_connection_duration)),
        max_open: breaker.map(|breaker| breaker.max_connections),
        max_open_per_endpoint: per_endpoint.map(|endpoint| endpoint.max_connections),
        max_pending: breaker.map(|breaker| breaker.max_pending_requests),
        max_requests: breaker.and_then(|breaker| breaker.max_requests_per_connection),
        keepalive: tcp_keepalive.as_ref().map(keepalive),
        http2: http2.as_ref().map(|spec| self::http2(spec, &at.to(".http2"), notes)).unwrap_or_default(),
        dns_refresh: limit(dns.dns_refresh_rate),
        lookup: dns.lookup_family.map(family).unwrap_or_default(),
        introduce: proxy_protocol.as_ref().map(|spec| match spec.version {
            ProxyProtocolVersion::V1 => ProxyVersion::V1,
            ProxyProtocolVersion::V2 => ProxyVersion::V2,
        }),
    }
}

/// Probes of a silent transport, towards clients and backends alike.
pub(crate) fn keepalive(spec: &KeepaliveSpec) -> TcpKeepalive {
    TcpKeepalive { probes: spec.probes, idle: spec.idle_time, interval: spec.interval }
}

/// HTTP/2 towards clients and backends alike; what of it has no effect is noted.
pub(crate) fn http2(spec: &Http2Settings, at: &At<'_>, notes: &mut Notes) -> Http2Rules {
    let Http2Settings {
        initial_stream_window_size,
        initial_connection_window_size,
        max_concurrent_streams,
        on_invalid_message,
        connection_keepalive,
    } = spec;
    let pings = connection_keepalive.unwrap_or_default();
    let idle = [
        (".onInvalidMessage", *on_invalid_message == InvalidMessageAction::TerminateStream),
        (".connectionKeepalive.intervalJitter", pings.interval_jitter.is_some()),
        (".connectionKeepalive.idleInterval", pings.idle_interval.is_some()),
    ];
    for (field, _) in idle.into_iter().filter(|(_, given)| *given) {
        let fault = Fault::not_served(format!("http2{field}"));
        notes.warning(&at.to(field), fault);
    }
    let window = |size: Option<u64>| size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    Http2Rules {
        stream_window: window(*initial_stream_window_size),
        connection_window: window(*initial_connection_window_size),
        max_streams: *max_concurrent_streams,
        ping_interval: pings.interval,
        ping_timeout: pings.timeout,
    }
}

fn names(spec: &DnsSettings, at: &At<'_>, notes: &mut Notes) {
    if spec.respect_dns_ttl == Some(true) {
        let message = "the system's resolver does not tell how long an answer holds";
        let help = "names are looked up again every dnsRefreshRate, 30 s unless given";
        notes.warning(&at.to(".respectDnsTtl"), Fault::new("not-served-yet", message).help(help));
    }
}

const fn family(spec: FamilySpec) -> LookupFamily {
    match spec {
        FamilySpec::IPv4 => LookupFamily::V4,
        FamilySpec::IPv6 => LookupFamily::V6,
        FamilySpec::IPv4Preferred => LookupFamily::V4Preferred,
        FamilySpec::IPv6Preferred => LookupFamily::V6Preferred,
        FamilySpec::IPv4AndIPv6 => LookupFamily::Any,
    }
}
