//! The router level: one stream for each request. It routes, reads the reply of whichever backend Envoy asked last,
//! and settles.

use std::{rc::Rc, str::FromStr as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderName;
use tollgate_core::{Answered, Chosen, Failure, FormRest, Ledger as _, Refusal, Refused, Unread};

use super::{
    answers::{self, Route, Way},
    attributes::Attributes,
    body::{Body, pass, vetoed},
    carry::{Carry, Read},
    heads::{Changes, ENVOY_ORIGINAL_PATH, MODEL, ORIGINAL_PATH, PICKED, Seen},
    identity::Identity,
    local::{self, Author},
    metadata,
    relay::{Far, Opening, in_place, relay},
    stages::{self, Forward, Held, Outcome, Stages},
    wire::Wire,
    worker::Worker,
};
use crate::proto::ext_proc::{HttpHeaders, ProcessingRequest, Said};

/// What a stream begins with.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: HttpHeaders,
    pub(crate) attributes: Attributes,
    /// True where nobody behind this level changes bodies.
    pub(crate) last: bool,
}

/// Serves one request to its end.
pub(crate) async fn serve(worker: Rc<Worker>, mut wire: Wire, asked: Asked) {
    let Asked { head, attributes, last } = asked;
    let Some(live) = worker.live() else {
        wire.send(&answers::immediate(stages::unconfigured(), local::OURS));
        return pass(&mut wire).await;
    };
    let bodiless = head.end_of_stream;
    let seen = Seen::of(head.headers);
    let entry = attributes.entry(&live.snapshot, &seen.host());
    let Some(request) = seen.request(entry) else {
        wire.send(&answers::immediate(local::not_http(), local::OURS));
        return pass(&mut wire).await;
    };
    worker.shared.observer.began(entry.port);
    let mut body = Body::after_head(bodiless);
    let random = worker.randoms();
    // Boxed, since the rest of the stream needs less room than this.
    let stages = Stages { worker: &worker, ledger: Rc::clone(&worker), known: None };
    let outcome = Box::pin(stages.run(&mut wire, (live, request, random), &mut body)).await;
    let Forward { plan, mut held, rest } = match outcome {
        Outcome::Forward(forward) => *forward,
        Outcome::Refused(refused) => {
            body.go_by(&mut wire).await;
            return refuse(&worker, wire, refused).await;
        }
        Outcome::Answered(answered) => {
            body.go_by(&mut wire).await;
            return answer(&worker, wire, answered).await;
        }
        Outcome::Gone => return,
        Outcome::Foreign(refused, request) => {
            worker.settle(refused.settle(worker.now().instant).1);
            return passed_on(wire, *request).await;
        }
    };
    let read = if last { read(&plan, &mut held) } else { None };
    tell(&wire, &seen, (&plan, Carry::of(&plan.record().head, random, read)));
    drop(seen);
    if !bodiless {
        body.give(&mut wire, held).await;
    }
    if let Some((plan, reply)) = until_reply(&mut wire, plan, rest).await {
        Box::pin(answered(&worker, wire, plan, reply)).await;
    }
}

/// What attempts have to know of the body to be made without it. The wish for usage that they would add to it is added
/// here, once for all of them.
fn read(plan: &Held, held: &mut Vec<Bytes>) -> Option<Read> {
    let unread = plan.unread()?;
    let wishing = plan.wishing();
    let wished = wishing.is_some();
    if let Some(body) = wishing {
        *held = vec![body];
    }
    Some(Read::of(&Unread { wished, ..unread }, held.iter().map(Bytes::len).sum()))
}

