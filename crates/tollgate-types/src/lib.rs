//! The words every other crate speaks: ids, units, secrets, API schemas, usage and diagnostics.
//!
//! Nothing here decides anything, and nothing here reads a clock, a file or the environment.

mod certificate;
mod cidr;
mod diagnostic;
mod dialect;
mod endpoint;
mod ids;
mod schema;
mod secret;
mod units;
mod usage;

pub use self::{
    certificate::ClientCertificateFacts,
    cidr::{Cidr, InvalidCidr},
    diagnostic::{Diagnostic, Diagnostics, ObjectRef, Severity, Span},
    dialect::Dialect,
    endpoint::{Endpoint, Located, ModelPlace},
    ids::{BackendId, ListenerId, ModelId, RouteId, RuleId},
    schema::{ApiSchema, UnknownSchema},
    secret::Secret,
    units::{MicroDollars, Tokens},
    usage::Usage,
};
