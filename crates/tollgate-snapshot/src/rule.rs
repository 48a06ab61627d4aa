use std::{sync::Arc, time::Duration};

use tollgate_llm::BodyMutation;
use tollgate_types::{ModelId, ObjectRef, RouteId, RuleId};

use crate::{
    Backend, Cost, DirectResponse, Filter, Guard, HeaderEdit, Limits, PolicyUse, Problem, Quota, Redirect,
    Traffic,
};

/// One rule of an HTTPRoute or an AIGatewayRoute.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Position in [`Snapshot::rules`](crate::Snapshot::rules); handles of metrics are kept by it.
    pub index: u32,
    /// For people.
    pub id: RuleId,
    /// The route it belongs to.
    pub route: RouteId,
    /// The resource that wrote it.
    pub source: ObjectRef,
    /// Which requests it is for.
    pub service: Service,
    /// Who may call it.
    pub guard: Guard,
    /// How much may be called, where anything limits it.
    pub limits: Option<Arc<Limits>>,
    /// The policies that hold for it, for people.
    pub policies: Vec<PolicyUse>,
    /// Applied in order, to the request first and to the reply afterwards.
    pub filters: Vec<Filter>,
    /// What answers.
    pub action: Action,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// When to try again.
    pub retry: Retry,
    /// What a policy says about its requests.
    pub traffic: Arc<Traffic>,
}

/// Which requests a rule is for. Kept apart from [`Action`], so that a broken LLM rule stays an LLM rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Requests to LLM endpoints only (AIGatewayRoute)
    Llm,
    /// Any request (HTTPRoute)
    Http,
}

/// What answers a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// An LLM provider, by way of the dialects.
    Llm(LlmAction),
    /// A plain HTTP backend; bodies stream through untouched.
    Http(Vec<Choice>),
    /// A redirect.
    Redirect(Redirect),
    /// A fixed reply.
    Direct(DirectResponse),
    /// Compiled from something broken: every request gets a 500 naming it.
    Invalid(Arc<Problem>),
}

/// Where LLM requests of a rule may go, and what they cost.
#[derive(Clone, Debug)]
pub struct LlmAction {
    /// `backendRefs`, in their order.
    pub choices: Vec<Choice>,
    /// Costs of this route, with the global ones it does not replace already merged in.
    pub costs: Arc<[Cost]>,
}

/// One `backendRef`.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The backend, or why it cannot be used: its share of requests gets a 500.
    pub backend: Result<Arc<Backend>, Arc<Problem>>,
    /// Share among choices of the same priority; 0 takes none.
    pub weight: u32,
    /// 0 is asked first; the next one when all of the one before are spent.
    pub priority: u32,
    /// `modelNameOverride`
    pub model_override: Option<ModelId>,
    /// `headerMutation` of the backendRef merged over the backend's own.
    pub headers: HeaderEdit,
    /// `bodyMutation` of the backendRef merged over the backend's own.
    pub body: BodyMutation,
    /// Filters of this backendRef alone (HTTPRoute).
    pub filters: Vec<Filter>,
    /// What may be spent here, where a QuotaPolicy says.
    pub quota: Option<Arc<Quota>>,
}

/// How long things may take. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request's arrival to the end of the reply, retries included (`timeouts.request`).
    pub request: Option<Duration>,
    /// One attempt up to the head of its reply (`timeouts.backendRequest`).
    pub attempt: Option<Duration>,
    /// Between two pieces of a streamed reply, the first one included (`streamIdleTimeout`).
    pub stream_idle: Option<Duration>,
}

/// When to try again before the first byte has gone to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// Statuses that count as a failed attempt, ascending.
    pub statuses: Vec<u16>,
    /// Least pause before asking the *same* backend again; doubles each time.
    pub backoff: Duration,
    /// Who may be asked again after a bad status.
    pub scope: RetryScope,
}

/// Who may be asked again after a bad status. A request that never reached its backend may always be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryScope {
    /// Backends that were not asked yet: repeating a prompt where it just failed costs money and time
    OtherBackends,
    /// The same one too, since somebody configured a retry
    AnyBackend,
}

/// One line of `/v1/models`.
#[derive(Clone, Debug)]
pub struct ModelEntry {
    /// The name that clients send.
    pub id: ModelId,
    /// `modelsOwnedBy`
    pub owned_by: Arc<str>,
    /// `modelsCreatedAt`, or the route's creation; unix seconds.
    pub created: i64,
    /// Who may call its rule; it is listed for nobody else.
    pub guard: Guard,
}

// === impl Rule ===

impl Rule {
    /// The backends it may ask, in their order.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        match &self.action {
            Action::Llm(action) => &action.choices,
            Action::Http(choices) => choices,
            Action::Redirect(_) | Action::Direct(_) | Action::Invalid(_) => &[],
        }
    }

    /// The costs of its requests.
    #[must_use]
    pub fn costs(&self) -> &[Cost] {
        match &self.action {
            Action::Llm(action) => &action.costs,
            Action::Http(_) | Action::Redirect(_) | Action::Direct(_) | Action::Invalid(_) => &[],
        }
    }
}

// === impl Timeouts ===

impl Timeouts {
    /// What an AIGatewayRoute gets that says nothing: 60 s in all.
    pub const LLM: Self = Self { request: Some(Duration::from_secs(60)), attempt: None, stream_idle: None };
    /// What an HTTPRoute gets that says nothing: 15 s in all, as with Envoy.
    pub const HTTP: Self = Self { request: Some(Duration::from_secs(15)), attempt: None, stream_idle: None };
}

// === impl Retry ===

impl Retry {
    /// What an LLM rule gets that says nothing: overload and gateway errors move on to the next backend.
    #[must_use]
    pub fn llm() -> Self {
        Self {
            attempts: 4,
            statuses: vec![429, 500, 502, 503, 504, 529],
            backoff: Duration::from_millis(25),
            scope: RetryScope::OtherBackends,
        }
    }

    /// What a plain rule gets that says nothing: only requests that never reached the backend are tried again.
    #[must_use]
    pub fn http() -> Self {
        Self {
            attempts: 2,
            statuses: Vec::new(),
            backoff: Duration::from_millis(25),
            scope: RetryScope::OtherBackends,
        }
    }
}
