use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::{
    Failure, Payload,
    dial::Transport,
    failure::Progress,
    gate::{Gate, Round},
};

use super::{
    Home, address,
    exchange::{Exchange, Promise},
    slots::Slot,
};

/// One HTTP/1 connection to an upstream.
///
/// It has no task of its own: whoever uses it drives it (see [`Gate`]), so that a chunk costs no change of task, and
/// what one read brought is handed on in one go. While it is idle the pool looks after it.
pub(crate) struct Http1 {
    sender: SendRequest<Payload>,
    connection: Driver,
    gate: Gate,
    heard: Arc<AtomicBool>,
    expires: Instant,
    idle_since: Instant,
    reused: bool,
    served: u32,
    _slot: Slot,
}

/// hyper's connection, whose type has no name; none once it has ended.
type Driver = Option<Pin<Box<dyn Future<Output = hyper::Result<()>>>>>;

// === impl Http1 ===

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("reused", &self.reused).finish_non_exhaustive()
    }
}

impl Http1 {
    pub(crate) async fn new(home: &Home, transport: Transport, slot: Slot) -> Result<Box<Self>, Failure> {
        let heard = transport.heard();
        let (sender, connection) = Builder::new()
            .max_header_size(usize::try_from(home.settings().max_header_bytes).unwrap_or(usize::MAX))
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|error| Failure::Connect(Arc::new(error)))?;
        let now = Instant::now();
        Ok(Box::new(Self {
            sender,
            connection: Some(Box::pin(connection.with_upgrades())),
            gate: Gate::new(),
            heard,
            expires: now + home.lifetime(),
            idle_since: now,
            reused: false,
            served: 0,
            _slot: slot,
        }))
    }

    pub(crate) const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Lets the connection notice that the upstream closed it; true where it can take a request.
    pub(crate) fn is_usable(&mut self, now: Instant, idle_timeout: Duration) -> bool {
        if self.gate.take_mark() {
            drive(&mut self.connection, &mut self.gate.ends().driver);
        }
        self.sender.is_ready() && now < self.expires && now < self.idle_since + idle_timeout
    }

    /// Hands the request to the connection at once.
    pub(crate) fn exchange(mut self: Box<Self>, home: Rc<Home>, mut request: Request<Payload>) -> Exchange {
        if let Err(failure) = address::for_http1(&mut request, home.origin()) {
            return Exchange::Failed(Some(failure));
        }
        self.heard.store(false, Relaxed);
        let promise = Box::pin(self.sender.send_request(request));
        Exchange::Http1 { connection: Some(self), promise, home }
    }

    /// Drives the connection until the head of the response is there.
    pub(crate) fn poll_response(
        &mut self,
        promise: &mut Promise,
        cx: &mut Context<'_>,
    ) -> Poll<hyper::Result<Response<Incoming>>> {
        let (gate, connection) = (&self.gate, &mut self.connection);
        let mut outcome = Poll::Pending;
        // The response cannot be there before the connection was polled, but for the last round's.
        gate.drive(cx, |ends| {
            drive(connection, &mut ends.driver);
            outcome = promise.as_mut().poll(&mut ends.reader);
            if outcome.is_ready() { Round::Done } else { Round::Waits }
        });
        outcome
    }

    pub(crate) fn failure(&self, error: hyper::Error) -> Failure {
        match (error.is_canceled(), self.reused && !self.heard.load(Relaxed)) {
            // Nothing was written: as good as a connection that was never there.
            (true, _) => Failure::StaleConnection,
            (false, true) => Failure::from_hyper(error, Progress::ReusedSilent),
            (false, false) => Failure::from_hyper(error, Progress::Sent),
        }
    }

    /// Polls `body` and the connection that feeds it until neither has anything left to do.
    pub(crate) fn poll_body(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let (gate, connection) = (&self.gate, &mut self.connection);
        let mut frame = Pin::new(&mut *body).poll_frame(&mut gate.ends().reader);
        if frame.is_pending() {
            gate.drive(cx, |ends| {
                drive(connection, &mut ends.driver);
                frame = Pin::new(&mut *body).poll_frame(&mut ends.reader);
                if frame.is_ready() { Round::Done } else { Round::Waits }
            });
        }
        frame
    }

    /// The response has been read to its end: keeps the connection where it can be used again.
    pub(crate) fn release(mut self: Box<Self>, home: &Home) {
        self.gate.detach();
        if !self.sender.is_ready() {
            // Lets the connection see the end of the message, after which it asks for the next request.
            drive(&mut self.connection, &mut self.gate.ends().driver);
        }
        if self.sender.is_ready() {
            self.idle_since = home.now();
            self.reused = true;
            self.served = self.served.saturating_add(1);
            if self.idle_since < self.expires && self.served < home.settings().max_requests {
                home.keep(self);
            }
        }
    }
}

fn drive(slot: &mut Driver, cx: &mut Context<'_>) {
    if let Some(connection) = slot
        && let Poll::Ready(ended) = connection.as_mut().poll(cx)
    {
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "upstream connection ended");
        }
        *slot = None;
    }
}
