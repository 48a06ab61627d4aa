//! Collectors that EnvoyProxies name, and what they are told.
use std::net::IpAddr;

use http::HeaderValue;
use tollgate_resources::{BackendObjectRef, SinkHeader};
use tollgate_snapshot::{Address, AddressHost, OtlpCollector, Upstream, UpstreamProtocol};

use crate::{
    Fault,
    backends::Backends,
    grants::Party,
    matches::header_name,
    notes::{At, Broken, Notes},
    world::{World, group},
};

/// Where collectors listen for gRPC.
const OTLP: u16 = 4317;

/// What a collector's references are followed with.
pub(crate) struct Making<'w, 'a> {
    pub(crate) world: &'w World<'a>,
    /// That of the EnvoyProxy.
    pub(crate) namespace: &'w str,
}

/// A collector as a resource has it.
pub(crate) struct Wanted<'r> {
    /// The first one that is named.
    pub(crate) reference: Option<&'r BackendObjectRef>,
    /// Host and port, as versions before had it.
    pub(crate) host: Option<(&'r str, Option<u16>)>,
    pub(crate) headers: &'r [SinkHeader],
    /// Whether there are `backendSettings`.
    pub(crate) settings: bool,
}

/// Follows the references. `resource` holds the attributes of what is reported on.
pub(crate) fn collector<'r>(
    wanted: &Wanted<'_>,
    resource: impl Iterator<Item = (&'r String, &'r String)>,
    at: &At<'_>,
    (making, notes): (&Making<'_, '_>, &mut Notes),
) -> Result<OtlpCollector, Broken> {
    let Wanted { reference, host, headers, settings } = wanted;
    if *settings {
        let fault = Fault::new("no-effect", "backendSettings have no effect here");
        notes.warning(&at.to(".backendSettings"), fault);
    }
    let upstream = match (reference, host) {
        (Some(reference), _) => {
            let from = Party { group: group::ENVOY, kind: "EnvoyProxy", namespace: making.namespace };
            Backends::new(making.world).upstream(reference, from, notes)?
        }
        (None, Some((host, port))) => at_host(host, port.unwrap_or(OTLP)),
        (None, None) => return Err(Fault::new("no-backends", "the collector has no backendRefs").into()),
    };
    let mut sent = Vec::with_capacity(headers.len());
    for header in *headers {
        let invalid = || Fault::new("invalid-header-value", format!("{} cannot be sent", header.name));
        let mut value = HeaderValue::from_bytes(header.value.expose()).map_err(|_| invalid())?;
        value.set_sensitive(true);
        sent.push((header_name(&header.name)?, value));
    }
    let resource = resource.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
    let upstream = Upstream { protocol: UpstreamProtocol::Http2, ..upstream };
    Ok(OtlpCollector { upstream, resource, headers: sent })
}

/// As versions before had it.
fn at_host(host: &str, port: u16) -> Upstream {
    let ip = host.parse::<IpAddr>();
    let host = ip.map_or_else(|_| AddressHost::Name(host.into()), AddressHost::Ip);
    let address = Address { host, port, hostname: None, zone: None };
    Upstream { addresses: vec![address], tls: None, protocol: UpstreamProtocol::Http2 }
}
