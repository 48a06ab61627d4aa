//! The hooks that Envoy Gateway calls while it translates.
//!
//! ```text
//! PostEndpointsModify ─▶ endpoints      whose each endpoint is, by priority; twins are remembered
//! PostClusterModify   ─▶ pools          clusters that follow an endpoint picker
//! PostRouteModify     ─▶ pools          routes to them
//! PostTranslateModify ─▶ twins ─▶ clusters ─▶ fallback ─▶ routes ─▶ listeners ─▶ check
//! ```
//!
//! Resources of Envoy are edited as bytes ([`Message`]): Envoy Gateway may know fields that we do not.

mod admin;
mod budgets;
mod check;
mod clusters;
mod connection;
mod endpoints;
mod fallback;
mod fields;
mod filters;
mod health;
mod listeners;
mod messages;
mod metadata;
mod plan;
mod pools;
mod proto;
mod quotas;
mod retries;
mod routes;
mod server;
mod settings;
#[cfg(test)]
mod testing;
mod tls;
mod translate;
mod twins;
mod upgrades;
mod wire;

pub use self::{
    messages::Translation,
    plan::{Attempts, Key, Made, Plan},
    server::{Called, Extension, Serve},
    settings::{NoAddress, Processor, QuotaService, Settings},
    tls::{BadCertificate, tls},
    translate::{post_cluster, post_endpoints, post_route, post_translate},
    wire::{Malformed, Message},
};
