//! The upstream level: one stream for each attempt, which makes the request for the backend that Envoy chose.

use std::{rc::Rc, str::FromStr as _, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header::CONTENT_LENGTH};
use tollgate_core::{
    Attempt, AttemptBody, Chosen, FormRest, Live, LocalReply, Outgoing, Plan, Refusal, RequestHead,
};
use tollgate_snapshot::Problem;
use tollgate_types::ObjectRef;

use super::{
    answers::{self, Route, Way},
    attributes::Attributes,
    body::{Body, pass},
    carry::Carry,
    heads::{Changes, Entry, ORIGINAL_PATH, Seen},
    identity::Identity,
    local, metadata,
    stages::{self, Outcome},
    wire::Wire,
    worker::Worker,
};
use crate::proto::ext_proc::HttpHeaders;

/// An attempt that is ready to be sent.
struct Made {
    attempt: Attempt,
    /// The client's head, before anybody changed it.
    client: HeaderMap,
    rest: Option<FormRest>,
}

/// Serves one attempt to its end.
pub(crate) async fn serve(worker: Rc<Worker>, mut wire: Wire, (head, attributes): (HttpHeaders, Attributes)) {
    let bodiless = head.end_of_stream;
    let mut body = Body::after_head(bodiless);
    let seen = Seen::of(head.headers);
    match make(&worker, &mut wire, (&seen, &attributes), &mut body).await {
        Some(Ok(made)) => send(&mut wire, (&seen, &attributes), (made, bodiless), body).await,
        Some(Err(reply)) => wire.send(&answers::immediate(reply, local::OURS)),
        None => return,
    }
    pass(&mut wire, None).await;
}

/// The request in the words of the chosen backend, or what the client gets in its place; `None` where the stream
/// ended before.
async fn make(
    worker: &Rc<Worker>,
    wire: &mut Wire,
    (seen, attributes): (&Seen, &Attributes),
    body: &mut Body,
) -> Option<Result<Made, LocalReply>> {
    let Some(live) = worker.live() else { return Some(Err(stages::unconfigured())) };
    let head = attributes.left().and_then(Carry::read).and_then(Carry::into_head);
    let head = head.or_else(|| Some((as_it_came(&live, seen, attributes)?, worker.randoms())));
    let Some((head, random)) = head else {
        return Some(Err(local::not_http()));
    };
    let client = head.headers.clone();
    let forward = match stages::run(worker, wire, (Arc::clone(&live), head, random), body).await {
        Outcome::Forward(forward) => forward,
        Outcome::Refused(refused) => return Some(Err(refused.reply())),
        Outcome::Answered(answered) => return Some(Err(answered.reply)),
        Outcome::Gone | Outcome::Foreign(..) => return None,
    };
    let stages::Forward { plan, rest, .. } = *forward;
    // The router level settles.
    let mut plan = plan.release();
    let made = match chosen(&live, &plan, attributes) {
        Ok(chosen) => attempt(worker, &mut plan, &chosen).await,
        Err(refusal) => Err(refusal),
    };
    Some(match made {
        Ok(attempt) => Ok(Made { attempt, client, rest }),
        Err(refusal) => Err(plan.refuse(refusal).reply()),
    })
}

/// Without what the router level left: the head as it is now, which is the client's unless this is a retry.
fn as_it_came(live: &Live, seen: &Seen, attributes: &Attributes) -> Option<RequestHead> {
    let path = seen.headers.get(ORIGINAL_PATH).and_then(|path| path.to_str().ok());
    let path = path.map_or_else(|| seen.path.clone(), str::to_owned);
    let Entry { port, peer, .. } = attributes.entry(&live.snapshot, &seen.authority);
    Seen { path, ..seen.clone() }.request(Entry { port, peer, version: Version::HTTP_11 })
}

