use std::{
    cell::RefCell,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Wake},
    thread::{self, ThreadId},
    time::Duration,
};

use futures_util::task::AtomicWaker;

use crate::Drain;

/// How long a client that is still sending may take to notice the end.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// Limits of one connection, in milliseconds of the [`Reaper`]'s clock where they are times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) inspection: u32,
    pub(crate) handshake: u32,
    pub(crate) head: u32,
    pub(crate) idle: u32,
    pub(crate) write: u32,
    pub(crate) linger: u32,
    /// Of the whole connection, after which it is asked to end.
    pub(crate) life: u32,
    /// Requests after which it is asked to end.
    pub(crate) requests: u32,
}

/// What a connection waits for, and since when: the whole of its deadlines, without a timer of its own.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Arc<AtomicU32>,
    limits: KnownLimits,
    began: u32,
    asked: AtomicU32,
    stage: AtomicU8,
    since: AtomicU32,
    /// Time since which the client has taken no byte that waits for it; 0 is never.
    blocked: AtomicU32,
    requests: AtomicU32,
    /// The body of the last request was not read to its end.
    unread: AtomicBool,
    order: AtomicU8,
    /// Whoever polls the connection; the connection itself is given a waker that goes through [`Watch::wake_by_ref`].
    waker: AtomicWaker,
    hush: Hush,
    drain: Drain,
}

/// Wakes of a connection that may turn out to be for nothing: those that come while its own task takes the last piece
/// of a body. Written on the home thread, in the order of the program.
#[derive(Debug)]
struct Hush {
    home: ThreadId,
    on: AtomicBool,
    woken: AtomicBool,
}

/// Limits that become known while the connection is being set up.
#[derive(Debug)]
struct KnownLimits {
    /// Until the server name is known.
    first: Limits,
    /// From then on.
    own: OnceLock<Limits>,
}

/// What the connection was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    Serve,
    Leave,
    /// Send the client a 408, then die.
    Late,
    Die,
}

/// What the client has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Show its PROXY header, its protocol and its server name.
    Inspection,
    /// Finish the TLS handshake.
    Handshake,
    /// Send the rest of an HTTP/1 request head.
    Head,
    /// Nothing: it may keep the connection for later.
    Idle,
    /// Nothing: we owe it a response.
    Busy,
    /// See our response and stop sending: we have closed our side.
    Linger,
    /// See that it is too late, and that we close.
    Late,
    /// Nothing: HTTP is over, and the tunnel has its own deadline.
    Tunnel,
}

/// Looks after all connections of one server on one core: one timer for all of them.
#[derive(Debug)]
pub(crate) struct Reaper {
    clock: Arc<AtomicU32>,
    watched: RefCell<Vec<Weak<Watch>>>,
    streams: RefCell<Vec<(Weak<Stall>, Weak<Watch>)>>,
}

/// A request that has not been answered in full.
#[derive(Debug)]
pub(crate) struct InFlight {
    watch: Arc<Watch>,
    stall: Option<Arc<Stall>>,
}

/// Time since which an HTTP/2 client gives a response no window; 0 is never.
#[derive(Debug, Default)]
struct Stall(AtomicU32);

// === impl Limits ===

impl Limits {
    /// Plus the tick that has already begun, since the clock stands still between ticks.
    pub(crate) fn milliseconds(limit: Duration, tick: Duration) -> u32 {
        u32::try_from(limit.saturating_add(tick).as_millis()).unwrap_or(u32::MAX)
    }
}

// === impl Stage ===

impl Stage {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Inspection,
            1 => Self::Handshake,
            2 => Self::Head,
            3 => Self::Idle,
            4 => Self::Busy,
            5 => Self::Linger,
            6 => Self::Late,
            _ => Self::Tunnel,
        }
    }
}

// === impl Watch ===

