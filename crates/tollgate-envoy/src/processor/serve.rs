//! Connections of Envoy, on the core that serves them.

use std::{convert::Infallible, future::Future, pin::pin, rc::Rc};

use http::{Request, Response, uri::Authority};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    task::spawn_local,
};

use super::{
    answers,
    attributes::Attributes,
    body::pass,
    health,
    router::{self, Asked},
    upstream,
    wire::{Replies, Wire},
    worker::Worker,
};
use crate::{
    grpc::{self, Code},
    level::{ATTEMPT, LAST_ROUTER, ROUTER},
    proto::ext_proc::Said,
};

const PROCESS: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
/// Bytes of one stream that may be under way to us. Envoy holds what does not fit.
const STREAM_WINDOW: u32 = 1 << 20;
/// Bytes of all streams of a connection that may be under way to us.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Streams of one connection: two for each request.
const STREAMS: u32 = 1 << 20;
/// Streams that may end before they were looked at.
const RESETS: usize = 1 << 16;

/// Runs tasks of connections on this core.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Where a stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Attributes tell
    Unknown,
    /// A listener's chain
    Router {
        /// Nobody behind the filter changes bodies
        last: bool,
    },
    /// A cluster's chain
    Upstream,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// No new streams
    Draining,
    /// No streams at all
    Cut,
}

// === impl Level ===

impl Level {
    fn of(authority: Option<&str>) -> Self {
        match authority {
            Some(ROUTER) => Self::Router { last: false },
            Some(LAST_ROUTER) => Self::Router { last: true },
            Some(ATTEMPT) => Self::Upstream,
            Some(_) | None => Self::Unknown,
        }
    }

    fn is_upstream(self, attributes: &Attributes) -> bool {
        match self {
            Self::Unknown => attributes.is_upstream(),
            Self::Router { .. } => false,
            Self::Upstream => true,
        }
    }
}

/// Serves one connection until its end.
pub(crate) async fn connection<S>(worker: Rc<Worker>, stream: S, mut phase: watch::Receiver<Phase>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let worker = Rc::clone(&worker);
        async move { Ok::<_, Infallible>(call(worker, request)) }
    });
    let mut builder = http2::Builder::new(Local);
    builder
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        // Envoy resets its stream at the end of every request. Twenty of them at a time are no attack.
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(None)
        .max_send_buf_size(1 << 20);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        let reached = *phase.borrow_and_update();
        match reached {
            Phase::Serving => {}
            Phase::Draining => connection.as_mut().graceful_shutdown(),
            Phase::Cut => return,
        }
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection of Envoy ended");
                }
                return;
            }
            changed = phase.changed() => if changed.is_err() { return },
        }
    }
}

fn call(worker: Rc<Worker>, request: Request<Incoming>) -> Response<Replies> {
    let level = Level::of(request.uri().authority().map(Authority::as_str));
    let (head, body) = request.into_parts();
    let limit = worker.shared.options.max_message_size;
    match head.uri.path() {
        PROCESS => grpc::reply(Wire::open(body, limit, move |wire| process(worker, wire, level))),
        health::CHECK => grpc::reply(Wire::open(body, limit, move |wire| health::check(worker, wire))),
        health::WATCH => grpc::reply(Wire::open(body, limit, move |wire| health::watch(worker, wire))),
        _ => grpc::refusal(Code::Unimplemented, "no such method"),
    }
}

/// One stream of either level.
async fn process(worker: Rc<Worker>, mut wire: Wire, level: Level) {
    let (attributes, said) = loop {
        let Some(mut first) = wire.next().await else { return };
        let attributes = Attributes::take(&mut first);
        // A message of a kind that is not known here waits for no answer that we could give.
        if let Some(said) = first.said {
            break (attributes, said);
        }
    };
    match said {
        Said::RequestHeaders(head) if level.is_upstream(&attributes) => {
            // Boxed one by one, so that a stream takes room for the level it is of.
            Box::pin(upstream::serve(worker, wire, (head, attributes))).await;
        }
        Said::RequestHeaders(head) => {
            let last = level == Level::Router { last: true };
            Box::pin(router::serve(worker, wire, Asked { head, attributes, last })).await;
        }
        // An earlier filter has answered: there is no request to speak of.
        said => {
            wire.send(&answers::unchanged(said));
            pass(&mut wire).await;
        }
    }
}
