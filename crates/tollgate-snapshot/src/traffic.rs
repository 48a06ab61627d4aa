use std::{num::NonZeroU64, sync::Arc, time::Duration};

use http::HeaderName;
use tollgate_balance::{AdmissionRule, Balancing};

use crate::{Faults, HealthCheck, Http2Rules, ReplyOverride, TcpKeepalive};

/// What a BackendTrafficPolicy says about a rule and its backends. The default is what holds without a policy.
///
/// A backend's own fields (`balancing`, `check`, `hash_on`, `connections`) are read from
/// [`Backend::traffic`](crate::Backend::traffic), the others from [`Rule::traffic`](crate::Rule::traffic).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Traffic {
    /// Load balancer, passive health check and circuit breaker.
    pub balancing: Balancing,
    /// `healthCheck.active`
    pub check: Option<HealthCheck>,
    /// What a consistent hash is made of; the first that the request has.
    pub hash_on: Vec<HashOn>,
    /// The cookie that a client gets where `hash_on` asks for one that it has not.
    pub sticky: Option<StickyCookie>,
    /// `loadBalancer.endpointOverride`: headers that name the endpoints to ask, as `address:port`.
    pub endpoints_in: Vec<HeaderName>,
    /// What connections to the backend are like.
    pub connections: Connections,
    /// `retry`; `None` keeps [`Rule::retry`](crate::Rule::retry).
    pub retry: Option<RetryPolicy>,
    /// `faultInjection`
    pub faults: Option<Faults>,
    /// `requestBuffer.limit`, bytes: the whole body is read before a backend is asked; a larger one is a 413.
    pub request_buffer: Option<usize>,
    /// `connection.bufferLimit`, bytes: bodies up to this length are kept for another attempt, where attempts are
    /// repeated. 32 KiB unless configured.
    pub replayed: Option<u64>,
    /// `timeout.http.maxStreamDuration`: how long a request and its reply may last.
    pub max_stream: Option<Duration>,
    /// `admissionControl`
    pub admission: Option<AdmissionControl>,
    /// `bandwidthLimit`
    pub bandwidth: Option<Bandwidth>,
    /// `httpUpgrade`: protocols, in lower case, to which connections may be upgraded; `None` is any.
    pub upgrades: Option<Vec<Box<str>>>,
    /// `responseOverride`
    pub overrides: Vec<ReplyOverride>,
    /// `compressor`, the first one preferred.
    pub compression: Vec<Compressor>,
}

/// `admissionControl`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdmissionControl {
    /// When requests are turned away.
    pub rule: AdmissionRule,
    /// `successCriteria.http.statusCodes`: what counts as a success; empty is everything below 500.
    pub successes: Vec<u16>,
}

/// `bandwidthLimit`: bytes a second of all bodies of a rule together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// Of requests.
    pub request: Option<NonZeroU64>,
    /// Of replies, as they go to clients.
    pub response: Option<NonZeroU64>,
}

/// `compressor[]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compressor {
    /// `type`
    pub packing: Packing,
    /// `minContentLength`, bytes. 30. A reply that does not tell its length is long enough.
    pub min_length: u64,
}

/// `compressor[].type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// RFC 1952
    Gzip,
    /// RFC 7932
    Brotli,
    /// RFC 8878
    Zstd,
}

// === impl Traffic ===

impl Traffic {
    /// True where the policy says which endpoints are fit. The gateway's own rule, which leaves a backend alone that
    /// failed five times in a row, does not hold beside it.
    #[must_use]
    pub const fn judges_endpoints(&self) -> bool {
        self.balancing.outlier.is_some() || self.check.is_some()
    }
}

// === impl AdmissionControl ===

impl AdmissionControl {
    /// True for an answer that speaks for the backend; no answer does not.
    #[must_use]
    pub fn is_success(&self, status: Option<u16>) -> bool {
        status.is_some_and(|status| match &*self.successes {
            [] => status < 500,
            successes => successes.contains(&status),
        })
    }
}

/// `loadBalancer.consistentHash`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HashOn {
    /// The address of the client's connection
    SourceIp,
    /// A header's first value
    Header(HeaderName),
    /// A cookie
    Cookie(Arc<str>),
    /// A parameter of the query, as it is written
    Query(Arc<str>),
}

