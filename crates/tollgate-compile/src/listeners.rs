use std::{collections::BTreeMap, sync::Arc};

use tollgate_resources::{Gateway, Listener as Spec, Object, TlsMode};
use tollgate_snapshot::{Guard, HostPattern, ListenerTls, Port, PortProtocol};

use crate::{
    Fault,
    clients::{Clients, PortTerms},
    costs::{self, Costs},
    envoy_proxy, frontend,
    grants::Party,
    listening::Listening,
    lookup::nearest,
    notes::{At, Notes},
    tls,
    world::{World, group},
};

/// The annotation by which a Gateway names its GatewayConfig.
pub(crate) const CONFIG_ANNOTATION: &str = "aigateway.envoyproxy.io/gateway-config";

/// Controllers of other products; their Gateways are hardly meant for us.
const FOREIGN: [&str; 10] = [
    "istio.io/",
    "cilium.io/",
    "konghq.com/",
    "traefik.io/",
    "nginx.org/",
    "gateway.nginx.org/",
    "projectcontour.io/",
    "haproxy",
    "gke.io/",
    "gateway.k8s.aws/",
];

/// Every listener that can serve. Conflicting ones of one Gateway are all out; of several Gateways the oldest wins.
pub(crate) fn listeners<'a>(world: &World<'a>, notes: &mut Notes) -> Vec<Listening<'a>> {
    let mut gateways: Vec<_> = world.set.gateways.iter().collect();
    gateways.sort_by_key(|gateway| gateway.meta.created.unwrap_or(i64::MAX));
    let mut all = Vec::<Listening<'a>>::new();
    for gateway in gateways {
        review_class(world, gateway, notes);
        review_gateway(gateway, notes);
        let access_log = envoy_proxy::access_log(world, gateway, notes);
        let mut own = Vec::<Listening<'a>>::new();
        for position in 0..gateway.spec.listeners.len() {
            let at = At::new(gateway, format!("spec.listeners[{position}]"));
            own.extend(listening(world, gateway, position, &at, notes));
        }
        own = distinct(own, notes);
        own.iter_mut().for_each(|listening| listening.access_log.clone_from(&access_log));
        own.retain(|listening| match all.iter().find(|other| clash(other, listening).is_some()) {
            None => true,
            Some(older) => {
                let message = format!(
                    "port {} with this hostname or protocol belongs to listener {} of Gateway {}/{} already",
                    listening.spec.port,
                    older.spec.name,
                    older.gateway.meta.namespace,
                    older.gateway.meta.name
                );
                notes.error(&listening.at(), Fault::new("listener-conflict", message));
                false
            }
        });
        all.extend(own);
    }
    all
}

fn listening<'a>(
    world: &World<'a>,
    gateway: &'a Object<Gateway>,
    position: usize,
    at: &At<'_>,
    notes: &mut Notes,
) -> Option<Listening<'a>> {
    let spec = gateway.spec.listeners.get(position)?;
    let (protocol, tls, frontend) = match spec.protocol.as_str() {
        "HTTP" => (PortProtocol::Http, None, None),
        "HTTPS" => match frontend::of_listener(world, gateway, (spec, at), notes) {
            Ok(asks) => (PortProtocol::Https, Some(listener_tls(world, gateway, spec, at, notes)), asks),
            // Serving without the check would let everybody in.
            Err(problem) => (PortProtocol::Https, Some(ListenerTls::Invalid(problem)), None),
        },
        other => {
            let fault = Fault::not_served(format!("protocol {other} of listener {}", spec.name));
            notes.warning(&at.to(".protocol"), fault.help("HTTP and HTTPS are served"));
            return None;
        }
    };
    for (i, kind) in spec.allowed_routes.kinds.iter().enumerate() {
        if !matches!(kind.kind.as_str(), "HTTPRoute" | "AIGatewayRoute") {
            let fault = Fault::not_served(format!("kind {} on listener {}", kind.kind, spec.name));
            notes.info(&at.to(format!(".allowedRoutes.kinds[{i}]")), fault);
        }
    }
    Some(Listening {
        gateway,
        spec,
        hostname: HostPattern::parse(spec.hostname.as_deref().unwrap_or_default()),
        candidates: Vec::new(),
        models: Vec::new(),
        guard: Guard::Open,
        access_log: None,
        protocol,
        tls,
        frontend,
        position,
    })
}

fn listener_tls(
    world: &World<'_>,
    gateway: &Object<Gateway>,
    spec: &Spec,
    at: &At<'_>,
    notes: &mut Notes,
) -> ListenerTls {
    let at = at.to(".tls");
    let Some(tls) = &spec.tls else {
        let fault = Fault::new("no-certificate", format!("listener {} is HTTPS but has no tls", spec.name));
        return ListenerTls::Invalid(notes.error(&at, fault.help("add tls.certificateRefs")));
    };
    if tls.mode == TlsMode::Passthrough {
        let fault =
            Fault::new("passthrough", format!("listener {} is HTTPS and cannot pass TLS through", spec.name));
        return ListenerTls::Invalid(notes.error(&at.to(".mode"), fault));
    }
    let from = Party { group: group::GATEWAY, kind: "Gateway", namespace: &gateway.meta.namespace };
    let (mut certificates, mut broken) = (Vec::new(), None);
    for (i, secret) in tls.certificate_refs.iter().enumerate() {
        match tls::certificate(world, from, secret) {
            Ok(certificate) => certificates.push(certificate),
            Err(fault) => broken = Some(notes.error(&at.to(format!(".certificateRefs[{i}]")), fault)),
        }
    }
    match (certificates.is_empty(), broken) {
        (false, _) => ListenerTls::Terminate(certificates),
        (true, Some(problem)) => ListenerTls::Invalid(problem),
        (true, None) => {
            let fault =
                Fault::new("no-certificate", format!("listener {} has no certificateRefs", spec.name));
            ListenerTls::Invalid(notes.error(&at, fault))
        }
    }
}

