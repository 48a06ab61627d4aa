//! `grpc.health.v1`: whether the hooks can be answered.
use std::{future::Ready, pin::Pin};

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status, server::ServerStreamingService};

use super::messages::{HealthList, HealthReply, HealthRequest};

/// `ServingStatus`
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
/// Names that are asked for beside the empty one, which is the server as a whole.
const NAMES: [&str; 2] = ["envoygateway.extension.EnvoyGatewayExtension", "envoy-gateway-extension-server"];

/// Says whether the hooks can be answered.
#[derive(Clone, Debug)]
pub(super) struct Health(watch::Receiver<bool>);

type Replies = Pin<Box<dyn Stream<Item = Result<HealthReply, Status>> + Send>>;

// === impl Health ===

impl Health {
    pub(super) fn new(ready: watch::Receiver<bool>) -> Self {
        Self(ready)
    }

    /// `Check`
    pub(super) fn check(&self, request: &HealthRequest) -> Result<HealthReply, Status> {
        let service = &request.service;
        if !service.is_empty() && !NAMES.contains(&service.as_str()) {
            return Err(Status::not_found(format!("no service {service} here")));
        }
        Ok(reply(*self.0.borrow()))
    }

    /// `List`
    pub(super) fn list(&self) -> HealthList {
        let reply = reply(*self.0.borrow());
        let names = [""].into_iter().chain(NAMES);
        HealthList { statuses: names.map(|name| (name.to_owned(), reply)).collect() }
    }

    /// How it is, and then each change.
    fn changes(mut self) -> Replies {
        self.0.mark_changed();
        Box::pin(stream::unfold(self.0, async |mut ready| {
            ready.changed().await.ok()?;
            let now = *ready.borrow_and_update();
            Some((Ok(reply(now)), ready))
        }))
    }
}

/// `Watch`
impl ServerStreamingService<HealthRequest> for Health {
    type Response = HealthReply;
    type ResponseStream = Replies;
    type Future = Ready<Result<Response<Replies>, Status>>;

    fn call(&mut self, _: Request<HealthRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.clone().changes())))
    }
}

fn reply(ready: bool) -> HealthReply {
    HealthReply { status: if ready { SERVING } else { NOT_SERVING } }
}
