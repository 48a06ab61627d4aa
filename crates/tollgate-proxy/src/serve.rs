use std::{pin::pin, rc::Rc, sync::Arc};

use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use tollgate_core::{
    Admission, Admitted, AwaitingBody, Now, Plan, Received, Refusal, RequestHead, Reserved, Routed, Step,
    receive,
};
use tollgate_net::{Inbound, InboundError, Peer};

use crate::{
    ReplyBody,
    forward::{Client, forward},
    in_hand::InHand,
    ports,
    served::Served,
    timer::Timer,
    upload::Upload,
    worker::Worker,
};

/// One request from its head to the head of its reply.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    port: u16,
    request: Request<Inbound>,
    peer: Peer,
) -> Response<ReplyBody> {
    let served = worker.served();
    worker.shared.observer.began(port);
    let (parts, body) = request.into_parts();
    let mut extensions = parts.extensions;
    let head = RequestHead {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
        port,
        server_name: peer.server_name().map(Arc::from),
        secure: peer.is_tls(),
        certificate: peer.certificate().cloned(),
        peer: peer.remote(),
    };
    let now = worker.now();
    let received = match receive(Arc::clone(&served.live), head, now, worker.randoms()) {
        Ok(received) => received,
        Err(refused) => return worker.refuse(refused),
    };
    let upgrade = extensions.remove::<OnUpgrade>();
    let admitted = match admit(&worker, &served, received, now).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let routed = match admitted.route() {
        Ok(Step::Routed(routed)) => (routed, Some(Upload::new(body))),
        Ok(Step::Answered(answered)) => return worker.answer(answered),
        Ok(Step::Body(awaiting)) => match read(&worker, awaiting, body).await {
            Ok(routed) => (routed, None),
            Err(response) => return response,
        },
        Err(refused) => return worker.refuse(refused),
    };
    let (routed, body) = routed;
    match reserve(&worker, &served, routed).await {
        Ok(plan) => forward(&worker, &served, plan, Client { body, upgrade }).await,
        Err(response) => response,
    }
}

/// Finds out who calls, or answers.
async fn admit(
    worker: &Rc<Worker>,
    served: &Served,
    mut received: Received,
    mut now: Now,
) -> Result<Admitted, Response<ReplyBody>> {
    loop {
        let asking = match received.admit(&**worker, now) {
            Ok(Admission::Admitted(admitted)) => return Ok(admitted),
            Ok(Admission::Answered(answered)) => return Err(worker.answer(answered)),
            Ok(Admission::Ask(asking)) => InHand::new(worker, asking),
            Err(refused) => return Err(worker.refuse(refused)),
        };
        let answer = Box::pin(ports::answer(worker, served, asking.record(), asking.question())).await;
        received = asking.release().answer(answer);
        now = worker.now();
    }
}

/// Takes what the request may cost, or answers.
async fn reserve(
    worker: &Rc<Worker>,
    served: &Served,
    mut routed: Routed,
) -> Result<Plan, Response<ReplyBody>> {
    loop {
        let asking = match routed.reserve(&**worker, worker.now()) {
            Ok(Reserved::Forward(plan)) => return Ok(plan),
            Ok(Reserved::Answered(answered)) => return Err(worker.answer(answered)),
            Ok(Reserved::Ask(asking)) => InHand::new(worker, asking),
            Err(refused) => return Err(worker.refuse(refused)),
        };
        let answer = Box::pin(ports::answer(worker, served, asking.record(), asking.question())).await;
        routed = asking.release().answer(answer);
    }
}

/// Reads the body that decides about the route.
async fn read(
    worker: &Rc<Worker>,
    awaiting: AwaitingBody,
    body: Inbound,
) -> Result<Routed, Response<ReplyBody>> {
    let limit = awaiting.limit();
    let awaiting = InHand::new(worker, awaiting);
    let patience = worker.options().body_timeout;
    let mut timer = Timer::until(awaiting.record().began.instant.checked_add(patience));
    let collected = {
        let collecting = pin!(body.collect(limit));
        timer.within(collecting).await
    };
    let awaiting = awaiting.release();
    let refusal = match collected {
        Ok(Ok(body)) => return awaiting.body(body).map_err(|refused| worker.refuse(refused)),
        Ok(Err(error)) => broken_body(worker, &error),
        Err(_) => Refusal::SlowBody(patience),
    };
    Err(worker.refuse(awaiting.refuse(refusal)))
}

/// Why a body that was to be read is not there.
pub(crate) fn broken_body(worker: &Worker, error: &InboundError) -> Refusal {
    match error {
        InboundError::TooLarge { limit } => Refusal::TooLarge(*limit),
        InboundError::Idle => Refusal::SlowBody(worker.options().server.body_idle_timeout),
        InboundError::Late => Refusal::LateBody,
        InboundError::Broken(_) => Refusal::BrokenBody,
    }
}
