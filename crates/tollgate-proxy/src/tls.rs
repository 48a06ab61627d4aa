//! What the snapshot says of connections, in the words of `tollgate-net`.

use std::{collections::HashMap, sync::Arc};

use tollgate_net::{
    CertTable, ClientAuth, ClientName, Front, Named, ProxyProtocol, Resumption, ServerKey, ServerSettings,
    ServerTls, Version, certified_key,
};
use tollgate_snapshot::{
    ClientCertificates, ClientSettings, ClientTimeouts, ClientTls, HostPattern, Listener, ListenerTls, Port,
    PortProtocol, SanMatch, TlsVersion, Verification,
};
use tollgate_types::ListenerId;

use crate::tuning;

/// The last usable key of each certificate: by listener, and by Secret.
pub(crate) type Keys = HashMap<(ListenerId, Arc<str>), Arc<ServerKey>>;

/// What a port shows, and what of it cannot be used.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) front: Front,
    /// For the next time.
    pub(crate) keys: Keys,
    pub(crate) problems: Vec<(ListenerId, String)>,
}

/// What a port shows. A certificate that is broken now is shown as it was, where `before` knows it: nobody is locked
/// out by an edit.
pub(crate) fn of_port(port: &Port, host: &ServerSettings, before: &Keys) -> Shown {
    let front = Front { settings: settings(&port.client, host), ..Front::default() };
    let mut shown = Shown { front, keys: Keys::new(), problems: Vec::new() };
    if port.protocol == PortProtocol::Http {
        return shown;
    }
    let mut certs = CertTable::default();
    for listener in &port.listeners {
        add(listener, before, &mut certs, &mut shown);
    }
    // A listener for every host decides about clients that name none, too.
    let any = port.listeners.iter().find(|listener| listener.hostname == HostPattern::Any);
    let common = any.map_or(&port.client, |any| &any.client);
    // Where one differs all are named: a wildcard's terms are not for the host that has a listener of its own.
    if port.listeners.iter().any(|listener| !Arc::ptr_eq(&listener.client, common)) {
        shown.front.named.extend(port.listeners.iter().filter_map(|listener| {
            Some(Named {
                name: name(&listener.hostname)?.into(),
                settings: settings(&listener.client, host),
                tls: tls(&listener.client.tls, certs.clone()),
            })
        }));
    }
    shown.front.settings = settings(common, host);
    shown.front.tls = Some(tls(&common.tls, certs));
    shown
}

fn name(pattern: &HostPattern) -> Option<String> {
    match pattern {
        HostPattern::Any => None,
        HostPattern::Wildcard(suffix) => Some(format!("*{suffix}")),
        HostPattern::Exact(name) => Some(name.to_string()),
    }
}

fn add(listener: &Listener, before: &Keys, certs: &mut CertTable, shown: &mut Shown) {
    let Some(ListenerTls::Terminate(certificates)) = &listener.tls else { return };
    let name = name(&listener.hostname).unwrap_or_default();
    for certificate in certificates {
        let place = (listener.id.clone(), Arc::clone(&certificate.name));
        let key = match certified_key(&certificate.chain, certificate.key.expose()) {
            Ok(key) => key,
            Err(error) => {
                let old = before.get(&place);
                let kept = if old.is_some() { "; the certificate before it stays in service" } else { "" };
                let problem = format!("secret {}: {error}{kept}", certificate.name);
                shown.problems.push((listener.id.clone(), problem));
                let Some(old) = old else { continue };
                Arc::clone(old)
            }
        };
        certs.insert(&name, Arc::clone(&key));
        shown.keys.insert(place, key);
    }
}

