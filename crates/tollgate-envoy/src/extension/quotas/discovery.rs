//! `envoy.service.discovery.v3`: the rate limit service asks for its configuration, and hears of every change.
use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    pin::{Pin, pin},
};

use bytes::Bytes;
use futures_util::{
    Stream,
    future::{Either, select},
    stream,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming, server::StreamingService};

use super::{
    super::{
        plan::Key,
        proto::{self, Any},
    },
    ModelQuota,
    config::{RateLimitConfig, config},
};

/// The path of the method.
pub(in crate::extension) const DISCOVERY: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// What rate limit services are shown, and each change of it.
#[derive(Debug)]
pub(in crate::extension) struct Shown(watch::Sender<State>);

#[derive(Clone, Debug, Default)]
struct State {
    /// Counts changes.
    version: u64,
    /// A `RateLimitConfig`, which has a name at least; empty until it is known.
    config: Bytes,
    over: bool,
}

/// Answers one rate limit service.
#[derive(Clone, Debug)]
pub(in crate::extension) struct Discovery(watch::Receiver<State>);

/// `DiscoveryRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::extension) struct DiscoveryRequest {
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(message, optional, tag = "6")]
    error_detail: Option<ErrorDetail>,
}

/// `google.rpc.Status`
#[derive(Clone, PartialEq, prost::Message)]
struct ErrorDetail {
    #[prost(string, tag = "2")]
    message: String,
}

/// `DiscoveryResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::extension) struct DiscoveryResponse {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(message, repeated, tag = "2")]
    resources: Vec<Any>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

type Replies = Pin<Box<dyn Stream<Item = Result<DiscoveryResponse, Status>> + Send>>;

/// One stream.
struct Talk {
    requests: Streaming<DiscoveryRequest>,
    state: watch::Receiver<State>,
    /// The service has said what it wants.
    asked: bool,
}

// === impl Shown ===

impl Shown {
    pub(in crate::extension) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Shows these quotas. Nobody hears of what is no change.
    pub(in crate::extension) fn show(&self, quotas: &BTreeMap<Key, Vec<ModelQuota>>) {
        let config = proto::bytes(&config(quotas));
        self.0.send_if_modified(|state| {
            let changed = state.config != config;
            if changed {
                state.version += 1;
                state.config = config;
            }
            changed
        });
    }

    /// Ends all streams.
    pub(in crate::extension) fn end(&self) {
        self.0.send_modify(|state| state.over = true);
    }

    pub(in crate::extension) fn discovery(&self) -> Discovery {
        Discovery(self.0.subscribe())
    }
}

// === impl Discovery ===

impl StreamingService<DiscoveryRequest> for Discovery {
    type Response = DiscoveryResponse;
    type ResponseStream = Replies;
    type Future = Ready<Result<Response<Replies>, Status>>;

    fn call(&mut self, request: Request<Streaming<DiscoveryRequest>>) -> Self::Future {
        let talk = Talk { requests: request.into_inner(), state: self.0.clone(), asked: false };
        let replies = stream::unfold(talk, async |mut talk| Some((talk.next().await?, talk)));
        ready(Ok(Response::new(Box::pin(replies))))
    }
}

/// What happens on a stream.
enum Event {
    /// `None` where the service has left.
    Asked(Option<DiscoveryRequest>),
    Changed,
}

// === impl Talk ===

impl Talk {
    /// The next answer; `None` where the stream is over.
    async fn next(&mut self) -> Option<Result<DiscoveryResponse, Status>> {
        loop {
            match self.event().await? {
                Event::Asked(None) => return None,
                Event::Asked(Some(request)) if !self.begins(&request) => continue,
                Event::Asked(Some(_)) | Event::Changed => {}
            }
            let state = self.state.borrow_and_update().clone();
            if state.over {
                return None;
            }
            if self.asked && !state.config.is_empty() {
                return Some(Ok(response(&state)));
            }
        }
    }

    async fn event(&mut self) -> Option<Event> {
        let asked = pin!(self.requests.message());
        let changed = pin!(self.state.changed());
        match select(asked, changed).await {
            Either::Left((request, _)) => Some(Event::Asked(request.ok()?)),
            Either::Right((changed, _)) => changed.ok().map(|()| Event::Changed),
        }
    }

    /// True where the service wants to know, and not only says how it took what it was told.
    fn begins(&mut self, request: &DiscoveryRequest) -> bool {
        if let Some(error) = &request.error_detail {
            tracing::error!(error = error.message, "the rate limit service refuses the quotas");
        }
        if self.asked || request.type_url != proto::type_url::<RateLimitConfig>() {
            return false;
        }
        self.asked = true;
        true
    }
}

fn response(state: &State) -> DiscoveryResponse {
    let version = state.version.to_string();
    DiscoveryResponse {
        version_info: version.clone(),
        resources: vec![Any { type_url: proto::type_url::<RateLimitConfig>(), value: state.config.clone() }],
        type_url: proto::type_url::<RateLimitConfig>(),
        nonce: version,
    }
}
