use std::{
    future::{pending, poll_fn},
    pin::pin,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode, Uri,
    header::{CONTENT_LENGTH, HOST},
};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use smallvec::SmallVec;
use tollgate_balance::Pace;
use tollgate_core::{
    Again, Attempt, AttemptBody, End, Failure, InHand, LocalReply, Now, Outgoing, Plan, Refusal, ReplyReader,
    Verdict,
};
use tollgate_llm::{Delivery, Head, Output};
use tollgate_net::{Chunks, Payload, Peer, UpstreamBody};

use crate::{
    ReplyBody, failure,
    failure::Unsent,
    lent::{Lent, Loan},
    mirror, paced,
    paced::Paced,
    ports, prelude,
    prelude::Stop,
    relay::{Opened, Relay},
    serve,
    served::Served,
    timer::{Expired, Timer},
    tunnel,
    upload::Upload,
    worker::Worker,
};

/// Bytes of a whole reply that are held back until its end; of a longer one the client gets each piece at once.
const HELD: usize = 64 * 1024;

/// What the client's connection still has to give.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its body, where it was not read for routing.
    pub(crate) body: Option<Box<Upload>>,
    /// The connection itself, where the client asked for an upgrade.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Who is at its other end.
    pub(crate) peer: Peer,
}

/// What an attempt came to.
enum Outcome {
    /// The client can have it.
    Open(Box<Open>),
    /// The client gets this, whatever was answered.
    Instead(Box<Attempt>, Box<LocalReply>),
    /// Another attempt.
    Again(Again),
    /// No further attempt.
    Over(Refusal),
    /// The request's time is up.
    Expired,
}

/// A reply whose first piece is here.
struct Open {
    attempt: Box<Attempt>,
    head: Head,
    upstream: UpstreamBody,
    out: Output,
    /// True where `out` is all there is.
    ended: bool,
    /// When the last of this was here.
    now: Now,
}

/// One request in its loop of attempts.
struct Forward<'a> {
    worker: &'a Rc<Worker>,
    served: &'a Served,
    timer: Timer,
    client: Client,
}

/// Reads a body of up to so many bytes whole, where it may have to be sent more than once.
async fn hold(
    worker: &Rc<Worker>,
    (plan, limit): (Box<Plan>, u64),
    client: &mut Client,
) -> Result<Box<Plan>, Response<ReplyBody>> {
    let length = client.body.as_ref().and_then(|body| body.size_hint().exact());
    let Some(length) = length else { return Ok(plan) };
    let Some(body) = client.body.take_if(|_| length > 0 && length <= limit) else { return Ok(plan) };
    let plan = InHand::new(worker, plan);
    let patience = worker.options().body_timeout;
    let mut timer = Timer::until(plan.record().began.instant.checked_add(patience), &worker.sleeps);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let collected = timer.within(body.into_inbound().collect(limit)).await;
    let mut plan = plan.release();
    let refusal = match collected {
        Ok(Ok(body)) => {
            plan.hold(body);
            return Ok(plan);
        }
        Ok(Err(error)) => serve::broken_body(worker, &error),
        Err(_) => Refusal::SlowBody(patience),
    };
    Err(worker.refuse(plan.refuse(refusal)))
}