/// The choice that Envoy has made, in the words of the snapshot.
fn chosen(live: &Live, plan: &Plan, attributes: &Attributes) -> Result<Chosen, Refusal> {
    let named = attributes.backend().unwrap_or_default();
    let found = Identity::from_str(named)
        .ok()
        .and_then(|identity| identity.find(&live.snapshot, attributes.endpoint()));
    // Where there is but one it need not be named.
    let only = || {
        let rule = Arc::clone(plan.rule());
        let single = named.is_empty() && rule.choices().len() == 1;
        single.then_some(Chosen { rule, position: 0, endpoint: 0 })
    };
    found.or_else(only).ok_or_else(|| Refusal::Broken(Arc::new(unknown(named))))
}

fn unknown(named: &str) -> Problem {
    let message = match named {
        "" => "Envoy's cluster does not say which backend it is; is the extension server called?".to_owned(),
        _ => format!("the configuration here has no backend reference {named}, which Envoy has chosen"),
    };
    Problem {
        code: "unknown-backend-reference",
        object: ObjectRef::new("AIGatewayRoute", "", ""),
        field: String::new(),
        message,
    }
}

async fn attempt(worker: &Rc<Worker>, plan: &mut Plan, chosen: &Chosen) -> Result<Attempt, Refusal> {
    let mut attempt = plan.chosen(chosen, worker.now())?;
    if let Some(token) = plan.awaits_for(&attempt, &**worker, worker.now()) {
        worker.await_token(token).await;
    }
    plan.sign_chosen(&mut attempt, &**worker, worker.now())?;
    Ok(attempt)
}

/// Tells Envoy what to send in place of what it has.
async fn send(
    wire: &mut Wire,
    (seen, attributes): (&Seen, &Attributes),
    (made, bodiless): (Made, bool),
    mut body: Body,
) {
    let Made { mut attempt, client, rest } = made;
    let Outgoing { method, path, host, headers, body: outgoing, .. } = &mut attempt.outgoing;
    let pieces = match std::mem::replace(outgoing, AttemptBody::Client) {
        AttemptBody::Bytes(bytes) => vec![bytes],
        AttemptBody::Form(pieces) => pieces,
        AttemptBody::Client => Vec::new(),
    };
    let before: Vec<String> = attributes.changed().collect();
    let ours =
        |name: &HeaderName| client.contains_key(name) || before.iter().any(|known| known == name.as_str());
    let (mut changes, mut changed) = Changes::of_request(&seen.headers, headers, ours);
    changed.extend(before);
    changed.sort_unstable();
    changed.dedup();
    if *path != seen.path {
        changes.set(":path", path.clone());
    }
    if method.as_str() != seen.method {
        changes.set(":method", method.as_str().to_owned());
    }
    if let Some(host) = host.as_ref().filter(|host| host.as_bytes() != seen.authority.as_bytes()) {
        changes.set(":authority", Bytes::copy_from_slice(host.as_bytes()));
    }
    let whole = body != Body::Open;
    let length = pieces.iter().map(Bytes::len).sum::<usize>();
    let known = whole && (length > 0 || seen.headers.contains_key(CONTENT_LENGTH));
    if known && HeaderValue::from(length) != seen.headers.get(CONTENT_LENGTH).unwrap_or(&EMPTY) {
        changes.set("content-length", length.to_string());
    }
    let metadata = metadata::of_attempt(attributes.backend(), known.then_some(length), &changed.join(","));
    wire.send(&answers::with_metadata(answers::head(Way::Request, changes, Route::Keep), metadata));
    if bodiless {
        return;
    }
    body.give(wire, pieces).await;
    let Some(mut rest) = rest else { return };
    while body == Body::Open {
        let Ok(piece) = body.next(wire).await else { return };
        if piece.as_ref().is_some_and(|piece| rest.push(piece).is_err()) {
            // What was promised cannot be kept: the backend must not take it for whole.
            wire.send(&answers::immediate(local::broken_form(), local::OURS));
            return;
        }
        body.give(wire, piece).await;
    }
}

const EMPTY: HeaderValue = HeaderValue::from_static("");