/// Why two listeners cannot both serve.
fn clash(a: &Listening<'_>, b: &Listening<'_>) -> Option<&'static str> {
    if a.spec.port != b.spec.port {
        None
    } else if a.protocol != b.protocol {
        Some("another protocol on the same port")
    } else if a.hostname == b.hostname {
        Some("the same hostname on the same port")
    } else {
        None
    }
}

/// Conflicting listeners of one Gateway are out, all of them (Gateway API, Listener, `Conflicted`).
fn distinct<'a>(own: Vec<Listening<'a>>, notes: &mut Notes) -> Vec<Listening<'a>> {
    let clashes: Vec<_> = own
        .iter()
        .enumerate()
        .map(|(i, a)| {
            let mut others = own.iter().enumerate().filter(|(j, _)| i != *j).map(|(_, b)| b);
            others.find_map(|b| clash(a, b).map(|why| format!("listener {} has {why}", b.spec.name)))
        })
        .collect();
    own.into_iter()
        .zip(clashes)
        .filter_map(|(listening, clash)| {
            let Some(message) = clash else { return Some(listening) };
            notes.error(&listening.at(), Fault::new("listener-conflict", message));
            None
        })
        .collect()
}

/// Fields of a Gateway that are not applied.
fn review_gateway(gateway: &Object<Gateway>, notes: &mut Notes) {
    let at = At::new(gateway, "spec");
    if gateway.spec.tls.as_ref().is_some_and(|tls| tls.backend.is_some()) {
        let fault = Fault::not_served("the client certificate of a Gateway towards its backends");
        let help = "set tls.clientCertificateRef of each Backend instead";
        notes.warning(&at.to(".tls.backend"), fault.help(help));
    }
    if gateway.spec.allowed_listeners.is_some() {
        notes.warning(&at.to(".allowedListeners"), Fault::not_served("the attachment of ListenerSets"));
    }
}

fn review_class(world: &World<'_>, gateway: &Object<Gateway>, notes: &mut Notes) {
    let at = At::new(gateway, "spec.gatewayClassName");
    let name = &gateway.spec.gateway_class_name;
    let classes = &world.set.gateway_classes;
    let Some(class) = classes.iter().find(|class| &*class.meta.name == name.as_str()) else {
        let near = nearest(name, classes.iter().map(|class| &*class.meta.name));
        let fault = Fault::new("gateway-class-not-found", format!("GatewayClass {name} does not exist"));
        let help = near.map(|near| format!("did you mean {near}?"));
        return notes.info(&at, fault.maybe_help(help.or(Some("it is served here all the same".to_owned()))));
    };
    let controller = &class.spec.controller_name;
    if FOREIGN.iter().any(|foreign| controller.contains(foreign)) {
        let message =
            format!("GatewayClass {name} belongs to {controller}; its Gateways are served here all the same");
        notes.warning(&at, Fault::new("foreign-gateway-class", message));
    }
}

/// The costs that the GatewayConfig of a Gateway declares for all its routes.
pub(crate) fn global_costs(world: &World<'_>, gateway: &Object<Gateway>, notes: &mut Notes) -> Costs {
    let Some(name) = gateway.meta.annotations.get(CONFIG_ANNOTATION) else { return Costs::new() };
    let config = match world.gateway_configs.get(&gateway.meta.namespace, name) {
        Ok(config) => config,
        Err(fault) => {
            let at = At::new(gateway, format!("metadata.annotations[\"{CONFIG_ANNOTATION}\"]"));
            notes.error(&at, fault);
            return Costs::new();
        }
    };
    let at = At::new(config, "spec.globalLLMRequestCosts");
    costs::costs(&config.spec.global_llm_request_costs, &at, notes)
}

/// The ports with their listeners and tables.
pub(crate) fn ports<'a>(all: Vec<Listening<'a>>, world: &'a World<'a>, notes: &mut Notes) -> Vec<Port> {
    let mut clients = Clients::new(world, notes);
    let mut ports = BTreeMap::<u16, Vec<Listening<'a>>>::new();
    for listening in all {
        ports.entry(listening.spec.port).or_default().push(listening);
    }
    ports.into_iter().map(|(number, listeners)| port(number, listeners, &mut clients, notes)).collect()
}

fn port<'a>(
    number: u16,
    listeners: Vec<Listening<'a>>,
    clients: &mut Clients<'a>,
    notes: &mut Notes,
) -> Port {
    let protocol = listeners.first().map_or(PortProtocol::Http, |listening| listening.protocol);
    let PortTerms { common, each } = clients.of_port(protocol, &listeners, notes);
    let mut listeners: Vec<_> = listeners
        .into_iter()
        .zip(each)
        .map(|(listening, client)| Arc::new(listening.finish(client)))
        .collect();
    listeners.sort_by_key(|listener| (listener.hostname.specificity(), listener.hostname.to_string()));
    Port { number, protocol, client: common, listeners }
}
