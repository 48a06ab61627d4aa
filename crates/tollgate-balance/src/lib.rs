//! Chooses among backends by priority, weight and health, and among the endpoints of one. The clock and randomness
//! are arguments.
//!
//! ```text
//! pick(candidates) ─▶ backend ─▶ Cluster::pick(Ask) ─▶ Lease ─▶ Lease::report(Outcome) ─▶ drop: all counts go back
//! ```

mod admission;
mod check;
mod cluster;
mod endpoint;
mod health;
mod maglev;
mod pace;
mod pick;
mod policy;
mod zones;

pub use self::{
    admission::{Admission, AdmissionRule},
    check::{Checked, Checks, Thresholds},
    cluster::{Ask, Cluster, Lease, Retrying, Unpicked},
    endpoint::{Endpoint, Outcome},
    health::{Health, Standing, Turn},
    maglev::hash,
    pace::Pace,
    pick::{Candidate, pick},
    policy::{Algorithm, Balancing, Budget, Limits, LocalZone, Outlier, Zones},
};
