use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tollgate_balance::Thresholds;

/// `healthCheck.active`: each endpoint is asked, whether requests go to it or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// `timeout` of one check. 1 s.
    pub timeout: Duration,
    /// `interval` from the end of one check to the next. 3 s.
    pub interval: Duration,
    /// `initialJitter`: the first check comes within this time; `None` at once.
    pub initial_jitter: Option<Duration>,
    /// `unhealthyThreshold` and `healthyThreshold`
    pub thresholds: Thresholds,
    /// `overrides.port`: asked in place of the endpoint's own.
    pub port: Option<u16>,
    /// What is asked.
    pub probe: Probe,
}

/// `healthCheck.active.type`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// A request
    Http(HttpProbe),
    /// A connection, and bytes over it
    Tcp(TcpProbe),
    /// `grpc.health.v1.Health/Check`, of this service or of the whole server
    Grpc(Option<Arc<str>>),
}

/// `healthCheck.active.http`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    /// `method`. GET.
    pub method: Method,
    /// `path`, with a query perhaps.
    pub path: Arc<str>,
    /// `hostname`; `None` takes the endpoint's own name.
    pub host: Option<Arc<str>>,
    /// `expectedStatuses`. 200 alone.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// `retriableStatuses`: they count towards the threshold; any other unexpected status takes the endpoint out at
    /// once.
    pub retriable: Vec<RangeInclusive<u16>>,
    /// `requestBody`
    pub body: Bytes,
    /// `expectedResponse`: the reply's body has to contain it; empty expects nothing.
    pub expected: Bytes,
}

/// `healthCheck.active.tcp`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpProbe {
    /// `send`; empty only connects.
    pub send: Bytes,
    /// `receive`: what comes back has to contain it; empty expects nothing.
    pub receive: Bytes,
}

// === impl HealthCheck ===

impl HealthCheck {
    /// A check with the usual times.
    #[must_use]
    pub fn of(probe: Probe) -> Self {
        Self {
            timeout: Duration::from_secs(1),
            interval: Duration::from_secs(3),
            initial_jitter: None,
            thresholds: Thresholds::default(),
            port: None,
            probe,
        }
    }
}

// === impl HttpProbe ===

impl HttpProbe {
    /// GET, and a 200 is expected.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            host: None,
            statuses: vec![200..=200],
            retriable: Vec::new(),
            body: Bytes::new(),
            expected: Bytes::new(),
        }
    }
}
