use std::{
    cell::RefCell,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Drain, stream::Stream};

/// How long a client that is still sending may take to notice the end.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// Bytes of a refused request that are read for the sake of its client.
const LINGER_BYTES: usize = 32 * 1024 * 1024;

const LINGER_BUFFER: usize = 16 * 1024;

/// Deadlines of one connection, in ticks of the [`Reaper`]'s clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) handshake: u32,
    pub(crate) head: u32,
    pub(crate) idle: u32,
    pub(crate) write: u32,
    pub(crate) linger: u32,
}

/// What a connection waits for, and since when: the whole of its deadlines, without a timer of its own.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Arc<AtomicU32>,
    stage: AtomicU8,
    since: AtomicU32,
    /// Tick since which the client has taken no byte that waits for it; 0 is never.
    blocked: AtomicU32,
    requests: AtomicU32,
    /// The body of the last request was not read to its end.
    unread: AtomicBool,
    order: AtomicU8,
    waker: AtomicWaker,
    drain: Drain,
}

/// What the connection was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    Serve,
    Leave,
    Die,
}

/// What the client has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    /// Finish the TLS handshake and show its protocol.
    Handshake,
    /// Send the rest of an HTTP/1 request head.
    Head,
    /// Nothing: it may keep the connection for later.
    Idle,
    /// Nothing: we owe it a response.
    Busy,
    /// See our response and stop sending: we have closed our side.
    Linger,
    /// Nothing: HTTP is over, and the tunnel has its own deadline.
    Tunnel,
}

/// Looks after all connections of one server on one core: one timer for all of them.
#[derive(Debug)]
pub(crate) struct Reaper {
    clock: Arc<AtomicU32>,
    limits: Limits,
    watched: RefCell<Vec<Weak<Watch>>>,
    streams: RefCell<Vec<(Weak<Stall>, Weak<Watch>)>>,
}

/// A request that has not been answered in full.
#[derive(Debug)]
pub(crate) struct InFlight {
    watch: Arc<Watch>,
    stall: Option<Arc<Stall>>,
}

/// Tick since which an HTTP/2 client gives a response no window; 0 is never.
#[derive(Debug, Default)]
struct Stall(AtomicU32);

/// The transport of an accepted connection: reports progress, and fails once the connection has to die.
#[derive(Debug)]
pub(crate) struct Tracked {
    stream: Stream,
    prefix: Bytes,
    multiplexed: bool,
    discarded: usize,
    watch: Arc<Watch>,
}

// === impl Limits ===

impl Limits {
    /// Rounded up to whole ticks, plus the tick that has already begun.
    pub(crate) fn ticks(limit: Duration, tick: Duration) -> u32 {
        let ticks = limit.as_micros().div_ceil(tick.as_micros().max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX - 1).saturating_add(1)
    }
}

// === impl Stage ===

impl Stage {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Handshake,
            1 => Self::Head,
            2 => Self::Idle,
            3 => Self::Busy,
            4 => Self::Linger,
            _ => Self::Tunnel,
        }
    }
}

// === impl Watch ===

impl Watch {
    fn now(&self) -> u32 {
        self.clock.load(Relaxed)
    }

    fn stage(&self) -> Stage {
        Stage::from_bits(self.stage.load(Relaxed))
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    /// HTTP/1 begins: the first head is due.
    pub(crate) fn await_head(&self) {
        self.enter(Stage::Head);
    }

    /// HTTP/2 begins: the client need not ask for anything yet.
    pub(crate) fn await_stream(&self) {
        self.enter(Stage::Idle);
    }

    /// HTTP is over on this connection.
    pub(crate) fn tunnel(&self) {
        self.enter(Stage::Tunnel);
    }

    pub(crate) fn request(self: &Arc<Self>) -> InFlight {
        InFlight { watch: Arc::clone(self), stall: None }.counted()
    }

    /// A request body is given up: its client may still be sending when we close.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// What to do, and whom to wake when that changes.
    pub(crate) fn order(&self, cx: &Context<'_>) -> Order {
        self.waker.register(cx.waker());
        self.current()
    }

    pub(crate) fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Relaxed) < order as u8 {
            self.waker.wake();
        }
    }

    fn current(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Serve,
            1 => Order::Leave,
            _ => Order::Die,
        }
    }

    fn overdue(&self, limits: &Limits) -> bool {
        let now = self.now();
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && now - blocked >= limits.write {
            return true;
        }
        let waited = now - self.since.load(Relaxed);
        match self.stage() {
            Stage::Handshake => waited >= limits.handshake,
            Stage::Head => waited >= limits.head,
            Stage::Idle => waited >= limits.idle,
            Stage::Linger => waited >= limits.linger,
            Stage::Busy | Stage::Tunnel => false,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.drain.connection_closed();
    }
}

// === impl InFlight ===

impl InFlight {
    fn counted(self) -> Self {
        let watch = &self.watch;
        watch.requests.fetch_add(1, Relaxed);
        watch.drain.request_opened();
        watch.unread.store(false, Relaxed);
        watch.enter(Stage::Busy);
        self
    }

    /// The client has something to take: a head or a piece of a body.
    pub(crate) fn offered(&self) {
        if let Some(stall) = &self.stall {
            stall.0.store(self.watch.now(), Relaxed);
        }
    }

