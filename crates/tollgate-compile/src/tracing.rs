//! EnvoyProxy: where spans go, as variables of OpenTelemetry.
use std::sync::Arc;

use serde_json::Value;
use tollgate_resources::{BackendObjectRef, EnvoyProxy, Gateway, Object};
use tollgate_snapshot::{Address, AddressHost, CaCertificates, Upstream};
use tollgate_types::Secret;

use crate::{
    Fault,
    backends::Backends,
    envoy_proxy,
    grants::Party,
    notes::{At, Broken, Notes},
    world::{World, group},
};

/// Where collectors listen for gRPC.
const OTLP: u64 = 4317;

/// What the EnvoyProxies of the Gateways say of spans. There is one process, so the first that says something counts.
pub(crate) fn variables(world: &World<'_>, notes: &mut Notes) -> Vec<(Arc<str>, Secret)> {
    for gateway in &world.set.gateways {
        let Some((proxy, tracing)) = envoy_proxy::tracing(world, gateway) else { continue };
        let at = At::new(proxy, "spec.telemetry.tracing");
        return match of_proxy(tracing, (world, proxy, gateway), &at, notes) {
            Ok(variables) => variables,
            Err(broken) => {
                drop(notes.broken(&at.to(".provider"), broken));
                Vec::new()
            }
        };
    }
    Vec::new()
}

fn of_proxy(
    tracing: &Value,
    (world, proxy, gateway): (&World<'_>, &Object<EnvoyProxy>, &Object<Gateway>),
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<Vec<(Arc<str>, Secret)>, Broken> {
    for field in ["tags", "customTags", "spanName", "clientSamplingFraction", "overallSamplingFraction"] {
        if tracing.get(field).is_some() {
            let message = format!(
                "{field} of an EnvoyProxy has no effect: spans have the names and attributes of LLM calls"
            );
            notes.warning(&at.to(format!(".{field}")), Fault::new("no-effect", message));
        }
    }
    let provider = tracing.get("provider").unwrap_or(&Value::Null);
    let kind = provider.get("type").and_then(Value::as_str).unwrap_or("OpenTelemetry");
    if kind != "OpenTelemetry" {
        let fault = Fault::not_served(format!("a tracing provider of type {kind}"));
        notes.warning(&at.to(".provider.type"), fault.help("spans go to collectors of type OpenTelemetry"));
        return Ok(Vec::new());
    }
    let endpoint = endpoint(provider, (world, proxy), notes)?;
    let name = provider
        .get("serviceName")
        .and_then(Value::as_str)
        .map_or_else(|| format!("{}.{}", gateway.meta.name, gateway.meta.namespace), ToOwned::to_owned);
    let all = [
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", share(tracing).to_string()),
        ("OTEL_SERVICE_NAME", name),
    ];
    Ok(all.map(|(name, value)| (Arc::from(name), Secret::new(value))).into())
}

/// The share of requests of which spans are kept: all unless given.
fn share(tracing: &Value) -> f64 {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64);
    let fraction = tracing.get("samplingFraction").and_then(|fraction| {
        Some(number(fraction, "numerator")? / number(fraction, "denominator").unwrap_or(100.0))
    });
    let rate = number(tracing, "samplingRate").map(|percent| percent / 100.0);
    fraction.or(rate).filter(|share| share.is_finite()).unwrap_or(1.0).clamp(0.0, 1.0)
}

fn endpoint(
    provider: &Value,
    (world, proxy): (&World<'_>, &Object<EnvoyProxy>),
    notes: &mut Notes,
) -> Result<String, Broken> {
    let list = provider.get("backendRefs").and_then(Value::as_array).and_then(|list| list.first());
    let Some(reference) = list.or(provider.get("backendRef")) else {
        let host = provider.get("host").and_then(Value::as_str);
        let host = host.ok_or_else(|| Fault::new("no-backends", "the collector has no backendRefs"))?;
        let port = provider.get("port").and_then(Value::as_u64).unwrap_or(OTLP);
        return Ok(format!("http://{host}:{port}"));
    };
    let reference: BackendObjectRef = serde_json::from_value(reference.clone())
        .map_err(|error| Fault::new("invalid-reference", format!("backendRefs[0]: {error}")))?;
    let from = Party { group: group::ENVOY, kind: "EnvoyProxy", namespace: &proxy.meta.namespace };
    let Upstream { addresses, tls, protocol: _ } = Backends::new(world).upstream(&reference, from, notes)?;
    let Some(Address { host, port, hostname, zone: _ }) = addresses.first() else {
        return Err(Fault::new("no-endpoints", "the collector has no endpoint now").into());
    };
    let host = match host {
        AddressHost::Name(name) => name.to_string(),
        AddressHost::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
        AddressHost::Ip(ip) => ip.to_string(),
    };
    let Some(tls) = tls else { return Ok(format!("http://{host}:{port}")) };
    // The exporter knows its collector by the address alone.
    let name = tls.sni.or(hostname.clone());
    let plain = tls.ca == CaCertificates::System && tls.client.is_none() && tls.subject_alt_names.is_empty();
    if plain && name.is_none_or(|name| *name == *host) {
        return Ok(format!("https://{host}:{port}"));
    }
    let fault = Fault::not_served("a collector of spans with authorities, certificates or a name of its own");
    Err(fault
        .help("OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_CERTIFICATE of the process can say so")
        .into())
}
