//! `grpc.health.v1.Health`: this server takes requests once there is a configuration, until it drains.

use std::rc::Rc;

use super::{wire::Wire, worker::Worker};
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse, Serving};

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The services that may be asked for; the empty name is the whole server.
const KNOWN: [&str; 2] = ["", "envoy.service.ext_proc.v3.ExternalProcessor"];

/// Answers once.
pub(crate) async fn check(worker: Rc<Worker>, mut wire: Wire) {
    let Some(request) = wire.next_message::<HealthCheckRequest>().await else { return };
    let serving = *worker.shared.serving.subscribe().borrow();
    wire.send(&answer(&request, serving));
}

/// Answers, and again whenever the answer is another one.
pub(crate) async fn watch(worker: Rc<Worker>, mut wire: Wire) {
    let Some(request) = wire.next_message::<HealthCheckRequest>().await else { return };
    let mut serving = worker.shared.serving.subscribe();
    drop(worker);
    loop {
        let now = *serving.borrow_and_update();
        wire.send(&answer(&request, now));
        if serving.changed().await.is_err() {
            return;
        }
    }
}

fn answer(request: &HealthCheckRequest, serving: bool) -> HealthCheckResponse {
    let status = match (KNOWN.contains(&request.service.as_str()), serving) {
        (false, _) => Serving::ServiceUnknown,
        (true, true) => Serving::Serving,
        (true, false) => Serving::NotServing,
    };
    HealthCheckResponse { status: status as i32 }
}