/// `loadBalancer.consistentHash.cookie` with a `ttl`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StickyCookie {
    /// Its name.
    pub name: Arc<str>,
    /// What follows its value in `set-cookie`, from the first `;` on.
    pub attributes: Box<str>,
}

/// What connections to a backend are like. `None` is what the gateway does anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Connections {
    /// `timeout.tcp.connectTimeout`: name, TCP and TLS together.
    pub connect_timeout: Option<Duration>,
    /// `timeout.http.connectionIdleTimeout`
    pub idle_timeout: Option<Duration>,
    /// `timeout.http.maxConnectionDuration`
    pub max_duration: Option<Duration>,
    /// `circuitBreaker.maxConnections`, over all endpoints and cores. Each core has an even share for each endpoint,
    /// and at least one.
    pub max_open: Option<u32>,
    /// `circuitBreaker.perEndpoint.maxConnections`, shared likewise.
    pub max_open_per_endpoint: Option<u32>,
    /// `circuitBreaker.maxPendingRequests`: requests that wait for a connection, shared likewise; 0 lets none wait.
    pub max_pending: Option<u32>,
    /// `circuitBreaker.maxRequestsPerConnection`
    pub max_requests: Option<u32>,
    /// `tcpKeepalive`
    pub keepalive: Option<TcpKeepalive>,
    /// `http2`
    pub http2: Http2Rules,
    /// `dns.dnsRefreshRate`
    pub dns_refresh: Option<Duration>,
    /// `dns.lookupFamily`
    pub lookup: LookupFamily,
    /// `proxyProtocol`: each connection begins with its client's address, and serves that client alone.
    pub introduce: Option<ProxyVersion>,
}

/// `proxyProtocol.version`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text
    V1,
    /// Bytes
    V2,
}

/// `dns.lookupFamily`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LookupFamily {
    /// Every address
    #[default]
    Any,
    /// IPv4
    V4,
    /// IPv6
    V6,
    /// IPv4 where there is any, IPv6 otherwise
    V4Preferred,
    /// IPv6 where there is any, IPv4 otherwise
    V6Preferred,
}

/// `retry` of a BackendTrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// `numRetries`: attempts after the first.
    pub retries: u32,
    /// `numAttemptsPerPriority`: after so many the next priority is asked.
    pub per_priority: Option<u32>,
    /// `retryOn.triggers`
    pub triggers: Vec<Trigger>,
    /// `retryOn.httpStatusCodes`, with [`Trigger::StatusCodes`].
    pub statuses: Vec<u16>,
    /// `perRetry.timeout`, of the first attempt too.
    pub per_try: Option<Duration>,
    /// `perRetry.backOff.baseInterval`
    pub base: Duration,
    /// `perRetry.backOff.maxInterval`
    pub max: Duration,
}

/// `retryOn.triggers`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// `5xx`: a server error, or no reply at all
    ServerError,
    /// `gateway-error`: 502, 503, 504
    GatewayError,
    /// `reset`: no reply, a timeout included
    Reset,
    /// `reset-before-request`: no reply, and nothing was sent
    ResetBeforeRequest,
    /// `connect-failure`
    ConnectFailure,
    /// `retriable-4xx`: 409
    Retriable4xx,
    /// `refused-stream`
    RefusedStream,
    /// `retriable-status-codes`
    StatusCodes,
    /// A `grpc-status` in the head of the reply: `cancelled` 1, `deadline-exceeded` 4, `resource-exhausted` 8,
    /// `internal` 13, `unavailable` 14
    Grpc(u8),
}

/// What came of an attempt, as triggers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was answered.
    Answered {
        /// The reply's status.
        status: u16,
        /// `grpc-status` of its head.
        grpc: Option<u8>,
    },
    /// It never reached its backend.
    NotSent,
    /// It was refused unprocessed (RFC 9113, 8.7).
    Refused,
    /// Too many connections, and too many who wait for one: not tried at all.
    Overflow,
    /// It was sent, and no usable reply came.
    Broken,
}

// === impl RetryPolicy ===

impl Default for RetryPolicy {
    /// What `retry: {}` means.
    fn default() -> Self {
        Self {
            retries: 2,
            per_priority: None,
            triggers: vec![
                Trigger::ConnectFailure,
                Trigger::RefusedStream,
                Trigger::Grpc(14),
                Trigger::Grpc(1),
                Trigger::StatusCodes,
            ],
            statuses: vec![503],
            per_try: None,
            base: Duration::from_millis(25),
            max: Duration::from_millis(250),
        }
    }
}

