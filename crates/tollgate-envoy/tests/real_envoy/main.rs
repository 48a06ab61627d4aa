//! The external processor with a real Envoy: what clients, providers, access logs and telemetry see.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod broken;
mod client;
mod crashes;
mod served;
mod stand;
mod unread;
