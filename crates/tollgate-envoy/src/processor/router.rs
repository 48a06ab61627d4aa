//! The router level: one stream for each request. It routes, reads the reply of whichever backend Envoy asked last,
//! and settles.

use std::{rc::Rc, str::FromStr as _};

use http::{HeaderName, HeaderValue, StatusCode};
use tollgate_core::{Answered, FormRest, LocalReply, Refused};

use super::{
    answers::{self, Route, Way},
    attributes::Attributes,
    body::{Body, pass},
    carry::Carry,
    heads::{Changes, ENVOY_ORIGINAL_PATH, MODEL, ORIGINAL_PATH, PICKED, Seen},
    identity::Identity,
    local::{self, Author},
    metadata,
    relay::{Opening, relay},
    stages::{self, Forward, Held, Outcome},
    wire::Wire,
    worker::Worker,
};
use crate::proto::ext_proc::{HttpHeaders, ProcessingRequest, Said};

/// Serves one request to its end.
pub(crate) async fn serve(worker: Rc<Worker>, mut wire: Wire, (head, attributes): (HttpHeaders, Attributes)) {
    let Some(live) = worker.live() else {
        wire.send(&answers::immediate(stages::unconfigured(), local::OURS));
        return pass(&mut wire, None).await;
    };
    let bodiless = head.end_of_stream;
    let seen = Seen::of(head.headers);
    let entry = attributes.entry(&live.snapshot, seen.authority.split(':').next().unwrap_or_default());
    let Some(request) = seen.request(entry) else {
        wire.send(&answers::immediate(local::not_http(), local::OURS));
        return pass(&mut wire, None).await;
    };
    worker.shared.observer.began(entry.port);
    let mut body = Body::after_head(bodiless);
    let random = worker.randoms();
    let outcome = Box::pin(stages::run(&worker, &mut wire, (live, request, random), &mut body)).await;
    let forward = match outcome {
        Outcome::Forward(forward) => *forward,
        Outcome::Refused(refused) => return refuse(&worker, &mut wire, refused).await,
        Outcome::Answered(answered) => return answer(&worker, &mut wire, answered).await,
        Outcome::Gone => return,
        Outcome::Foreign(refused, request) => {
            settle(&worker, refused);
            return pass(&mut wire, Some(*request)).await;
        }
    };
    let Forward { plan, held, rest } = forward;
    tell(&mut wire, &seen, (&plan, random));
    if !bodiless {
        body.give(&mut wire, held).await;
    }
    if let Some((plan, reply)) = until_reply(&mut wire, plan, rest).await {
        Box::pin(answered(&worker, wire, plan, reply)).await;
    }
}

/// Tells Envoy what it has to know to choose the route, and leaves the client's head for the upstream level.
fn tell(wire: &mut Wire, seen: &Seen, (plan, random): (&Held, [u64; 4])) {
    let record = plan.record();
    let mut changes = Changes::default();
    if let Some(model) = record.head.headers.get(MODEL) {
        changes.set(MODEL, bytes::Bytes::copy_from_slice(model.as_bytes()));
    }
    changes.set(ORIGINAL_PATH, seen.path.clone());
    changes.set(ENVOY_ORIGINAL_PATH, seen.path.clone());
    let internal = |name: &&HeaderName| name.as_str().starts_with("x-ai-eg-") || name.as_str() == PICKED;
    for name in seen.headers.keys().filter(internal) {
        if name.as_str() != MODEL && name.as_str() != ORIGINAL_PATH {
            changes.remove(name.as_str());
        }
    }
    let mut head = record.head.clone();
    // The stages find it out anew, and put it there themselves.
    head.headers.remove(MODEL);
    let metadata = metadata::of_request(Carry::of(&head, random).write());
    wire.send(&answers::with_metadata(answers::head(Way::Request, changes, Route::Choose), metadata));
}

/// Lets the rest of the client's body pass until there is a reply; `None` where the stream ends before, which settles
/// the request.
async fn until_reply(
    wire: &mut Wire,
    plan: Held,
    mut rest: Option<FormRest>,
) -> Option<(Held, ProcessingRequest)> {
    loop {
        let request = wire.next().await?;
        match request.said {
            Some(Said::RequestBody(body)) => {
                if rest.as_mut().is_some_and(|rest| rest.push(&body.body).is_err()) {
                    rest = None;
                }
                wire.send(&answers::piece(Way::Request, body.body, body.end_of_stream));
            }
            Some(Said::RequestTrailers(_)) => wire.send(&answers::trailers(Way::Request)),
            Some(Said::ResponseHeaders(_)) => return Some((plan, request)),
            Some(Said::RequestHeaders(_) | Said::ResponseBody(_) | Said::ResponseTrailers(_)) | None => {}
        }
    }
}

