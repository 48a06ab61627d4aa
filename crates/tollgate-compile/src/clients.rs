use std::{collections::HashMap, sync::Arc};

use tollgate_resources::{ClientTrafficPolicy, Object, PolicyTargets};
use tollgate_snapshot::{ClientSettings, HostPattern, PolicyLevel, PortProtocol, Problem};

use crate::{
    Fault,
    client::{self, Compiling},
    frontend::Frontend,
    listening::Listening,
    making::Making,
    notes::{At, Notes},
    policies::{Holding, Place, Policies, Policy, Winner},
    world::World,
};

/// Client policies, and those that are compiled already: listeners with the same terms share them, which is how the
/// host knows that they are the same.
#[derive(Debug)]
pub(crate) struct Clients<'a> {
    world: &'a World<'a>,
    policies: Policies<'a, ClientTrafficPolicy>,
    made: HashMap<Origin, Arc<ClientSettings>>,
}

/// What terms were made of, by address: it outlives compiling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Policy(usize, Option<Arc<str>>),
    Problem(usize),
    /// Terms, and what a Gateway adds to them.
    Asked(usize, usize),
}

/// What holds for the clients of a listener.
#[derive(Debug)]
struct Terms<'a> {
    settings: Arc<ClientSettings>,
    /// Who says so.
    policy: Option<(&'a Object<ClientTrafficPolicy>, PolicyLevel)>,
}

/// The terms of a port and of each of its listeners.
#[derive(Debug)]
pub(crate) struct PortTerms {
    pub(crate) common: Arc<ClientSettings>,
    pub(crate) each: Vec<Arc<ClientSettings>>,
}

// === impl Clients ===

impl<'a> Clients<'a> {
    pub(crate) fn new(world: &'a World<'a>, notes: &mut Notes) -> Self {
        let policies = Policies::new(world, &world.set.client_traffic_policies, notes);
        Self { world, policies, made: HashMap::new() }
    }

    /// What holds on a port whose listeners these are.
    pub(crate) fn of_port(
        &mut self,
        protocol: PortProtocol,
        listeners: &[Listening<'a>],
        notes: &mut Notes,
    ) -> PortTerms {
        let mut terms: Vec<_> = listeners
            .iter()
            .map(|listening| {
                // Connections without TLS do not tell for which listener they are.
                let known = protocol == PortProtocol::Https || listeners.len() == 1;
                let host = known.then(|| default_host(listening)).flatten();
                let terms = self.of_listener(listening, host, notes);
                match &listening.frontend {
                    Some(frontend) => self.asked(terms, (listening, frontend), notes),
                    None => terms,
                }
            })
            .collect();
        let common = match protocol {
            PortProtocol::Http => plain(listeners, &mut terms, notes),
            PortProtocol::Https => secure(listeners, &terms, notes),
        };
        PortTerms { common, each: terms.into_iter().map(|terms| terms.settings).collect() }
    }

    /// The same terms, with the client certificates that the Gateway asks for. A policy that asks for some says more
    /// than a Gateway can, and wins.
    fn asked(
        &mut self,
        terms: Terms<'a>,
        (listening, Frontend { origin, clients }): (&Listening<'a>, &Frontend),
        notes: &mut Notes,
    ) -> Terms<'a> {
        let Terms { settings, policy } = terms;
        if let (Some(_), Some((object, _))) = (&settings.tls.clients, policy) {
            let name = &listening.spec.name;
            let message = format!(
                "listener {name} goes by tls.clientValidation of ClientTrafficPolicy {}/{} alone",
                object.meta.namespace, object.meta.name
            );
            notes.warning(&At::new(listening.gateway, "spec.tls.frontend"), Fault::new("shadowed", message));
            return Terms { settings, policy };
        }
        let key = Origin::Asked(Arc::as_ptr(&settings).addr(), *origin);
        let made = self.made.entry(key).or_insert_with(|| {
            let mut made = ClientSettings::clone(&settings);
            made.tls.clients = Some(clients.clone());
            if made.source.is_none() {
                made.source = Some(At::new(listening.gateway, "").reference().to_string().into());
                // As where a policy asks for certificates: who was let in once is looked at again.
                made.tls.stateful_resumption = false;
            }
            Arc::new(made)
        });
        Terms { settings: Arc::clone(made), policy }
    }

    fn of_listener(
        &mut self,
        listening: &Listening<'a>,
        default_host: Option<Arc<str>>,
        notes: &mut Notes,
    ) -> Terms<'a> {
        let Listening { gateway, spec, .. } = listening;
        match self.policies.at(Place { route: None, rule: None, gateway, listener: &spec.name }) {
            Holding::Nothing => Terms { settings: Arc::clone(ClientSettings::none()), policy: None },
            Holding::Broken(problem) => {
                let origin = Origin::Problem(Arc::as_ptr(&problem).addr());
                let made = self.made.entry(origin).or_insert_with(|| Arc::new(broken(problem)));
                Terms { settings: Arc::clone(made), policy: None }
            }
            Holding::Policy(Winner { object, level, .. }) => {
                let asks = object.spec.http1.as_ref().and_then(|http1| http1.http10);
                let default_host = default_host.filter(|_| asks.is_some_and(|asks| asks.use_default_host));
                let origin = Origin::Policy(std::ptr::from_ref(object).addr(), default_host.clone());
                let world = self.world;
                let made = self.made.entry(origin).or_insert_with(|| {
                    let namespace = &*object.meta.namespace;
                    let making = Making { world, notes, namespace };
                    let mut compiling = Compiling { making, default_host };
                    Arc::new(client::settings(&object.spec, &At::new(object, "spec"), &mut compiling))
                });
                Terms { settings: Arc::clone(made), policy: Some((object, level)) }
            }
        }
    }
}

