use std::sync::Arc;

use serde_json::Value;
use tollgate_resources::{
    AccessLog, EnvoyProxy, EnvoyProxyMetrics, EnvoyProxyTelemetry, Gateway, GatewayClass, IpFamily,
    MergeType, Object,
};
use tollgate_snapshot::{AccessLogSettings, Shutdown};
use tollgate_types::Severity;

use crate::{
    Fault, access_log,
    collector::Making,
    notes::{At, Notes},
    world::{World, group},
};

/// The namespace of a GatewayClass's EnvoyProxy that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// What is logged of requests to a Gateway, where its EnvoyProxy, or else that of its GatewayClass, says so.
pub(crate) fn access_log<'a>(
    world: &World<'a>,
    gateway: &'a Object<Gateway>,
    notes: &mut Notes,
) -> Option<Arc<AccessLogSettings>> {
    let class = of_class(world, gateway, notes);
    let own = of_gateway(world, gateway, notes);
    for proxy in class.iter().chain(own.iter().flatten()) {
        review(proxy, notes);
    }
    let (log, proxy) = match own {
        // The Gateway's own cannot be found: to log what the class wants would be a guess.
        Some(None) => return None,
        None => (log_of(class?)?.clone(), class?),
        Some(Some(own)) => {
            match (own.spec.merge_type.unwrap_or(MergeType::Replace), class.and_then(log_of)) {
                (MergeType::Replace, _) | (_, None) => (log_of(own)?.clone(), own),
                (MergeType::StrategicMerge | MergeType::JsonMerge, Some(wide)) => merged(wide, class?, own),
            }
        }
    };
    let making = Making { world, namespace: &proxy.meta.namespace };
    let at = At::new(proxy, "spec.telemetry.accessLog");
    access_log::settings(&log, &at, (&making, notes)).map(Arc::new)
}

/// How the process ends: one process serves all Gateways, so the most patient of them decides.
pub(crate) fn shutdown(world: &World<'_>) -> Shutdown {
    let mut quiet = Notes::default();
    let mut all = Shutdown::default();
    for gateway in &world.set.gateways {
        let class = of_class(world, gateway, &mut quiet);
        let own = of_gateway(world, gateway, &mut quiet).flatten();
        // Whichever it is, what is merged is merged field by field.
        let merged =
            own.is_none_or(|own| own.spec.merge_type.unwrap_or(MergeType::Replace) != MergeType::Replace);
        for proxy in own.into_iter().chain(class.filter(|_| merged)) {
            let Some(shutdown) = &proxy.spec.shutdown else { continue };
            all.patience = all.patience.max(shutdown.drain_timeout);
            all.least = all.least.max(shutdown.min_drain_duration);
        }
    }
    all
}

/// What counts for a Gateway, first the one whose word wins: its own EnvoyProxy, and that of its GatewayClass where the
/// two are merged or there is no own one.
pub(crate) fn of<'a>(world: &World<'a>, gateway: &'a Object<Gateway>) -> Vec<&'a Object<EnvoyProxy>> {
    // Whatever is wrong with the references is reported where logs are looked for.
    let mut quiet = Notes::default();
    match of_gateway(world, gateway, &mut quiet) {
        Some(None) => Vec::new(),
        Some(Some(own)) if own.spec.merge_type.unwrap_or(MergeType::Replace) == MergeType::Replace => {
            vec![own]
        }
        Some(Some(own)) => [own].into_iter().chain(of_class(world, gateway, &mut quiet)).collect(),
        None => of_class(world, gateway, &mut quiet).into_iter().collect(),
    }
}

/// What is said of spans for a Gateway, and where.
pub(crate) fn tracing<'a>(
    world: &World<'a>,
    gateway: &'a Object<Gateway>,
) -> Option<(&'a Object<EnvoyProxy>, &'a Value)> {
    let said =
        |proxy: &'a Object<EnvoyProxy>| Some((proxy, proxy.spec.telemetry.as_ref()?.tracing.as_ref()?));
    of(world, gateway).into_iter().find_map(said)
}

fn log_of(proxy: &Object<EnvoyProxy>) -> Option<&AccessLog> {
    proxy.spec.telemetry.as_ref()?.access_log.as_ref()
}

/// Lists are taken as a whole; either kind of merge has it so, since `settings` has no key. Gives the object in which
/// the settings stand, too.
fn merged<'a>(
    wide: &AccessLog,
    class: &'a Object<EnvoyProxy>,
    own: &'a Object<EnvoyProxy>,
) -> (AccessLog, &'a Object<EnvoyProxy>) {
    let Some(narrow) = log_of(own) else { return (wide.clone(), class) };
    let (settings, proxy) =
        if narrow.settings.is_empty() { (&wide.settings, class) } else { (&narrow.settings, own) };
    (AccessLog { disable: wide.disable || narrow.disable, settings: settings.clone() }, proxy)
}

