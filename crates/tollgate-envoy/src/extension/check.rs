//! Whether what goes to Envoy hangs together. Envoy accepts names of clusters and filters that do not exist, and says
//! nothing before a request fails on them.
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tollgate_types::{Diagnostic, Diagnostics, Severity};

use super::{
    clusters,
    fields::{any, cluster, ext_proc, hcm, http_filter, route, route_config, virtual_host},
    filters, listeners, metadata,
    plan::Plan,
    pools::Pool,
    proto::{self, ExternalProcessor},
    routes,
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

/// What goes to Envoy.
pub(super) struct Outcome<'a> {
    pub(super) clusters: &'a [Message],
    pub(super) configs: &'a [Message],
    pub(super) listeners: &'a [Message],
}

/// What is known of clusters, and what is wrong.
struct Known {
    /// By name, whether the processor stands in front of every attempt.
    clusters: BTreeMap<String, bool>,
    notes: Diagnostics,
}

/// A chain of HTTP filters and the routes behind it.
struct Chain {
    filters: Vec<String>,
}

/// Looks for what cannot work.
pub(super) fn check(plan: &Plan, outcome: &Outcome<'_>) -> Result<Diagnostics, Malformed> {
    let mut known = Known { clusters: BTreeMap::new(), notes: Diagnostics::default() };
    for one in outcome.clusters {
        known.cluster(one)?;
    }
    let mut chains: BTreeMap<String, Vec<Chain>> = BTreeMap::new();
    let mut inlined = false;
    for one in outcome.listeners {
        for (config, manager) in listeners::managers(one)? {
            known.processors(&manager)?;
            let chain = Chain { filters: listeners::names(&manager)? };
            if let Some(inline) = manager.message(hcm::ROUTE_CONFIG)? {
                known.config(plan, &inline, std::slice::from_ref(&chain))?;
                inlined = true;
            }
            chains.entry(config).or_default().push(chain);
        }
    }
    for config in outcome.configs {
        let name = config.text(route_config::NAME);
        known.config(plan, config, chains.get(name).map_or(&[][..], Vec::as_slice))?;
    }
    if outcome.configs.is_empty()
        && !inlined
        && !plan.is_empty()
        && known.clusters.values().any(|processed| *processed)
    {
        let message =
            "Envoy Gateway hands on no routes, so that the external processor is on for none of them";
        known.note("xds-no-routes", message.to_owned(), INCLUDE_ALL);
    }
    let mut notes = known.notes;
    let mut seen = BTreeSet::new();
    notes.0.retain(|note| seen.insert((note.code, note.message.clone())));
    Ok(notes)
}

const INCLUDE_ALL: &str = "set extensionManager.hooks.xdsTranslator.translation.{listener,route,cluster,secret}\
                           .includeAll to true in Envoy Gateway's configuration";

// === impl Known ===

impl Known {
    fn note(&mut self, code: &'static str, message: String, help: &str) {
        self.notes.push(Diagnostic {
            severity: Severity::Error,
            code,
            message,
            help: Some(help.to_owned()),
            span: None,
            object: None,
            field: String::new(),
        });
    }

    fn cluster(&mut self, one: &Message) -> Result<(), Malformed> {
        let name = one.text(cluster::NAME).to_owned();
        let processed = clusters::is_processed(one)?;
        if self.clusters.insert(name.clone(), processed).is_some() {
            self.note(
                "xds-duplicate-cluster",
                format!("there are two clusters {name}"),
                "rename one of them",
            );
        }
        Ok(())
    }

    /// Processors of our filters have to have a cluster.
    fn processors(&mut self, manager: &Message) -> Result<(), Malformed> {
        for filter in manager.messages(hcm::HTTP_FILTERS) {
            let filter = filter?;
            let name = filter.text(http_filter::NAME);
            let typed = filter.message(http_filter::CONFIG)?.unwrap_or_default();
            if !is_ours(name) || !proto::is::<ExternalProcessor>(&typed) {
                continue;
            }
            let config = typed.message(any::VALUE)?.unwrap_or_default();
            let service = config.message(ext_proc::GRPC_SERVICE)?.unwrap_or_default();
            let grpc = service.message(ext_proc::ENVOY_GRPC)?.unwrap_or_default();
            let wanted = grpc.text(ext_proc::CLUSTER_NAME);
            if !self.clusters.contains_key(wanted) {
                let message = format!("filter {name} asks cluster {wanted}, which does not exist");
                self.note("xds-dangling-cluster", message, INCLUDE_ALL);
            }
        }
        Ok(())
    }