fn broken(problem: Arc<Problem>) -> ClientSettings {
    let source = Some(problem.object.to_string().into());
    ClientSettings { source, problem: Some(problem), ..ClientSettings::envoy_gateway() }
}

/// The host of a listener, or the only one of its routes.
fn default_host(listening: &Listening<'_>) -> Option<Arc<str>> {
    let exact = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(host) => Some(Arc::clone(host)),
        HostPattern::Any | HostPattern::Wildcard(_) => None,
    };
    let mut hosts: Vec<_> =
        listening.candidates.iter().filter_map(|candidate| exact(&candidate.host)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let only = if let [only] = &hosts[..] { Some(Arc::clone(only)) } else { None };
    exact(&listening.hostname).or(only)
}

/// The terms of a port without TLS, which are one for all: a policy for some of its listeners cannot be kept, and those
/// answer with that.
fn plain(listeners: &[Listening<'_>], terms: &mut [Terms<'_>], notes: &mut Notes) -> Arc<ClientSettings> {
    for only in [Some(PolicyLevel::Listener), None] {
        if agreed(terms).is_some() {
            break;
        }
        for (listening, terms) in listeners.iter().zip(terms.iter_mut()) {
            if let Some((policy, level)) = terms.policy
                && only.is_none_or(|only| only == level)
            {
                let problem = notes.error(&At::new(policy, target(policy)), shared_port(listening));
                *terms = Terms { settings: Arc::new(broken(problem)), policy: None };
            }
        }
    }
    agreed(terms).unwrap_or_else(|| Arc::clone(ClientSettings::none()))
}

fn shared_port(listening: &Listening<'_>) -> Fault {
    let (name, port) = (&listening.spec.name, listening.spec.port);
    let message = format!(
        "listener {name} shares port {port} with listeners for which other terms hold, and connections without TLS \
         do not tell for which listener they are: it answers 500"
    );
    Fault::new("shared-port", message)
        .help("let one policy hold for all of them, or give the listener a port of its own")
}

/// Where a policy says to what it is attached.
fn target(policy: &Object<ClientTrafficPolicy>) -> &'static str {
    let PolicyTargets { target_ref, target_refs, .. } = policy.spec.targets();
    match (target_ref, target_refs) {
        (Some(_), _) => "spec.targetRef",
        (None, [_, ..]) => "spec.targetRefs",
        (None, []) => "spec.targetSelectors",
    }
}

/// What all listeners that can be served agree on.
fn agreed(terms: &[Terms<'_>]) -> Option<Arc<ClientSettings>> {
    let mut served = terms.iter().filter(|terms| terms.policy.is_some() || terms.settings.problem.is_none());
    let first = &served.next()?.settings;
    served.all(|other| Arc::ptr_eq(first, &other.settings)).then(|| Arc::clone(first))
}

/// The terms of a port with TLS, as long as the server name is not there: those of the listener for every host, or
/// else of a whole Gateway, or else of the first listener that says something about it.
fn secure(listeners: &[Listening<'_>], terms: &[Terms<'_>], notes: &mut Notes) -> Arc<ClientSettings> {
    let any = listeners.iter().zip(terms).find(|(listening, _)| listening.hostname == HostPattern::Any);
    let whole = || terms.iter().find(|t| t.policy.is_some_and(|(_, level)| level == PolicyLevel::Gateway));
    let first = || terms.iter().find(|terms| says(&terms.settings));
    let common = match any.map(|(_, terms)| terms).or_else(whole).or_else(first) {
        Some(terms) => Arc::clone(&terms.settings),
        None => agreed(terms).unwrap_or_else(|| Arc::clone(ClientSettings::none())),
    };
    for (listening, terms) in listeners.iter().zip(terms) {
        let Some((policy, _)) = terms.policy else { continue };
        if says(&terms.settings) && early(&terms.settings) != early(&common) {
            let whose = common.source.as_deref().unwrap_or("the gateway itself");
            let message = format!(
                "the PROXY protocol, connectionLimit.value and closeDelay, tcpKeepalive and \
                 connectionInspectionTimeout hold for all of port {}, since they come before the server name: listener \
                 {} has those of {whose}",
                listening.spec.port, listening.spec.name,
            );
            let fault = Fault::new("shared-port", message).help("set them for the whole Gateway");
            notes.warning(&At::new(policy, target(policy)), fault);
        }
    }
    common
}

/// What holds before the server name is there.
fn early(settings: &ClientSettings) -> impl PartialEq + use<> {
    let ClientSettings { connection, timeouts, proxy_protocol, keepalive, .. } = settings;
    (connection.limit, connection.close_delay, timeouts.inspection, *proxy_protocol, *keepalive)
}

/// True where a policy says anything about what comes before the server name.
fn says(settings: &ClientSettings) -> bool {
    let silent = [ClientSettings::none(), &ClientSettings::envoy_gateway()].map(early);
    settings.source.is_some() && !silent.contains(&early(settings))
}

impl Policy for ClientTrafficPolicy {
    const KIND: &'static str = "ClientTrafficPolicy";
    const ROUTES: bool = false;
    const GUARDS: bool = false;

    fn targets(&self) -> PolicyTargets<'_> {
        Self::targets(self)
    }

    /// Who asks for certificates wants to keep somebody out.
    fn guards(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_validation.is_some())
    }
}
