use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use tollgate_resources::{
    Backend, BackendAppProtocol, BackendEndpoint, BackendType, EndpointSlice, Object, Service, ServicePort,
};
use tollgate_snapshot::{Address, AddressHost, Upstream, UpstreamProtocol, UpstreamTls};

use crate::{
    Fault,
    notes::{At, Notes},
    tls::{self, OwnTls, TlsTarget},
    world::{World, group},
};

/// Where a Backend is.
pub(crate) fn of_backend(
    world: &World<'_>,
    object: &Object<Backend>,
    notes: &mut Notes,
) -> Result<Upstream, Fault> {
    let Backend { backend_type, endpoints, app_protocols, fallback: _, tls: _ } = &object.spec;
    let (namespace, name) = (&*object.meta.namespace, &*object.meta.name);
    if *backend_type == BackendType::DynamicResolver {
        return Err(Fault::not_served(format!("type DynamicResolver of Backend {namespace}/{name}")));
    }
    let addresses = endpoints.iter().map(endpoint).collect::<Result<Vec<_>, _>>()?;
    let tls = same_tls(world, object, &addresses, notes)?;
    if tls.is_none() && addresses.iter().any(|address| address.port == 443) {
        let message = format!("Backend {namespace}/{name} is on port 443, but nothing turns TLS on for it");
        let fault = Fault::new("plain-text-on-443", message)
            .help("add spec.tls.wellKnownCACertificates: System, or a BackendTLSPolicy for it");
        notes.warning(&At::new(object, "spec.endpoints"), fault);
    }
    let protocol = if app_protocols.contains(&BackendAppProtocol::H2c) {
        UpstreamProtocol::Http2
    } else if app_protocols.is_empty() {
        UpstreamProtocol::Auto
    } else {
        UpstreamProtocol::Http1
    };
    Ok(Upstream { addresses, tls, protocol })
}

/// Policies may name one port of a Backend. It has one TLS setting here, so that all its ports have to agree.
fn same_tls(
    world: &World<'_>,
    object: &Object<Backend>,
    addresses: &[Address],
    notes: &mut Notes,
) -> Result<Option<UpstreamTls>, Fault> {
    let ports: BTreeSet<_> = addresses.iter().map(|address| address.port).collect();
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    let sections: Vec<_> = ports.iter().map(String::as_str).collect();
    let mut first = None;
    for section in &sections {
        let target = TlsTarget {
            group: group::ENVOY,
            kind: "Backend",
            meta: &object.meta,
            section: Some(section),
            sections: &sections,
        };
        let own = object.spec.tls.as_ref().map(|tls| OwnTls { tls, at: At::new(object, "spec.tls") });
        let tls = tls::upstream(world, target, own, notes)?;
        if first.as_ref().is_some_and(|first| *first != tls) {
            let message = format!(
                "the ports of Backend {}/{} differ in their TLS, and one Backend cannot serve both",
                object.meta.namespace, object.meta.name
            );
            return Err(Fault::new("mixed-tls", message).help("make it one Backend for each port"));
        }
        first = Some(tls);
    }
    Ok(first.flatten())
}

fn endpoint(endpoint: &BackendEndpoint) -> Result<Address, Fault> {
    let BackendEndpoint { fqdn, ip, unix, hostname, zone } = endpoint;
    let (hostname, zone) = (hostname.as_deref().map(Arc::from), zone.as_deref().map(Arc::from));
    match (fqdn, ip, unix) {
        (Some(fqdn), ..) => Ok(Address { host: host(&fqdn.hostname), port: fqdn.port, hostname, zone }),
        (None, Some(ip), _) => Ok(Address { host: host(&ip.address), port: ip.port, hostname, zone }),
        (None, None, Some(_)) => {
            Err(Fault::new("unsupported-address", "routes cannot lead to a Unix socket")
                .help("give the endpoint an fqdn or an ip"))
        }
        (None, None, None) => Err(Fault::new("unsupported-address", "the endpoint has no address")),
    }
}

