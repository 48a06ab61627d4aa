use std::{
    convert::Infallible,
    error::Error,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Drain, Inbound, Listener, TlsHandle,
    drain::Phase,
    stream::Stream,
    watch::{InFlight, LINGER, Limits, Order, Reaper, Tracked, Watch},
};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type BoxError = Box<dyn Error + Send + Sync>;

/// Limits and deadlines of a server; the defaults suit the open internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Open connections over all servers that share the [`Drain`]; more are closed at once. 50,000.
    pub max_connections: usize,
    /// TLS handshake and the first bytes that tell the protocol. 10 s.
    pub handshake_timeout: Duration,
    /// A whole HTTP/1 request head, from its first byte; the first head from the start of the connection. 10 s.
    pub header_timeout: Duration,
    /// A connection on which nothing is asked. 1 h.
    pub idle_timeout: Duration,
    /// Between two pieces of a request body. 5 min.
    pub body_idle_timeout: Duration,
    /// A client that takes no byte although some wait for it. 5 min.
    pub write_timeout: Duration,
    /// Bytes of a request head; more is a 431. 60 KiB.
    pub max_header_bytes: u32,
    /// Header fields of an HTTP/1 request; more is a 431. 100.
    pub max_headers: usize,
    /// Concurrent requests on one HTTP/2 connection. 100.
    pub max_streams: u32,
    /// Bytes one HTTP/2 request body may be ahead of us. 64 KiB.
    pub stream_window: u32,
    /// Bytes all HTTP/2 request bodies of one connection may be ahead of us. 1 MiB.
    pub connection_window: u32,
    /// Whether an HTTP/2 client is probed with a ping, and after how much silence. 30 s.
    pub ping_interval: Option<Duration>,
}

/// Accepts connections on one core and hands their requests over.
#[derive(Clone, Debug)]
pub struct Server {
    settings: Rc<ServerSettings>,
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
    certificate: Option<Box<[u8]>>,
}

/// What every connection of one server shares.
struct Host<H> {
    settings: Rc<ServerSettings>,
    http1: http1::Builder,
    http2: http2::Builder<Local>,
    reaper: Reaper,
    handler: H,
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

// === impl ServerSettings ===

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 50_000,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
            body_idle_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(300),
            max_header_bytes: 60 * 1024,
            max_headers: 100,
            max_streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            ping_interval: Some(Duration::from_secs(30)),
        }
    }
}

impl ServerSettings {
    /// How often deadlines are looked at: fine enough for the shortest, at most every second.
    fn tick(&self) -> Duration {
        let shortest =
            self.handshake_timeout.min(self.header_timeout).min(self.idle_timeout).min(self.write_timeout);
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }

    fn limits(&self) -> Limits {
        let tick = self.tick();
        Limits {
            handshake: Limits::ticks(self.handshake_timeout, tick),
            head: Limits::ticks(self.header_timeout, tick),
            idle: Limits::ticks(self.idle_timeout, tick),
            write: Limits::ticks(self.write_timeout, tick),
            linger: Limits::ticks(LINGER, tick),
        }
    }

    fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        // The reaper keeps the deadlines: one timer a core instead of one a request.
        builder.header_read_timeout(None);
        builder.max_headers(self.max_headers);
        builder.max_header_size(usize::try_from(self.max_header_bytes).unwrap_or(usize::MAX));
        builder
    }

    fn http2(&self) -> http2::Builder<Local> {
        let mut builder = http2::Builder::new(Local);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(self.max_header_bytes)
            .initial_stream_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .max_send_buf_size(64 * 1024)
            .keep_alive_interval(self.ping_interval);
        builder
    }
}

// === impl Server ===

impl Server {
    /// A server that stops when `drain` says so.
    #[must_use]
    pub fn new(settings: ServerSettings, drain: Drain) -> Self {
        Self { settings: Rc::new(settings), drain }
    }

