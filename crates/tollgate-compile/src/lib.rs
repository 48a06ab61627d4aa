//! Turns resources into a snapshot and notes. Total and pure.
//!
//! ```text
//! ResourceSet ─▶ World (lookups, grants) ─▶ listeners ─▶ attach ─▶ rules (matches, filters, backends, costs)
//!             ─▶ tables (precedence) ─▶ review ─▶ Snapshot + Diagnostics
//! ```
//!
//! What is broken is noted where it stands, and becomes a `Problem` in the snapshot that answers for itself alone.

mod access_log;
mod advice;
mod attach;
mod backends;
mod balancing;
mod beside_envoy;
mod bodies;
mod client;
mod client_heads;
mod client_tls;
mod clients;
mod collector;
mod compile;
mod connections;
mod costs;
mod credentials;
mod describe;
mod describe_client;
mod describe_traffic;
mod environment;
mod envoy_proxy;
mod filters;
mod forward_proxy;
mod frontend;
mod governed;
mod grants;
mod guards;
mod health_checks;
mod http_rules;
mod limits;
mod listeners;
mod listening;
mod llm;
mod lookup;
mod making;
mod matches;
mod mutations;
mod notes;
mod overrides;
mod policies;
mod quotas;
mod reports;
mod review;
mod security;
mod tables;
mod tls;
mod tracing;
mod traffic;
mod upstreams;
mod work;
mod world;

pub use self::{
    advice::advise,
    beside_envoy::Host,
    compile::{Compiled, Options, compile},
    describe::describe,
};

pub(crate) use self::notes::Fault;
