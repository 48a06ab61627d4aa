use std::{
    cell::Cell,
    convert::Infallible,
    error::Error,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header::CONNECTION};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{ServerConnection, server::Acceptor};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep},
};
use tokio_rustls::LazyConfigAcceptor;
use tollgate_types::ClientCertificateFacts;

use crate::{
    Drain, FrontHandle, Inbound, Keepalive, Listener, ProxyHeader, ProxyProtocol, client_facts,
    drain::Phase,
    front::{Faces, Terms},
    stream::{Rewound, Stream},
    tracked::Tracked,
    watch::{InFlight, Order, Reaper, Watch},
};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Connections beyond the limit that wait for their end, per core; further ones are closed at once.
const MAX_DELAYED: usize = 1024;

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type BoxError = Box<dyn Error + Send + Sync>;

/// Accepts connections on one core and hands their requests over.
#[derive(Clone, Debug)]
pub struct Server {
    drain: Drain,
}

/// Who sent a request. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    remote: SocketAddr,
    local: SocketAddr,
    tls: Option<TlsFacts>,
}

#[derive(Debug)]
struct TlsFacts {
    server_name: Option<Box<str>>,
    certificate: Option<Arc<ClientCertificateFacts>>,
}

/// What every connection of one server shares.
struct Host<H> {
    reaper: Reaper,
    /// Connections beyond the limit that are not closed yet.
    delayed: Cell<usize>,
    handler: H,
}

/// A connection whose client has shown what it wants.
struct Known {
    stream: Stream,
    /// Read while that was found out; it is read again.
    prefix: Bytes,
    version: Version,
    terms: Arc<Terms>,
    peer: Peer,
}

/// Runs the tasks of HTTP/2 connections on this core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

pin_project_lite::pin_project! {
    /// A handler at work.
    struct Answering<F> {
        #[pin]
        response: F,
        in_flight: Option<InFlight>,
        // The connection ends with this response.
        last: bool,
    }
}

pin_project_lite::pin_project! {
    /// A response body that knows when its request is over.
    struct Outbound<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
    }
}

// === impl Server ===

impl Server {
    /// A server that stops when `drain` says so.
    #[must_use]
    pub const fn new(drain: Drain) -> Self {
        Self { drain }
    }

    /// Serves `listener` until the drain is over and the last connection has ended or was cut.
    ///
    /// Has to run on a `LocalSet` or a local runtime. `handler` is called for each request; its future is dropped when the client goes
    /// away. To answer an upgrade, return a 101 and take the connection with [`crate::on_upgrade`].
    ///
    /// # Errors
    /// When the socket cannot be registered with the runtime. Errors of single connections end those alone.
    pub async fn run<H, F, B>(&self, listener: Listener, front: FrontHandle, handler: H) -> io::Result<()>
    where
        H: Fn(Request<Inbound>, Peer) -> F + 'static,
        F: Future<Output = Response<B>> + 'static,
        B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
    {
        let host = Rc::new(Host { reaper: Reaper::new(), delayed: Cell::new(0), handler });
        let listener = listener.into_tokio()?;
        let mut phase = self.drain.watch();
        let began = Instant::now();
        let mut ticks = ticker(front.load().tick);
        {
            let mut accepting = pin!(self.accept(&listener, &front, &host));
            loop {
                tokio::select! {
                    biased;
                    changed = phase.wait_for(|phase| *phase != Phase::Serving) => {
                        drop(changed);
                        break;
                    }
                    _ = ticks.tick() => {
                        host.reaper.tick(began.elapsed());
                        let tick = front.load().tick;
                        if tick != ticks.period() {
                            ticks = ticker(tick);
                        }
                    }
                    () = &mut accepting => {}
                }
            }
        }
        drop(listener);
        host.reaper.tell_all(Order::Leave);
        let mut last = Phase::Draining;
        while !host.reaper.is_empty() {
            tokio::select! {
                _ = ticks.tick() => host.reaper.tick(began.elapsed()),
                changed = phase.wait_for(|phase| *phase > last) => {
                    last = changed.map_or(Phase::Cut, |phase| *phase);
                    host.reaper.tell_all(Order::Die);
                }
                () = self.drain.closed_one() => {}
            }
        }
        Ok(())
    }

