//! ClientTrafficPolicy: what holds for clients and their connections.

use std::sync::Arc;

use http::HeaderValue;
use tollgate_resources::{
    ClientConnection, ClientHttp1, ClientIpDetection, ClientProxyProtocol, ClientTimeout,
    ClientTrafficPolicy, ConnectionLimit, XForwardedFor,
};
use tollgate_snapshot::{
    ClientAddress, ClientSettings, ClientTimeouts, ConnectionRules, Http1Rules, Http10, Problem,
    ProxyProtocol,
};

use crate::{Fault, client_heads, client_tls, connections, making::Making, matches::header_name, notes::At};

/// What a policy of clients is compiled with.
pub(crate) struct Compiling<'w, 'a, 'n> {
    pub(crate) making: Making<'w, 'a, 'n>,
    /// The host of requests without one, as far as it is clear.
    pub(crate) default_host: Option<Arc<str>>,
}

/// A compiled policy; one that is broken anywhere answers everything with its problem.
pub(crate) fn settings(
    spec: &ClientTrafficPolicy,
    at: &At<'_>,
    compiling: &mut Compiling<'_, '_, '_>,
) -> ClientSettings {
    let source = Some(at.reference().to_string().into());
    let mut made = ClientSettings { source, ..ClientSettings::envoy_gateway() };
    match fill(&mut made, spec, at, compiling) {
        Ok(()) => {}
        Err(problem) => made.problem = Some(problem),
    }
    made
}

fn fill(
    made: &mut ClientSettings,
    spec: &ClientTrafficPolicy,
    at: &At<'_>,
    compiling: &mut Compiling<'_, '_, '_>,
) -> Result<(), Arc<Problem>> {
    let ClientTrafficPolicy {
        target_ref: _,
        target_refs: _,
        target_selectors: _,
        tcp_keepalive,
        enable_proxy_protocol,
        proxy_protocol,
        client_ip_detection,
        tls,
        path,
        headers,
        timeout,
        connection,
        http1,
        http2,
        http3,
        grpc,
        health_check,
        // That of the connection to the backend is what it is told over HTTP/2, always.
        scheme: _,
    } = spec;
    made.keepalive = tcp_keepalive.as_ref().map(connections::keepalive);
    made.proxy_protocol = match (proxy_protocol, enable_proxy_protocol) {
        (Some(ClientProxyProtocol { optional: true }), _) => ProxyProtocol::Optional,
        (Some(ClientProxyProtocol { optional: false }), _) | (None, Some(true)) => ProxyProtocol::Required,
        (None, Some(false) | None) => ProxyProtocol::Off,
    };
    made.health_path = health_check.as_ref().map(|check| check.path.as_str().into());
    let web = grpc.is_some_and(|grpc| grpc.enable_web == Some(true));
    let idle = [("http3", http3.is_some()), ("grpc.enableWeb", web)];
    compiling.making.unserved(at, &idle);
    timeouts(&mut made.timeouts, timeout.unwrap_or_default(), at, compiling);
    limits(&mut made.connection, connection.unwrap_or_default(), at, compiling);
    if let Some(spec) = path {
        client_heads::paths(&mut made.heads, *spec);
    }
    if let Some(spec) = http2 {
        made.http2 = connections::http2(spec, &at.to(".http2"), compiling.making.notes);
    }
    // What is most likely to be broken comes last, so that a problem leaves the rest as it was meant.
    if let Some(spec) = headers {
        client_heads::headers(&mut made.heads, spec, &at.to(".headers"), compiling.making.notes)?;
    }
    if let Some(spec) = client_ip_detection {
        let found = address(made, spec);
        made.address =
            found.map_err(|fault| compiling.making.notes.error(&at.to(".clientIPDetection"), fault))?;
    }
    if let Some(spec) = http1 {
        self::http1(made, spec, at, compiling)?;
    }
    if let Some(spec) = tls {
        client_tls::tls(&mut made.tls, spec, &at.to(".tls"), &mut compiling.making)?;
    }
    Ok(())
}

