//! Listeners: our filters in the chains whose routes want them, each at its place.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    fields::{any, extension, filter_chain, hcm, http_filter, listener, network_filter, route_config},
    filters, quotas,
    routes::{self, Know, Wants},
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

/// The full name of what handles HTTP on a connection.
const HCM: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
/// Replaces whole replies, and stands in front of everything so that it sees all of them.
const CUSTOM_RESPONSE: &str = "custom_response";

/// Who may call, and what a body may be, is settled before the processor sees anything. Whatever comes after it may
/// use the model: limits, authorization, extensions.
const BEFORE: [&str; 12] = [
    "health_check",
    "fault",
    "cors",
    "csrf",
    "header_mutation",
    "ext_authz",
    "api_key_auth",
    "basic_auth",
    "oauth2",
    "jwt_authn",
    "stateful_session",
    "buffer",
];

/// What leaves bodies as they are. What is behind the processor and is not among these may change them. A picker may as
/// well, but that of a pool only, whose attempts read their bodies.
const LEAVES_BODIES: [&str; 10] = [
    "router",
    "ratelimit",
    "local_ratelimit",
    "rbac",
    "header_to_metadata",
    "header_mutation",
    "credential_injector",
    "bandwidth_limit",
    "admission_control",
    "stateful_session",
];

/// By route configuration, what its filter chains have to have.
pub(super) type Wanted = BTreeMap<String, Wants>;

/// What goes into listeners.
pub(super) struct Insert<'a> {
    pub(super) know: Know<'a>,
    pub(super) wanted: &'a Wanted,
}

// === impl Insert ===

impl Insert<'_> {
    /// Puts our filters into every chain of a listener whose routes want them. Chains without HTTP are passed over.
    pub(super) fn listener(&self, own: &mut Message) -> Result<(), Malformed> {
        own.edit_each(listener::FILTER_CHAINS, |_, chain| self.chain(chain))?;
        if own.has(listener::DEFAULT_FILTER_CHAIN) {
            own.edit(listener::DEFAULT_FILTER_CHAIN, |chain| self.chain(chain))?;
        }
        Ok(())
    }

    fn chain(&self, chain: &mut Message) -> Result<(), Malformed> {
        chain.edit_each(filter_chain::FILTERS, |_, filter| {
            if !filter.has(network_filter::CONFIG) {
                return Ok(());
            }
            filter.edit(network_filter::CONFIG, |typed| {
                if typed.text(any::TYPE_URL).rsplit('/').next() != Some(HCM) {
                    return Ok(());
                }
                typed.edit(any::VALUE, |manager| self.manager(manager))
            })
        })
    }

    fn manager(&self, manager: &mut Message) -> Result<(), Malformed> {
        let inline = match manager.has(hcm::ROUTE_CONFIG) {
            true => manager.edit(hcm::ROUTE_CONFIG, |config| routes::modify(self.know, config))?,
            false => Wants::default(),
        };
        let rds = manager.message(hcm::RDS)?.unwrap_or_default();
        let wants = self.wanted.get(rds.text(hcm::ROUTE_CONFIG_NAME)).unwrap_or(&inline);
        // Before the last one, which sends the request; the picker sees what the processor made of it.
        for pool in &wants.pools {
            let names = names(manager)?;
            insert(manager, &names, names.len().saturating_sub(1), (&pool.filter_name(), pool.filter()));
        }
        if let (true, Some(service)) = (wants.quotas, &self.know.settings.quota) {
            let names = names(manager)?;
            insert(manager, &names, names.len().saturating_sub(1), (quotas::FILTER, quotas::filter(service)));
        }
        if !wants.processor {
            return Ok(());
        }
        let before = names(manager)?;
        let at = place(&before);
        let own = |name: &str| wants.pools.iter().any(|pool| pool.filter_name() == name);
        let last = before.iter().skip(at).all(|name| own(name) || LEAVES_BODIES.contains(&kind(name)));
        insert(manager, &before, at, (filters::FILTER, filters::router_level(last)));
        if let Some(log) = filters::log_headers(self.know.settings) {
            let names = names(manager)?;
            let at = names.iter().position(|name| name == filters::FILTER).unwrap_or_default();
            insert(manager, &names, at, (filters::LOG_FILTER, log));
        }
        manager.edit(hcm::SCHEME_TRANSFORMATION, |scheme| {
            scheme.set_uint(hcm::MATCH_UPSTREAM, 1);
            Ok(())
        })?;
        strip(manager)
    }
}

fn insert(manager: &mut Message, names: &[String], at: usize, (name, filter): (&str, Bytes)) {
    if !names.iter().any(|there| there == name) {
        manager.insert(hcm::HTTP_FILTERS, at, filter);
    }
}

/// Takes from clients what only we may set.
fn strip(manager: &mut Message) -> Result<(), Malformed> {
    for there in manager.messages(hcm::EARLY_HEADER_MUTATION) {
        if there?.text(extension::NAME) == filters::EARLY_FILTER {
            return Ok(());
        }
    }
    manager.push(hcm::EARLY_HEADER_MUTATION, filters::early_headers());
    Ok(())
}

/// The HTTP filters of a chain, by name.
pub(super) fn names(manager: &Message) -> Result<Vec<String>, Malformed> {
    let filters = manager.messages(hcm::HTTP_FILTERS);
    filters.map(|filter| Ok(filter?.text(http_filter::NAME).to_owned())).collect()
}

/// Where the processor stands: behind the last filter that has to come before it, and never behind the last of all.
fn place(names: &[String]) -> usize {
    let leading = names.iter().take_while(|name| kind(name) == CUSTOM_RESPONSE).count();
    let behind = names.iter().rposition(|name| BEFORE.contains(&kind(name)));
    let place = behind.map_or(leading, |last| last + 1).max(leading);
    place.min(names.len().saturating_sub(1))
}

/// `jwt_authn` of `envoy.filters.http.jwt_authn` and `envoy.filters.http.jwt_authn/securitypolicy/…`
fn kind(name: &str) -> &str {
    let name = name.strip_prefix("envoy.filters.http.").unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

/// The name of a route configuration that a listener refers to, for each of its HTTP chains, with that chain.
pub(super) fn managers(own: &Message) -> Result<Vec<(String, Message)>, Malformed> {
    let mut found = Vec::new();
    let mut chains = own.messages(listener::FILTER_CHAINS).collect::<Result<Vec<_>, _>>()?;
    chains.extend(own.message(listener::DEFAULT_FILTER_CHAIN)?);
    for chain in chains {
        for filter in chain.messages(filter_chain::FILTERS) {
            let typed = filter?.message(network_filter::CONFIG)?.unwrap_or_default();
            if typed.text(any::TYPE_URL).rsplit('/').next() != Some(HCM) {
                continue;
            }
            let manager = typed.message(any::VALUE)?.unwrap_or_default();
            let rds = manager.message(hcm::RDS)?.unwrap_or_default();
            let inline = manager.message(hcm::ROUTE_CONFIG)?.unwrap_or_default();
            let name = match rds.text(hcm::ROUTE_CONFIG_NAME) {
                "" => inline.text(route_config::NAME),
                name => name,
            };
            found.push((name.to_owned(), manager));
        }
    }
    Ok(found)
}