    async fn accept<H, F, B>(&self, listener: &TcpListener, front: &FrontHandle, host: &Rc<Host<H>>)
    where
        H: Fn(Request<Inbound>, Peer) -> F + 'static,
        F: Future<Output = Response<B>> + 'static,
        B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((socket, remote)) => {
                    let faces = front.load();
                    let settings = &faces.common.settings;
                    if self.drain.load().connections >= settings.max_connections {
                        tracing::debug!(%remote, "connection refused: too many are open");
                        refuse(host, socket, settings.close_delay);
                        continue;
                    }
                    let watch = host.reaper.watch(faces.common.limits, &self.drain);
                    spawn_local(connection(Rc::clone(host), (socket, remote), faces, watch));
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn ticker(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Closes a connection beyond the limit, after a while where clients are to be slowed down.
fn refuse<H: 'static>(host: &Rc<Host<H>>, socket: TcpStream, delay: Duration) {
    if delay.is_zero() || host.delayed.get() >= MAX_DELAYED {
        return;
    }
    host.delayed.set(host.delayed.get() + 1);
    let host = Rc::clone(host);
    spawn_local(async move {
        sleep(delay).await;
        drop(socket);
        host.delayed.set(host.delayed.get() - 1);
    });
}

async fn connection<H, F, B>(
    host: Rc<Host<H>>,
    (socket, remote): (TcpStream, SocketAddr),
    faces: Arc<Faces>,
    watch: Arc<Watch>,
) where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    let Ok(local) = prepare(&socket, faces.common.settings.keepalive) else { return };
    // Boxed, since the connection lives on long after that: a handshake takes more room than all that follows.
    let knowing = Box::pin(know(socket, (remote, local), &faces, &watch));
    match while_serving(&watch, knowing).await {
        Some(Ok(known)) => serve(&host, known, &watch).await,
        Some(Err(error)) => tracing::debug!(%remote, %error, "connection not set up"),
        None => tracing::debug!(%remote, "connection not set up in time"),
    }
}

/// Finds out whose connection it is, what it speaks and what it goes by.
async fn know(
    mut socket: TcpStream,
    ends: (SocketAddr, SocketAddr),
    faces: &Faces,
    watch: &Watch,
) -> io::Result<Known> {
    let (prefix, told) = proxied(&mut socket, faces.common.settings.proxy_protocol).await?;
    let (remote, local) = told.unwrap_or(ends);
    if faces.common.tls.is_none() {
        let (prefix, version) = plain(&mut socket, prefix).await?;
        watch.handshake(faces.common.limits);
        let peer = Peer(Arc::new(Facts { remote, local, tls: None }));
        let terms = Arc::clone(&faces.common);
        return Ok(Known { stream: Stream::Tcp(socket), prefix, version, terms, peer });
    }
    let hello = LazyConfigAcceptor::new(Acceptor::default(), Rewound::new(socket, prefix)).await?;
    let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
    let terms = Arc::clone(faces.terms(name.as_deref()));
    let config = terms.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
    watch.handshake(terms.limits);
    let stream = hello.into_stream(config).await?;
    let (version, tls) = agreed(stream.get_ref().1, name);
    let peer = Peer(Arc::new(Facts { remote, local, tls: Some(tls) }));
    Ok(Known { stream: Stream::Accepted(Box::new(stream)), prefix: Bytes::new(), version, terms, peer })
}

/// What the handshake came to.
fn agreed(session: &ServerConnection, name: Option<String>) -> (Version, TlsFacts) {
    let version = match session.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        _ => Version::Http1,
    };
    let certificate = session.peer_certificates().and_then(client_facts::facts).map(Arc::new);
    (version, TlsFacts { server_name: name.map(Into::into), certificate })
}

