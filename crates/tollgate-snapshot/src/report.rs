use crate::OtlpCollector;

/// What the process tells of itself (EnvoyProxy `logging` and `telemetry.metrics`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// From which level on each part of it logs; what is not said is up to the process.
    pub levels: Vec<(LogPart, LogLevel)>,
    /// True where Prometheus is not to fetch counts.
    pub metrics_hidden: bool,
    /// Whom counts are sent.
    pub metric_sinks: Vec<MetricSink>,
}

/// A part of the process, by Envoy's name of what does the same there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogPart {
    /// All that is not one of the others
    Default,
    /// The admin server
    Admin,
    /// Requests of the process's own: key sets, tokens, external authorization, Redis
    Client,
    /// Connections of either side
    Connection,
    /// What has a say in a request beside its route
    Filter,
    /// HTTP with clients
    Http,
    /// The process: files, reloads, its end
    Main,
    /// The way of a request to its backend
    Router,
    /// Changes of the resources
    Runtime,
    /// Connections to backends and their health
    Upstream,
}

/// From where on something is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything
    Trace,
    /// What helps to find a fault
    Debug,
    /// What happens
    Info,
    /// What may be wrong
    Warn,
    /// What is wrong
    Error,
}

/// Who takes counts over OTLP (gRPC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSink {
    /// Where it is, and what it is told beside them.
    pub collector: OtlpCollector,
    /// Counters tell what has come since the last time, and not since the start.
    pub counter_deltas: bool,
    /// Histograms likewise.
    pub histogram_deltas: bool,
}

// === impl LogPart ===

impl LogPart {
    /// Every part.
    pub const ALL: [Self; 10] = [
        Self::Default,
        Self::Admin,
        Self::Client,
        Self::Connection,
        Self::Filter,
        Self::Http,
        Self::Main,
        Self::Router,
        Self::Runtime,
        Self::Upstream,
    ];

    /// As resources call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Connection => "connection",
            Self::Filter => "filter",
            Self::Http => "http",
            Self::Main => "main",
            Self::Router => "router",
            Self::Runtime => "runtime",
            Self::Upstream => "upstream",
        }
    }
}

// === impl LogLevel ===

impl LogLevel {
    /// As resources and log filters call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