    /// Serves `listener` until the drain is over and the last connection has ended or was cut.
    ///
    /// Has to run on a `LocalSet`. `handler` is called for each request; its future is dropped when the client goes
    /// away. To answer an upgrade, return a 101 and take the connection with [`crate::on_upgrade`].
    ///
    /// # Errors
    /// When the socket cannot be registered with the runtime. Errors of single connections end those alone.
    pub async fn run<H, F, B>(&self, listener: Listener, tls: Option<TlsHandle>, handler: H) -> io::Result<()>
    where
        H: Fn(Request<Inbound>, Peer) -> F + 'static,
        F: Future<Output = Response<B>> + 'static,
        B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
    {
        let host = self.host(handler);
        let listener = listener.into_tokio()?;
        let ticker = host.settings.tick();
        let mut phase = self.drain.watch();
        let mut ticks = interval(ticker);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        {
            let mut accepting = pin!(self.accept(&listener, tls.as_ref(), &host));
            loop {
                tokio::select! {
                    biased;
                    changed = phase.wait_for(|phase| *phase != Phase::Serving) => {
                        drop(changed);
                        break;
                    }
                    _ = ticks.tick() => host.reaper.tick(),
                    () = &mut accepting => {}
                }
            }
        }
        drop(listener);
        host.reaper.tell_all(Order::Leave);
        let mut last = Phase::Draining;
        while !host.reaper.is_empty() {
            tokio::select! {
                _ = ticks.tick() => host.reaper.tick(),
                changed = phase.wait_for(|phase| *phase > last) => {
                    last = changed.map_or(Phase::Cut, |phase| *phase);
                    host.reaper.tell_all(Order::Die);
                }
                () = self.drain.closed_one() => {}
            }
        }
        Ok(())
    }

    fn host<H>(&self, handler: H) -> Rc<Host<H>> {
        Rc::new(Host {
            http1: self.settings.http1(),
            http2: self.settings.http2(),
            reaper: Reaper::new(self.settings.limits()),
            settings: Rc::clone(&self.settings),
            handler,
        })
    }