/// Somebody has answered.
async fn answered(worker: &Rc<Worker>, mut wire: Wire, mut plan: Held, mut request: ProcessingRequest) {
    let attributes = Attributes::take(&mut request);
    let Some(Said::ResponseHeaders(head)) = request.said else { return };
    let seen = Seen::of(head.headers);
    let named = attributes.backend().and_then(|name| Identity::from_str(name).ok());
    let live = std::sync::Arc::clone(&plan.record().live);
    let found = named.and_then(|identity| identity.find(&live.snapshot, attributes.endpoint()));
    let chosen = found.or_else(|| only(&plan));
    match (Author::of(attributes.details(), &plan), chosen) {
        (Author::Backend, Some(chosen)) => match plan.chosen(&chosen, worker.now()) {
            Ok(attempt) => {
                if let Some(address) = attributes.address() {
                    plan.asking(&address.into(), None);
                }
                let opening = Opening { attempt: Box::new(attempt), seen, ended: head.end_of_stream };
                relay(worker, wire, plan, opening).await;
            }
            Err(refusal) => refuse(worker, &mut wire, plan.release().refuse(refusal)).await,
        },
        (Author::Ours, Some(chosen)) => {
            // What was refused there is refused here as well, so that it is settled as what it was.
            let refusal = match plan.chosen(&chosen, worker.now()) {
                Ok(mut attempt) => plan.sign_chosen(&mut attempt, &**worker, worker.now()).err(),
                Err(refusal) => Some(refusal),
            };
            let refusal = refusal.unwrap_or_else(|| foreign(&seen));
            settle(worker, plan.release().refuse(refusal));
            let said =
                Said::ResponseHeaders(HttpHeaders { headers: None, end_of_stream: head.end_of_stream });
            pass(&mut wire, Some(ProcessingRequest { said: Some(said), ..ProcessingRequest::default() }))
                .await;
        }
        (Author::Envoy(refusal), _) => {
            refuse_in_place(worker, wire, plan.release().refuse(*refusal), (&seen, head.end_of_stream)).await;
        }
        (Author::Backend | Author::Ours | Author::Filter, _) => {
            settle(worker, plan.release().refuse(foreign(&seen)));
            let said =
                Said::ResponseHeaders(HttpHeaders { headers: None, end_of_stream: head.end_of_stream });
            pass(&mut wire, Some(ProcessingRequest { said: Some(said), ..ProcessingRequest::default() }))
                .await;
        }
    }
}

/// The choice of a rule that has but one.
fn only(plan: &Held) -> Option<tollgate_core::Chosen> {
    let rule = std::sync::Arc::clone(plan.rule());
    (rule.choices().len() == 1).then_some(tollgate_core::Chosen { rule, position: 0, endpoint: 0 })
}

fn foreign(seen: &Seen) -> tollgate_core::Refusal {
    let status = seen.status.parse().ok().and_then(|status: u16| StatusCode::from_u16(status).ok());
    tollgate_core::Refusal::Vetoed(Box::new(LocalReply {
        status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    }))
}

/// Says in our words what Envoy says in its own.
async fn refuse_in_place(
    worker: &Rc<Worker>,
    mut wire: Wire,
    refused: Refused,
    (seen, ended): (&Seen, bool),
) {
    let (reply, settled) = refused.settle(worker.now().instant);
    tollgate_core::Ledger::settle(worker, settled);
    if ended {
        return wire.send(&answers::immediate(reply, local::OURS));
    }
    let mut wanted = seen.headers.clone();
    for name in reply.headers.keys() {
        wanted.remove(name);
    }
    wanted.extend(reply.headers.clone());
    let mut changes = Changes::of_reply(&seen.headers, &wanted);
    changes.set("content-length", HeaderValue::from(reply.body.len()).as_bytes().to_vec());
    if reply.status.as_str() != seen.status {
        changes.set(":status", reply.status.as_str().to_owned());
    }
    wire.send(&answers::head(Way::Reply, changes, Route::Keep));
    // The body that comes is dropped, ours goes in its place.
    while let Some(request) = wire.next().await {
        match request.said {
            Some(Said::ResponseBody(body)) if body.end_of_stream => {
                wire.send(&answers::piece(Way::Reply, reply.body.clone(), true));
            }
            Some(Said::ResponseTrailers(_)) => {
                wire.send(&answers::piece(Way::Reply, reply.body.clone(), false));
                wire.send(&answers::trailers(Way::Reply));
            }
            _ => {}
        }
    }
}

fn settle(worker: &Rc<Worker>, refused: Refused) {
    let (_, settled) = refused.settle(worker.now().instant);
    tollgate_core::Ledger::settle(worker, settled);
}

async fn refuse(worker: &Rc<Worker>, wire: &mut Wire, refused: Refused) {
    let (reply, settled) = refused.settle(worker.now().instant);
    tollgate_core::Ledger::settle(worker, settled);
    wire.send(&answers::immediate(reply, local::OURS));
    pass(wire, None).await;
}

async fn answer(worker: &Rc<Worker>, wire: &mut Wire, answered: Answered) {
    let (reply, settled) = answered.settle(worker.now().instant);
    tollgate_core::Ledger::settle(worker, settled);
    wire.send(&answers::immediate(reply, "tollgate_answered"));
    pass(wire, None).await;
}
