//! The upstream level: one stream for each attempt, which makes the request for the backend that Envoy chose.

use std::{rc::Rc, str::FromStr as _, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{CONTENT_LENGTH, UPGRADE},
};
use tollgate_core::{Attempt, AttemptBody, Chosen, Live, LocalReply, Outgoing, Plan, Refusal, RequestHead};
use tollgate_snapshot::Problem;
use tollgate_types::ObjectRef;

use super::{
    answers,
    attributes::Attributes,
    body::Body,
    carry::Carry,
    heads::{Changes, Entry, ORIGINAL_PATH, Seen},
    identity::Identity,
    local, metadata,
    stages::{self, Attempts, Forward, Outcome, Stages},
    wire::Wire,
    worker::Worker,
};
use crate::proto::{ext_proc::HttpHeaders, value::Struct};

/// An attempt that is ready to be sent.
struct Made {
    attempt: Attempt,
    /// The client's head, before anybody changed it.
    client: HeaderMap,
    /// The body, where it had to be read.
    came: Option<Bytes>,
    /// Its length, where there is one.
    length: Option<usize>,
}

/// Serves one attempt to its end. Envoy holds the body until the head was answered, and sends it here only where it has
/// to be another one: then the request waits until its whole body is here and has been answered. Streamed both ways, as
/// at the router level, Envoy 1.40 crashes on bodies that are longer than its windows.
pub(crate) async fn serve(worker: Rc<Worker>, mut wire: Wire, (head, attributes): (HttpHeaders, Attributes)) {
    let seen = Seen::of(head.headers);
    // What is upgraded is no message that ends.
    let bodiless = head.end_of_stream || seen.headers.contains_key(UPGRADE);
    let body = if bodiless { Body::Ended } else { Body::Held };
    match make(&worker, &mut wire, (&seen, &attributes), body).await {
        Some(Ok(made)) => {
            let was_read = made.came.is_some();
            let (changes, sent, metadata) = change((&seen, &attributes), made);
            let answer = match was_read {
                true => answers::whole(changes, sent),
                false => answers::alone(changes),
            };
            wire.send(&answers::with_metadata(answer, metadata));
        }
        Some(Err(reply)) => wire.send(&answers::immediate(reply, local::OURS)),
        None => {}
    }
    // All is said. The stream ends here, so that it is not missed should this process end before the reply does.
}

/// The request in the words of the chosen backend, or what the client gets in its place; `None` where the stream
/// ended before.
async fn make(
    worker: &Rc<Worker>,
    wire: &mut Wire,
    (seen, attributes): (&Seen, &Attributes),
    mut body: Body,
) -> Option<Result<Made, LocalReply>> {
    let Some(live) = worker.live() else { return Some(Err(stages::unconfigured())) };
    let left = attributes.left().and_then(Carry::read);
    let read = left.as_ref().and_then(Carry::body).cloned();
    let head = left.and_then(Carry::into_head);
    let head = head.or_else(|| Some((as_it_came(&live, seen, attributes)?, worker.randoms())));
    let Some((head, random)) = head else {
        return Some(Err(local::not_http()));
    };
    let client = head.headers.clone();
    let named = named(&live, attributes);
    let known = read.as_ref().map(|read| (read.unread(), named.clone()));
    let stages = Stages { worker, ledger: Attempts(Rc::clone(worker)), known };
    let held = body;
    let forward = match stages.run(wire, (Arc::clone(&live), head, random), &mut body).await {
        Outcome::Forward(forward) => *forward,
        Outcome::Refused(refused) => return Some(Err(refused.reply())),
        Outcome::Answered(answered) => return Some(Err(answered.reply)),
        Outcome::Gone | Outcome::Foreign(..) => return None,
    };
    let Forward { plan, held: mut pieces, .. } = forward;
    let mut plan = plan.release();
    if let Some(found) = attributes.found() {
        plan.learn(found);
    }
    let made = match chosen(named, &plan, attributes) {
        Ok(chosen) => attempt(worker, &mut plan, &chosen).await,
        Err(refusal) => Err(refusal),
    };
    let came = (held == Body::Held && body != held).then(|| pieces.pop().unwrap_or_default());
    let length = read.filter(|_| held == Body::Held).and_then(|read| read.length());
    let length = came.as_ref().map(Bytes::len).or(length);
    Some(match made {
        Ok(attempt) => Ok(Made { attempt, client, came, length }),
        Err(refusal) => Err(plan.refuse(refusal).reply()),
    })
}

/// Without what the router level left: the head as it is now, which is the client's unless this is a retry.
fn as_it_came(live: &Live, seen: &Seen, attributes: &Attributes) -> Option<RequestHead> {
    let path = seen.headers.get(ORIGINAL_PATH).and_then(|path| path.to_str().ok());
    let path = path.map_or_else(|| seen.path.clone(), str::to_owned);
    let Entry { port, peer, .. } = attributes.entry(&live.snapshot, &seen.host());
    Seen { path, ..seen.clone() }.request(Entry { port, peer, version: Version::HTTP_11 })
}

/// The choice that Envoy has made and named, in the words of the snapshot.
fn named(live: &Live, attributes: &Attributes) -> Option<Chosen> {
    let identity = Identity::from_str(attributes.backend()?).ok()?;
    identity.find(&live.snapshot, attributes.endpoint())
}

fn chosen(found: Option<Chosen>, plan: &Plan, attributes: &Attributes) -> Result<Chosen, Refusal> {
    let named = attributes.backend().unwrap_or_default();
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

/// What Envoy sends in place of what it has: changes to the head, the body where that is another one, and what is known
/// of the attempt.
fn change((seen, attributes): (&Seen, &Attributes), made: Made) -> (Changes, Option<Bytes>, Struct) {
    let Made { attempt: Attempt { outgoing, .. }, client, came, length } = made;
    let Outgoing { method, path, host, headers, body, .. } = outgoing;
    let before: Vec<String> = attributes.changed().collect();
    let ours =
        |name: &HeaderName| client.contains_key(name) || before.iter().any(|known| known == name.as_str());
    let (mut changes, mut changed) = Changes::of_request(&seen.headers, &headers, ours);
    changed.extend(before);
    changed.sort_unstable();
    changed.dedup();
    if path != seen.path {
        changes.set(":path", path);
    }
    if method.as_str() != seen.method {
        changes.set(":method", method.as_str().to_owned());
    }
    if let Some(host) = host.filter(|host| host.as_bytes() != seen.authority.as_bytes()) {
        changes.set(":authority", Bytes::copy_from_slice(host.as_bytes()));
    }
    let sent = match body {
        // The very bytes that came need not go back.
        AttemptBody::Bytes(bytes) => came.filter(|came| *came != bytes).map(|_| bytes),
        AttemptBody::Client | AttemptBody::Form(_) => None,
    };
    let length = sent.as_ref().map(Bytes::len).or(length);
    // An earlier attempt may have left another one; Envoy compares it with the body.
    if let Some(length) =
        length.filter(|length| seen.headers.get(CONTENT_LENGTH) != Some(&HeaderValue::from(*length)))
    {
        changes.set("content-length", length.to_string());
    }
    (changes, sent, metadata::of_attempt(attributes.backend(), length, &changed.join(",")))
}
