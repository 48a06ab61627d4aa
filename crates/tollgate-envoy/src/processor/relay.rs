//! A reply on its way through: from the backend's head to the end of its body.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header::CONTENT_LENGTH};
use tollgate_core::{
    Attempt, End, Exchange, Failure, Ledger as _, LocalReply, Refusal, Refused, ReplyReader, Verdict,
};
use tollgate_llm::{Delivery, Fault, Head, Output};
use tollgate_types::Usage;

use super::{
    answers::{self, Route, Way},
    body::pass,
    heads::{Changes, Seen},
    local, metadata,
    stages::Held,
    wire::Wire,
    worker::Worker,
};
use crate::proto::{
    ext_proc::{ProcessingRequest, ProcessingResponse, Said},
    value::Struct,
};

/// Bytes of a whole reply that are held back until its end; of a longer one the client gets each piece at once.
const HELD: usize = 64 * 1024;
/// Bytes of pieces that were read together and are sent as one.
const TOGETHER: usize = 16 * 1024;
/// How old the costs of a stream may be of which Envoy was told, in case the client leaves before the end.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// A reply whose head is there.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) attempt: Box<Attempt>,
    pub(crate) seen: Seen,
    /// True where the head is all there is.
    pub(crate) ended: bool,
}

/// How far the backend's body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    /// There is none
    Bodiless,
    Open,
    Ended,
    /// Ended with trailers
    Trailed,
}

/// A piece of the backend's reply, or its end.
enum Came {
    Piece(Bytes),
    End,
    /// The stream is over: the client left.
    Gone,
}

/// A reply that has to be settled, whatever happens to its stream.
struct Owed {
    /// `None` once it is.
    exchange: Option<Exchange>,
    worker: Rc<Worker>,
}

/// Reads the reply and hands it on.
pub(crate) async fn relay(worker: &Rc<Worker>, mut wire: Wire, mut plan: Held, opening: Opening) {
    let Opening { mut attempt, seen, ended } = opening;
    let status = seen.status.parse().ok().and_then(|status: u16| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
    let head = Head { status, headers: seen.headers.clone() };
    let head = match plan.answered(&mut attempt, head, worker.now()) {
        Verdict::Accept(head) => head,
        Verdict::Replace(reply) => {
            let answered = plan.release().replace(&attempt, *reply, worker.now());
            let (reply, settled) = answered.settle(worker.now().instant);
            worker.settle(settled);
            return put(&mut wire, (&seen, Far::after_head(ended)), reply).await;
        }
        // Envoy has made all attempts already.
        Verdict::Again(_) => {
            let refused = plan.release().refuse(Refusal::NoEndpoints);
            return in_place(worker, wire, refused, (&seen, Far::after_head(ended))).await;
        }
    };
    let mut far = Far::after_head(ended);
    let mut out = Output::default();
    let most = most_held(&plan, &seen);
    match hold(&mut wire, (&mut attempt.reply, &mut far), &mut out, most).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(failure) => {
            let refusal = match plan.failed(&attempt, failure, worker.now()) {
                Err(refusal) => refusal,
                Ok(_) => Refusal::NoEndpoints,
            };
            return in_place(worker, wire, plan.release().refuse(refusal), (&seen, far)).await;
        }
    }
    let exchange = plan.release().accept(*attempt, head.status, worker.now());
    let owed = Owed { exchange: Some(exchange), worker: Rc::clone(worker) };
    let told = worker.now().instant;
    Relay { wire, owed, far, out, told, used: Usage::default() }.run(seen, head).await;
}

/// Puts a reply of ours in the place of one whose head has come, be it a backend's or Envoy's own. Not as an immediate
/// response: Envoy 1.40 may crash on one while it streams the body of a reply to us.
pub(crate) async fn in_place(
    worker: &Rc<Worker>,
    mut wire: Wire,
    refused: Refused,
    (seen, far): (&Seen, Far),
) {
    let (reply, settled) = refused.settle(worker.now().instant);
    worker.settle(settled);
    put(&mut wire, (seen, far), reply).await;
}

async fn put(wire: &mut Wire, (seen, mut far): (&Seen, Far), reply: LocalReply) {
    if far == Far::Bodiless {
        wire.send(&answers::immediate(reply, local::OURS));
        return pass(wire).await;
    }
    let LocalReply { status, headers, body } = reply;
    let mut changes = Changes::of_reply(&seen.headers, &headers);
    changes.set("content-length", body.len().to_string());
    if status.as_str() != seen.status {
        changes.set(":status", status.as_str().to_owned());
    }
    wire.send(&answers::head(Way::Reply, changes, Route::Keep));
    // What comes of the other body is dropped.
    while far == Far::Open {
        if let Came::Gone = next(wire, &mut far).await {
            return;
        }
    }
    wire.send(&answers::piece(Way::Reply, body, far == Far::Ended));
    if far == Far::Trailed {
        wire.send(&answers::trailers(Way::Reply));
    }
    pass(wire).await;
}