/// Reads the PROXY header, where there is to be one. Returns what was read after it, and both ends as it names them.
async fn proxied(
    socket: &mut TcpStream,
    expected: ProxyProtocol,
) -> io::Result<(Bytes, Option<(SocketAddr, SocketAddr)>)> {
    let mut seen = BytesMut::new();
    if expected == ProxyProtocol::Off {
        return Ok((Bytes::new(), None));
    }
    loop {
        match ProxyHeader::read(&seen) {
            ProxyHeader::Incomplete => {}
            ProxyHeader::Absent if expected == ProxyProtocol::Optional => return Ok((seen.freeze(), None)),
            ProxyHeader::Absent | ProxyHeader::Broken => return Err(io::ErrorKind::InvalidData.into()),
            ProxyHeader::Present { length, addresses } => {
                seen.advance(length.min(seen.len()));
                return Ok((seen.freeze(), addresses));
            }
        }
        // Longer headers are broken, so this ends.
        if socket.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns our address.
fn prepare(socket: &TcpStream, keepalive: Option<Keepalive>) -> io::Result<SocketAddr> {
    // A streamed reply must not wait for the client's delayed acknowledgement.
    socket.set_nodelay(true)?;
    keepalive.map_or(Ok(()), |keepalive| keepalive.apply(socket))?;
    socket.local_addr()
}

/// Reads until it is clear whether the client speaks HTTP/2 with prior knowledge.
async fn plain(socket: &mut TcpStream, prefix: Bytes) -> io::Result<(Bytes, Version)> {
    let mut seen = BytesMut::from(prefix);
    loop {
        if let Some(version) = sniff(&seen) {
            return Ok((seen.freeze(), version));
        }
        // No more than the preface, which a body of unknown size may follow.
        let left = PREFACE.len().saturating_sub(seen.len());
        if socket.read_buf(&mut (&mut seen).limit(left)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What the first bytes of a connection tell; none while they may still become either.
fn sniff(seen: &[u8]) -> Option<Version> {
    match (seen.starts_with(PREFACE), PREFACE.starts_with(seen)) {
        (true, _) => Some(Version::Http2),
        (false, true) => None,
        (false, false) => Some(Version::Http1),
    }
}

async fn while_serving<F: Future>(watch: &Watch, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // What has already arrived is taken up even where the order to leave came with it.
    poll_fn(|cx| match (future.as_mut().poll(cx), watch.order(cx)) {
        (Poll::Ready(ready), _) => Poll::Ready(Some(ready)),
        (Poll::Pending, Order::Serve) => Poll::Pending,
        (Poll::Pending, Order::Leave | Order::Late | Order::Die) => Poll::Ready(None),
    })
    .await
}

async fn serve<H, F, B>(host: &Rc<Host<H>>, known: Known, watch: &Arc<Watch>)
where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    let Known { stream, prefix, version, terms, peer } = known;
    let io = Tracked::new(stream, prefix, Arc::clone(watch));
    let (patience, all) = (terms.settings.body_idle_timeout, terms.settings.request_timeout);
    let service = service_fn({
        let (host, watch) = (Rc::clone(host), Arc::clone(watch));
        move |request: Request<Incoming>| {
            let in_flight = match version {
                Version::Http1 => watch.request(),
                Version::Http2 => host.reaper.stream(&watch),
            };
            let last = version == Version::Http1 && watch.is_spent();
            let spoken = request.version();
            let request = request.map(|body| Inbound::new(body, patience, all, &watch).of(spoken));
            let response = (host.handler)(request, peer.clone());
            Answering { response, in_flight: Some(in_flight), last }
        }
    });
    let outcome = match version {
        Version::Http1 => {
            watch.await_head();
            let connection = terms.http1.serve_connection(TokioIo::new(io), service).with_upgrades();
            let outcome =
                drive(Box::pin(connection), watch, http1::UpgradeableConnection::graceful_shutdown).await;
            // Where the connection was upgraded, the tunnel holds the transport from here on.
            watch.tunnel();
            outcome
        }
        Version::Http2 => {
            watch.await_stream();
            let connection = terms.http2.serve_connection(TokioIo::new(io.multiplexed()), service);
            drive(Box::pin(connection), watch, http2::Connection::graceful_shutdown).await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = &error as &dyn Error, "connection ended early");
    }
}

/// Boxed, since it would otherwise take its room here twice.
async fn drive<C>(
    mut connection: Pin<Box<C>>,
    watch: &Arc<Watch>,
    leave: impl Fn(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut leaving = false;
    let waker = Waker::from(Arc::clone(watch));
    poll_fn(|cx| {
        match watch.order(cx) {
            Order::Serve | Order::Late => {}
            Order::Leave => {
                if !leaving {
                    leaving = true;
                    leave(connection.as_mut());
                }
            }
            Order::Die => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

// === impl Peer ===

impl Peer {
    /// The address the connection came from.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.0.remote
    }

    /// Our address it came to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.0.local
    }

    /// True where the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.tls.is_some()
    }

    /// The name the client asked for in its TLS handshake, in lower case.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.0.tls.as_ref()?.server_name.as_deref()
    }

    /// The client's certificate, as far as the listener asks for one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Arc<ClientCertificateFacts>> {
        self.0.tls.as_ref()?.certificate.as_ref()
    }
}

// === impl Local ===

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

// === impl Answering ===

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Response<B>>,
{
    type Output = Result<Response<Outbound<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx));
        if *this.last {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let in_flight = this.in_flight.take().expect("hyper polls no handler after its response");
        in_flight.offered();
        Poll::Ready(Ok(response.map(|body| Outbound { body, in_flight })))
    }
}

// === impl Outbound ===

impl<B: Body> Body for Outbound<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        // hyper asks for the next piece when the client has made room for it.
        this.in_flight.taken();
        let frame = this.body.poll_frame(cx);
        if frame.is_ready() {
            this.in_flight.offered();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use tokio::net::{TcpListener, TcpStream};

    use super::{PREFACE, Version, prepare, sniff};

    #[tokio::test]
    async fn what_is_accepted_sends_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        prepare(&socket, None).unwrap();
        assert!(socket.nodelay().unwrap());
    }

    /// As `plain` does it: the first answer, reading in pieces.
    fn told(bytes: &[u8], pieces: &[usize]) -> Option<Version> {
        let mut seen = 0;
        for piece in pieces {
            seen = bytes.len().min(PREFACE.len()).min(seen + piece);
            if let Some(version) = sniff(&bytes[..seen]) {
                return Some(version);
            }
        }
        sniff(&bytes[..bytes.len().min(PREFACE.len())])
    }

    proptest! {
        #[test]
        fn the_protocol_is_told_alike_in_any_split(
            kept in 0..=PREFACE.len(),
            tail in proptest::collection::vec(any::<u8>(), 0..40),
            pieces in proptest::collection::vec(1..9_usize, 0..30),
        ) {
            let bytes = [&PREFACE[..kept], &tail].concat();
            let whole = bytes.len().min(PREFACE.len());
            prop_assert_eq!(told(&bytes, &pieces), sniff(&bytes[..whole]));
            prop_assert_eq!(sniff(&bytes[..whole]) == Some(Version::Http2), bytes.starts_with(PREFACE));
        }
    }
}
