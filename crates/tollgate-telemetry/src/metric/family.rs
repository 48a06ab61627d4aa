/// What is counted. The order is the order of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Family {
    TokenUsage,
    GenAiDuration,
    FirstToken,
    PerOutputToken,
    Requests,
    RequestDuration,
    InFlight,
    BytesIn,
    BytesOut,
    Ends,
    RouteRequests,
    RouteDuration,
    Cost,
    BackendRequests,
    BackendFailures,
    BackendRetries,
    BackendHead,
    BackendTokens,
}

/// How a family is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// A label with an empty value is left out.
    pub(crate) labels: &'static [&'static str],
}

/// What its cells mean.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// One cell.
    Counter,
    /// One cell that wraps: the shards' sum is the value.
    Gauge,
    /// One cell per bound, one for what is above all of them, and the sum.
    Histogram(Buckets),
}

/// Upper bounds, inclusive, in whole units of which `per_base` make one of what is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets {
    pub(crate) bounds: &'static [u64],
    pub(crate) per_base: f64,
}

const MS: u64 = 1_000_000;

const TOKENS: Buckets = Buckets {
    bounds: &[
        1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ],
    per_base: 1.0,
};
const GEN_AI_SECONDS: Buckets = Buckets {
    bounds: &[
        10 * MS,
        20 * MS,
        40 * MS,
        80 * MS,
        160 * MS,
        320 * MS,
        640 * MS,
        1280 * MS,
        2560 * MS,
        5120 * MS,
        10_240 * MS,
        20_480 * MS,
        40_960 * MS,
        81_920 * MS,
    ],
    per_base: 1e9,
};
const FIRST_TOKEN_SECONDS: Buckets = Buckets {
    bounds: &[
        MS,
        5 * MS,
        10 * MS,
        20 * MS,
        40 * MS,
        60 * MS,
        80 * MS,
        100 * MS,
        250 * MS,
        500 * MS,
        750 * MS,
        1000 * MS,
        2500 * MS,
        5000 * MS,
        7500 * MS,
        10_000 * MS,
        15_000 * MS,
        20_000 * MS,
        30_000 * MS,
        45_000 * MS,
        60_000 * MS,
    ],
    per_base: 1e9,
};
const PER_TOKEN_SECONDS: Buckets = Buckets {
    bounds: &[
        10 * MS,
        25 * MS,
        50 * MS,
        75 * MS,
        100 * MS,
        150 * MS,
        200 * MS,
        300 * MS,
        400 * MS,
        500 * MS,
        750 * MS,
        1000 * MS,
        2500 * MS,
    ],
    per_base: 1e9,
};
/// Plain HTTP answers in less than a millisecond, models in minutes.
const SECONDS: Buckets = Buckets {
    bounds: &[
        MS / 2,
        MS,
        5 * MS / 2,
        5 * MS,
        10 * MS,
        25 * MS,
        50 * MS,
        100 * MS,
        250 * MS,
        500 * MS,
        1000 * MS,
        2500 * MS,
        5000 * MS,
        10_000 * MS,
        30_000 * MS,
        60_000 * MS,
        300_000 * MS,
    ],
    per_base: 1e9,
};

/// Labels of the GenAI families; header attributes follow them.
const GEN_AI: [&str; 5] = [
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_original_model",
    "gen_ai_request_model",
    "gen_ai_response_model",
];

// === impl Family ===

impl Family {
    /// True where labels made of request headers follow the family's own.
    pub(crate) const fn takes_attributes(self) -> bool {
        matches!(self, Self::TokenUsage | Self::GenAiDuration | Self::FirstToken | Self::PerOutputToken)
    }