impl RetryPolicy {
    /// Is this to be tried again?
    #[must_use]
    pub fn wants(&self, result: Came) -> bool {
        self.triggers.iter().any(|trigger| match (trigger, result) {
            // As with Envoy: what is full already is not made fuller.
            (_, Came::Overflow) => false,
            (Trigger::ServerError, Came::Answered { status, .. }) => (500..600).contains(&status),
            (Trigger::GatewayError, Came::Answered { status, .. }) => (502..=504).contains(&status),
            (Trigger::Retriable4xx, Came::Answered { status, .. }) => status == 409,
            (Trigger::StatusCodes, Came::Answered { status, .. }) => self.statuses.contains(&status),
            (Trigger::Grpc(code), Came::Answered { grpc, .. }) => grpc == Some(*code),
            (
                Trigger::Reset
                | Trigger::ResetBeforeRequest
                | Trigger::ConnectFailure
                | Trigger::RefusedStream,
                Came::Answered { .. },
            ) => false,
            // A timeout or a reset is a 503 or 504 to the client, and counts as one.
            (
                Trigger::ServerError | Trigger::GatewayError | Trigger::Reset,
                Came::NotSent | Came::Refused | Came::Broken,
            ) => true,
            (Trigger::ConnectFailure | Trigger::ResetBeforeRequest, Came::NotSent)
            | (Trigger::RefusedStream, Came::Refused) => true,
            (Trigger::StatusCodes, Came::NotSent | Came::Refused | Came::Broken) => {
                self.statuses.contains(&503)
            }
            (
                Trigger::ConnectFailure
                | Trigger::RefusedStream
                | Trigger::ResetBeforeRequest
                | Trigger::Retriable4xx
                | Trigger::Grpc(_),
                Came::NotSent | Came::Refused | Came::Broken,
            ) => false,
        })
    }

    /// The pause before a retry (1 is the first): anything up to a bound that doubles each time.
    #[must_use]
    pub fn pause(&self, retry: u32, random: u64) -> Duration {
        let doubled = self.base.saturating_mul(1 << retry.saturating_sub(1).min(20));
        let most = u64::try_from(doubled.min(self.max).as_micros()).unwrap_or(u64::MAX);
        let micros = (u128::from(random) * u128::from(most)) >> 64;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn answered(status: u16) -> Came {
        Came::Answered { status, grpc: None }
    }

    #[test]
    fn without_triggers_of_its_own_a_policy_repeats_503_and_what_was_never_sent() {
        let policy = RetryPolicy::default();
        assert!(policy.wants(answered(503)) && policy.wants(Came::NotSent));
        assert!(policy.wants(Came::Answered { status: 200, grpc: Some(14) }));
        assert!(![404, 409, 429, 500, 502].into_iter().any(|status| policy.wants(answered(status))));
    }

    #[test]
    fn a_refused_stream_is_not_a_failed_connection_and_an_overflow_is_neither() {
        let on = |trigger| RetryPolicy { triggers: vec![trigger], ..RetryPolicy::default() };
        assert!(on(Trigger::RefusedStream).wants(Came::Refused));
        assert!(!on(Trigger::RefusedStream).wants(Came::NotSent));
        assert!(!on(Trigger::ConnectFailure).wants(Came::Refused));
        assert!(!on(Trigger::ServerError).wants(Came::Overflow));
        assert!(!RetryPolicy::default().wants(Came::Overflow));
    }

    #[test]
    fn a_404_is_repeated_only_where_somebody_asked_for_it() {
        let triggers = vec![Trigger::ServerError, Trigger::StatusCodes];
        let policy = RetryPolicy { triggers, statuses: vec![404], ..RetryPolicy::default() };
        assert!(policy.wants(answered(404)) && policy.wants(answered(500)));
        assert!(!policy.wants(answered(400)));
    }

    #[test]
    fn pauses_double_up_to_their_bound_and_are_fully_jittered() {
        let policy = RetryPolicy::default();
        let most = |retry| policy.pause(retry, u64::MAX).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 40].map(most), [24, 49, 99, 199, 249, 249]);
        assert_eq!(policy.pause(3, 0), Duration::ZERO);
    }
}
