//! What a client policy says of whole exchanges: it stands around everything else.

use std::{rc::Rc, sync::atomic::Ordering::Relaxed};

use futures_util::future::Either;
use http::{Method, Request, Response, StatusCode, Version, header::CONTENT_LENGTH};
use tollgate_net::{Inbound, Peer};

use crate::{ReplyBody, serve, worker::Worker};

/// Serves a request as the client policy of its listener wants it.
pub(crate) fn serve(
    worker: &Rc<Worker>,
    port: u16,
    request: Request<Inbound>,
    peer: Peer,
) -> impl Future<Output = Response<ReplyBody>> + use<> {
    let served = worker.served();
    let client = served.live.snapshot.port(port).map(|port| port.client(peer.server_name()));
    let asks = client.is_some_and(|client| client.health_path.as_deref() == Some(request.uri().path()));
    let edits = client.is_some_and(|client| !client.heads.late.is_empty());
    // The HTTP library leaves bodies away for HTTP/1 alone.
    let bare = request.method() == Method::HEAD && request.version() == Version::HTTP_2;
    let worker = Rc::clone(worker);
    if !asks && !edits && !bare {
        // Boxed at once: on its way to the connection it would be moved as a whole, several times.
        return Either::Left(Box::pin(serve::serve(worker, port, request, peer)));
    }
    let late = client.cloned().filter(|_| edits);
    Either::Right(Box::pin(async move {
        let mut response = match asks {
            true => health(&worker),
            false => serve::serve(worker, port, request, peer).await,
        };
        if bare && let Some(length) = response.body_mut().withhold() {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
        }
        if let Some(client) = late {
            client.heads.late.apply(response.headers_mut());
        }
        response
    }))
}

/// Whether load balancers may send clients here.
fn health(worker: &Worker) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::empty());
    if worker.shared.leaving.load(Relaxed) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
