use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body::Body as _;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::{Failure, Payload, UpstreamBody, dial::Transport, failure::Progress, gate::Gate};

use super::{Home, address, slots::Slot};

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
            _slot: slot,
        }))
    }

    pub(crate) const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Lets the connection notice that the upstream closed it; true where it can take a request.
    pub(crate) fn is_usable(&mut self, now: Instant, idle_timeout: std::time::Duration) -> bool {
        self.poll_connection(&mut Context::from_waker(Waker::noop()));
        self.sender.is_ready() && now < self.expires && now < self.idle_since + idle_timeout
    }

    pub(crate) async fn exchange(
        mut self: Box<Self>,
        home: &Rc<Home>,
        mut request: Request<Payload>,
    ) -> Result<Response<UpstreamBody>, Failure> {
        address::for_http1(&mut request, home.origin())?;
        self.heard.store(false, Relaxed);
        let mut response = pin!(self.sender.try_send_request(request));
        let this = &mut *self;
        let outcome = poll_fn(|cx| {
            let (gate, connection) = (&this.gate, &mut this.connection);
            let step = |cx: &mut Context<'_>| {
                // The response cannot be there before the connection was polled, but for the last round's.
                drive(connection, cx);
                match response.as_mut().poll(cx) {
                    Poll::Ready(outcome) => Some(outcome),
                    Poll::Pending => None,
                }
            };
            gate.drive(cx, step).map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        match outcome {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                Ok(Response::from_parts(parts, UpstreamBody::http1(body, self, Rc::clone(home))))
            }
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let silent = self.reused && !self.heard.load(Relaxed);
                Err(match (unsent, silent) {
                    // Nothing was written: as good as a connection that was never there.
                    (true, _) => Failure::StaleConnection,
                    (false, true) => Failure::from_hyper(error.into_error(), Progress::ReusedSilent),
                    (false, false) => Failure::from_hyper(error.into_error(), Progress::Sent),
                })
            }
        }
    }

    /// Polls `body` and the connection that feeds it until neither has anything left to do.
    pub(crate) fn poll_body(
        &mut self,
        body: &mut hyper::body::Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<http_body::Frame<bytes::Bytes>>>> {
        let (gate, connection) = (&self.gate, &mut self.connection);
        let step = |cx: &mut Context<'_>| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Some(frame);
            }
            drive(connection, cx);
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(frame) => Some(frame),
                Poll::Pending => None,
            }
        };
        gate.drive(cx, step).map_or(Poll::Pending, Poll::Ready)
    }

    /// The response has been read to its end: keeps the connection where it can be used again.
    pub(crate) fn release(mut self: Box<Self>, home: &Home) {
        self.gate.detach();
        // Lets the connection see the end of the message, after which it asks for the next request.
        self.poll_connection(&mut Context::from_waker(Waker::noop()));
        if self.sender.is_ready() {
            self.idle_since = Instant::now();
            self.reused = true;
            if self.idle_since < self.expires {
                home.keep(self);
            }
        }
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
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