/// None where the Gateway names none; nothing inside where what it names cannot be found.
fn of_gateway<'a>(
    world: &World<'a>,
    gateway: &'a Object<Gateway>,
    notes: &mut Notes,
) -> Option<Option<&'a Object<EnvoyProxy>>> {
    let reference = gateway.spec.infrastructure.as_ref()?.parameters_ref.as_ref()?;
    let at = At::new(gateway, "spec.infrastructure.parametersRef");
    if (reference.group.as_str(), reference.kind.as_str()) != (group::ENVOY, "EnvoyProxy") {
        notes.error(&at, foreign(&reference.group, &reference.kind));
        return Some(None);
    }
    match world.envoy_proxies.get(&gateway.meta.namespace, &reference.name) {
        Ok(proxy) => {
            if proxy.spec.merge_gateways == Some(true) {
                let fault = Fault::new("misplaced-field", "mergeGateways counts for a GatewayClass only");
                notes.warning(&At::new(proxy, "spec.mergeGateways"), fault);
            }
            Some(Some(proxy))
        }
        Err(fault) => {
            notes.error(&at.to(".name"), fault.own_log());
            Some(None)
        }
    }
}

fn of_class<'a>(
    world: &World<'a>,
    gateway: &Object<Gateway>,
    notes: &mut Notes,
) -> Option<&'a Object<EnvoyProxy>> {
    let classes = &world.set.gateway_classes;
    let class: &Object<GatewayClass> =
        classes.iter().find(|class| *class.meta.name == *gateway.spec.gateway_class_name)?;
    let reference = class.spec.parameters_ref.as_ref()?;
    let at = At::new(class, "spec.parametersRef");
    if (reference.group.as_str(), reference.kind.as_str()) != (group::ENVOY, "EnvoyProxy") {
        notes.error(&at, foreign(&reference.group, &reference.kind));
        return None;
    }
    let namespace = reference.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    match world.envoy_proxies.get(namespace, &reference.name) {
        Ok(proxy) => Some(proxy),
        Err(fault) => {
            notes.error(&at.to(".name"), fault.own_log());
            None
        }
    }
}

fn foreign(group: &str, kind: &str) -> Fault {
    Fault::new("invalid-parameters", format!("{kind} of group {group:?} cannot be read here"))
        .help("parametersRef may name an EnvoyProxy of group gateway.envoyproxy.io")
}

/// Objects that nothing refers to.
pub(crate) fn unused(world: &World<'_>, notes: &mut Notes) {
    for proxy in &world.set.envoy_proxies {
        let (namespace, name) = (&*proxy.meta.namespace, &*proxy.meta.name);
        let by_class = world.set.gateway_classes.iter().any(|class| {
            class.spec.parameters_ref.as_ref().is_some_and(|reference| {
                reference.name == name
                    && reference.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE) == namespace
            })
        });
        let by_gateway = world.set.gateways.iter().any(|gateway| {
            let infrastructure = gateway.spec.infrastructure.as_ref();
            let reference = infrastructure.and_then(|infrastructure| infrastructure.parameters_ref.as_ref());
            *gateway.meta.namespace == *namespace && reference.is_some_and(|reference| reference.name == name)
        });
        if !by_class && !by_gateway {
            let message = format!("no Gateway and no GatewayClass refers to EnvoyProxy {namespace}/{name}");
            notes.info(&At::new(proxy, ""), Fault::new("unused-envoy-proxy", message));
        }
    }
}

