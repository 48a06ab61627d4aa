//! An HTTP client that is not ours: hyper, with rustls where asked.
use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::gateway::PATIENCE;

/// One connection, driven only while an answer is waited for.
pub(crate) struct Client {
    runtime: Runtime,
    sender: Sender,
    /// What the server showed of itself, where TLS is spoken.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

/// What is offered when a connection begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer {
    Http1,
    Http2,
}

// === impl Client ===

impl Client {
    pub(crate) fn plain(port: u16, offer: Offer) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            handshake(stream, offer).await
        });
        Self { runtime, sender, certificate: None }
    }

    /// Asks for `name` and believes `roots`; offers HTTP/1.1, and HTTP/2 before it where asked to.
    pub(crate) fn tls(port: u16, name: &str, roots: &[&CertificateDer<'static>], offer: Offer) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connector = TlsConnector::from(Arc::new(believing(roots, offer)));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let (sender, certificate) = runtime.block_on(async {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let stream = connector.connect(name, stream).await.unwrap();
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().unwrap()[0].clone().into_owned();
            let agreed = if session.alpn_protocol() == Some(b"h2") { Offer::Http2 } else { Offer::Http1 };
            (handshake(stream, agreed).await, certificate)
        });
        Self { runtime, sender, certificate: Some(certificate) }
    }

    pub(crate) fn send(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let Self { runtime, sender, .. } = self;
        runtime.block_on(async {
            let answer = async {
                match sender {
                    Sender::Http1(sender) => read(sender.send_request(request).await.unwrap()).await,
                    Sender::Http2(sender) => read(sender.send_request(request).await.unwrap()).await,
                }
            };
            timeout(PATIENCE, answer).await.unwrap()
        })
    }

    /// A GET of this address; `http://host/path` for both protocols.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> Reply {
        self.send(self.request("GET", host, path, ""))
    }

    /// A request in the form that the protocol of this connection wants.
    pub(crate) fn request(
        &self,
        method: &str,
        host: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        let request = match self.sender {
            Sender::Http1(_) => Request::builder().uri(path).header("host", host),
            Sender::Http2(_) => Request::builder().uri(format!("https://{host}{path}")),
        };
        request.method(method).body(Full::new(body.into())).unwrap()
    }
}

fn believing(roots: &[&CertificateDer<'static>], offer: Offer) -> ClientConfig {
    let mut store = RootCertStore::empty();
    roots.iter().for_each(|root| store.add((*root).clone()).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = match offer {
        Offer::Http1 => vec![b"http/1.1".to_vec()],
        Offer::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    config
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, agreed: Offer) -> Sender {
    let io = TokioIo::new(stream);
    match agreed {
        Offer::Http1 => {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            Sender::Http1(sender)
        }
        Offer::Http2 => {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            Sender::Http2(sender)
        }
    }
}

async fn read(response: Response<Incoming>) -> Reply {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Reply {
        status: head.status,
        version: head.version,
        headers: head.headers,
        body: body.to_bytes(),
        trailers,
    }
}
