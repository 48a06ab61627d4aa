//! The deployments of this repository, served by the real binary among simulated neighbours.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod access;
mod bad_input;
mod dashboard;
mod gateway;
mod limits;
mod many;
mod plans;
mod resilience;
mod routing;
mod tenants;
mod token_limited;