/// The host's own limits, less what the client policy changes.
fn settings(client: &ClientSettings, host: &ServerSettings) -> ServerSettings {
    let ClientSettings { timeouts, connection, http2, .. } = client;
    let or_host = ClientTimeouts::or_host;
    ServerSettings {
        max_connections: connection.limit.unwrap_or(host.max_connections).min(host.max_connections),
        close_delay: connection.close_delay,
        proxy_protocol: match client.proxy_protocol {
            tollgate_snapshot::ProxyProtocol::Off => ProxyProtocol::Off,
            tollgate_snapshot::ProxyProtocol::Optional => ProxyProtocol::Optional,
            tollgate_snapshot::ProxyProtocol::Required => ProxyProtocol::Required,
        },
        inspection_timeout: or_host(timeouts.inspection, host.inspection_timeout),
        handshake_timeout: or_host(timeouts.handshake, host.handshake_timeout),
        header_timeout: or_host(timeouts.head, host.header_timeout),
        request_timeout: timeouts.request.filter(|limit| !limit.is_zero()).or(host.request_timeout),
        idle_timeout: or_host(timeouts.idle, host.idle_timeout),
        body_idle_timeout: or_host(timeouts.stream_idle, host.body_idle_timeout),
        write_timeout: host.write_timeout,
        max_duration: connection.max_duration.or(host.max_duration),
        max_requests: connection.max_requests.or(host.max_requests),
        max_header_bytes: client.heads.max_bytes.unwrap_or(host.max_header_bytes),
        max_headers: host.max_headers,
        max_streams: http2.max_streams.unwrap_or(host.max_streams),
        stream_window: http2.stream_window.unwrap_or(host.stream_window),
        connection_window: http2.connection_window.unwrap_or(host.connection_window),
        ping_interval: http2.ping_interval.or(host.ping_interval),
        ping_timeout: http2.ping_timeout.unwrap_or(host.ping_timeout),
        keepalive: client.keepalive.map(tuning::keepalive).or(host.keepalive),
    }
}

fn tls(client: &ClientTls, certs: CertTable) -> ServerTls {
    let ClientTls {
        min_version,
        max_version,
        ciphers,
        curves,
        alpn,
        clients,
        stateless_resumption: stateless,
        stateful_resumption: stateful,
    } = client;
    ServerTls {
        certs,
        clients: clients.as_ref().map(client_auth),
        min_version: min_version.map_or_else(Version::default, version),
        max_version: max_version.map(version),
        ciphers: ciphers.clone(),
        curves: curves.clone(),
        alpn: alpn.clone(),
        resumption: Resumption { stateless: *stateless, stateful: *stateful },
    }
}

const fn version(version: TlsVersion) -> Version {
    match version {
        TlsVersion::Tls12 => Version::Tls12,
        TlsVersion::Tls13 => Version::Tls13,
    }
}

fn client_auth(rules: &ClientCertificates) -> ClientAuth {
    let ClientCertificates {
        verification,
        authorities,
        spki_hashes,
        certificate_hashes,
        names,
        revocation,
        allow_expired,
    } = rules;
    let (optional, unverified) = match verification {
        Verification::Request => (true, true),
        Verification::RequireAny => (false, true),
        Verification::VerifyIfGiven => (true, false),
        Verification::RequireAndVerify => (false, false),
    };
    ClientAuth {
        authorities: Arc::clone(authorities),
        optional,
        unverified,
        spki_hashes: spki_hashes.clone(),
        certificate_hashes: certificate_hashes.clone(),
        names: names.iter().map(client_name).collect(),
        revoked: revocation.as_ref().map(|revocation| Arc::clone(&revocation.lists)),
        revoked_leaf_only: revocation.as_ref().is_some_and(|revocation| revocation.leaf_only),
        allow_expired: *allow_expired,
    }
}

fn client_name(name: &SanMatch) -> ClientName {
    match name {
        SanMatch::Dns(pattern) => ClientName::Dns(pattern.clone()),
        SanMatch::Email(pattern) => ClientName::Email(pattern.clone()),
        SanMatch::Ip(pattern) => ClientName::Ip(pattern.clone()),
        SanMatch::Uri(pattern) => ClientName::Uri(pattern.clone()),
    }
}

#[cfg(test)]
mod tests;
