use std::{collections::HashMap, sync::Arc};

use tollgate_resources::{BackendTrafficPolicy, MergeType, Meta, Object, SecurityPolicy};
use tollgate_snapshot::{Cost, Guard, Limits, PolicyUse, Problem, Timeouts, Traffic as Compiled};

use crate::{
    backends::Backends,
    limits::{self, Limiting},
    making::Making,
    notes::{At, Notes},
    policies::{Holding, Place, Policies, Winner},
    security::{self, Services},
    traffic,
    world::World,
};

/// What policies say about a rule, under the listeners for which they say the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Governed<'a> {
    pub(crate) guard: Guard,
    /// Why it must not be served at all.
    pub(crate) barred: Option<Arc<Problem>>,
    pub(crate) traffic: Option<Traffic<'a>>,
    pub(crate) uses: Vec<PolicyUse>,
}

/// The policy that says how requests go to backends.
#[derive(Clone, Debug)]
pub(crate) struct Traffic<'a> {
    /// What it says, merged where it is to be.
    pub(crate) spec: Arc<BackendTrafficPolicy>,
    /// The same, compiled.
    pub(crate) compiled: Arc<Compiled>,
    gateway: &'a Meta,
    origin: Origin,
    /// Who says how much may be called: each limit is counted as that of the policy that wrote it.
    limited_by: Vec<&'a Object<BackendTrafficPolicy>>,
}

/// Policies that are compiled already, by the objects that they are made of.
#[derive(Debug)]
pub(crate) struct Governors<'a> {
    security: Policies<'a, SecurityPolicy>,
    traffic: Policies<'a, BackendTrafficPolicy>,
    guards: HashMap<Origin, Guard>,
    traffics: HashMap<Origin, Made>,
    pub(crate) services: Services,
}

/// A policy as it holds, and what it is compiled to.
type Made = Result<(Arc<BackendTrafficPolicy>, Arc<Compiled>), Arc<Problem>>;

/// An object and the one that it is merged onto, by address: both outlive compiling.
type Origin = (usize, usize);

fn origin<T>(winner: &Winner<'_, T>) -> Origin {
    let address = |object: &Object<T>| std::ptr::from_ref(object).addr();
    (address(winner.object), winner.parent.map_or(0, address))
}

// === impl Governors ===

impl<'a> Governors<'a> {
    pub(crate) fn new(world: &'a World<'a>, notes: &mut Notes) -> Self {
        let security = Policies::new(world, &world.set.security_policies, notes);
        let traffic = Policies::new(world, &world.set.backend_traffic_policies, notes);
        Self {
            security,
            traffic,
            guards: HashMap::new(),
            traffics: HashMap::new(),
            services: Services::default(),
        }
    }

    /// What holds at one place.
    pub(crate) fn at(
        &mut self,
        place: Place<'a>,
        backends: &Backends<'a>,
        notes: &mut Notes,
    ) -> Governed<'a> {
        let mut governed = Governed::default();
        match self.security.at(place) {
            Holding::Nothing => {}
            Holding::Broken(problem) => governed.guard = Guard::Broken(problem),
            Holding::Policy(winner) => {
                governed.uses.push(winner.used());
                let made = self.guards.entry(origin(&winner));
                let services = &mut self.services;
                governed.guard = made.or_insert_with(|| guard(&winner, backends, services, notes)).clone();
            }
        }
        match self.traffic.at(place) {
            Holding::Nothing => {}
            Holding::Broken(problem) => governed.barred = Some(problem),
            Holding::Policy(winner) => {
                governed.uses.push(winner.used());
                let origin = origin(&winner);
                let made = self.traffics.entry(origin);
                match made.or_insert_with(|| made_of(&winner, backends.world(), notes)).clone() {
                    Ok((spec, compiled)) => {
                        let (gateway, limited_by) = (&place.gateway.meta, limited_by(&winner));
                        governed.traffic = Some(Traffic { spec, compiled, gateway, origin, limited_by });
                    }
                    Err(problem) => governed.barred = Some(problem),
                }
            }
        }
        governed
    }
}

