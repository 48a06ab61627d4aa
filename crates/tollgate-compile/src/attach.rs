use tollgate_resources::{FromNamespaces, Gateway, Object, ParentRef};
use tollgate_snapshot::HostPattern;

use crate::{
    Fault,
    listening::Listening,
    lookup::nearest,
    notes::{At, Notes},
    world::{World, group},
};

/// What attaching looks at in a route.
#[derive(Clone, Debug)]
pub(crate) struct Attaching<'a> {
    /// Its `spec`.
    pub(crate) at: At<'a>,
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespace: &'a str,
    pub(crate) parents: &'a [ParentRef],
    pub(crate) hostnames: &'a [String],
}

/// A listener that takes a route, for some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// Position in the list of listeners.
    pub(crate) listener: usize,
    pub(crate) host: HostPattern,
}

/// The listeners and hosts under which a route is served.
pub(crate) fn attach(
    route: &Attaching<'_>,
    listeners: &[Listening<'_>],
    world: &World<'_>,
    notes: &mut Notes,
) -> Vec<Attachment> {
    let hosts: Vec<_> = match route.hostnames {
        [] => vec![HostPattern::Any],
        named => named.iter().map(|name| HostPattern::parse(name)).collect(),
    };
    let mut all = Vec::new();
    if route.parents.is_empty() {
        let fault = Fault::new("unattached-route", "the route names no Gateway, so that nothing reaches it");
        notes.warning(&route.at.to(".parentRefs"), fault.help("add parentRefs: [{name: <Gateway>}]"));
    }
    for (i, parent) in route.parents.iter().enumerate() {
        let at = route.at.to(format!(".parentRefs[{i}]"));
        match attach_to(route, parent, &hosts, listeners, world) {
            Ok(found) => {
                for attachment in found {
                    if !all.contains(&attachment) {
                        all.push(attachment);
                    }
                }
            }
            Err(Refusal::Error(fault, field)) => drop(notes.error(&at.to(field), fault)),
            Err(Refusal::Warning(fault)) => notes.warning(&at, fault),
        }
    }
    if !all.is_empty() && !route.hostnames.is_empty() {
        for (i, host) in hosts.iter().enumerate() {
            let used = all
                .iter()
                .any(|attachment| host.intersect(&attachment.host).as_ref() == Some(&attachment.host));
            if !used {
                let message =
                    format!("hostname {host} is outside of every listener's, so that nothing reaches it");
                notes.warning(
                    &route.at.to(format!(".hostnames[{i}]")),
                    Fault::new("unused-hostname", message),
                );
            }
        }
    }
    all
}

/// Why a parent takes nothing.
enum Refusal {
    /// With the field below the parentRef that is wrong.
    Error(Fault, &'static str),
    Warning(Fault),
}

fn attach_to(
    route: &Attaching<'_>,
    parent: &ParentRef,
    hosts: &[HostPattern],
    listeners: &[Listening<'_>],
    world: &World<'_>,
) -> Result<Vec<Attachment>, Refusal> {
    let ParentRef { group, kind, namespace, name, section_name, port } = parent;
    if group != group::GATEWAY || kind != "Gateway" {
        return Err(Refusal::Warning(Fault::not_served(format!("{kind} {name} as a parent"))));
    }
    let namespace = namespace.as_deref().unwrap_or(route.namespace);
    let gateway = world.gateways.get(namespace, name).map_err(|fault| Refusal::Error(fault, ".name"))?;
    let wanted = |name: &str, number: u16| {
        section_name.as_deref().is_none_or(|section| section == name)
            && port.is_none_or(|port| port == number)
    };
    if !gateway.spec.listeners.iter().any(|listener| wanted(&listener.name, listener.port)) {
        return Err(no_such_listener(gateway, parent));
    }
    let own: Vec<_> = listeners
        .iter()
        .enumerate()
        .filter(|(_, l)| std::ptr::eq(l.gateway, gateway) && wanted(&l.spec.name, l.spec.port))
        .collect();
    if own.is_empty() {
        let message =
            format!("none of the listeners of Gateway {namespace}/{name} that this names is served");
        return Err(Refusal::Warning(Fault::new("listener-not-served", message)));
    }
    let allowed: Vec<_> = own.iter().filter(|(_, listening)| allows(listening, route, world)).collect();
    if allowed.is_empty() {
        let message = format!(
            "Gateway {namespace}/{name} does not allow {} from namespace {} on {}",
            route.kind,
            route.namespace,
            section_name.as_deref().map_or("any listener".to_owned(), |name| format!("listener {name}"))
        );
        let fault = Fault::new("not-allowed-by-listeners", message)
            .help("set allowedRoutes.namespaces.from: All, or a Selector, on the listener");
        return Err(Refusal::Error(fault, ""));
    }
    let mut found = Vec::new();
    for (listener, listening) in allowed {
        let shared = hosts.iter().filter_map(|host| listening.hostname.intersect(host));
        found.extend(shared.map(|host| Attachment { listener: *listener, host }));
    }
    if found.is_empty() {
        let claimed: Vec<_> = own.iter().map(|(_, listening)| listening.hostname.to_string()).collect();
        let message = format!("no hostname of the route is one of Gateway {namespace}/{name}'s listeners'");
        let fault = Fault::new("no-matching-hostname", message)
            .help(format!("the listeners claim {}", claimed.join(", ")));
        return Err(Refusal::Error(fault, ""));
    }
    Ok(found)
}

fn no_such_listener(gateway: &Object<Gateway>, parent: &ParentRef) -> Refusal {
    let names: Vec<_> = gateway.spec.listeners.iter().map(|listener| listener.name.as_str()).collect();
    let id = format!("{}/{}", gateway.meta.namespace, gateway.meta.name);
    match &parent.section_name {
        Some(section) if !names.contains(&section.as_str()) => {
            let help = match nearest(section, names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("its listeners are {}", names.join(", ")),
            };
            let message = format!("Gateway {id} has no listener {section}");
            Refusal::Error(Fault::new("listener-not-found", message).help(help), ".sectionName")
        }
        _ => {
            let message =
                format!("Gateway {id} has no such listener on port {}", parent.port.unwrap_or_default());
            let ports: Vec<_> =
                gateway.spec.listeners.iter().map(|listener| listener.port.to_string()).collect();
            let fault = Fault::new("listener-not-found", message);
            Refusal::Error(fault.help(format!("its ports are {}", ports.join(", "))), ".port")
        }
    }
}

/// `allowedRoutes`: kinds and namespaces. An AIGatewayRoute counts as an HTTPRoute, since it becomes one.
fn allows(listening: &Listening<'_>, route: &Attaching<'_>, world: &World<'_>) -> bool {
    let allowed = &listening.spec.allowed_routes;
    let kind_fits = allowed.kinds.is_empty()
        || allowed.kinds.iter().any(|kind| {
            (kind.group == group::GATEWAY && kind.kind == "HTTPRoute")
                || (kind.group == route.group && kind.kind == route.kind)
        });
    let namespaces = &allowed.namespaces;
    kind_fits
        && match namespaces.from {
            FromNamespaces::Same => *listening.gateway.meta.namespace == *route.namespace,
            FromNamespaces::All => true,
            FromNamespaces::None => false,
            FromNamespaces::Selector => namespaces
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&world.namespace_labels(route.namespace))),
        }
}