/// A short document is held until it is whole: a reply that breaks before is no reply.
fn most_held(plan: &Held, seen: &Seen) -> usize {
    let length =
        seen.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match plan.record().delivery {
        Some(Delivery::Whole) if length.unwrap_or_default() <= HELD => HELD,
        Some(Delivery::Whole | Delivery::Streamed) | None => 0,
    }
}

/// Holds the head back until there is something to send after it. False where the stream ended meanwhile.
async fn hold(
    wire: &mut Wire,
    (reply, far): (&mut ReplyReader, &mut Far),
    out: &mut Output,
    most: usize,
) -> Result<bool, Failure> {
    let most = match reply {
        ReplyReader::Http => return Ok(true),
        // The client speaks first, or whoever; and only once it has the head.
        ReplyReader::Llm(reply) if reply.is_socket() => return Ok(true),
        ReplyReader::Llm(reply) if reply.is_unread() => 0,
        ReplyReader::Llm(_) => most,
    };
    if let ReplyReader::Llm(reply) = &reply
        && reply.is_unread()
        && *far == Far::Open
    {
        return Ok(true);
    }
    loop {
        if *far != Far::Open {
            reply.finish(out).map_err(Failure::Reply)?;
            return Ok(true);
        }
        match next(wire, far).await {
            Came::Piece(piece) => reply.push(piece, out).map_err(Failure::Reply)?,
            Came::End => {}
            Came::Gone => return Ok(false),
        }
        let held: usize = out.0.iter().map(Bytes::len).sum();
        if *far == Far::Open && held > most {
            return Ok(true);
        }
    }
}

/// What comes next of the backend's body. What the client still sends passes on its way.
async fn next(wire: &mut Wire, far: &mut Far) -> Came {
    loop {
        let Some(request) = wire.next().await else { return Came::Gone };
        if let Some(came) = came(wire, far, request) {
            return came;
        }
    }
}

/// The same where it is here already.
fn next_ready(wire: &mut Wire, far: &mut Far) -> Option<Came> {
    loop {
        let request = wire.ready()?;
        if let Some(came) = came(wire, far, request) {
            return Some(came);
        }
    }
}

fn came(wire: &Wire, far: &mut Far, request: ProcessingRequest) -> Option<Came> {
    match request.said {
        Some(Said::ResponseBody(body)) => {
            if body.end_of_stream {
                *far = Far::Ended;
            }
            Some(Came::Piece(body.body))
        }
        Some(Said::ResponseTrailers(_)) => {
            *far = Far::Trailed;
            Some(Came::End)
        }
        Some(Said::RequestBody(body)) => {
            wire.send(&answers::piece(Way::Request, body.body, body.end_of_stream));
            None
        }
        Some(Said::RequestTrailers(_)) => {
            wire.send(&answers::trailers(Way::Request));
            None
        }
        Some(Said::RequestHeaders(_) | Said::ResponseHeaders(_)) | None => None,
    }
}

/// One reply that the client gets.
struct Relay {
    wire: Wire,
    owed: Owed,
    far: Far,
    out: Output,
    /// When Envoy was told last what it costs.
    told: Instant,
    /// What a session had used then.
    used: Usage,
}

// === impl Far ===

impl Far {
    /// As the head says.
    pub(crate) const fn after_head(end_of_stream: bool) -> Self {
        if end_of_stream { Self::Bodiless } else { Self::Open }
    }
}

// === impl Relay ===

impl Relay {
    async fn run(mut self, seen: Seen, head: Head) {
        if self.far == Far::Open {
            self.head(&seen, &head, 0);
            drop((seen, head));
            self.stream().await;
        } else {
            self.whole(&seen, &head);
            drop((seen, head));
        }
        pass(&mut self.wire).await;
    }

    /// Hands on a reply of which all is here. Its costs are told once, with the head.
    fn whole(&mut self, seen: &Seen, head: &Head) {
        let bytes = self.take();
        self.head(seen, head, bytes.len());
        if self.far != Far::Bodiless {
            self.wire.send(&answers::piece(Way::Reply, bytes, self.far == Far::Ended));
        }
        self.settle();
    }

    /// `length` is that of the body, where all of it is here.
    fn head(&self, seen: &Seen, head: &Head, length: usize) {
        let mut changes = Changes::of_reply(&seen.headers, &head.headers);
        if head.status.as_str() != seen.status {
            changes.set(":status", head.status.as_str().to_owned());
        }
        // All of the body is here, so that its length is known; a head without a body says what it says.
        if self.far == Far::Ended {
            changes.set("content-length", length.to_string());
        }
        let response = answers::head(Way::Reply, changes, Route::Keep);
        let metadata = self.metadata();
        self.tell(response, metadata);
    }

