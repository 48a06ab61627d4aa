//! The rules of each kind: those of its CRD's schema and of the CEL expressions in it.

mod ai;
mod client_traffic;
mod core;
mod envoy_gateway;
mod filter;
mod gateway;
mod http_route;
mod policy;
mod rules;
mod security;
mod shared;
mod text;

pub(crate) use self::{
    rules::{Rules, Validate, check},
    text::{is_label, is_subdomain},
};