    async fn accept<H, F, B>(&self, listener: &TcpListener, tls: Option<&TlsHandle>, host: &Rc<Host<H>>)
    where
        H: Fn(Request<Inbound>, Peer) -> F + 'static,
        F: Future<Output = Response<B>> + 'static,
        B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((socket, remote)) => {
                    if self.drain.load().connections >= self.settings.max_connections {
                        tracing::debug!(%remote, "connection refused: too many are open");
                        continue;
                    }
                    let watch = host.reaper.watch(&self.drain);
                    let connection = connection(Rc::clone(host), (socket, remote), tls.cloned(), watch);
                    spawn_local(connection);
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection<H, F, B>(
    host: Rc<Host<H>>,
    (socket, remote): (TcpStream, SocketAddr),
    tls: Option<TlsHandle>,
    watch: Arc<Watch>,
) where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    let Ok(local) = prepare(&socket) else { return };
    let ready = while_serving(&watch, async {
        match tls {
            None => plain(socket).await.map(|(stream, prefix, version)| (stream, prefix, version, None)),
            Some(tls) => secure(socket, &tls)
                .await
                .map(|(stream, version, facts)| (stream, Bytes::new(), version, Some(facts))),
        }
    });
    match ready.await {
        Some(Ok((stream, prefix, version, tls))) => {
            let peer = Peer(Arc::new(Facts { remote, local, tls }));
            let io = Tracked::new(stream, prefix, Arc::clone(&watch));
            serve(&host, io, (version, peer), &watch).await;
        }
        Some(Err(error)) => tracing::debug!(%remote, %error, "connection not set up"),
        None => tracing::debug!(%remote, "connection not set up in time"),
    }
}

/// Returns our address.
fn prepare(socket: &TcpStream) -> io::Result<SocketAddr> {
    // A streamed reply must not wait for the client's delayed acknowledgement.
    socket.set_nodelay(true)?;
    socket.local_addr()
}

/// Reads until it is clear whether the client speaks HTTP/2 with prior knowledge.
async fn plain(mut socket: TcpStream) -> io::Result<(Stream, Bytes, Version)> {
    let mut seen = [0; PREFACE.len()];
    let mut filled = 0;
    let version = loop {
        if let Some(version) = sniff(&seen[..filled]) {
            break version;
        }
        let count = socket.read(&mut seen[filled..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
    };
    Ok((Stream::Tcp(socket), Bytes::copy_from_slice(&seen[..filled]), version))
}

/// What the first bytes of a connection tell; none while they may still become either.
fn sniff(seen: &[u8]) -> Option<Version> {
    match (seen.starts_with(PREFACE), PREFACE.starts_with(seen)) {
        (true, _) => Some(Version::Http2),
        (false, true) => None,
        (false, false) => Some(Version::Http1),
    }
}

async fn secure(socket: TcpStream, tls: &TlsHandle) -> io::Result<(Stream, Version, TlsFacts)> {
    let stream = TlsAcceptor::from(tls.load()).accept(socket).await?;
    let (_, session) = stream.get_ref();
    let version = match session.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        _ => Version::Http1,
    };
    let facts = TlsFacts {
        server_name: session.server_name().map(Into::into),
        certificate: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.as_ref().into()),
    };
    Ok((Stream::Accepted(Box::new(stream)), version, facts))
}

async fn while_serving<F: Future>(watch: &Watch, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // What has already arrived is taken up even where the order to leave came with it.
    poll_fn(|cx| match (future.as_mut().poll(cx), watch.order(cx)) {
        (Poll::Ready(ready), _) => Poll::Ready(Some(ready)),
        (Poll::Pending, Order::Serve) => Poll::Pending,
        (Poll::Pending, Order::Leave | Order::Die) => Poll::Ready(None),
    })
    .await
}

async fn serve<H, F, B>(host: &Rc<Host<H>>, io: Tracked, (version, peer): (Version, Peer), watch: &Arc<Watch>)
where
    H: Fn(Request<Inbound>, Peer) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    let service = service_fn({
        let (host, watch) = (Rc::clone(host), Arc::clone(watch));
        move |request: Request<Incoming>| {
            let in_flight = match version {
                Version::Http1 => watch.request(),
                Version::Http2 => host.reaper.stream(&watch),
            };
            let patience = host.settings.body_idle_timeout;
            let request = request.map(|body| Inbound::new(body, patience, &watch));
            let response = (host.handler)(request, peer.clone());
            Answering { response, in_flight: Some(in_flight) }
        }
    });
    let outcome = match version {
        Version::Http1 => {
            watch.await_head();
            let connection = host.http1.serve_connection(TokioIo::new(io), service).with_upgrades();
            let outcome = drive(connection, watch, http1::UpgradeableConnection::graceful_shutdown).await;
            // Where the connection was upgraded, the tunnel holds the transport from here on.
            watch.tunnel();
            outcome
        }
        Version::Http2 => {
            watch.await_stream();
            let connection = host.http2.serve_connection(TokioIo::new(io.multiplexed()), service);
            drive(connection, watch, http2::Connection::graceful_shutdown).await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = &error as &dyn Error, "connection ended early");
    }
}

async fn drive<C>(connection: C, watch: &Watch, leave: impl Fn(Pin<&mut C>)) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut leaving = false;
    poll_fn(|cx| {
        match watch.order(cx) {
            Order::Serve => {}
            Order::Leave => {
                if !leaving {
                    leaving = true;
                    leave(connection.as_mut());
                }
            }
            Order::Die => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
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

    /// The client's certificate (DER), verified against the listener's authorities.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.0.tls.as_ref()?.certificate.as_deref()
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
        let response = ready!(this.response.poll(cx));
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
        prepare(&socket).unwrap();
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
