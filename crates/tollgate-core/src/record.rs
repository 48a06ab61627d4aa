use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, uri::PathAndQuery};
use serde_json::{Map, Value};
use smallvec::SmallVec;
use tollgate_llm::Delivery;
use tollgate_snapshot::{Backend, ClientSettings, Listener, Rule};
use tollgate_types::{Endpoint, ModelId, Usage};

use crate::{Content, Failure, Live, Now, Plan, RequestHead, TraceContext, gate::Gate, sticky::Issued};

/// The facts of one request, gathered from stage to stage. Whatever happens, it ends in one
/// [`Settled`](crate::Settled).
#[derive(Debug)]
pub struct Record {
    /// What it is judged by, from its first byte to its last.
    pub live: Arc<Live>,
    /// When its head had arrived.
    pub began: Now,
    /// `x-request-id`, the client's or ours.
    pub request_id: String,
    /// Its place in a trace.
    pub trace: TraceContext,
    /// What the client sent, less internal headers; `x-ai-eg-model` is added once the model is known.
    pub head: RequestHead,
    /// Lower case, no port.
    pub host: String,
    /// What its listener asks of clients.
    pub client: Arc<ClientSettings>,
    /// Who sent it, as far as the listener believes what proxies on the way say.
    pub client_ip: IpAddr,
    /// Who took it; `None` where no listener claims the host.
    pub listener: Option<Arc<Listener>>,
    /// The LLM endpoint at its path.
    pub endpoint: Option<Endpoint>,
    /// What is known of the caller.
    pub gate: Gate,
    /// What it was routed to.
    pub rule: Option<Arc<Rule>>,
    /// The model in the client's body.
    pub model_asked: Option<ModelId>,
    /// The model asked of the last backend: `modelNameOverride` or the client's.
    pub model_sent: Option<ModelId>,
    /// The model the provider says it served.
    pub model_served: Option<String>,
    /// How the client wants its reply, for LLM requests.
    pub delivery: Option<Delivery>,
    /// Every attempt, in order.
    pub attempts: SmallVec<[AttemptRecord; 1]>,
    /// Status sent to the client.
    pub status: Option<StatusCode>,
    /// Tokens of the reply, as far as it was delivered.
    pub usage: Usage,
    /// True where the gateway counted `usage` itself, because the provider did not tell before the reply ended.
    pub usage_estimated: bool,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the reply's body.
    pub bytes_out: u64,
    /// When the first piece of the reply's body was there.
    pub first_byte: Option<Instant>,
    /// Prompt and reply, where spans hold them.
    pub content: Option<Box<Content>>,
    /// What somebody else found out about the request, by namespace and key: Envoy's filters, where it carries the bytes.
    pub found: Option<Box<Map<String, Value>>>,
    /// The cookie that leads the client to the same endpoint next time, where it had none.
    pub issued: Option<Box<Issued>>,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// Who was asked.
    pub backend: Arc<Backend>,
    /// `host:port` of the address that was asked; `None` until it is chosen.
    pub address: Option<Arc<str>>,
    /// Path and query as the backend got them; `None` until they are sent.
    pub path: Option<PathAndQuery>,
    /// When.
    pub began: Instant,
    /// When the head of its reply was there, or when it failed.
    pub ended: Option<Instant>,
    /// What it answered.
    pub status: Option<StatusCode>,
    /// Why it came to nothing; `None` with a status that was passed on or tried again.
    pub failure: Option<Failure>,
}

// === impl Record ===

impl Record {
    /// True where a backend did what it was asked: also where it agreed to a session.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| {
            let session = status == StatusCode::SWITCHING_PROTOCOLS && self.endpoint.is_some();
            status.is_success() || session
        })
    }

    /// The backend that was asked last.
    #[must_use]
    pub fn backend(&self) -> Option<&Arc<Backend>> {
        self.attempts.last().map(|attempt| &attempt.backend)
    }

    /// How much of its body is held at most, in bytes.
    pub(crate) fn body_limit(&self) -> usize {
        self.client.connection.buffer.unwrap_or(self.live.snapshot.settings.body_limit)
    }

    /// How long all of it may take, its reply included.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        let rule = self.rule.as_ref();
        let limits = [
            rule.and_then(|rule| rule.timeouts.request),
            rule.and_then(|rule| rule.traffic.max_stream),
            self.client.connection.max_stream,
        ];
        limits.into_iter().flatten().min()
    }
}

// === impl Plan ===

impl Plan {
    /// Takes in what somebody else found out about the request, by namespace: it counts in place of what is known here.
    pub fn learn(&mut self, found: Map<String, Value>) {
        self.record.found = Some(Box::new(found));
    }

    /// Says which address the last attempt goes to, and the path it asks for there.
    pub fn asking(&mut self, address: &Arc<str>, path: Option<PathAndQuery>) {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.address = Some(Arc::clone(address));
            attempt.path = path;
        }
    }
}
