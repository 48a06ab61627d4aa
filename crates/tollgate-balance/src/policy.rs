use std::{sync::Arc, time::Duration};

/// How requests are spread over the endpoints of one backend, and how many there may be. The default is round robin
/// without limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Balancing {
    /// `loadBalancer.type`
    pub algorithm: Algorithm,
    /// `loadBalancer.slowStart.window`: how long a new endpoint grows into its full share.
    pub slow_start: Option<Duration>,
    /// `healthCheck.panicThreshold`: below this share of fit endpoints all are used; 0 never. Percent.
    pub panic_percent: u32,
    /// `healthCheck.passive`
    pub outlier: Option<Outlier>,
    /// `circuitBreaker`
    pub limits: Limits,
    /// `loadBalancer.zoneAware`
    pub zones: Zones,
}

/// `loadBalancer.zoneAware`: which zone a request goes to. Where none of its endpoints can be had, any other will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Zones {
    /// Zones do not count
    #[default]
    Ignored,
    /// `preferLocal`
    Local(LocalZone),
    /// `weightedZones`: a zone by these weights, 1 for those that are not named
    Weighted(Vec<(Arc<str>, u32)>),
}

/// `zoneAware.preferLocal`. The gateways are taken to be spread evenly over the zones of the endpoints, so that a
/// zone with fewer endpoints than its share passes the rest on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalZone {
    /// The gateway's own.
    pub zone: Arc<str>,
    /// `minEndpointsThreshold`: with fewer usable endpoints in all zones together zones do not count. 6.
    pub min_endpoints: u64,
    /// `percentageEnabled`: for this share of the requests. 100.
    pub percent: u32,
    /// `force.minEndpointsInZoneThreshold`: everything stays in the zone while it has so many usable endpoints.
    pub force: Option<u32>,
}

/// `loadBalancer.type`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// One after the other
    #[default]
    RoundRobin,
    /// The one of two at random that has fewer requests
    LeastRequest,
    /// Any
    Random,
    /// By a hash of the request; requests without one go anywhere
    Maglev {
        /// Places in the table; a prime. 65537 unless configured.
        table_size: u32,
    },
}

/// `healthCheck.passive`: which endpoints are taken out, and for how long. 0 switches a count off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outlier {
    /// How long failures are counted before their share is looked at; an endpoint that stays in for as long loses
    /// one of its ejections.
    pub interval: Duration,
    /// `consecutive5XxErrors`
    pub server_errors: u32,
    /// `consecutiveGatewayErrors`: 502, 503, 504.
    pub gateway_errors: u32,
    /// `consecutiveLocalOriginFailures`, with `splitExternalLocalOriginErrors`; `None` counts them as server errors.
    pub local_failures: Option<u32>,
    /// `baseEjectionTime`; times the number of ejections, at most 5 min or this.
    pub base: Duration,
    /// `maxEjectionPercent` of endpoints that may be out at once.
    pub max_percent: u32,
    /// `failurePercentageThreshold`
    pub failure_percent: Option<u32>,
    /// `alwaysEjectOneEndpoint`: the first ejection is free, whatever the share.
    pub always_one: bool,
}

/// `circuitBreaker`, as far as requests are counted; connections are the pool's. `None` is no limit. Over all cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// `maxParallelRequests`
    pub requests: Option<u32>,
    /// `maxParallelRetries`; a budget goes before it.
    pub retries: Option<u32>,
    /// `retryBudget`
    pub budget: Option<Budget>,
    /// Requests under way to one endpoint.
    pub per_endpoint: Option<u32>,
}

/// `circuitBreaker.retryBudget`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Retries per hundred requests under way.
    pub percent: u32,
    /// `minRetryConcurrency`: so many are always allowed. 3 unless configured.
    pub least: u32,
}

// === impl Balancing ===

impl Default for Balancing {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            slow_start: None,
            panic_percent: 50,
            outlier: None,
            limits: Limits::default(),
            zones: Zones::default(),
        }
    }
}

// === impl Outlier ===

impl Default for Outlier {
    /// What `healthCheck.passive: {}` means.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(3),
            server_errors: 5,
            gateway_errors: 0,
            local_failures: None,
            base: Duration::from_secs(30),
            max_percent: 10,
            failure_percent: None,
            always_one: false,
        }
    }
}

// === impl Limits ===

impl Limits {
    /// True where the requests of the whole backend have to be counted.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.requests.is_some() || self.budget.is_some()
    }

    pub(crate) fn retries(&self, requests: u32) -> Option<u32> {
        match self.budget {
            Some(Budget { percent, least }) => {
                let share = u64::from(requests) * u64::from(percent) / 100;
                Some(least.max(u32::try_from(share).unwrap_or(u32::MAX)))
            }
            None => self.retries,
        }
    }
}
