use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
    thread::{self, ThreadId},
};

use futures_util::task::AtomicWaker;

/// Rounds of polling after which the task is given back to the scheduler, so that one busy upstream or an exhausted
/// budget of the runtime cannot hold the core.
const ROUNDS: usize = 4;

/// Lets one task drive both ends of a channel without waking itself.
///
/// hyper's client hands each chunk over a channel and each end wakes the other. When both ends are polled by one
/// task, every such wake would schedule that task again for nothing. Wakes that come while the task polls at most ask
/// for another round; wakes from elsewhere (the socket) go through to the task.
#[derive(Debug)]
pub(crate) struct Gate {
    signal: Arc<Signal>,
    driver: Waker,
    reader: Waker,
}

/// The wakers of one round.
#[derive(Debug)]
pub(crate) struct Ends<'a> {
    /// For what feeds the channel: asked to go on, it is polled again.
    pub(crate) driver: Context<'a>,
    /// For what is fed, which is polled after the driver in any case.
    pub(crate) reader: Context<'a>,
}

/// The flags are written on the home thread in the order of the program, so they need no ordering of their own. A
/// wake from another thread never relies on them: it always goes through to the task.
#[derive(Debug)]
struct Signal {
    home: ThreadId,
    polling: AtomicBool,
    again: AtomicBool,
    task: AtomicWaker,
}

/// Wakes the reader.
#[derive(Debug)]
struct ReaderSignal(Arc<Signal>);

/// What one round of polling came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    Done,
    Waits,
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new() -> Self {
        let signal = Arc::new(Signal {
            home: thread::current().id(),
            polling: AtomicBool::new(false),
            again: AtomicBool::new(false),
            task: AtomicWaker::new(),
        });
        let reader = Waker::from(Arc::new(ReaderSignal(Arc::clone(&signal))));
        Self { driver: Waker::from(Arc::clone(&signal)), reader, signal }
    }

    /// Nobody waits any more: later wakes only leave a mark.
    pub(crate) fn detach(&self) {
        drop(self.signal.task.take());
    }

    /// True where the driver was woken since it was last polled; takes the mark away.
    pub(crate) fn take_mark(&self) -> bool {
        self.signal.again.swap(false, Relaxed)
    }

    /// For polling outside of [`Gate::drive`]: wakes reach the task that drove last, unless it was detached.
    pub(crate) fn ends(&self) -> Ends<'_> {
        Ends { driver: Context::from_waker(&self.driver), reader: Context::from_waker(&self.reader) }
    }

    /// Polls `step` until it is done or nothing has woken it during the last round.
    pub(crate) fn drive(&self, cx: &mut Context<'_>, mut step: impl FnMut(&mut Ends<'_>) -> Round) -> Round {
        let signal = &*self.signal;
        signal.task.register(cx.waker());
        signal.polling.store(true, Relaxed);
        let mut ends = self.ends();
        let mut round = Round::Waits;
        for _ in 0..ROUNDS {
            signal.again.store(false, Relaxed);
            round = step(&mut ends);
            if round == Round::Done || !signal.again.load(Relaxed) {
                break;
            }
        }
        signal.polling.store(false, Relaxed);
        // Where it is done the caller polls again anyway, and the mark stays.
        if round == Round::Waits && signal.again.load(Relaxed) {
            cx.waker().wake_by_ref();
        }
        round
    }
}

// === impl Signal ===

impl Signal {
    fn reach_task(&self) {
        if !self.polling.load(Relaxed) || thread::current().id() != self.home {
            self.task.wake();
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.again.store(true, Relaxed);
        self.reach_task();
    }
}

// === impl ReaderSignal ===

impl Wake for ReaderSignal {
    fn wake(self: Arc<Self>) {
        self.0.reach_task();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.reach_task();
    }
}
