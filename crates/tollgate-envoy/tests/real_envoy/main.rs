//! The external processor with a real Envoy: what clients, providers, access logs and telemetry see.

mod broken;
mod client;
mod crashes;
mod served;
mod stand;