fn host(text: &str) -> AddressHost {
    match text.parse::<IpAddr>() {
        Ok(ip) => AddressHost::Ip(ip),
        Err(_) => AddressHost::Name(text.trim_end_matches('.').to_ascii_lowercase().into()),
    }
}

/// Where a port of a Service is: its EndpointSlices' ready pods, or else its DNS name.
pub(crate) fn of_service(
    world: &World<'_>,
    object: &Object<Service>,
    port: u16,
    notes: &mut Notes,
) -> Result<Upstream, Fault> {
    let (namespace, name) = (&*object.meta.namespace, &*object.meta.name);
    let Service { service_type, ports: _, cluster_ip: _, external_name: _ } = &object.spec;
    if service_type.as_deref() == Some("ExternalName") {
        return Err(Fault::new(
            "external-name",
            format!("Service {namespace}/{name} is of type ExternalName"),
        )
        .help("use a Backend with an fqdn endpoint instead"));
    }
    let service_port = port_of(object, port)?;
    let slices = world.slices(namespace, name);
    let addresses = if slices.is_empty() {
        let dns = format!("{name}.{namespace}.svc.cluster.local");
        vec![Address { host: AddressHost::Name(dns.into()), port, hostname: None, zone: None }]
    } else {
        slices.iter().flat_map(|slice| ready(&slice.spec, service_port)).collect()
    };
    if addresses.is_empty() {
        let message =
            format!("Service {namespace}/{name} has no ready endpoints on port {port}; requests get a 503");
        notes.warning(&At::new(object, ""), Fault::new("no-endpoints", message));
    }
    let sections: Vec<_> = object.spec.ports.iter().filter_map(|port| port.name.as_deref()).collect();
    let target = TlsTarget {
        group: group::CORE,
        kind: "Service",
        meta: &object.meta,
        section: service_port.name.as_deref(),
        sections: &sections,
    };
    let tls = tls::upstream(world, target, None, notes)?;
    let protocol = match service_port.app_protocol.as_deref() {
        Some("kubernetes.io/h2c" | "gateway.envoyproxy.io/h2c" | "grpc") => UpstreamProtocol::Http2,
        Some(
            "kubernetes.io/ws"
            | "kubernetes.io/wss"
            | "gateway.envoyproxy.io/ws"
            | "gateway.envoyproxy.io/wss",
        ) => UpstreamProtocol::Http1,
        Some(_) | None => UpstreamProtocol::Auto,
    };
    Ok(Upstream { addresses, tls, protocol })
}

/// A Service's port by number.
pub(crate) fn port_of(object: &Object<Service>, port: u16) -> Result<&ServicePort, Fault> {
    let ports = &object.spec.ports;
    ports.iter().find(|candidate| candidate.port == port).ok_or_else(|| {
        let known: Vec<_> = ports.iter().map(|port| port.port.to_string()).collect();
        let (namespace, name) = (&object.meta.namespace, &object.meta.name);
        Fault::new("port-not-found", format!("Service {namespace}/{name} has no port {port}"))
            .help(format!("its ports are {}", known.join(", ")))
    })
}

fn ready(slice: &EndpointSlice, service_port: &ServicePort) -> Vec<Address> {
    let EndpointSlice { address_type: _, endpoints, ports } = slice;
    let name = service_port.name.as_deref().unwrap_or_default();
    let Some(port) = ports.iter().find(|port| port.name.as_deref().unwrap_or_default() == name) else {
        return Vec::new();
    };
    let port = port.port.unwrap_or(service_port.port);
    endpoints
        .iter()
        .filter(|endpoint| endpoint.conditions.ready != Some(false))
        .filter_map(|endpoint| Some((endpoint.addresses.first()?, endpoint.zone.as_deref())))
        .map(|(address, zone)| Address {
            host: host(address),
            port,
            hostname: None,
            zone: zone.map(Arc::from),
        })
        .collect()
}