impl Watch {
    fn now(&self) -> u32 {
        self.clock.load(Relaxed)
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::from_bits(self.stage.load(Relaxed))
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    /// The client has shown what it wants: it goes by these limits from now on, and its TLS handshake is due.
    pub(crate) fn handshake(&self, limits: Limits) {
        // A connection is inspected once.
        let _first = self.limits.own.set(limits);
        self.enter(Stage::Handshake);
    }

    fn limits(&self) -> &Limits {
        self.limits.own.get().unwrap_or(&self.limits.first)
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

    /// True after [`Watch::leave_unread`].
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Notes whether the client took what was written to it, or it has to wait.
    pub(crate) fn wrote(&self, taken: bool) {
        match taken {
            true => self.blocked.store(0, Relaxed),
            false if self.blocked.load(Relaxed) == 0 => self.blocked.store(self.now(), Relaxed),
            false => {}
        }
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

    pub(crate) fn current(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Serve,
            1 => Order::Leave,
            2 => Order::Late,
            _ => Order::Die,
        }
    }

    /// What the connection has to be told now, if anything.
    fn due(&self) -> Order {
        let (now, limits) = (self.now(), self.limits());
        let over = |since: u32, limit: u32| limit != u32::MAX && now.wrapping_sub(since) >= limit;
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && over(blocked, limits.write) {
            return Order::Die;
        }
        let since = self.since.load(Relaxed);
        let late = match self.stage() {
            Stage::Inspection => over(since, limits.inspection),
            Stage::Handshake => over(since, limits.handshake),
            Stage::Head if over(since, limits.head) => {
                self.enter(Stage::Late);
                return Order::Late;
            }
            Stage::Idle => over(since, limits.idle),
            Stage::Linger | Stage::Late => over(since, limits.linger),
            Stage::Head | Stage::Busy | Stage::Tunnel => false,
        };
        match late {
            true => Order::Die,
            false if over(self.began, limits.life) => Order::Leave,
            false => Order::Serve,
        }
    }

    fn starves(&self, stall: &Stall) -> bool {
        let (since, limit) = (stall.0.load(Relaxed), self.limits().write);
        since != 0 && limit != u32::MAX && self.now().wrapping_sub(since) >= limit
    }

    /// Takes a piece of a request's body by `take`, which says whether it was the last one. hyper wakes the connection
    /// for each piece, to read on; behind the last one there is nothing to read.
    pub(crate) fn hushed<T>(&self, take: impl FnOnce() -> (T, bool)) -> T {
        self.hush.on.store(true, Relaxed);
        let (taken, last) = take();
        self.hush.on.store(false, Relaxed);
        if self.hush.woken.swap(false, Relaxed) && !last {
            self.waker.wake();
        }
        taken
    }

    /// True once the connection has had all the requests it may have.
    pub(crate) fn is_spent(&self) -> bool {
        self.asked.load(Relaxed) >= self.limits().requests
    }
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.hush.on.load(Relaxed) && thread::current().id() == self.hush.home {
            self.hush.woken.store(true, Relaxed);
        } else {
            self.waker.wake();
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
        watch.asked.fetch_add(1, Relaxed);
        if watch.is_spent() {
            watch.tell(Order::Leave);
        }
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
    pub(crate) fn new() -> Self {
        // Starts at 1, since 0 stands for never.
        Self { clock: Arc::new(AtomicU32::new(1)), watched: RefCell::default(), streams: RefCell::default() }
    }

    pub(crate) fn watch(&self, limits: Limits, drain: &Drain) -> Arc<Watch> {
        drain.connection_opened();
        let now = self.clock.load(Relaxed);
        let watch = Arc::new(Watch {
            clock: Arc::clone(&self.clock),
            limits: KnownLimits { first: limits, own: OnceLock::new() },
            began: now,
            asked: AtomicU32::new(0),
            stage: AtomicU8::new(Stage::Inspection as u8),
            since: AtomicU32::new(now),
            blocked: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            unread: AtomicBool::new(false),
            order: AtomicU8::new(Order::Serve as u8),
            waker: AtomicWaker::new(),
            hush: Hush {
                home: thread::current().id(),
                on: AtomicBool::new(false),
                woken: AtomicBool::new(false),
            },
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
        self.streams.borrow_mut().retain(|(stall, watch)| {
            let (Some(stall), Some(watch)) = (stall.upgrade(), watch.upgrade()) else { return false };
            if watch.starves(&stall) {
                watch.tell(Order::Die);
            }
            true
        });
    }

    /// One tick, this long after the start: forgets connections that have ended and ends those that are overdue.
    pub(crate) fn tick(&self, passed: Duration) {
        // Wraps after seven weeks; only spans are compared, and 0 stands for never.
        #[expect(clippy::cast_possible_truncation, reason = "it wraps")]
        let now = passed.as_millis() as u32;
        self.clock.store(now.wrapping_add(1).max(1), Relaxed);
        self.watched.borrow_mut().retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            match watch.due() {
                Order::Serve => {}
                order => watch.tell(order),
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