    fn config(&mut self, plan: &Plan, config: &Message, chains: &[Chain]) -> Result<(), Malformed> {
        let mut ours = false;
        for host in config.messages(route_config::VIRTUAL_HOSTS) {
            for one in host?.messages(virtual_host::ROUTES) {
                ours |= self.route(plan, &one?, chains)?;
            }
        }
        if ours && chains.is_empty() {
            let name = config.text(route_config::NAME);
            let message = format!("Envoy Gateway hands on no listener of route configuration {name}");
            self.note("xds-no-listener", message, INCLUDE_ALL);
        }
        Ok(())
    }

    /// Looks at one route; true where it is ours.
    fn route(&mut self, plan: &Plan, one: &Message, chains: &[Chain]) -> Result<bool, Malformed> {
        let name = one.text(route::NAME);
        let ours = metadata::ours(plan, one, route::METADATA)?.is_some();
        let on = one.entry(route::PER_FILTER, filters::FILTER)?.is_some();
        for target in routes::clusters(one)? {
            let place = plan.cluster(&target).filter(|place| place.backend.is_some());
            if place.is_some_and(|place| place.rule.has_fallback()) {
                let message = format!(
                    "route {name} goes to cluster {target} by weight: requests go to backends of all priorities at \
                     once, and none falls back to another"
                );
                let help = "give the backends of the rule different priorities, no filters of their own, and \
                            addresses that exist: then they become one";
                self.note("xds-priorities-ignored", message, help);
            }
            match self.clusters.get(&target) {
                Some(false) if ours => {
                    let message = format!(
                        "route {name} goes to cluster {target}, which the external processor does not know: its \
                         requests would leave untranslated and without a credential"
                    );
                    let help = "leave EnvoyProxy.spec.mergeBackends off, and give the AIGatewayRoute's resources to \
                                this controller";
                    self.note("xds-unprocessed-cluster", message, help);
                }
                Some(true) if !on => {
                    let message =
                        format!("route {name} goes to cluster {target} past the external processor");
                    let help = "send it to a Backend of its own; the processor refuses what comes this way";
                    self.note("xds-bypassed-processor", message, help);
                }
                Some(_) | None => {}
            }
        }
        let mut wanted = Vec::new();
        if on {
            wanted.push(filters::FILTER.to_owned());
        }
        if let Some(pool) = Pool::of(one, route::METADATA)? {
            wanted.push(pool.filter_name());
        }
        for filter in wanted {
            for chain in chains {
                let times = chain.filters.iter().filter(|there| **there == filter).count();
                if times != 1 {
                    let message = format!("filter {filter} stands {times} times in a chain of route {name}");
                    self.note("xds-filter-missing", message, INCLUDE_ALL);
                }
            }
        }
        Ok(ours)
    }
}

/// What is wrong where endpoints go to Envoy by themselves and nobody was asked about them: nobody knows whose they are.
pub(super) fn unmarked(plan: &Plan, clusters: &[Bytes]) -> Result<Diagnostics, Malformed> {
    let mut known = Known { clusters: BTreeMap::new(), notes: Diagnostics::default() };
    for one in clusters {
        let one = Message::parse(one.clone())?;
        let name = one.text(cluster::NAME);
        let shared =
            plan.cluster(name).is_some_and(|place| place.backend.is_none() && place.rule.only().is_none());
        if shared && one.has(cluster::EDS) {
            let message =
                format!("nobody knows whose the endpoints of cluster {name} are: its requests are refused");
            let help = "add Endpoints to extensionManager.hooks.xdsTranslator.post (Envoy Gateway 1.8 and later), or \
                        give the backends of the rule host names";
            known.note("xds-no-endpoints-hook", message, help);
        }
    }
    Ok(known.notes)
}

fn is_ours(filter: &str) -> bool {
    filter == filters::FILTER || filter.starts_with("envoy.filters.http.ext_proc/endpointpicker/")
}
