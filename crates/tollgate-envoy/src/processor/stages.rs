//! From a head to a plan: the stages as both levels call them. Each level begins anew with the client's own bytes.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use http::StatusCode;
use tollgate_core::{
    Admission, Admitted, Answered, AwaitingBody, AwaitingForm, Chosen, FormRest, InHand, Ledger, Live,
    LocalReply, Now, Plan, Received, Refusal, Refused, RequestHead, Reserved, Routed, Settled, Step, Unread,
    receive,
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
pub(crate) enum Outcome<L: Ledger> {
    /// Envoy may ask a backend.
    Forward(Box<Forward<L>>),
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
pub(crate) struct Forward<L: Ledger> {
    pub(crate) plan: InHand<Plan, L>,
    /// The body, as far as it was read.
    pub(crate) held: Vec<Bytes>,
    /// Reads the rest of a form.
    pub(crate) rest: Option<FormRest>,
}

/// Settles nothing: what ends at the upstream level has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Attempts(pub(crate) Rc<Worker>);

/// Runs the stages for somebody.
#[derive(Debug)]
pub(crate) struct Stages<'a, L> {
    pub(crate) worker: &'a Rc<Worker>,
    /// Who settles.
    pub(crate) ledger: L,
    /// What is known of the body, and which backend Envoy has chosen.
    pub(crate) known: Option<(Unread, Option<Chosen>)>,
}

type Read = (Vec<Bytes>, Option<FormRest>);

// === impl Stages ===

impl<L: Ledger + Clone> Stages<'_, L> {
    /// The stages up to the plan.
    pub(crate) async fn run(
        &self,
        wire: &mut Wire,
        (live, head, random): (Arc<Live>, RequestHead, [u64; 4]),
        body: &mut Body,
    ) -> Outcome<L> {
        let received = match receive(live, head, self.worker.now(), random) {
            Ok(received) => received,
            Err(refused) => return Outcome::Refused(refused),
        };
        let admitted = match self.admit(received) {
            Ok(admitted) => admitted,
            Err(outcome) => return *outcome,
        };
        match admitted.route() {
            Ok(Step::Routed(routed)) => self.reserve(routed, (Vec::new(), None)),
            Ok(Step::Answered(answered)) => Outcome::Answered(answered),
            Ok(Step::Body(awaiting)) => self.whole(wire, awaiting, body).await,
            Ok(Step::Form(awaiting)) => self.form(wire, awaiting, body).await,
            Err(refused) => Outcome::Refused(refused),
        }
    }

    async fn whole(&self, wire: &mut Wire, awaiting: AwaitingBody, body: &mut Body) -> Outcome<L> {
        if let Some((unread, Some(chosen))) = &self.known
            && awaiting.keeps(unread, chosen)
        {
            return match awaiting.unread(unread.clone()) {
                Ok(routed) => self.reserve(routed, (Vec::new(), None)),
                Err(refused) => Outcome::Refused(refused),
            };
        }
        let limit = awaiting.limit();
        let awaiting = InHand::new(&self.ledger, awaiting);
        match body.collect(wire, limit).await {
            Ok(bytes) => match awaiting.release().body(bytes.clone()) {
                Ok(mut routed) => {
                    if self.known.as_ref().is_some_and(|(unread, _)| unread.wished && !unread.wants_usage) {
                        routed.disown_wish();
                    }
                    self.reserve(routed, (vec![bytes], None))
                }
                Err(refused) => Outcome::Refused(refused),
            },
            Err(stop) => stopped(stop, |refusal| awaiting.release().refuse(refusal)),
        }
    }

    async fn form(&self, wire: &mut Wire, awaiting: AwaitingForm, body: &mut Body) -> Outcome<L> {
        let mut awaiting = InHand::new(&self.ledger, awaiting);
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
                Ok(false) if matches!(body, Body::Open | Body::Held) => {}
                Ok(_) => break,
                Err(refusal) => return Outcome::Refused(awaiting.release().refuse(refusal)),
            }
        }
        match awaiting.release().route(*body != Body::Open) {
            Ok((routed, rest)) => self.reserve(routed, (held, Some(rest))),
            Err(refused) => Outcome::Refused(refused),
        }
    }

    fn admit(&self, mut received: Received) -> Result<Admitted, Box<Outcome<L>>> {
        loop {
            match received.admit(&**self.worker, self.worker.now()) {
                Ok(Admission::Admitted(admitted)) => return Ok(admitted),
                Ok(Admission::Answered(answered)) => return Err(Box::new(Outcome::Answered(answered))),
                Ok(Admission::Ask(asking)) => {
                    let answer = self.worker.answer(asking.question());
                    received = asking.answer(answer);
                }
                Err(refused) => return Err(Box::new(Outcome::Refused(refused))),
            }
        }
    }

    fn reserve(&self, mut routed: Routed, (held, rest): Read) -> Outcome<L> {
        loop {
            match routed.reserve(&**self.worker, self.worker.now()) {
                Ok(Reserved::Forward(plan)) => {
                    let plan = InHand::new(&self.ledger, plan);
                    return Outcome::Forward(Box::new(Forward { plan, held, rest }));
                }
                Ok(Reserved::Answered(answered)) => return Outcome::Answered(answered),
                Ok(Reserved::Ask(asking)) => {
                    let answer = self.worker.answer(asking.question());
                    routed = asking.answer(answer);
                }
                Err(refused) => return Outcome::Refused(refused),
            }
        }
    }
}

/// What to do where the body did not come. A stage that is not refused is settled when it is dropped.
fn stopped<L: Ledger>(stop: Stop, refuse: impl FnOnce(Refusal) -> Refused) -> Outcome<L> {
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

/// A reply for streams that come before there is a configuration.
pub(crate) fn unconfigured() -> LocalReply {
    local::reply(
        StatusCode::SERVICE_UNAVAILABLE,
        "NotReady",
        "the external processor has no configuration yet",
    )
}

// === impl Attempts ===

impl Ledger for Attempts {
    fn now(&self) -> Now {
        self.0.now()
    }

    fn settle(&self, _settled: Settled) {}
}