    /// Names and buckets of the GenAI families are those of Envoy AI Gateway, whose dashboards name them.
    #[expect(clippy::too_many_lines, reason = "one arm per family, flat")]
    pub(crate) const fn spec(self) -> Spec {
        use Kind::{Counter, Gauge, Histogram};
        const USAGE: &[&str] = &[GEN_AI[0], GEN_AI[1], GEN_AI[2], GEN_AI[3], GEN_AI[4], "gen_ai_token_type"];
        const DURATION: &[&str] = &[GEN_AI[0], GEN_AI[1], GEN_AI[2], GEN_AI[3], GEN_AI[4], "error_type"];
        let (name, help, kind, labels): (_, _, _, &'static [&'static str]) = match self {
            Self::TokenUsage => (
                "gen_ai_client_token_usage",
                "Tokens per request that was answered, by type.",
                Histogram(TOKENS),
                USAGE,
            ),
            Self::GenAiDuration => (
                "gen_ai_server_request_duration_seconds",
                "Time from a client's LLM request to the end of its reply, retries included.",
                Histogram(GEN_AI_SECONDS),
                DURATION,
            ),
            Self::FirstToken => (
                "gen_ai_server_time_to_first_token_seconds",
                "Time from a streamed LLM request to the first piece of its reply.",
                Histogram(FIRST_TOKEN_SECONDS),
                &GEN_AI,
            ),
            Self::PerOutputToken => (
                "gen_ai_server_time_per_output_token_seconds",
                "Time per token of a streamed reply after its first one.",
                Histogram(PER_TOKEN_SECONDS),
                &GEN_AI,
            ),
            Self::Requests => (
                "tollgate_requests_total",
                "Finished requests by listener and status sent; code 0 where the client left before one.",
                Counter,
                &["listener", "code"],
            ),
            Self::RequestDuration => (
                "tollgate_request_duration_seconds",
                "Time from a request's head to the end of its reply.",
                Histogram(SECONDS),
                &["listener"],
            ),
            Self::InFlight => (
                "tollgate_requests_in_flight",
                "Requests that have begun and not ended, by the Gateway's port.",
                Gauge,
                &["port"],
            ),
            Self::BytesIn => (
                "tollgate_request_bytes_total",
                "Bytes of request bodies by listener.",
                Counter,
                &["listener"],
            ),
            Self::BytesOut => (
                "tollgate_response_bytes_total",
                "Bytes of reply bodies by listener.",
                Counter,
                &["listener"],
            ),
            Self::Ends => (
                "tollgate_request_ends_total",
                "Finished requests by listener and by how they ended.",
                Counter,
                &["listener", "end"],
            ),
            Self::RouteRequests => (
                "tollgate_route_requests_total",
                "Finished requests by rule of a route and status sent.",
                Counter,
                &["route", "rule", "code"],
            ),
            Self::RouteDuration => (
                "tollgate_route_duration_seconds",
                "Time from a request's head to the end of its reply, by rule of a route.",
                Histogram(SECONDS),
                &["route", "rule"],
            ),
            Self::Cost => (
                "tollgate_cost_total",
                "Sum of what llmRequestCosts gave, by route, backend and metadata key.",
                Counter,
                &["route", "backend", "key"],
            ),
            Self::BackendRequests => (
                "tollgate_backend_requests_total",
                "Attempts that a backend answered, by its status; those that were tried again included.",
                Counter,
                &["backend", "code"],
            ),
            Self::BackendFailures => (
                "tollgate_backend_failures_total",
                "Attempts that came to nothing, by reason.",
                Counter,
                &["backend", "reason"],
            ),
            Self::BackendRetries => (
                "tollgate_backend_retries_total",
                "Attempts that were not the first of their request.",
                Counter,
                &["backend"],
            ),
            Self::BackendHead => (
                "tollgate_backend_head_duration_seconds",
                "Time from the start of an attempt to the head of the backend's reply.",
                Histogram(SECONDS),
                &["backend"],
            ),
            Self::BackendTokens => (
                "tollgate_backend_tokens_total",
                "Tokens that a backend reported, by type.",
                Counter,
                &["backend", "type"],
            ),
        };
        Spec { name, help, kind, labels }
    }
}

// === impl Kind ===

impl Kind {
    /// How many cells a series has.
    pub(crate) const fn cells(self) -> usize {
        match self {
            Self::Counter | Self::Gauge => 1,
            Self::Histogram(buckets) => buckets.bounds.len() + 2,
        }
    }
}
