use std::{
    cell::Cell,
    error::Error,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use http::{Request, Response};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{task::spawn_local, time::Instant};

use crate::{Failure, Payload, UpstreamBody, dial::Transport, failure::Progress, server::Local};

use super::{
    Home, address,
    slots::{Slot, Slots},
};

/// One HTTP/2 connection to an upstream; a task of its own drives it.
#[derive(Debug)]
pub(crate) struct Http2 {
    sender: SendRequest<Payload>,
    streams: Rc<Streams>,
    expires: Instant,
    /// Streams that it may still take.
    left: Cell<u32>,
    used: Cell<bool>,
}

/// A stream on a connection that is to be used.
#[derive(Debug)]
pub(crate) struct Http2Lease {
    sender: SendRequest<Payload>,
    in_use: InUse,
    reused: bool,
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct InUse(Rc<Streams>);

#[derive(Debug)]
struct Streams {
    open: Cell<usize>,
    /// What the upstream allows at most, as of its last `SETTINGS`.
    allowed: Cell<usize>,
    idle_since: Cell<Instant>,
    slots: Rc<Slots>,
}

// === impl Http2 ===

impl Http2 {
    pub(crate) async fn new(home: &Home, transport: Transport, slot: Slot) -> Result<Self, Failure> {
        let settings = home.settings();
        let (sender, connection) = Builder::new(Local)
            .timer(TokioTimer::new())
            .initial_stream_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            .max_header_list_size(settings.max_header_bytes)
            .keep_alive_interval(settings.ping_interval)
            .keep_alive_timeout(settings.ping_timeout)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|error| Failure::Connect(Arc::new(error)))?;
        let now = Instant::now();
        let allowed = Cell::new(connection.current_max_send_streams());
        let streams =
            Rc::new(Streams { open: Cell::new(0), allowed, idle_since: Cell::new(now), slots: slot.slots() });
        let shared = Rc::clone(&streams);
        spawn_local(async move {
            let mut connection = connection;
            let ended = poll_fn(|cx| {
                let polled = Pin::new(&mut connection).poll(cx);
                shared.allowed.set(connection.current_max_send_streams());
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!(error = &error as &dyn Error, "upstream connection ended");
            }
            drop(slot);
        });
        Ok(Self {
            sender,
            streams,
            expires: now + home.lifetime(),
            left: Cell::new(settings.max_requests),
            used: Cell::new(false),
        })
    }

    /// A stream, unless the connection is full, too old or closed.
    pub(crate) fn lease(&self, home: &Home, now: Instant) -> Option<Http2Lease> {
        let most = home.settings().max_streams.min(self.streams.allowed.get());
        if self.is_dead(now) || self.streams.open.get() >= most {
            return None;
        }
        self.left.set(self.left.get() - 1);
        self.streams.open.set(self.streams.open.get() + 1);
        let in_use = InUse(Rc::clone(&self.streams));
        Some(Http2Lease { sender: self.sender.clone(), in_use, reused: self.used.replace(true) })
    }

    /// Takes no request any more. Streams that are open keep the connection until they end.
    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        self.sender.is_closed() || now >= self.expires || self.left.get() == 0
    }

    pub(crate) fn is_idle_for(&self, now: Instant, limit: std::time::Duration) -> bool {
        self.streams.open.get() == 0 && now >= self.streams.idle_since.get() + limit
    }
}

// === impl Http2Lease ===

impl Http2Lease {
    pub(crate) const fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) async fn exchange(
        mut self,
        home: Rc<Home>,
        mut request: Request<Payload>,
    ) -> Result<Response<UpstreamBody>, Failure> {
        address::for_http2(&mut request, home.origin())?;
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| UpstreamBody::http2(body, self.in_use))),
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let failure = Failure::from_hyper(error.into_error(), Progress::Sent);
                Err(if unsent { Failure::StaleConnection } else { failure })
            }
        }
    }
}

// === impl InUse ===

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.idle_since.set(Instant::now());
        self.0.slots.stream_freed();
    }
}