/// What is not served, each with what happens in its place.
#[expect(clippy::too_many_lines, reason = "one row per field, flat")]
fn review(proxy: &Object<EnvoyProxy>, notes: &mut Notes) {
    let EnvoyProxy {
        merge_type: _,
        provider,
        logging: _,
        telemetry,
        bootstrap,
        concurrency,
        routing_type,
        extra_args,
        merge_gateways,
        merge_backends,
        shutdown,
        filter_order,
        backend_tls,
        ip_family,
        preserve_route_order,
        lua,
        lua_validation,
        dynamic_modules,
        geo_ip,
    } = &proxy.spec;
    let services = routing_type.as_ref().is_some_and(|routing| routing.as_str() == Some("Service"));
    let other_family = matches!(ip_family, Some(IpFamily::IPv6 | IpFamily::DualStack));
    let (concerns_envoy, differs) = (Severity::Info, Severity::Warning);
    let at = At::new(proxy, "spec");
    let rows = [
        (provider.is_some(), "provider", concerns_envoy, "how Tollgate runs is up to its own Deployment"),
        (bootstrap.is_some(), "bootstrap", concerns_envoy, "there is no Envoy that it could configure"),
        (concurrency.is_some(), "concurrency", concerns_envoy, "--threads says how many workers there are"),
        (!extra_args.is_empty(), "extraArgs", concerns_envoy, "there is no Envoy that could take them"),
        (
            *merge_gateways == Some(true),
            "mergeGateways",
            concerns_envoy,
            "one process serves all Gateways anyway",
        ),
        (
            merge_backends.is_some(),
            "mergeBackends",
            concerns_envoy,
            "rules share connections to a backend anyway",
        ),
        (lua.is_some(), "lua", concerns_envoy, "no Lua is run"),
        (lua_validation.is_some(), "luaValidation", concerns_envoy, "no Lua is run"),
        (!dynamic_modules.is_empty(), "dynamicModules", concerns_envoy, "no modules are loaded"),
        (geo_ip.is_some(), "geoIP", concerns_envoy, "rules that ask for a place answer 500"),
        (services, "routingType", differs, "requests go to the endpoints of a Service"),
        (
            !filter_order.is_empty(),
            "filterOrder",
            differs,
            "filters run in the order that Envoy Gateway has of itself",
        ),
        (
            backend_tls.is_some(),
            "backendTLS",
            differs,
            "TLS towards backends is what their Backend and BackendTLSPolicy say",
        ),
        (other_family, "ipFamily", differs, "--bind says on which address is listened"),
        (
            *preserve_route_order == Some(true),
            "preserveRouteOrder",
            differs,
            "routes go by precedence, as Gateway API has it",
        ),
    ];
    report(&at, &rows, notes);
    let delay = shutdown.as_ref().and_then(|shutdown| shutdown.health_check_failure_delay);
    let delayed = delay.is_some_and(|delay| !delay.is_zero());
    let instead = "health checks fail as soon as the process is told to end";
    report(&at.to(".shutdown"), &[(delayed, "healthCheckFailureDelay", differs, instead)], notes);
    if let Some(telemetry) = telemetry {
        review_telemetry(telemetry, &at.to(".telemetry"), notes);
    }
}

fn review_telemetry(telemetry: &EnvoyProxyTelemetry, at: &At<'_>, notes: &mut Notes) {
    let EnvoyProxyTelemetry { access_log: _, tracing: _, metrics, request_id } = telemetry;
    let differs = Severity::Warning;
    let rows = [(
        request_id.is_some(),
        "requestID",
        differs,
        "whether a request is traced is not written into its x-request-id",
    )];
    report(at, &rows, notes);
    let Some(metrics) = metrics else { return };
    let EnvoyProxyMetrics {
        prometheus,
        sinks: _,
        matches,
        enable_virtual_host_stats,
        enable_per_endpoint_stats,
        enable_request_response_sizes_stats,
        enable_grpc_stats,
        cluster_stat_name,
    } = metrics;
    let packed = prometheus.as_ref().is_some_and(|prometheus| prometheus.compression.is_some());
    let envoy = Severity::Info;
    let own = "metrics are Tollgate's own, and not Envoy's";
    let rows = [
        (packed, "prometheus.compression", envoy, "/metrics is not compressed"),
        (!matches.is_empty(), "matches", envoy, own),
        (*enable_virtual_host_stats == Some(true), "enableVirtualHostStats", envoy, own),
        (*enable_per_endpoint_stats == Some(true), "enablePerEndpointStats", envoy, own),
        (*enable_request_response_sizes_stats == Some(true), "enableRequestResponseSizesStats", envoy, own),
        (*enable_grpc_stats == Some(true), "enableGRPCStats", envoy, own),
        (cluster_stat_name.is_some(), "clusterStatName", envoy, own),
    ];
    report(&at.to(".metrics"), &rows, notes);
}

fn report(at: &At<'_>, rows: &[(bool, &str, Severity, &str)], notes: &mut Notes) {
    for (_, field, severity, instead) in rows.iter().filter(|(given, ..)| *given) {
        let at = at.to(format!(".{field}"));
        let fault = Fault::new("no-effect", format!("{field} of an EnvoyProxy has no effect: {instead}"));
        match severity {
            Severity::Info => notes.info(&at, fault),
            Severity::Warning | Severity::Error => notes.warning(&at, fault),
        }
    }
}

// === impl Fault ===

impl Fault {
    /// What a reference that leads nowhere means for the log.
    fn own_log(self) -> Self {
        let message = format!("{}; requests stay in the process's own log", self.message);
        Self { message, ..self }
    }
}
