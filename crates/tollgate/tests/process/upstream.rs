//! A server to forward to, which says how it was asked.
use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, request::Parts};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Builder,
};
use tokio_rustls::TlsAcceptor;

use crate::{gateway::PATIENCE, tls::Identity};

/// Serves on a thread of its own until the process ends.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    asked: Receiver<Parts>,
}

/// What is answered to a request and its body.
type Script = Arc<dyn Fn(&Parts, &Bytes) -> Response<Full<Bytes>> + Send + Sync>;

#[derive(Clone, Copy, Debug)]
enum Speaks {
    Http1,
    Http2,
}

// === impl Upstream ===

impl Upstream {
    /// HTTP/1.1 without TLS.
    pub(crate) fn http1() -> Self {
        Self::start(Speaks::Http1, None, None)
    }

    /// HTTP/2 from the first byte, as gRPC servers inside a cluster have it.
    pub(crate) fn h2c() -> Self {
        Self::start(Speaks::Http2, None, None)
    }

    /// TLS which agrees on nothing but HTTP/2.
    pub(crate) fn h2_over_tls(identity: &Identity) -> Self {
        Self::start(Speaks::Http2, Some(acceptor(identity, b"h2")), None)
    }

    /// HTTP/1.1, over TLS where there is an identity to show, with answers of the test's own.
    pub(crate) fn saying(
        identity: Option<&Identity>,
        says: impl Fn(&Parts, &Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let tls = identity.map(|identity| acceptor(identity, b"http/1.1"));
        Self::start(Speaks::Http1, tls, Some(Arc::new(says)))
    }

    /// A gRPC service that answers every call with this message.
    pub(crate) fn grpc(message: &'static [u8]) -> Self {
        let says = move |_: &Parts, _: &Bytes| {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let mut response = Response::new(Full::new([&[0], &length[..], message].concat().into()));
            for (name, value) in [("content-type", "application/grpc"), ("grpc-status", "0")] {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        };
        Self::start(Speaks::Http2, None, Some(Arc::new(says)))
    }

    /// The head of the next request that has come in.
    pub(crate) fn asked(&self) -> Parts {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// True where no request has come in that was not looked at.
    pub(crate) fn idle(&self) -> bool {
        self.asked.try_recv().is_err()
    }

    fn start(speaks: Speaks, tls: Option<TlsAcceptor>, script: Option<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (tell, asked) = channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (tell, tls, script) = (tell.clone(), tls.clone(), script.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serve(stream, speaks, (tell, script)).await,
                            // Whoever does not believe us hangs up.
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(stream, speaks, (tell, script)).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self { address, asked }
    }
}

/// Agrees on this protocol alone.
fn acceptor(identity: &Identity, protocol: &[u8]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let mut config =
        config.with_single_cert(vec![identity.certificate.clone()], identity.private_key()).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config).into()
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    speaks: Speaks,
    (tell, script): (Sender<Parts>, Option<Script>),
) {
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| answer(request, tell.clone(), script.clone()));
    // The gateway may hang up whenever it likes.
    let (Ok(()) | Err(_)) = match speaks {
        Speaks::Http1 => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
        Speaks::Http2 => {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.serve_connection(io, service).await
        }
    };
}

/// gRPC is answered as gRPC: the body comes back with its verdict behind it, or as a verdict alone for `/refused`.
/// All else gets the host and path it asked for.
async fn answer(
    request: Request<Incoming>,
    tell: Sender<Parts>,
    script: Option<Script>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if let Some(script) = script {
        let response = script(&head, &body).map(|body| body.boxed());
        let (Ok(()) | Err(_)) = tell.send(head);
        return Ok(response);
    }
    let grpc = head.headers.get("content-type").cloned().filter(|value| value == "application/grpc");
    let host = head.headers.get("host").and_then(|host| host.to_str().ok());
    let said = format!("{} {}", host.or(head.uri.host()).unwrap_or_default(), head.uri.path());
    let refused = head.uri.path() == "/refused";
    // A test that has what it wants no longer listens.
    let (Ok(()) | Err(_)) = tell.send(head);
    let Some(grpc) = grpc else {
        return Ok(Response::new(Full::new(Bytes::from(said)).boxed()));
    };
    let verdict = |code: &'static str| {
        HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(code))])
    };
    if refused {
        let mut response = Response::new(Full::default().boxed());
        response.headers_mut().extend(verdict("7"));
        response.headers_mut().insert("content-type", grpc);
        return Ok(response);
    }
    let mut trailers = verdict("0");
    trailers.insert("grpc-message", HeaderValue::from_static("well done"));
    let body = Full::new(body).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert("content-type", grpc);
    Ok(response)
}
