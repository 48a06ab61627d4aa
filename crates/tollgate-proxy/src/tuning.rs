//! What a policy says of connections to a backend, in the words of the pool.

use tollgate_net::{Family, Keepalive, Naming, ProxyVersion, Tuning};
use tollgate_snapshot::{Connections, Http2Rules, LookupFamily, TcpKeepalive};

/// Pools are of one core and one endpoint, so each has its share of what a backend may have.
pub(crate) fn of(connections: &Connections, endpoints: usize, cores: usize) -> Tuning {
    let Connections {
        connect_timeout,
        idle_timeout,
        max_duration,
        max_open,
        max_open_per_endpoint,
        max_pending,
        max_requests,
        keepalive,
        http2,
        dns_refresh,
        lookup,
        introduce: _,
    } = *connections;
    let share = |most: u32, among: usize| usize::try_from(most).unwrap_or(usize::MAX) / among.max(1);
    let of_all = max_open.map(|most| share(most, cores * endpoints).max(1));
    let of_one = max_open_per_endpoint.map(|most| share(most, cores).max(1));
    let Http2Rules { stream_window, connection_window, max_streams, ping_interval, ping_timeout } = http2;
    Tuning {
        connect_timeout,
        idle_timeout,
        max_lifetime: max_duration,
        max_connections: of_all.into_iter().chain(of_one).min(),
        max_waiting: max_pending.map(|most| share(most, cores * endpoints).max(usize::from(most > 0))),
        max_requests,
        max_streams: max_streams.map(|most| share(most, 1)),
        stream_window,
        connection_window,
        ping_interval,
        ping_timeout,
        keepalive: keepalive.map(self::keepalive),
        naming: Naming { refresh: dns_refresh, family: family(lookup) },
        via: None,
    }
}

/// Probes of a silent transport, towards clients and backends alike.
pub(crate) const fn keepalive(rules: TcpKeepalive) -> Keepalive {
    let TcpKeepalive { probes, idle, interval } = rules;
    Keepalive { idle, interval, probes }
}

pub(crate) const fn version(version: tollgate_snapshot::ProxyVersion) -> ProxyVersion {
    match version {
        tollgate_snapshot::ProxyVersion::V1 => ProxyVersion::V1,
        tollgate_snapshot::ProxyVersion::V2 => ProxyVersion::V2,
    }
}

const fn family(family: LookupFamily) -> Family {
    match family {
        LookupFamily::Any => Family::Any,
        LookupFamily::V4 => Family::V4,
        LookupFamily::V6 => Family::V6,
        LookupFamily::V4Preferred => Family::V4Preferred,
        LookupFamily::V6Preferred => Family::V6Preferred,
    }
}
