//! What the AI resources become for Envoy Gateway: a pure function from resources to objects.
//!
//! ```text
//! ResourceSet ─▶ rules ─▶ parts ─▶ HTTPRoutes, filters, grants ─▶ Generated{objects, origins, diagnostics}
//! Manifests, Generated ─▶ complete: all that Envoy Gateway reads;  Manifests ─▶ bundle: what a processor serves from
//! ```
//!
//! What is wrong with the resources themselves is `compile`'s to say; the diagnostics here are about the translation.

mod bundle;
mod complete;
mod files;
mod filters;
mod generate;
mod grants;
mod names;
mod notes;
mod numbers;
mod order;
mod parts;
mod policies;
mod processor;
mod refs;
mod retries;
mod revision;
mod route;
mod services;
mod timeouts;
mod yaml;

pub use self::{
    bundle::bundle,
    complete::{Complete, Reader, Written, complete},
    generate::{Generated, generate},
    order::sort,
    parts::{Origin, Origins},
    processor::{Processor, Proxies, proxies},
    retries::Retries,
    yaml::{documents, write},
};
