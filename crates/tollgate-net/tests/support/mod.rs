//! Servers and clients over loopback, each on a port of its own.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    num::NonZeroUsize,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::{LocalSet, spawn_local},
};
use tollgate_net::{
    Drain, Failure, Front, FrontHandle, Inbound, Listener, Origin, Overrides, Peer, Pool, PoolSettings,
    Protocol, Resolver, Server, ServerSettings, ServerTls, UpstreamBody,
};

/// Runs a test on one core.
pub(crate) fn on_a_core(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Runs a test on one core whose clock jumps to the next deadline whenever nothing else is to do.
pub(crate) fn with_jumping_clock(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// A body of fixed chunks, each a frame.
#[derive(Default)]
pub(crate) struct Parts(pub(crate) VecDeque<Bytes>);

impl<T: Into<Bytes>> From<T> for Parts {
    fn from(whole: T) -> Self {
        Self([whole.into()].into())
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|part| part.len() as u64).sum())
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
}

pub(crate) fn serve<H, F, B>(settings: ServerSettings, tls: Option<ServerTls>, handler: H) -> Running
where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    serve_at(([127, 0, 0, 1], 0).into(), settings, tls, handler)
}

pub(crate) fn serve_at<H, F, B>(
    address: SocketAddr,
    settings: ServerSettings,
    tls: Option<ServerTls>,
    handler: H,
) -> Running
where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let front = FrontHandle::new(Front { settings, tls, ..Front::default() }).unwrap();
    serve_front(address, front, handler)
}

pub(crate) fn serve_front<H, F, B>(address: SocketAddr, front: FrontHandle, handler: H) -> Running
where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let drain = Drain::new();
    let server = Server::new(drain.clone());
    let listener = Listener::bind(address, NonZeroUsize::MIN).unwrap().remove(0);
    let address = listener.address();
    spawn_local(async move { server.run(listener, front, handler).await.unwrap() });
    Running { address, drain }
}

/// Answers every request with its path and body.
pub(crate) async fn echo(request: Request<Inbound>, _peer: Peer) -> Response<Parts> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect(1 << 20).await.unwrap();
    Response::new(Parts::from([path.as_bytes(), b" ", &body].concat()))
}

/// An upstream that speaks bytes: each connection is one call of `talk`, told how many came before.
pub(crate) async fn scripted<F>(talk: impl Fn(usize, TcpStream) -> F + 'static) -> SocketAddr
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        for number in 0.. {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            spawn_local(talk(number, socket));
        }
    });
    address
}

/// Reads up to the end of a request head; returns it.
pub(crate) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

pub(crate) async fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Writes `bytes`, then reads until the server closes the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = dial(address).await;
    socket.write_all(bytes).await.unwrap();
    rest(&mut socket).await
}

/// What comes until the other side closes, whether it does so politely or not.
pub(crate) async fn rest(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = socket.read(&mut chunk).await {
        all.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` has arrived.
pub(crate) async fn until(socket: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(end) {
        match socket.read_u8().await {
            Ok(byte) => all.push(byte),
            Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

pub(crate) fn pool() -> Pool {
    pool_with(PoolSettings::default())
}

pub(crate) fn pool_with(settings: PoolSettings) -> Pool {
    Pool::new(settings, Resolver::system(Arc::new(Overrides::default())))
}

pub(crate) fn plain(address: SocketAddr, protocol: Protocol) -> Origin {
    Origin::new(&address.ip().to_string(), address.port(), protocol, None)
}

pub(crate) fn post(path: &str, body: &'static str) -> Request<tollgate_net::Payload> {
    Request::post(path).body(Bytes::from_static(body.as_bytes()).into()).unwrap()
}

/// The whole body as text.
pub(crate) async fn text(response: Response<UpstreamBody>) -> Result<String, Failure> {
    let mut body = response.into_body();
    let mut chunks = Vec::new();
    while let Some(more) = body.next_chunks(&mut chunks).await {
        more?;
    }
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

/// A list that tasks of one core share.
pub(crate) type Shared<T> = Rc<RefCell<Vec<T>>>;