fn timeouts(
    made: &mut ClientTimeouts,
    spec: ClientTimeout,
    at: &At<'_>,
    compiling: &mut Compiling<'_, '_, '_>,
) {
    let (tcp, http) = (spec.tcp.unwrap_or_default(), spec.http.unwrap_or_default());
    if tcp.idle_timeout.is_some() {
        let fault = Fault::new("no-effect", "timeout.tcp.idleTimeout is for TCP and TLS routes only")
            .help("for HTTP: timeout.http.idleTimeout");
        compiling.making.notes.info(&at.to(".timeout.tcp.idleTimeout"), fault);
    }
    made.inspection = tcp.connection_inspection_timeout.or(made.inspection);
    made.handshake = tcp.tls_handshake_timeout;
    made.head = http.request_headers_received_timeout;
    made.request = http.request_received_timeout;
    made.idle = http.idle_timeout;
    made.stream_idle = http.stream_idle_timeout;
}

fn limits(
    made: &mut ConnectionRules,
    spec: ClientConnection,
    at: &At<'_>,
    compiling: &mut Compiling<'_, '_, '_>,
) {
    let ClientConnection { connection_limit, buffer_limit, socket_buffer_limit, max_accept_per_socket_event } =
        spec;
    let idle = [
        ("socketBufferLimit", socket_buffer_limit.is_some()),
        ("maxAcceptPerSocketEvent", max_accept_per_socket_event.is_some()),
    ];
    for (field, _) in idle.into_iter().filter(|(_, given)| *given) {
        let fault = Fault::new("no-effect", format!("connection.{field} has no effect here"));
        compiling.making.notes.info(&at.to(format!(".connection.{field}")), fault);
    }
    made.buffer = buffer_limit.map(size);
    let limit = connection_limit.unwrap_or_default();
    let ConnectionLimit {
        value,
        close_delay,
        max_connection_duration,
        max_requests_per_connection,
        max_stream_duration,
    } = limit;
    made.limit = value.map(size);
    made.close_delay = close_delay.unwrap_or_default();
    made.max_duration = max_connection_duration.filter(|limit| !limit.is_zero());
    made.max_requests = max_requests_per_connection.filter(|limit| *limit > 0);
    made.max_stream = max_stream_duration.filter(|limit| !limit.is_zero());
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn http1(
    made: &mut ClientSettings,
    spec: &ClientHttp1,
    at: &At<'_>,
    compiling: &mut Compiling<'_, '_, '_>,
) -> Result<(), Arc<Problem>> {
    let ClientHttp1 {
        enable_trailers,
        preserve_header_case,
        http10,
        disable_safe_max_connection_duration,
        ignored_upgrade_types,
    } = spec;
    made.http1 = Http1Rules { trailers: *enable_trailers, preserve_case: *preserve_header_case };
    let idle = [
        ("http1.preserveHeaderCase", *preserve_header_case),
        ("http1.disableSafeMaxConnectionDuration", *disable_safe_max_connection_duration),
        ("http1.ignoredUpgradeTypes", !ignored_upgrade_types.is_empty()),
    ];
    compiling.making.unserved(at, &idle);
    made.heads.http10 = match http10 {
        None => Http10::Refuse,
        Some(http10) if !http10.use_default_host => Http10::Accept,
        Some(_) => {
            let host = compiling.default_host.as_deref().and_then(|host| HeaderValue::from_str(host).ok());
            Http10::DefaultHost(host.ok_or_else(|| {
                let message = "useDefaultHost needs a listener or a single route with one host, without `*`";
                let at = at.to(".http1.http10.useDefaultHost");
                compiling.making.notes.error(&at, Fault::new("no-default-host", message))
            })?)
        }
    };
    Ok(())
}

fn address(made: &mut ClientSettings, spec: &ClientIpDetection) -> Result<ClientAddress, Fault> {
    let ClientIpDetection { x_forwarded_for, custom_header, direct_source_ip: _ } = spec;
    if let Some(XForwardedFor { num_trusted_hops, trusted_cidrs, disable_append }) = x_forwarded_for {
        made.heads.append_forwarded_for = !disable_append;
        if let Some(hops) = num_trusted_hops {
            return Ok(ClientAddress::TrustedHops(*hops));
        }
        let ranges = trusted_cidrs.iter().map(|text| text.parse());
        let ranges: Result<_, tollgate_types::InvalidCidr> = ranges.collect();
        return ranges
            .map(ClientAddress::TrustedRanges)
            .map_err(|error| Fault::new("invalid-cidr", error.to_string()));
    }
    match custom_header {
        None => Ok(ClientAddress::Peer),
        Some(header) => {
            Ok(ClientAddress::Header { name: header_name(&header.name)?, required: header.fail_closed })
        }
    }
}
