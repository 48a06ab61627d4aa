//! The rules of each kind: those of its CRD's schema and of the CEL expressions in it.

mod ai;
mod backend_settings;
mod backend_traffic;
mod client_traffic;
mod core;
mod envoy_gateway;
mod envoy_proxy;
mod filter;
mod gateway;
mod health_check;
mod http_route;
mod load_balancer;
mod policy;
mod quota;
mod rate_limit;
mod rules;
mod security;
mod shared;
mod text;

pub(crate) use self::{
    rules::{Rules, Validate, check},
    text::{is_label, is_subdomain},
};
