//! Clients of the scenarios: HTTP/1.1, HTTP/2 and WebSockets, with TLS where the listener speaks it.
use std::{
    convert::Infallible,
    fmt,
    future::ready,
    net::{Ipv4Addr, TcpStream},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Builder,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tollgate_testkit::{
    http::{self, Ask, Reply},
    process::PATIENCE,
    socket,
};

/// The host that clients ask for, where a scenario names no other.
const HOST: &str = "gateway.test";
/// Headers that HTTP/2 does not have.
const OF_HTTP1: [&str; 3] = ["host", "connection", "transfer-encoding"];

/// What a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Over {
    #[default]
    Http1,
    Http2,
}

/// What a client asks, beyond a head and a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) over: Over,
    pub(crate) trailers: Vec<(String, String)>,
    /// Texts of a WebSocket, and how many come before it is closed.
    pub(crate) say: Option<(&'a [String], usize)>,
}

/// Where a scenario's clients come in.
pub(crate) struct Door {
    pub(crate) port: u16,
    tls: Option<Tls>,
}

/// A certificate that vouches for itself, and who believes it.
struct Tls {
    certificate: String,
    key: String,
    roots: RootCertStore,
}

// === impl Over ===

impl Over {
    /// As scenarios write it.
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "http1" | "" => Some(Self::Http1),
            "http2" => Some(Self::Http2),
            _ => None,
        }
    }
}

// === impl Door ===

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("port", &self.port).field("tls", &self.tls.is_some()).finish()
    }
}

impl Door {
    pub(crate) fn new(port: u16, tls: bool) -> Self {
        Self { port, tls: tls.then(Tls::new) }
    }

    /// The Gateway, and the certificate where there is one.
    pub(crate) fn resources(&self) -> Vec<Value> {
        let mut listener = json!({"name": "http", "protocol": "HTTP", "port": self.port});
        let mut resources = Vec::new();
        if let Some(tls) = &self.tls {
            listener["protocol"] = "HTTPS".into();
            listener["tls"] = json!({"certificateRefs": [{"name": "certificate"}]});
            resources.push(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "certificate"},
                "type": "kubernetes.io/tls",
                "stringData": {"tls.crt": tls.certificate, "tls.key": tls.key},
            }));
        }
        resources.push(json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "tollgate"},
            "spec": {"gatewayClassName": "tollgate", "listeners": [listener]},
        }));
        resources
    }

    /// Asks on a connection of its own, and reads what comes to its end.
    pub(crate) fn ask(&self, call: &Call<'_>) -> Reply {
        match call.over {
            Over::Http1 => self.http1(call).unwrap_or_default(),
            Over::Http2 => {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                let asked = runtime.block_on(async { timeout(PATIENCE, self.http2(call)).await });
                asked.ok().flatten().unwrap_or_default()
            }
        }
    }

    fn http1(&self, call: &Call<'_>) -> Option<Reply> {
        let call = &chunked(call.clone());
        let stream = http::connect(self.port)?;
        Some(match &self.tls {
            None => talk(stream, call),
            Some(tls) => {
                let session = ClientConnection::new(tls.config(b"http/1.1"), name(&call.ask)).unwrap();
                talk(StreamOwned::new(session, stream), call)
            }
        })
    }

    async fn http2(&self, call: &Call<'_>) -> Option<Reply> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_nonblocking(true).ok()?;
        let stream = tokio::net::TcpStream::from_std(stream).ok()?;
        match &self.tls {
            None => over_http2(stream, "http", call).await,
            Some(tls) => {
                let connector = TlsConnector::from(tls.config(b"h2"));
                let stream = connector.connect(name(&call.ask), stream).await.ok()?;
                let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                if agreed { over_http2(stream, "https", call).await } else { None }
            }
        }
    }
}

fn host<'a>(ask: &'a Ask<'_>) -> &'a str {
    ask.headers.get("host").map_or(HOST, String::as_str)
}

fn name(ask: &Ask<'_>) -> ServerName<'static> {
    ServerName::try_from(host(ask).to_owned()).unwrap()
}

fn talk(stream: impl std::io::Read + std::io::Write, call: &Call<'_>) -> Reply {
    match call.say {
        Some(texts) => socket::talk(stream, &call.ask, texts),
        None => http::converse(stream, &call.ask),
    }
}

/// With trailers behind its body where it has some.
fn chunked(mut call: Call<'_>) -> Call<'_> {
    if call.trailers.is_empty() {
        return call;
    }
    let names: Vec<_> = call.trailers.iter().map(|(name, _)| name.as_str()).collect();
    let headers = &mut call.ask.headers;
    headers.insert("transfer-encoding".to_owned(), "chunked".to_owned());
    headers.entry("trailer".to_owned()).or_insert_with(|| names.join(", "));
    let trailers: String = call.trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let body = &mut call.ask.body;
    let chunk = if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
    *body = format!("{chunk}0\r\n{trailers}\r\n");
    call
}

async fn over_http2<S>(stream: S, scheme: &str, call: &Call<'_>) -> Option<Reply>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.ok()?;
    drop(tokio::spawn(connection));
    let response = sender.send_request(request(scheme, call)).await.ok()?;
    Some(read(response, call.ask.leave_after).await)
}

fn request(scheme: &str, call: &Call<'_>) -> Request<BoxBody<Bytes, Infallible>> {
    let Call { ask, trailers, .. } = call;
    let (method, path) = ask.line.split_once(' ').unwrap();
    let body = Full::new(Bytes::from(ask.body.clone()));
    let body = match map(trailers.iter()) {
        none if none.is_empty() => body.boxed(),
        trailers => Unsized(body).with_trailers(ready(Some(Ok(trailers)))).boxed(),
    };
    let uri = format!("{scheme}://{}{path}", host(ask));
    let mut request = Request::builder().method(method).uri(uri).body(body).unwrap();
    let headers = ask.headers.iter().filter(|(name, _)| !OF_HTTP1.contains(&name.as_str()));
    *request.headers_mut() = map(headers);
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().entry("content-type").or_insert(json);
    request
}

/// A body whose length is not said beforehand.
struct Unsized(Full<Bytes>);

impl Body for Unsized {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

fn map<'a>(pairs: impl Iterator<Item = impl Pair<'a>>) -> HeaderMap {
    pairs
        .map(|pair| {
            let (name, value) = pair.parts();
            (HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

/// A name and its value, however they are kept.
trait Pair<'a> {
    fn parts(self) -> (&'a str, &'a str);
}

impl<'a> Pair<'a> for &'a (String, String) {
    fn parts(self) -> (&'a str, &'a str) {
        (&self.0, &self.1)
    }
}

impl<'a> Pair<'a> for (&'a String, &'a String) {
    fn parts(self) -> (&'a str, &'a str) {
        (self.0, self.1)
    }
}

async fn read(response: Response<Incoming>, leave_after: Option<usize>) -> Reply {
    let (head, mut body) = response.into_parts();
    let mut reply =
        Reply { status: head.status.as_u16(), headers: listed(&head.headers), ..Reply::default() };
    loop {
        match body.frame().await {
            None => reply.whole = true,
            Some(Err(_)) => {}
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    reply.body.extend_from_slice(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    reply.trailers = listed(trailers);
                }
                let events = reply.body.windows(2).filter(|pair| pair == b"\n\n").count();
                if leave_after.is_none_or(|most| events < most) {
                    continue;
                }
            }
        }
        return reply;
    }
}

fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

// === impl Tls ===

impl Tls {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        Self { certificate: cert.pem(), key: signing_key.serialize_pem(), roots }
    }

    fn config(&self, protocol: &[u8]) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }
}
