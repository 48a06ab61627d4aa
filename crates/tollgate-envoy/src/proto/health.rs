//! `grpc.health.v1`

use prost::{Enumeration, Message};

/// Whose health is asked for.
#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckRequest {
    /// Empty for the whole server.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// How it is.
#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckResponse {
    /// The answer.
    #[prost(enumeration = "Serving", tag = "1")]
    pub status: i32,
}

/// Whether a service takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
pub enum Serving {
    /// Nobody knows
    Unknown = 0,
    /// It does
    Serving = 1,
    /// It does not
    NotServing = 2,
    /// There is no such service
    ServiceUnknown = 3,
}
