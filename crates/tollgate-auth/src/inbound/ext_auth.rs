use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, StatusCode};
use tollgate_types::Secret;

use crate::{HeaderChange, Vetted};

/// A service that is asked whether a caller may call (SecurityPolicy `extAuth`). A port does the asking; who answers
/// at this id is the host's to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtAuth {
    /// Names the service; the same over reloads for the same policy.
    pub id: ExtAuthId,
    /// How it is asked.
    pub protocol: ExtAuthProtocol,
    /// Header names that it gets. None: all of them (gRPC), or no more than it needs (HTTP).
    pub headers: Option<Vec<HeaderName>>,
    /// How much of the body it gets; none: nothing.
    pub body: Option<BodyToAuth>,
    /// How long it may take. 10 s.
    pub timeout: Duration,
    /// What follows where it does not answer.
    pub on_failure: OnFailure,
    /// Facts that a gRPC service gets with each question (`contextExtensions`).
    pub context: Vec<(Box<str>, Secret)>,
    /// True where the route may depend on headers that it sets.
    pub recompute_route: bool,
}

/// Names a service that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtAuthId(pub Arc<str>);

/// How a service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtAuthProtocol {
    /// `envoy.service.auth.v3.Authorization/Check`
    Grpc,
    /// The request's own method and path, or another path; 200 means yes
    Http {
        /// Where.
        path: HttpPath,
        /// Headers of its answer that the backend gets, instead of the client's.
        to_backend: Vec<HeaderName>,
    },
}

/// The path that an HTTP service is asked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpPath {
    /// The request's path and query behind this (`path`); may be empty
    Prefix(Box<str>),
    /// This one (`pathOverride`)
    Fixed(Box<str>),
}

/// How much of the body is sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyToAuth {
    /// A body of more bytes is answered with 413, whatever else is configured.
    pub max_bytes: usize,
}

/// What follows where a service does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The request passes (`failOpen`)
    Pass,
    /// This status (`statusOnError`). 403.
    Refuse(StatusCode),
}

// === impl ExtAuth ===

impl ExtAuth {
    /// What becomes of a request that passes although the service has said nothing: the headers that backends get from
    /// the service, they do not get from the client.
    #[must_use]
    pub fn unsaid(&self) -> Vetted {
        let request = match &self.protocol {
            ExtAuthProtocol::Grpc => Vec::new(),
            ExtAuthProtocol::Http { path: _, to_backend } => {
                to_backend.iter().map(|name| (name.clone(), HeaderChange::Remove)).collect()
            }
        };
        Vetted { request, ..Vetted::default() }
    }
}

// === impl ExtAuthId ===

impl fmt::Display for ExtAuthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