fn made_of(winner: &Winner<'_, BackendTrafficPolicy>, world: &World<'_>, notes: &mut Notes) -> Made {
    let at = At::new(winner.object, "spec");
    let spec = winner.spec().map_err(|fault| notes.error(&at, fault))?;
    let namespace = &*winner.object.meta.namespace;
    let compiled = traffic::traffic(&spec, &at, &mut Making { world, notes, namespace })?;
    Ok((Arc::new(spec.into_owned()), Arc::new(compiled)))
}

/// The policies whose `rateLimit` holds, the narrower one first.
fn limited_by<'a>(winner: &Winner<'a, BackendTrafficPolicy>) -> Vec<&'a Object<BackendTrafficPolicy>> {
    let Winner { object, parent, .. } = winner;
    let own = object.spec.rate_limit.is_some();
    match (parent, object.spec.merge_type) {
        (Some(parent), Some(MergeType::StrategicMerge)) => vec![*object, *parent],
        (Some(parent), Some(_)) if !own => vec![*parent],
        _ => vec![*object],
    }
}

fn guard(
    winner: &Winner<'_, SecurityPolicy>,
    backends: &Backends<'_>,
    services: &mut Services,
    notes: &mut Notes,
) -> Guard {
    let made = match winner.spec() {
        Ok(spec) => {
            let namespace = &*winner.object.meta.namespace;
            let world = backends.world();
            security::access(
                &spec,
                winner,
                &mut security::Making { world, backends, services, notes, namespace },
            )
        }
        Err(fault) => Err(notes.error(&At::new(winner.object, "spec"), fault)),
    };
    made.map_or_else(Guard::Broken, |access| Guard::Access(Arc::new(access)))
}

// === impl Governed ===

impl Governed<'_> {
    pub(crate) fn is(&self, other: &Self) -> bool {
        let origin = |governed: &Self| governed.traffic.as_ref().map(|traffic| traffic.origin);
        self.guard.is(&other.guard) && self.uses == other.uses && origin(self) == origin(other)
    }

    /// What is said about its backends.
    pub(crate) fn traffic(&self) -> Arc<Compiled> {
        self.traffic.as_ref().map(|traffic| Arc::clone(&traffic.compiled)).unwrap_or_default()
    }

    /// Limits of time where the route says nothing itself.
    pub(crate) fn timeouts(&self, before: Timeouts) -> Timeouts {
        self.traffic.as_ref().map_or(before, |traffic| traffic::timeouts(&traffic.spec, before))
    }

    /// The limits of a rule whose requests cost this.
    ///
    /// # Errors
    /// Why the rule must not be served.
    pub(crate) fn limits(
        &self,
        (kind, route, rule): (&str, &Meta, usize),
        costs: &[Cost],
        notes: &mut Notes,
    ) -> Result<Option<Arc<Limits>>, Arc<Problem>> {
        if let Some(problem) = &self.barred {
            return Err(Arc::clone(problem));
        }
        let Some(Traffic { gateway, limited_by, .. }) = &self.traffic else { return Ok(None) };
        let name = |meta: &Meta| format!("{}/{}", meta.namespace, meta.name);
        let mut all = Limits::default();
        for object in limited_by {
            let Some(rate_limit) = &object.spec.rate_limit else { continue };
            let limiting = Limiting {
                at: At::new(*object, "spec.rateLimit"),
                policy: name(&object.meta).into(),
                gateway: name(gateway).into(),
                route: format!("{kind}/{}/rule/{rule}", name(route)).into(),
                costs,
                guard: &self.guard,
            };
            limits::add(rate_limit, &limiting, &mut all, notes)?;
        }
        Ok((!all.global.is_empty() || all.local.is_some()).then(|| Arc::new(all)))
    }
}