    /// The client took what it was offered.
    pub(crate) fn taken(&self) {
        if let Some(stall) = &self.stall {
            stall.0.store(0, Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.watch.drain.request_closed();
        if self.watch.requests.fetch_sub(1, Relaxed) == 1 && self.watch.stage() == Stage::Busy {
            self.watch.enter(Stage::Idle);
        }
    }
}

// === impl Reaper ===

impl Reaper {
    pub(crate) fn new(limits: Limits) -> Self {
        // Starts at 1, since 0 stands for never.
        Self {
            clock: Arc::new(AtomicU32::new(1)),
            limits,
            watched: RefCell::default(),
            streams: RefCell::default(),
        }
    }

    pub(crate) fn watch(&self, drain: &Drain) -> Arc<Watch> {
        drain.connection_opened();
        let watch = Arc::new(Watch {
            clock: Arc::clone(&self.clock),
            stage: AtomicU8::new(Stage::Handshake as u8),
            since: AtomicU32::new(self.clock.load(Relaxed)),
            blocked: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            unread: AtomicBool::new(false),
            order: AtomicU8::new(Order::Serve as u8),
            waker: AtomicWaker::new(),
            drain: drain.clone(),
        });
        self.watched.borrow_mut().push(Arc::downgrade(&watch));
        watch
    }

    /// A request on an HTTP/2 connection, whose client may starve each response by itself.
    pub(crate) fn stream(&self, watch: &Arc<Watch>) -> InFlight {
        let stall = Arc::new(Stall::default());
        let mut streams = self.streams.borrow_mut();
        if streams.len() == streams.capacity() {
            streams.retain(|(stall, _)| stall.strong_count() > 0);
        }
        streams.push((Arc::downgrade(&stall), Arc::downgrade(watch)));
        InFlight { watch: Arc::clone(watch), stall: Some(stall) }.counted()
    }

    fn tick_streams(&self) {
        let now = self.clock.load(Relaxed);
        self.streams.borrow_mut().retain(|(stall, watch)| {
            let (Some(stall), Some(watch)) = (stall.upgrade(), watch.upgrade()) else { return false };
            let since = stall.0.load(Relaxed);
            if since != 0 && now - since >= self.limits.write {
                watch.tell(Order::Die);
            }
            true
        });
    }

    /// One tick: forgets connections that have ended and ends those that are overdue.
    pub(crate) fn tick(&self) {
        self.clock.fetch_add(1, Relaxed);
        self.watched.borrow_mut().retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            if watch.overdue(&self.limits) {
                watch.tell(Order::Die);
            }
            true
        });
        self.tick_streams();
    }

    pub(crate) fn tell_all(&self, order: Order) {
        for watch in self.watched.borrow().iter().filter_map(Weak::upgrade) {
            watch.tell(order);
        }
    }

    /// True once the last connection has ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.watched.borrow().iter().all(|watch| watch.strong_count() == 0)
    }
}

// === impl Tracked ===

impl Tracked {
    /// `prefix` was read while the protocol was found out; it is read again first.
    pub(crate) fn new(stream: Stream, prefix: Bytes, watch: Arc<Watch>) -> Self {
        Self { stream, prefix, multiplexed: false, discarded: 0, watch }
    }

    /// HTTP/2: bytes between requests are no request head.
    pub(crate) const fn multiplexed(mut self) -> Self {
        self.multiplexed = true;
        self
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let order = match self.watch.stage() {
            Stage::Tunnel => self.watch.order(cx),
            _ => self.watch.current(),
        };
        match order {
            Order::Die => Err(io::ErrorKind::TimedOut.into()),
            Order::Serve | Order::Leave => Ok(()),
        }
    }

    fn wrote<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let blocked = &self.watch.blocked;
        match &outcome {
            Poll::Ready(_) => blocked.store(0, Relaxed),
            Poll::Pending if blocked.load(Relaxed) == 0 => blocked.store(self.watch.now(), Relaxed),
            Poll::Pending => {}
        }
        outcome
    }
}

impl Tracked {
    /// Takes what the client still sends and throws it away, until it stops. Closing a socket with unread bytes
    /// resets the connection, and the client might lose the response that tells it why (RFC 9112 section 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [MaybeUninit::uninit(); LINGER_BUFFER];
        while self.discarded < LINGER_BYTES {
            let mut buf = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.discarded += buf.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Tracked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        if !this.prefix.is_empty() {
            let count = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix[..count]);
            this.prefix.advance(count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before && !this.multiplexed && this.watch.stage() == Stage::Idle {
            this.watch.enter(Stage::Head);
        }
        outcome
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        let outcome = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        if outcome.is_pending() { this.wrote(outcome) } else { outcome }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.stage() != Stage::Linger {
            let outcome = Pin::new(&mut this.stream).poll_shutdown(cx);
            let outcome = this.wrote(outcome);
            if !matches!(outcome, Poll::Ready(Ok(()))) || !this.watch.unread.load(Relaxed) {
                return outcome;
            }
            this.watch.enter(Stage::Linger);
        }
        this.poll_linger(cx).map(Ok)
    }
}
