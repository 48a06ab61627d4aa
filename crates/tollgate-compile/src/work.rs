use std::{collections::HashMap, sync::Arc};

use tollgate_resources::{Gateway, Meta, Object};
use tollgate_snapshot::{Cost, Matcher, ModelEntry, Problem, Rule};

use crate::{
    attach::{Attaching, Attachment, attach},
    backends::Backends,
    costs::{self, Costs},
    forward_proxy::Proxy,
    governed::{Governed, Governors},
    listening::Listening,
    notes::Notes,
    policies::Place,
    quotas::Quotas,
    tables::{Candidate, Listed},
    world::World,
};

/// What compiling collects on its way.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) backends: Backends<'a>,
    pub(crate) governors: Governors<'a>,
    pub(crate) quotas: Quotas,
    pub(crate) notes: Notes,
    pub(crate) listeners: Vec<Listening<'a>>,
    /// The costs that a Gateway's GatewayConfig declares, by the Gateway's namespace and name.
    pub(crate) global: HashMap<(&'a str, &'a str), Costs>,
    /// The proxy that it names, likewise.
    pub(crate) proxies: HashMap<(&'a str, &'a str), Proxy>,
    pub(crate) rules: Vec<Arc<Rule>>,
}

/// A compiled rule on its way into tables.
pub(crate) struct Placed<'a> {
    pub(crate) rule: Rule,
    pub(crate) matchers: Vec<(usize, Matcher)>,
    pub(crate) models: Vec<ModelEntry>,
    pub(crate) created: Option<i64>,
    pub(crate) route: (&'a str, &'a str, &'static str),
    pub(crate) position: usize,
}

/// The name by which a Gateway's own things are found.
pub(crate) fn key(gateway: &Object<Gateway>) -> (&str, &str) {
    (&*gateway.meta.namespace, &*gateway.meta.name)
}

// === impl Work ===

impl<'a> Work<'a> {
    /// Where a route is served: `Attachment::listener` counts `self.listeners`.
    pub(crate) fn attach(&mut self, route: &Attaching<'_>) -> Vec<Attachment> {
        attach(route, &self.listeners, self.world, &mut self.notes)
    }

    /// The Gateways of some attachments, each once.
    pub(crate) fn gateways(&self, attached: &[Attachment]) -> Vec<&'a Object<Gateway>> {
        let mut gateways = Vec::<&Object<Gateway>>::new();
        for listening in attached.iter().filter_map(|attachment| self.listeners.get(attachment.listener)) {
            if !gateways.iter().any(|known| std::ptr::eq(*known, listening.gateway)) {
                gateways.push(listening.gateway);
            }
        }
        gateways
    }

    /// What a route declares itself, and what its Gateways do besides.
    pub(crate) fn costs(
        &self,
        own: &Costs,
        gateways: &[&Object<Gateway>],
    ) -> Result<Arc<[Cost]>, Arc<Problem>> {
        let mut global = Costs::new();
        for cost in gateways.iter().filter_map(|gateway| self.global.get(&key(gateway))).flatten() {
            if !global.iter().any(|known| costs::key_of(known) == costs::key_of(cost)) {
                global.push(cost.clone());
            }
        }
        costs::merge(own, &global)
    }

    /// The proxy of the first Gateway that names one.
    pub(crate) fn proxy(&self, gateways: &[&Object<Gateway>]) -> Proxy {
        let proxies = gateways.iter().filter_map(|gateway| self.proxies.get(&key(gateway)));
        let mut named = proxies.filter(|proxy| !matches!(proxy, Ok(None)));
        named.next().cloned().unwrap_or(Ok(None))
    }

    /// Sorts the places at which a rule is served by what policies say there: mostly that is the same everywhere.
    pub(crate) fn governed(
        &mut self,
        route: &'a Meta,
        rule: Option<&'a str>,
        attached: &[Attachment],
    ) -> Vec<(Governed<'a>, Vec<Attachment>)> {
        let mut groups = Vec::<(Governed<'a>, Vec<Attachment>)>::new();
        for attachment in attached {
            let Some(Listening { gateway, spec, .. }) = self.listeners.get(attachment.listener) else {
                continue;
            };
            let place = Place { route: Some(route), rule, gateway, listener: &spec.name };
            let governed = self.governors.at(place, &self.backends, &mut self.notes);
            match groups.iter_mut().find(|(known, _)| known.is(&governed)) {
                Some((_, places)) => places.push(attachment.clone()),
                None => groups.push((governed, vec![attachment.clone()])),
            }
        }
        if groups.is_empty() {
            // Nothing serves it; what is wrong with it is worth saying all the same.
            groups.push((Governed::default(), Vec::new()));
        }
        groups
    }

    /// Puts a rule into the tables of the listeners that its route is attached to.
    pub(crate) fn place(&mut self, attached: &[Attachment], placed: Placed<'a>) {
        let Placed { mut rule, matchers, models, created, route, position } = placed;
        if attached.is_empty() {
            return;
        }
        rule.index = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        let rule = Arc::new(rule);
        self.rules.push(Arc::clone(&rule));
        for Attachment { listener, host } in attached {
            let Some(listening) = self.listeners.get_mut(*listener) else { continue };
            listening.candidates.extend(matchers.iter().map(|(place, matcher)| Candidate {
                host: host.clone(),
                matcher: matcher.clone(),
                rule: Arc::clone(&rule),
                created,
                route,
                place: (position, *place),
            }));
            let listed = models.iter().map(|entry| Listed { host: host.clone(), entry: entry.clone() });
            listening.models.extend(listed);
        }
    }
}