/// Tells Envoy what it has to know to choose the route, and leaves the client's head for the upstream level.
fn tell(wire: &Wire, seen: &Seen, (plan, carry): (&Held, Carry)) {
    let mut changes = Changes::default();
    let model = plan.routed_by();
    match model {
        Some(model) => changes.set(MODEL, model.as_str().to_owned()),
        None if seen.headers.contains_key(MODEL) => changes.remove(MODEL),
        None => {}
    }
    changes.set(ORIGINAL_PATH, seen.path.clone());
    changes.set(ENVOY_ORIGINAL_PATH, seen.path.clone());
    let told = |name: &HeaderName| [MODEL, ORIGINAL_PATH].contains(&name.as_str());
    let internal = |name: &HeaderName| name.as_str().starts_with("x-ai-eg-") || name.as_str() == PICKED;
    for name in seen.headers.keys().filter(|name| internal(name) && !told(name)) {
        changes.remove(name.as_str());
    }
    let metadata = metadata::of_request(carry.write());
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
                // Whether the rest fits the beginning is for the upstream level to say, which sends it.
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

/// Somebody has answered: a backend, the upstream level, Envoy, or another filter.
async fn answered(worker: &Rc<Worker>, wire: Wire, mut plan: Held, mut request: ProcessingRequest) {
    let attributes = Attributes::take(&mut request);
    let Some(Said::ResponseHeaders(head)) = &request.said else { return };
    let ended = head.end_of_stream;
    let seen = Seen::of(head.headers.clone());
    let chosen = chosen(&plan, &attributes);
    let taken = worker.now().instant.saturating_duration_since(plan.record().began.instant);
    let author = Author::of(attributes.details(), &plan, tenths(taken));
    let asked = match &chosen {
        Some(chosen) if author != Author::Filter => Some(plan.chosen(chosen, worker.now())),
        _ => None,
    };
    if let Some(address) = attributes.address() {
        plan.asking(&address.into(), None);
    }
    drop(attributes);
    match (author, asked) {
        (Author::Backend, Some(Ok(attempt))) => {
            drop(request);
            relay(worker, wire, plan, Opening { attempt: Box::new(attempt), seen, ended }).await;
        }
        // What was refused there is refused here as well, so that it is settled as what it was.
        (Author::Ours, Some(asked)) => {
            let refusal = match asked {
                Ok(mut attempt) => plan.sign_chosen(&mut attempt, &**worker, worker.now()).err(),
                Err(refusal) => Some(refusal),
            };
            let refused = plan.release().refuse(refusal.unwrap_or_else(|| vetoed(&seen)));
            worker.settle(refused.settle(worker.now().instant).1);
            passed_on(wire, request).await;
        }
        (Author::Envoy(refusal), asked) => {
            if let (Some(Ok(attempt)), Refusal::Upstream(failure)) = (asked, &*refusal) {
                let failure: Failure = failure.clone();
                // Nobody tries again: Envoy has.
                let _: Result<_, Refusal> = plan.failed(&attempt, failure, worker.now());
            }
            let refused = plan.release().refuse(*refusal);
            in_place(worker, wire, refused, (&seen, Far::after_head(ended))).await;
        }
        (Author::Backend, Some(Err(refusal))) => {
            let refused = plan.release().refuse(refusal);
            in_place(worker, wire, refused, (&seen, Far::after_head(ended))).await;
        }
        (Author::Backend | Author::Ours | Author::Filter, _) => {
            let refused = plan.release().refuse(vetoed(&seen));
            worker.settle(refused.settle(worker.now().instant).1);
            passed_on(wire, request).await;
        }
    }
}

/// To tenths of a second, from one on: as people write deadlines.
fn tenths(taken: Duration) -> Duration {
    let tenths = (taken.as_millis() + 50) / 100;
    if tenths < 10 {
        taken
    } else {
        Duration::from_millis(u64::try_from(tenths).unwrap_or(u64::MAX).saturating_mul(100))
    }
}

/// The choice that Envoy has made, in the words of the snapshot.
fn chosen(plan: &Held, attributes: &Attributes) -> Option<Chosen> {
    let named = attributes.backend().and_then(|name| Identity::from_str(name).ok());
    let found = named.and_then(|one| one.find(&plan.record().live.snapshot, attributes.endpoint()));
    let rule = plan.rule();
    let only = || {
        let rule = Arc::clone(rule);
        (rule.choices().len() == 1).then_some(Chosen { rule, position: 0, endpoint: 0 })
    };
    found.or_else(only)
}

/// Lets a message pass as it is, and the rest of its stream.
async fn passed_on(mut wire: Wire, request: ProcessingRequest) {
    if let Some(said) = request.said {
        wire.send(&answers::unchanged(said));
    }
    pass(&mut wire).await;
}

async fn refuse(worker: &Rc<Worker>, mut wire: Wire, refused: Refused) {
    let (reply, settled) = refused.settle(worker.now().instant);
    worker.settle(settled);
    wire.send(&answers::immediate(reply, local::OURS));
    pass(&mut wire).await;
}

async fn answer(worker: &Rc<Worker>, mut wire: Wire, answered: Answered) {
    let (reply, settled) = answered.settle(worker.now().instant);
    worker.settle(settled);
    wire.send(&answers::immediate(reply, local::ANSWERED));
    pass(&mut wire).await;
}