    /// Hands on what was held back and pieces as they come; what came together leaves together.
    async fn stream(&mut self) {
        loop {
            let ready = if self.held() < TOGETHER { next_ready(&mut self.wire, &mut self.far) } else { None };
            let came = match ready {
                Some(came) => came,
                None => {
                    self.send(false);
                    next(&mut self.wire, &mut self.far).await
                }
            };
            if let Err(fault) = self.read(came) {
                return self.break_off(Failure::Reply(fault));
            }
            if self.far != Far::Open {
                return self.end();
            }
            if self.owed.exchange.is_none() {
                return;
            }
        }
    }

    /// Reads what has come. Where the stream is over there is nobody to settle with later.
    fn read(&mut self, came: Came) -> Result<(), Fault> {
        let Some(exchange) = &mut self.owed.exchange else { return Ok(()) };
        match came {
            Came::Piece(piece) if exchange.record().status == Some(StatusCode::SWITCHING_PROTOCOLS) => {
                exchange.see(&piece);
                self.out.0.push(piece);
            }
            Came::Piece(piece) => exchange.push(piece, &mut self.out)?,
            Came::End => {}
            Came::Gone => {
                let end = self.owed.worker.gone();
                self.owed.settle(end);
                return Ok(());
            }
        }
        match self.far {
            Far::Open | Far::Bodiless => Ok(()),
            Far::Ended | Far::Trailed => exchange.finish(&mut self.out),
        }
    }

    /// Bytes that wait to be sent.
    fn held(&self) -> usize {
        self.out.0.iter().map(Bytes::len).sum()
    }

    /// Hands on what there is; `last` where nothing follows.
    fn send(&mut self, last: bool) {
        if self.out.0.iter().all(Bytes::is_empty) && !last {
            return;
        }
        let bytes = self.take();
        let now = self.owed.worker.now().instant;
        let due = self.has_used_more() || last || now.saturating_duration_since(self.told) >= TOLD_EVERY;
        let metadata = if due { self.metadata() } else { None };
        if due {
            self.told = now;
        }
        let response = answers::piece(Way::Reply, bytes, last && self.far == Far::Ended);
        self.tell(response, metadata);
    }

    /// True where there is more to charge for of a session: it may end at any time, without an end that Envoy shows us.
    fn has_used_more(&mut self) -> bool {
        let Some(exchange) = &self.owed.exchange else { return false };
        if exchange.record().status != Some(StatusCode::SWITCHING_PROTOCOLS) {
            return false;
        }
        let used = exchange.usage();
        std::mem::replace(&mut self.used, used) != self.used
    }

    /// Takes the bytes that wait, to send them.
    fn take(&mut self) -> Bytes {
        let bytes = joined(&mut self.out);
        if let Some(exchange) = &mut self.owed.exchange
            && self.far != Far::Bodiless
        {
            exchange.first_byte(self.owed.worker.now().instant);
            exchange.sent(bytes.len());
        }
        bytes
    }

    /// The backend is done.
    fn end(&mut self) {
        self.send(true);
        self.settle();
    }

    /// The client has all of it.
    fn settle(&mut self) {
        if self.far == Far::Trailed {
            self.wire.send(&answers::trailers(Way::Reply));
        }
        self.owed.settle(End::Complete);
    }

    /// Tells the client in its own dialect, then by breaking the connection: a broken reply never ends like a whole
    /// one.
    fn break_off(&mut self, failure: Failure) {
        if let Some(exchange) = &mut self.owed.exchange {
            exchange.break_off(&failure, &mut self.out, self.owed.worker.now());
        }
        self.far = Far::Open;
        self.send(false);
        self.wire.send(&answers::immediate(local::broken_reply(), local::OURS));
        self.owed.settle(End::UpstreamBroke(failure));
    }

    fn metadata(&self) -> Option<Struct> {
        let exchange = self.owed.exchange.as_ref()?;
        Some(metadata::of_reply(exchange, self.owed.worker.now().instant))
    }

    fn tell(&self, response: ProcessingResponse, metadata: Option<Struct>) {
        self.wire.send(&ProcessingResponse { dynamic_metadata: metadata, ..response });
    }
}

/// What there is to send, in one piece.
fn joined(out: &mut Output) -> Bytes {
    match &mut out.0[..] {
        [] => Bytes::new(),
        [only] => {
            let only = std::mem::take(only);
            out.0.clear();
            only
        }
        many => {
            let mut all = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
            many.iter().for_each(|piece| all.extend_from_slice(piece));
            out.0.clear();
            all.freeze()
        }
    }
}

// === impl Owed ===

impl Owed {
    fn settle(&mut self, end: End) {
        if let Some(exchange) = self.exchange.take() {
            self.worker.settle(exchange.settle(end, self.worker.now().instant));
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let end = self.worker.gone();
        self.settle(end);
    }
}
