use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use crate::{Behaviour, Issuer};

/// How a simulator listens and behaves when nothing else was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Threads, each with its own reactor and its own listening socket (`SO_REUSEPORT`); at least 1.
    pub threads: usize,
    /// Sent back as `x-simulator-instance`, so that a test sees which of several simulators answered.
    pub name: String,
    /// When set, every API call must carry exactly this key (as bearer, `api-key` or `x-api-key`);
    /// others get the provider's own 401.
    pub require_key: Option<String>,
    /// Ids that `/v1/models` lists. Every model name is answered, listed or not.
    pub models: Vec<String>,
    /// How many of the latest requests `GET /_sim/last` remembers, bodies included; 0 remembers none.
    pub record: usize,
    /// Largest request body in bytes; a larger one is a 413.
    pub max_body: usize,
    /// Requests served at once before `vllm:num_requests_waiting` starts to count. It is a figure
    /// in the metrics only: nothing queues.
    pub capacity: u32,
    /// Delays, lengths and faults of every request; rules, `x-sim-*` headers and magic model names
    /// override it field by field.
    pub behaviour: Behaviour,
    /// Models that are served as KServe does, and not as language models: `/v1/models/{m}:predict`,
    /// `/v1/models/{m}:explain` and `/v1/models/{m}` for their readiness.
    pub kserve: Vec<String>,
    /// Who signs tokens at `/token`, for whoever asks. Without one there are no such paths.
    pub issuer: Option<Arc<Issuer>>,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: 1,
            name: "simulator".into(),
            require_key: None,
            models: [
                "gpt-4o-mini",
                "gpt-5",
                "text-embedding-3-small",
                "claude-sonnet-4-5",
                "gemini-2.5-flash",
            ]
            .map(String::from)
            .to_vec(),
            record: 32,
            max_body: 64 << 20,
            capacity: 64,
            behaviour: Behaviour::default(),
            kserve: Vec::new(),
            issuer: None,
        }
    }
}
