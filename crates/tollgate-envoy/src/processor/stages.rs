//! From a head to a plan: the stages as both levels call them. Each level begins anew with the client's own bytes.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use tollgate_core::{
    Admission, Admitted, Answered, FormRest, InHand, Live, LocalReply, Plan, Received, Refusal, Refused,
    RequestHead, Reserved, Routed, Step, receive,
};

use super::{
    body::{Body, Stop, vetoed},
    heads::Seen,
    local,
    wire::Wire,
    worker::Worker,
};

use crate::proto::ext_proc::{ProcessingRequest, Said};

/// A plan on a core; settled should the stream end.
pub(crate) type Held = InHand<Plan, Rc<Worker>>;

/// What a request came to.
pub(crate) enum Outcome {
    /// Envoy may ask a backend.
    Forward(Box<Forward>),
    /// The gateway refuses.
    Refused(Refused),
    /// The gateway answers.
    Answered(Answered),
    /// The stream ended, and the request is settled.
    Gone,
    /// Somebody else answered meanwhile.
    Foreign(Refused, Box<ProcessingRequest>),
}

/// A request that goes on.
pub(crate) struct Forward {
    pub(crate) plan: Held,
    /// The body, as far as it was read.
    pub(crate) held: Vec<Bytes>,
    /// Reads the rest of a form.
    pub(crate) rest: Option<FormRest>,
}

/// The stages up to the plan.
pub(crate) async fn run(
    worker: &Rc<Worker>,
    wire: &mut Wire,
    (live, head, random): (Arc<Live>, RequestHead, [u64; 4]),
    body: &mut Body,
) -> Outcome {
    let received = match receive(live, head, worker.now(), random) {
        Ok(received) => received,
        Err(refused) => return Outcome::Refused(refused),
    };
    let admitted = match admit(worker, received) {
        Ok(admitted) => admitted,
        Err(outcome) => return outcome,
    };
    match admitted.route() {
        Ok(Step::Routed(routed)) => reserve(worker, routed, (Vec::new(), None)),
        Ok(Step::Answered(answered)) => Outcome::Answered(answered),
        Ok(Step::Body(awaiting)) => {
            let limit = awaiting.limit();
            let awaiting = InHand::new(worker, awaiting);
            match body.collect(wire, limit).await {
                Ok(bytes) => match awaiting.release().body(bytes.clone()) {
                    Ok(routed) => reserve(worker, routed, (vec![bytes], None)),
                    Err(refused) => Outcome::Refused(refused),
                },
                Err(stop) => stopped(stop, |refusal| awaiting.release().refuse(refusal)),
            }
        }
        Ok(Step::Form(awaiting)) => {
            let mut awaiting = InHand::new(worker, awaiting);
            let mut held = Vec::new();
            loop {
                let piece = match body.next(wire).await {
                    Ok(piece) => piece,
                    Err(stop) => return stopped(stop, |refusal| awaiting.release().refuse(refusal)),
                };
                let enough = match piece.filter(|piece| !piece.is_empty()) {
                    Some(piece) => {
                        held.push(piece.clone());
                        awaiting.push(piece)
                    }
                    None => Ok(false),
                };
                match enough {
                    Ok(false) if matches!(body, Body::Open | Body::Buffered) => {}
                    Ok(_) => break,
                    Err(refusal) => return Outcome::Refused(awaiting.release().refuse(refusal)),
                }
            }
            let ended = *body != Body::Open;
            match awaiting.release().route(ended) {
                Ok((routed, rest)) => reserve(worker, routed, (held, Some(rest))),
                Err(refused) => Outcome::Refused(refused),
            }
        }
        Err(refused) => Outcome::Refused(refused),
    }
}

/// What to do where the body did not come. A stage that is not refused is settled when it is dropped.
fn stopped(stop: Stop, refuse: impl FnOnce(Refusal) -> Refused) -> Outcome {
    match stop {
        Stop::Gone => Outcome::Gone,
        Stop::Refused(refusal) => Outcome::Refused(refuse(refusal)),
        Stop::Answered(request) => {
            let head = match &request.said {
                Some(Said::ResponseHeaders(head)) => Seen::of(head.headers.clone()),
                _ => Seen::default(),
            };
            Outcome::Foreign(refuse(vetoed(&head)), request)
        }
    }
}

fn admit(worker: &Rc<Worker>, mut received: Received) -> Result<Admitted, Outcome> {
    loop {
        match received.admit(&**worker, worker.now()) {
            Ok(Admission::Admitted(admitted)) => return Ok(admitted),
            Ok(Admission::Answered(answered)) => return Err(Outcome::Answered(answered)),
            Ok(Admission::Ask(asking)) => {
                let answer = worker.answer(asking.question());
                received = asking.answer(answer);
            }
            Err(refused) => return Err(Outcome::Refused(refused)),
        }
    }
}

fn reserve(worker: &Rc<Worker>, mut routed: Routed, (held, rest): (Vec<Bytes>, Option<FormRest>)) -> Outcome {
    loop {
        match routed.reserve(&**worker, worker.now()) {
            Ok(Reserved::Forward(plan)) => {
                let plan = InHand::new(worker, plan);
                return Outcome::Forward(Box::new(Forward { plan, held, rest }));
            }
            Ok(Reserved::Answered(answered)) => return Outcome::Answered(answered),
            Ok(Reserved::Ask(asking)) => {
                let answer = worker.answer(asking.question());
                routed = asking.answer(answer);
            }
            Err(refused) => return Outcome::Refused(refused),
        }
    }
}

/// A reply for streams that come before there is a configuration.
pub(crate) fn unconfigured() -> LocalReply {
    local::reply(
        StatusCode::SERVICE_UNAVAILABLE,
        "NotReady",
        "the external processor has no configuration yet",
    )
}