/// Asks backends until one answers usably, or none is left; the plan was made a moment ago, at `now`.
pub(crate) async fn forward(
    worker: &Rc<Worker>,
    served: &Served,
    (plan, mut now): (Box<Plan>, Now),
    mut client: Client,
) -> Response<ReplyBody> {
    let replays = plan.replays();
    let plan = match replays {
        // Boxed, since hardly any request needs it and the plan would be moved in and out.
        Some(limit) => match Box::pin(hold(worker, (plan, limit), &mut client)).await {
            Ok(plan) => plan,
            Err(response) => return response,
        },
        None => plan,
    };
    let mut waits = replays.is_some();
    let mut timer = Timer::until(plan.deadline(), &worker.sleeps);
    let mut plan = InHand::new(worker, plan);
    if let Some(first) = plan.prelude(|| worker.randoms()) {
        waits = true;
        match Box::pin(prelude::run(worker, (&mut plan, first), &mut client, &mut timer)).await {
            Ok(()) => {}
            Err(Stop::Refused(refusal)) => return worker.refuse(plan.release().refuse(refusal)),
            Err(Stop::Expired) => return worker.refuse(plan.release().expire(worker.now())),
        }
    }
    if let Some(body) = &mut client.body {
        body.keep(plan.keeps());
    }
    mirror::send_copies(worker, served, &plan, &mut client);
    now = if waits { worker.now() } else { now };
    if let Some(token) = plan.awaits(&**worker, now).cloned() {
        let deadline = plan.deadline();
        Box::pin(ports::await_token(worker, &token, deadline)).await;
        now = worker.now();
    }
    let mut this = Forward { worker, served, timer, client };
    // Counts as a retry under way until the attempt it stands for has come to something.
    let mut _retrying = None;
    loop {
        let attempt = match plan.next_attempt(&**worker, now, worker.random()) {
            // Boxed, since it is handed on several times before its reply is there.
            Ok(attempt) => Box::new(attempt),
            Err(refusal) => return worker.refuse(plan.release().refuse(refusal)),
        };
        match this.attempt(&mut plan, attempt).await {
            Outcome::Instead(attempt, reply) => {
                let now = worker.now();
                return worker.answer(plan.release().replace(&attempt, *reply, now));
            }
            Outcome::Open(open) => return this.reply(plan.release(), open),
            Outcome::Over(refusal) => return worker.refuse(plan.release().refuse(refusal)),
            Outcome::Expired => return worker.refuse(plan.release().expire(worker.now())),
            Outcome::Again(Again { pause, retrying }) => {
                _retrying = retrying;
                now = worker.now();
                if pause.is_zero() {
                    continue;
                }
                this.timer.phase(now.instant.checked_add(pause));
                if let Err(Expired::Overall) = this.timer.within(pending::<()>()).await {
                    return worker.refuse(plan.release().expire(worker.now()));
                }
                now = worker.now();
            }
        }
    }
}

