use std::rc::Rc;

use http::{Request, Uri, header::HOST};
use tokio::{task::spawn_local, time::timeout};
use tollgate_core::{AttemptBody, Mirrored, Plan};
use tollgate_net::Payload;

use crate::{forward::Client, served::Served, worker::Worker};

/// Sends the copies that the rule asks for. Nobody waits for them, and nobody reads their answers.
pub(crate) fn send_copies(worker: &Rc<Worker>, served: &Served, plan: &Plan, client: &mut Client) {
    for copy in plan.copies(|| worker.random()) {
        if worker.mirrors.get() >= worker.options().max_mirrors {
            tracing::debug!(backend = %copy.backend.id, "copy left out: too many are under way");
            continue;
        }
        send_copy(worker, served, copy, client);
    }
}

fn send_copy(worker: &Rc<Worker>, served: &Served, copy: Mirrored, client: &mut Client) {
    let Mirrored { backend, outgoing } = copy;
    let Some(endpoint) = served.endpoint(&backend) else { return };
    let Ok(uri) = Uri::try_from(outgoing.path) else { return };
    let payload = match (outgoing.body, &mut client.body) {
        (AttemptBody::Bytes(bytes), _) => Payload::Whole(bytes),
        (AttemptBody::Client, Some(upload)) if !http_body::Body::is_end_stream(upload) => {
            Payload::streamed(upload.copy())
        }
        (AttemptBody::Form(pieces), Some(upload)) => Payload::streamed(upload.copy().behind(pieces)),
        (AttemptBody::Client | AttemptBody::Form(_), _) => Payload::empty(),
    };
    let mut request = Request::new(payload);
    *request.method_mut() = outgoing.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = outgoing.headers;
    if let Some(host) = outgoing.host.or_else(|| endpoint.host.clone()) {
        request.headers_mut().insert(HOST, host);
    }
    let origin = endpoint.origin.clone();
    let worker = Rc::clone(worker);
    worker.mirrors.set(worker.mirrors.get() + 1);
    spawn_local(async move {
        let patience = worker.options().mirror_timeout;
        let answer = timeout(patience, async {
            let mut parts = Vec::new();
            let mut body = worker.pool.send(&origin, request).await?.into_body();
            // Read to its end, so that the connection can be used again.
            while let Some(read) = body.next_chunks(&mut parts).await {
                read?;
                parts.clear();
            }
            Ok::<_, tollgate_net::Failure>(())
        });
        match answer.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::debug!(backend = %backend.id, %failure, "copy not sent"),
            Err(_) => tracing::debug!(backend = %backend.id, "copy not answered in time"),
        }
        worker.mirrors.set(worker.mirrors.get() - 1);
    });
}
