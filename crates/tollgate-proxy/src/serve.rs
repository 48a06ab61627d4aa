use std::{
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use tollgate_core::{
    Admission, Admitted, AwaitingBody, AwaitingForm, InHand, Now, Plan, Question, Received, Record, Refusal,
    Refused, RequestHead, Reserved, Routed, Step, receive,
};
use tollgate_net::{Inbound, InboundError, Peer};

use crate::{
    ReplyBody,
    forward::{Client, forward},
    ports,
    served::Served,
    timer::Timer,
    upload::Upload,
    worker::Worker,
};

/// One request from its head to the head of its reply.
///
/// What takes no waiting is done before there is a future, which would have to hold what that is done with.
pub(crate) fn serve(
    worker: Rc<Worker>,
    port: u16,
    request: Request<Inbound>,
    peer: Peer,
) -> impl Future<Output = Response<ReplyBody>> {
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
    let received = receive(Arc::clone(&served.live), head, now, worker.randoms());
    let upgrade = extensions.remove::<OnUpgrade>();
    answered((worker, served), received.map(|received| (received, now)), body, (upgrade, peer))
}

/// What becomes of a request whose head was received.
async fn answered(
    (worker, served): (Rc<Worker>, Arc<Served>),
    received: Result<(Received, Now), Refused>,
    body: Inbound,
    (upgrade, peer): (Option<OnUpgrade>, Peer),
) -> Response<ReplyBody> {
    let (received, now) = match received {
        Ok(received) => received,
        Err(refused) => return worker.refuse(refused),
    };
    let mut body = Arriving::Stream(body);
    let admitted = match admit(&worker, &served, (received, &mut body), now).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let routed = match admitted.route() {
        Ok(Step::Routed(routed)) => routed,
        Ok(Step::Answered(answered)) => return worker.answer(answered),
        Ok(Step::Form(awaiting)) => {
            return Box::pin(form(&worker, &served, awaiting, (body.take(), peer))).await;
        }
        Ok(Step::Body(awaiting)) => match read(&worker, awaiting, body.take()).await {
            Ok(routed) => routed,
            Err(response) => return response,
        },
        Err(refused) => return worker.refuse(refused),
    };
    let (mut plan, now) = match reserve(&worker, &served, routed, &mut body).await {
        Ok(reserved) => reserved,
        Err(response) => return response,
    };
    let body = match body {
        Arriving::Stream(body) => Some(Box::new(Upload::new(body))),
        Arriving::Whole(body) => {
            plan.hold(body);
            None
        }
        Arriving::Taken => None,
    };
    forward(&worker, &served, (plan, now), Client { body, upgrade, peer }).await
}

/// The client's body.
enum Arriving {
    /// On its way
    Stream(Inbound),
    /// Read already, for somebody who had to see it
    Whole(Bytes),
    /// Given to the stage that routes by it
    Taken,
}

/// A form, of which the client may still send the rest when it has its answer: on HTTP/1 that rest would stand before
/// the next request, so the client is told to make that one on another connection.
async fn form(
    worker: &Rc<Worker>,
    served: &Served,
    awaiting: AwaitingForm,
    (body, peer): (Arriving, Peer),
) -> Response<ReplyBody> {
    let body = match body {
        Arriving::Stream(body) => body,
        Arriving::Whole(body) => return whole_form(worker, served, awaiting, (body, peer)).await,
        Arriving::Taken => return worker.refuse(awaiting.refuse(Refusal::BrokenBody)),
    };
    let ended = Arc::new(AtomicBool::new(body.is_end_stream()));
    let shares = awaiting.record().head.version >= Version::HTTP_2;
    let mut response = match read_form(worker, awaiting, (body, &ended)).await {
        Ok((routed, rest)) => {
            forwarded(worker, served, routed, Client { body: Some(Box::new(rest)), upgrade: None, peer })
                .await
        }
        Err(response) => response,
    };
    if !shares && !ended.load(Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A form that somebody had to see before.
async fn whole_form(
    worker: &Rc<Worker>,
    served: &Served,
    mut awaiting: AwaitingForm,
    (body, peer): (Bytes, Peer),
) -> Response<ReplyBody> {
    if let Err(refusal) = awaiting.push(body) {
        return worker.refuse(awaiting.refuse(refusal));
    }
    match awaiting.route(true) {
        Ok((routed, _)) => {
            forwarded(worker, served, routed, Client { body: None, upgrade: None, peer }).await
        }
        Err(refused) => worker.refuse(refused),
    }
}

/// Pays in advance, and asks backends; a form is nobody's to see any more.
async fn forwarded(
    worker: &Rc<Worker>,
    served: &Served,
    routed: Routed,
    client: Client,
) -> Response<ReplyBody> {
    match reserve(worker, served, routed, &mut Arriving::Taken).await {
        Ok(reserved) => forward(worker, served, reserved, client).await,
        Err(response) => response,
    }
}

/// Finds out who calls, or answers.
async fn admit(
    worker: &Rc<Worker>,
    served: &Served,
    (mut received, body): (Received, &mut Arriving),
    mut now: Now,
) -> Result<Admitted, Response<ReplyBody>> {
    loop {
        let asking = match received.admit(&**worker, now) {
            Ok(Admission::Admitted(admitted)) => return Ok(admitted),
            Ok(Admission::Answered(answered)) => return Err(worker.answer(answered)),
            Ok(Admission::Ask(asking)) => InHand::new(worker, asking),
            Err(refused) => return Err(worker.refuse(refused)),
        };
        let seen = match Box::pin(body.show(worker, asking.record(), asking.question())).await {
            Ok(seen) => seen,
            Err(refusal) => return Err(worker.refuse(asking.release().refuse(refusal))),
        };
        let question = asking.question();
        let answer = Box::pin(ports::answer(worker, served, (asking.record(), seen), question)).await;
        received = asking.release().answer(answer);
        now = worker.now();
    }
}

/// Takes what the request may cost, or answers. Says when that was.
async fn reserve(
    worker: &Rc<Worker>,
    served: &Served,
    mut routed: Routed,
    body: &mut Arriving,
) -> Result<(Box<Plan>, Now), Response<ReplyBody>> {
    loop {
        let now = worker.now();
        let asking = match routed.reserve(&**worker, now) {
            // Boxed, since it goes through many hands.
            Ok(Reserved::Forward(plan)) => return Ok((Box::new(plan), now)),
            Ok(Reserved::Answered(answered)) => return Err(worker.answer(answered)),
            Ok(Reserved::Ask(asking)) => InHand::new(worker, asking),
            Err(refused) => return Err(worker.refuse(refused)),
        };
        let mut held = asking.body().cloned().map(Arriving::Whole);
        let body = held.as_mut().unwrap_or(&mut *body);
        let seen = match Box::pin(body.show(worker, asking.record(), asking.question())).await {
            Ok(seen) => seen,
            Err(refusal) => return Err(worker.refuse(asking.release().refuse(refusal))),
        };
        let question = asking.question();
        let answer = Box::pin(ports::answer(worker, served, (asking.record(), seen), question)).await;
        routed = asking.release().answer(answer);
    }
}

/// Reads the body that decides about the route.
async fn read(
    worker: &Rc<Worker>,
    awaiting: AwaitingBody,
    body: Arriving,
) -> Result<Routed, Response<ReplyBody>> {
    let limit = awaiting.limit();
    let body = match body {
        Arriving::Stream(body) => body,
        Arriving::Whole(body) if body.len() > limit => {
            return Err(worker.refuse(awaiting.refuse(Refusal::TooLarge(limit))));
        }
        Arriving::Whole(body) => return awaiting.body(body).map_err(|refused| worker.refuse(refused)),
        Arriving::Taken => return Err(worker.refuse(awaiting.refuse(Refusal::BrokenBody))),
    };
    let awaiting = InHand::new(worker, awaiting);
    let patience = worker.options().body_timeout;
    let mut timer = Timer::until(awaiting.record().began.instant.checked_add(patience), &worker.sleeps);
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

// === impl Arriving ===

impl Arriving {
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Taken)
    }

    /// The whole body, where the question wants it; it is read once.
    async fn show(
        &mut self,
        worker: &Worker,
        record: &Record,
        question: &Question,
    ) -> Result<Option<Bytes>, Refusal> {
        let Some(limit) = question.wants_body() else { return Ok(None) };
        match self {
            // What is upgraded has none either.
            Self::Stream(body) if body.is_end_stream() => Ok(Some(Bytes::new())),
            Self::Stream(_) => {
                let Self::Stream(body) = self.take() else { return Ok(None) };
                let patience = worker.options().body_timeout;
                let mut timer = Timer::until(record.began.instant.checked_add(patience), &worker.sleeps);
                let body = match timer.within(pin!(body.collect(limit))).await {
                    Ok(collected) => collected.map_err(|error| broken_body(worker, &error))?,
                    Err(_) => return Err(Refusal::SlowBody(patience)),
                };
                *self = Self::Whole(body.clone());
                Ok(Some(body))
            }
            Self::Whole(body) if body.len() > limit => Err(Refusal::TooLarge(limit)),
            Self::Whole(body) => Ok(Some(body.clone())),
            Self::Taken => Ok(None),
        }
    }
}

/// Reads a form as far as it decides about the route.
async fn read_form(
    worker: &Rc<Worker>,
    awaiting: AwaitingForm,
    (mut body, all): (Inbound, &Arc<AtomicBool>),
) -> Result<(Routed, Upload), Response<ReplyBody>> {
    let mut awaiting = InHand::new(worker, awaiting);
    let patience = worker.options().body_timeout;
    let mut timer = Timer::until(awaiting.record().began.instant.checked_add(patience), &worker.sleeps);
    let refusal = loop {
        let mut ended = false;
        let pushed = match timer.within(body.next_data()).await {
            Ok(Ok(Some(piece))) => {
                ended = body.is_end_stream();
                awaiting.push(piece).map(|enough| enough || ended)
            }
            Ok(Ok(None)) => {
                ended = true;
                Ok(true)
            }
            Ok(Err(error)) => Err(broken_body(worker, &error)),
            Err(_) => Err(Refusal::SlowBody(patience)),
        };
        all.store(ended, Relaxed);
        match pushed {
            Ok(false) => {}
            Ok(true) => {
                let (routed, rest) =
                    awaiting.release().route(ended).map_err(|refused| worker.refuse(refused))?;
                return Ok((routed, Upload::rest_of(rest, body, Arc::clone(all))));
            }
            Err(refusal) => break refusal,
        }
    };
    Err(worker.refuse(awaiting.release().refuse(refusal)))
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