impl Forward<'_> {
    async fn attempt(&mut self, plan: &mut Plan, mut attempt: Box<Attempt>) -> Outcome {
        let Some(endpoint) = self.served.endpoint_at(&attempt.backend, attempt.endpoint()) else {
            return Outcome::Over(Refusal::NoEndpoints);
        };
        let pace = plan.paces().and_then(|paces| paces.request.clone());
        let (mut request, loan) = match self.request(&mut attempt, endpoint.host.as_ref(), pace) {
            Ok(request) => request,
            Err(refusal) => return Outcome::Over(refusal),
        };
        *request.uri_mut() = match target(&plan.record().head.uri, std::mem::take(&mut attempt.outgoing.path))
        {
            Ok(uri) => uri,
            Err(refusal) => return Outcome::Over(refusal),
        };
        plan.asking(&endpoint.address, request.uri().path_and_query().cloned());
        let patience = attempt.patience.head;
        self.timer.phase(patience.and_then(|patience| self.worker.now().instant.checked_add(patience)));
        let sent = {
            // Pinned here, so that waiting for it makes no second room for it.
            let sending = pin!({
                let own = endpoint.origin_of(plan.record().client_ip, &self.client.peer);
                self.worker.pool.send(own.as_ref().unwrap_or(&endpoint.origin), request)
            });
            self.timer.within(sending).await
        };
        if let Some(loan) = loan {
            self.client.body = loan.back();
            attempt.spent = self.client.body.is_none();
        }
        match sent {
            Ok(Ok(response)) => match self.answered(plan, attempt, response) {
                Ok(open) => self.open(plan, open).await,
                Err(outcome) => outcome,
            },
            Ok(Err(error)) => match Unsent::from(error) {
                Unsent::Client(refusal) => Outcome::Over(refusal),
                Unsent::Upstream(failure) => {
                    self.failed(plan, &attempt, failure::naming(&endpoint.address, failure))
                }
            },
            Err(Expired::Overall) => {
                attempt.broken(&"the request's time is up", self.worker.now());
                Outcome::Expired
            }
            Err(Expired::Phase) => {
                let failure = Failure::Silent(patience.unwrap_or_default());
                self.failed(plan, &attempt, failure)
            }
        }
    }

    fn failed(&self, plan: &mut Plan, attempt: &Attempt, failure: Failure) -> Outcome {
        tracing::debug!(backend = %attempt.backend.id, %failure, "attempt failed");
        match plan.failed(attempt, failure, self.worker.now()) {
            Ok(again) => Outcome::Again(again),
            Err(refusal) => Outcome::Over(refusal),
        }
    }

    /// The request as it goes out, but for its target; the attempt keeps what decides about a further one.
    fn request(
        &mut self,
        attempt: &mut Attempt,
        own_name: Option<&http::HeaderValue>,
        pace: Option<Arc<Pace>>,
    ) -> Result<(Request<Payload>, Option<Loan>), Refusal> {
        let Outgoing { method, host, headers, body, .. } = &mut attempt.outgoing;
        let (payload, loan) = match body {
            AttemptBody::Bytes(bytes) => (paced::whole(bytes.clone(), pace), None),
            AttemptBody::Client => match self.client.body.take() {
                Some(body) if body.is_end_stream() => (Payload::empty(), None),
                Some(body) => {
                    let (lent, loan) = Lent::new(body);
                    let payload = match pace {
                        Some(pace) => Payload::streamed(Paced::new(lent, pace)),
                        None => Payload::streamed(lent),
                    };
                    (payload, Some(loan))
                }
                None => (Payload::empty(), None),
            },
            AttemptBody::Form(pieces) => match self.client.body.take() {
                Some(body) => {
                    let (lent, loan) = Lent::behind(pieces.clone(), body);
                    (Payload::streamed(lent), Some(loan))
                }
                None => return Err(Refusal::BrokenBody),
            },
        };
        let mut request = Request::new(payload);
        *request.method_mut() = method.clone();
        *request.headers_mut() = std::mem::take(headers);
        if let Some(host) = host.as_ref().or(own_name) {
            request.headers_mut().insert(HOST, host.clone());
        }
        Ok((request, loan))
    }

    /// Looks at the head of an answer: is there a reply to open?
    fn answered(
        &self,
        plan: &mut Plan,
        mut attempt: Box<Attempt>,
        response: Response<UpstreamBody>,
    ) -> Result<Box<Open>, Outcome> {
        let (parts, upstream) = response.into_parts();
        let now = self.worker.now();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS && attempt.outgoing.upgrade.is_none() {
            let failure = Failure::Protocol("it switched protocols unasked".to_owned());
            return Err(self.failed(plan, &attempt, failure));
        }
        let head = Head { status: parts.status, headers: parts.headers };
        let head = match plan.answered(&mut attempt, head, now) {
            Verdict::Accept(head) => head,
            Verdict::Replace(reply) => return Err(Outcome::Instead(attempt, reply)),
            Verdict::Again(again) => return Err(Outcome::Again(again)),
        };
        let ended = upstream.is_end_stream();
        Ok(Box::new(Open { attempt, head, upstream, out: Output::default(), ended, now }))
    }

    /// Waits for the first piece of a reply that has to be read.
    async fn open(&mut self, plan: &mut Plan, mut open: Box<Open>) -> Outcome {
        let most = match plan.record().delivery {
            Some(Delivery::Whole) if open.upstream.size_hint().lower() <= HELD as u64 => HELD,
            Some(Delivery::Whole | Delivery::Streamed) | None => 0,
        };
        if let ReplyReader::Llm(reply) = &open.attempt.reply {
            let most = if reply.is_unread() { 0 } else { most };
            match self.hold(&mut open, most).await {
                Ok(()) => {}
                Err(Held::Expired) => return Outcome::Expired,
                Err(Held::Failed(failure)) => return self.failed(plan, &open.attempt, failure),
            }
        }
        Outcome::Open(open)
    }

    /// Holds the head back until there is something to send after it: a reply that breaks before is no reply. A
    /// short document is held until it is whole.
    async fn hold(&mut self, open: &mut Open, most: usize) -> Result<(), Held> {
        let idle = open.attempt.patience.idle.unwrap_or(self.worker.options().stream_idle);
        // A short document comes in one part.
        let mut parts = SmallVec::<[Bytes; 1]>::new();
        loop {
            if open.ended {
                open.attempt.reply.finish(&mut open.out).map_err(Failure::Reply)?;
                return Ok(());
            }
            self.timer.phase(open.now.instant.checked_add(idle));
            let mut waited = false;
            let next = poll_fn(|cx| {
                let polled = open.upstream.poll_gather(cx, |chunk| parts.push(chunk));
                waited |= polled.is_pending();
                polled
            });
            let next = self.timer.within(next).await;
            // What was here already came with the head.
            if waited {
                open.now = self.worker.now();
            }
            match next {
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(error))) => return Err(failure::upstream(error).into()),
                Ok(None) => open.ended = true,
                Err(Expired::Overall) => return Err(Held::Expired),
                Err(Expired::Phase) => return Err(Failure::Stalled(idle).into()),
            }
            for chunk in parts.drain(..) {
                open.attempt.reply.push(chunk, &mut open.out).map_err(Failure::Reply)?;
            }
            open.ended |= open.upstream.is_end_stream();
            let held: usize = open.out.0.iter().map(Bytes::len).sum();
            if !open.ended && held > most {
                return Ok(());
            }
        }
    }

    /// From here on the client gets its bytes.
    fn reply(self, plan: Box<Plan>, mut open: Box<Open>) -> Response<ReplyBody> {
        let encoder = plan.pack(&mut open.head);
        let pace = plan.paces().and_then(|paces| paces.response.clone());
        let mut response = self.unpacked(plan, open);
        if let Some(encoder) = encoder {
            response = response.map(|body| body.packed(encoder));
        }
        match pace {
            Some(pace) => response.map(|body| body.paced(pace)),
            None => response,
        }
    }

    fn unpacked(self, plan: Box<Plan>, open: Box<Open>) -> Response<ReplyBody> {
        let Open { attempt, head, upstream, out, ended, now } = *open;
        let Head { status, headers } = head;
        let llm = matches!(attempt.reply, ReplyReader::Llm(_));
        let idle = attempt.patience.idle.unwrap_or(self.worker.options().stream_idle);
        let mut exchange = plan.accept(*attempt, status, now);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            tunnel::spawn(self.worker, exchange, self.client.upgrade, upstream.into_tunnel());
            return response(status, headers, ReplyBody::empty());
        }
        if !out.0.is_empty() {
            exchange.first_byte(now.instant);
        }
        exchange.capture(&out);
        if !ended {
            let opened = Opened { exchange, upstream, out, timer: self.timer, idle };
            return response(status, headers, ReplyBody::relay(Relay::new(self.worker, opened)));
        }
        let length = out.0.iter().map(Bytes::len).sum();
        exchange.sent(length);
        self.worker.settle(exchange.settle(End::Complete, now.instant));
        let mut response = response(status, headers, ReplyBody::whole(out.0.into_iter().collect::<Chunks>()));
        if llm && (length == 0 || !tells(response.headers(), length)) {
            // It is known now, whatever the backend's framing was.
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        response
    }
}

/// The target of an outgoing request.
fn target(client: &Uri, path: String) -> Result<Uri, Refusal> {
    match client.path_and_query() {
        // The client's own was parsed before.
        Some(same) if same.as_str() == path => Ok(Uri::from(same.clone())),
        // A path from the client was valid before; a rewrite may have made it something else.
        Some(_) | None => Uri::try_from(path).map_err(|_| Refusal::BrokenBody),
    }
}

/// Why a held reply is none.
enum Held {
    Expired,
    Failed(Failure),
}

impl From<Failure> for Held {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// True where the headers say that the body has this length, once and plainly.
fn tells(headers: &HeaderMap, length: usize) -> bool {
    let mut told = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(first), None) = (told.next(), told.next()) else { return false };
    first.as_bytes() == itoa::Buffer::new().format(length).as_bytes()
}

fn response(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
