//! A server for the few who ask a process about itself: probes, scrapers and people. Not for traffic.

use std::{convert::Infallible, error::Error, sync::Arc, time::Duration};

use http::{Request, Response, request::Parts};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

/// Connections at a time; more of them wait.
const CONNECTIONS: usize = 64;
/// For the head of a request, idle connections included.
const PATIENCE: Duration = Duration::from_secs(60);
/// From the first byte of a connection to its last: scrapers come back with a new one.
const LIFETIME: Duration = Duration::from_secs(3600);
/// After an error of `accept`, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The most that a connection buffers, in bytes.
const BUFFER: usize = 64 * 1024;

/// Answers on this socket until it is dropped, by the head of each request alone. Belongs on a thread of its own, away
/// from the data plane's.
pub async fn serve_few<B>(
    listener: TcpListener,
    answer: impl Fn(&Parts) -> Response<B> + Send + Sync + 'static,
) where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (places, answer) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(answer));
    // The semaphore is never closed, so there is always a permit to wait for.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin server cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let (head, _) = request.into_parts();
                std::future::ready(Ok::<_, Infallible>(answer(&head)))
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(BUFFER);
            let connection = server.serve_connection(TokioIo::new(stream), answer);
            // What goes wrong on one connection is its client's to notice.
            let _ = tokio::time::timeout(LIFETIME, connection).await;
            drop(place);
        });
    }
}
